// What every drift detector on feature vectors is: a reference is gathered first, then the newest window is compared with it.
// No labels. Also right for the latent vector of an autoencoder and for statistics of an image: both are feature vectors.
import { SanderlingError } from '@sanderling/kit';
import { MemoryReader, warningShare, type DetectorState } from '../detector.ts';
import type { OptionRule, OptionRules } from '../options.ts';
import { driftScore } from '../score.ts';
import { checkVector, type Rows } from './rows.ts';

/** Options that all vector detectors have. */
export interface VectorOptions {
  readonly referenceSize: number;
  readonly windowSize: number;
  readonly every: number;
  readonly refit: number;
  readonly seed: number;
}

/** Their rules; a detector may set other defaults. */
export const vectorRules: OptionRules<VectorOptions> = {
  referenceSize: {
    default: 300,
    min: 20,
    max: 100_000,
    whole: true,
    about: 'vectors from which the reference is made',
    search: { low: 100, high: 1000, log: true },
  },
  windowSize: {
    default: 100,
    min: 5,
    max: 100_000,
    whole: true,
    about: 'newest vectors that are compared',
    search: { low: 30, high: 500, log: true },
  },
  every: {
    default: 10,
    min: 1,
    max: 100_000,
    whole: true,
    about: 'vectors between comparisons',
    search: { low: 1, high: 50 },
  },
  refit: {
    default: 1,
    min: 0,
    max: 1,
    whole: true,
    about: '1 makes a new reference after an alarm, 0 keeps the first',
  },
  seed: { default: 1, min: 0, max: Number.MAX_SAFE_INTEGER, whole: true, about: 'seed of what is random' },
};

/** The state of a vector detector. */
export interface VectorDetectorState extends DetectorState {
  readonly dimensions: number;
}

/** A streaming drift detector on feature vectors. */
export interface VectorDetector {
  readonly name: string;
  readonly dimensions: number;
  readonly options: Readonly<Record<string, number>>;
  readonly driftDetected: boolean;
  readonly warningDetected: boolean;
  /** Statistic over threshold at the newest comparison; at least 1 exactly when `driftDetected`. */
  readonly evidence: number;
  /** {@link driftScore} of the evidence. The windows have a fixed size, so it is an effect size too. */
  readonly score: number;
  readonly maxBytes: number;
  /** Takes one vector. @throws INVALID_DATA unless it has `dimensions` finite features; nothing is changed then. */
  update(vector: ArrayLike<number>): void;
  /** Uses these rows as the reference at once. @throws TOO_LITTLE_DATA, INVALID_DATA */
  setReference(rows: Rows): void;
  reset(): void;
  state(): VectorDetectorState;
  /** @throws CORRUPT */
  restore(state: VectorDetectorState): void;
}

/** Most features. */
export const maxDimensions = 4096;

const belowOne = 1 - 1e-12;

/** The part that all share: gathering, the ring of the newest vectors, state. Subclasses fit a reference and compare. */
export abstract class WindowDetector<Options extends VectorOptions> implements VectorDetector {
  abstract readonly name: string;
  readonly dimensions: number;
  readonly options: Readonly<Options> & Readonly<Record<string, number>>;
  /** The reference's vectors as gathered. */
  readonly #reference: Float64Array;
  #gathered = 0;
  /** Ring of the newest vectors; `#seen` since the reference was complete. */
  readonly #window: Float64Array;
  #seen = 0;
  #drift = false;
  #warning = false;
  #ratio = 0;

  /** @throws INVALID_CONFIG when the number of features is not 1…4096. */
  constructor(dimensions: number, options: Readonly<Options>) {
    if (!Number.isInteger(dimensions) || dimensions < 1 || dimensions > maxDimensions) {
      throw new SanderlingError(
        'INVALID_CONFIG',
        `the number of features is not a whole number in 1…${maxDimensions}`,
        {
          where: 'dimensions',
        },
      );
    }
    this.dimensions = dimensions;
    this.options = options as Readonly<Options> & Readonly<Record<string, number>>;
    this.#reference = new Float64Array(options.referenceSize * dimensions);
    this.#window = new Float64Array(options.windowSize * dimensions);
  }

  get driftDetected(): boolean {
    return this.#drift;
  }

  get warningDetected(): boolean {
    return this.#warning;
  }

  get evidence(): number {
    return this.#drift ? Math.max(1, this.#ratio) : Math.min(belowOne, Math.max(0, this.#ratio));
  }

  get score(): number {
    return driftScore(this.evidence);
  }

  get maxBytes(): number {
    return (this.#reference.length + this.#window.length + 6) * 8 + this.fittedBytes();
  }

  update(vector: ArrayLike<number>): void {
    checkVector(vector, this.dimensions, 'update(vector)');
    if (this.#drift && this.options.refit === 1) this.startOver();
    this.#drift = false;
    this.#warning = false;
    const { referenceSize, windowSize, every } = this.options;
    if (this.#gathered < referenceSize) {
      this.#reference.set(vector, this.#gathered * this.dimensions);
      this.#gathered += 1;
      if (this.#gathered === referenceSize) this.fit(this.reference());
      return;
    }
    const slot = this.#seen % windowSize;
    this.#window.set(vector, slot * this.dimensions);
    this.place(vector, slot);
    this.#seen += 1;
    if (this.#seen < windowSize) return;
    if (this.#seen % every === 0 || this.#seen === windowSize) this.#ratio = this.compare();
    const fresh = this.#seen % every === 0 || this.#seen === windowSize || this.options.refit === 0;
    this.#drift = fresh && this.#ratio >= 1;
    this.#warning = !this.#drift && this.#ratio >= warningShare;
  }

  setReference(rows: Rows): void {
    const { referenceSize } = this.options;
    if (rows.d !== this.dimensions) {
      throw new SanderlingError('INVALID_DATA', `the reference has ${rows.d} features, not ${this.dimensions}`, {
        where: 'rows',
      });
    }
    if (rows.n < referenceSize) {
      throw new SanderlingError('TOO_LITTLE_DATA', `${rows.n} vectors are too few; referenceSize is ${referenceSize}`, {
        where: 'rows',
        fix: 'give more vectors or lower referenceSize',
      });
    }
    this.reset();
    // Evenly spaced over what was given, so that its beginning does not stand for all.
    for (let i = 0; i < referenceSize; i++) {
      const from = Math.floor((i * rows.n) / referenceSize) * rows.d;
      this.#reference.set(rows.values.subarray(from, from + rows.d), i * rows.d);
    }
    this.#gathered = referenceSize;
    this.fit(this.reference());
  }

  reset(): void {
    this.#gathered = 0;
    this.#seen = 0;
    this.#drift = false;
    this.#warning = false;
    this.#ratio = 0;
    this.#reference.fill(0);
    this.#window.fill(0);
  }

  state(): VectorDetectorState {
    const memory = {
      reference: [...this.#reference.subarray(0, this.#gathered * this.dimensions)],
      window: [...this.#window.subarray(0, Math.min(this.#seen, this.options.windowSize) * this.dimensions)],
      seen: this.#seen,
      drift: Number(this.#drift),
      warning: Number(this.#warning),
      ratio: this.#ratio,
    };
    return { detector: this.name, version: 1, dimensions: this.dimensions, options: { ...this.options }, memory };
  }

  restore(state: VectorDetectorState): void {
    const reader = new MemoryReader(state, this.name);
    const { referenceSize, windowSize } = this.options;
    const reference = reader.list('reference', this.#reference.length);
    const window = reader.list('window', this.#window.length);
    const seen = reader.count('seen');
    const gathered = reference.length / this.dimensions;
    reader.require(Number.isInteger(gathered), 'the reference is not whole vectors');
    reader.require(
      window.length === Math.min(seen, windowSize) * this.dimensions,
      'the window does not match the count',
    );
    reader.require(seen === 0 || gathered === referenceSize, 'a window without a whole reference');
    const [drift, warning, ratio] = [reader.flag('drift'), reader.flag('warning'), reader.number('ratio')];
    this.reset();
    this.#reference.set(reference);
    this.#window.set(window);
    this.#gathered = gathered;
    this.#seen = seen;
    this.#drift = drift;
    this.#warning = warning;
    this.#ratio = ratio;
    // What was fitted is a function of the reference and the seed: it is made again, not carried.
    if (gathered === referenceSize) this.fit(this.reference());
    for (let slot = 0; slot < Math.min(seen, windowSize); slot++) this.place(this.rowAt(slot), slot);
  }

  /** @throws TOO_LITTLE_DATA while the reference is not complete */
  protected requireReference(): void {
    const { referenceSize } = this.options;
    if (this.#gathered === referenceSize) return;
    throw new SanderlingError(
      'TOO_LITTLE_DATA',
      `${this.name} has ${this.#gathered} of the ${referenceSize} vectors of its reference`,
      { where: 'reference', fix: 'call setReference, or feed it more vectors' },
    );
  }

  /** The reference's rows. */
  protected reference(): Rows {
    return { n: this.#gathered, d: this.dimensions, values: this.#reference };
  }

  /** The vector in a slot of the ring. */
  protected rowAt(slot: number): Float64Array {
    return this.#window.subarray(slot * this.dimensions, (slot + 1) * this.dimensions);
  }

  /** The ring as rows, in no order. */
  protected windowRows(): Rows {
    return { n: this.options.windowSize, d: this.dimensions, values: this.#window };
  }

  /** After an alarm: the newest window is the beginning of the new reference. */
  protected startOver(): void {
    const { windowSize, referenceSize } = this.options;
    const newest = Math.min(this.kept(), windowSize, referenceSize);
    const rows: Float64Array[] = [];
    for (let i = newest; i > 0; i--) rows.push(this.rowAt((this.#seen - i) % windowSize).slice());
    this.reset();
    rows.forEach((row, i) => this.#reference.set(row, i * this.dimensions));
    this.#gathered = newest;
    if (newest === referenceSize) this.fit(this.reference());
  }

  /** How many of the newest vectors begin the next reference after an alarm. */
  protected kept(): number {
    return this.options.windowSize;
  }

  /** Moves the reference on by the window: its oldest vectors go, the window's come, and the window is gathered anew. */
  protected slide(): void {
    const { windowSize } = this.options;
    const moved = windowSize * this.dimensions;
    this.#reference.copyWithin(0, moved);
    for (let i = 0; i < windowSize; i++) {
      const row = this.rowAt((this.#seen + i) % windowSize);
      this.#reference.set(row, this.#reference.length - moved + i * this.dimensions);
    }
    this.#seen = 0;
    this.fit(this.reference());
  }

  /** Learns the reference: a function of these rows, the options and the seed. */
  protected abstract fit(reference: Rows): void;
  /** Prepares what `compare` needs of the vector that went into a slot. */
  protected abstract place(vector: ArrayLike<number>, slot: number): void;
  /** Statistic over threshold for the full window. */
  protected abstract compare(): number;
  /** Bytes of what was fitted. */
  protected abstract fittedBytes(): number;
}

/** Rules with other defaults. */
export function withDefaults<Options>(
  rules: OptionRules<Options>,
  defaults: Readonly<Partial<Record<keyof Options, number>>>,
): OptionRules<Options> {
  const entries = Object.entries(rules) as [keyof Options & string, OptionRule][];
  return Object.fromEntries(
    entries.map(([key, rule]) => [key, { ...rule, default: defaults[key] ?? rule.default }]),
  ) as unknown as OptionRules<Options>;
}
