// What every scalar drift detector is: one number in, two flags out, a state that is plain JSON, and a stated bound on memory.
import { SanderlingError } from '@sanderling/kit';
import { driftScore } from './score.ts';

/** A detector's whole memory as plain JSON: survives `JSON.parse(JSON.stringify(…))` exactly. */
export interface DetectorState {
  readonly detector: string;
  /** Form of `memory`; another number is refused. */
  readonly version: 1;
  readonly options: Readonly<Record<string, number>>;
  readonly memory: Readonly<Record<string, Plain>>;
}

/** What a memory may hold. */
export type Plain = number | null | readonly number[];

/** A streaming drift detector on one number per sample. After an alarm the next sample starts afresh, unless the detector's own file says otherwise. */
export interface Detector {
  readonly name: string;
  readonly options: Readonly<Record<string, number>>;
  /** Whether the newest sample raised the alarm. */
  readonly driftDetected: boolean;
  /** Whether the newest sample is in the warning zone, short of an alarm. */
  readonly warningDetected: boolean;
  /** Test statistic over its alarm threshold: 0 none, 1 at the threshold. At least 1 exactly when `driftDetected`. */
  readonly evidence: number;
  /** {@link driftScore} of the evidence: 0…1, at least 0.7 exactly when `driftDetected`. */
  readonly score: number;
  /** Bound on the retained numbers, bytes, whatever the length of the stream. */
  readonly maxBytes: number;
  /** Takes one sample. @throws INVALID_DATA when it is not a number that this detector takes; nothing is changed then. */
  update(x: number): void;
  /** Forgets everything, as if new. */
  reset(): void;
  /** Everything needed to go on elsewhere with the same alarms. */
  state(): DetectorState;
  /** Takes over a state of the same detector. @throws CORRUPT when it is not one. */
  restore(state: DetectorState): void;
}

/** Largest magnitude of a sample: squares and sums of samples stay finite below it. */
export const maxMagnitude = 1e100;

/** The part that all scalar detectors share: checks of input, flags, state. Subclasses hold the rule. */
export abstract class ScalarDetector<Options extends Readonly<Record<keyof Options, number>>> implements Detector {
  abstract readonly name: string;
  abstract readonly maxBytes: number;
  readonly options: Readonly<Options> & Readonly<Record<string, number>>;
  protected drift = false;
  protected warning = false;
  /** Statistic over threshold after the newest sample. */
  protected ratio = 0;

  constructor(options: Readonly<Options>) {
    this.options = options;
  }

  get driftDetected(): boolean {
    return this.drift;
  }

  get warningDetected(): boolean {
    return this.warning;
  }

  get evidence(): number {
    return this.drift ? Math.max(1, this.ratio) : Math.min(belowOne, Math.max(0, this.ratio));
  }

  get score(): number {
    return driftScore(this.evidence);
  }

  update(x: number): void {
    this.check(x);
    if (this.drift) this.restart();
    this.drift = false;
    this.warning = false;
    this.accept(x);
  }

  reset(): void {
    this.clear();
    this.drift = false;
    this.warning = false;
    this.ratio = 0;
  }

  state(): DetectorState {
    const flags = { drift: Number(this.drift), warning: Number(this.warning), ratio: this.ratio };
    return { detector: this.name, version: 1, options: { ...this.options }, memory: { ...this.memory(), ...flags } };
  }

  restore(state: DetectorState): void {
    const reader = new MemoryReader(state, this.name);
    this.drift = reader.flag('drift');
    this.warning = reader.flag('warning');
    this.ratio = reader.number('ratio');
    this.recall(reader);
  }

  /** Refuses what is not a sample. */
  protected check(x: number): void {
    if (typeof x !== 'number' || !(Math.abs(x) <= maxMagnitude))
      throw badSample(this.name, x, `a finite number of magnitude at most ${maxMagnitude}`);
  }

  /** What happens before the sample that follows an alarm. */
  protected restart(): void {
    this.clear();
  }

  /** The rule: takes a checked sample, sets `drift`, `warning` and `ratio`. */
  protected abstract accept(x: number): void;
  /** Sets the flags from statistic over threshold, for detectors whose paper has no warning zone of its own. */
  protected judge(ratio: number, ready = true): void {
    this.ratio = ratio;
    this.drift = ready && ratio >= 1;
    this.warning = ready && !this.drift && ratio >= warningShare;
  }

  protected abstract clear(): void;
  protected abstract memory(): Record<string, Plain>;
  protected abstract recall(memory: MemoryReader): void;
}

const belowOne = 1 - 1e-12;

/** Share of the threshold from which a detector whose paper has no warning zone warns (score 0.62). */
export const warningShare = 0.8;

/** A detector on a stream of errors: samples in [0, 1], usually 0 (right) or 1 (wrong). */
export abstract class UnitDetector<
  Options extends Readonly<Record<keyof Options, number>>,
> extends ScalarDetector<Options> {
  protected override check(x: number): void {
    if (typeof x !== 'number' || !(x >= 0 && x <= 1)) throw badSample(this.name, x, 'a number in [0, 1]');
  }
}

/** A detector on a stream of right (0) and wrong (1). */
export abstract class BinaryDetector<
  Options extends Readonly<Record<keyof Options, number>>,
> extends ScalarDetector<Options> {
  protected override check(x: number): void {
    if (x !== 0 && x !== 1) throw badSample(this.name, x, '0 (right) or 1 (wrong)');
  }
}

function badSample(name: string, x: number, wanted: string): SanderlingError {
  return new SanderlingError('INVALID_DATA', `${name} takes ${wanted}, not ${String(x)}`, {
    where: 'update(x)',
    fix: 'leave the sample out, or count it as an error of the model',
  });
}

/** Reads a memory and names what is wrong with it. */
export class MemoryReader {
  readonly #memory: Readonly<Record<string, unknown>>;
  readonly #name: string;

  /** @throws CORRUPT when the state is not one of the named detector. */
  constructor(state: unknown, name: string) {
    const { detector, version, memory } = (state ?? {}) as Partial<DetectorState>;
    this.#name = name;
    if (detector !== name) throw this.#corrupt(`detector is ${JSON.stringify(detector)}`);
    if (version !== 1) throw this.#corrupt(`version is ${JSON.stringify(version)}, not 1`);
    if (typeof memory !== 'object' || memory === null) throw this.#corrupt('memory is missing');
    this.#memory = memory;
  }

  number(key: string): number {
    const value = this.#memory[key];
    if (typeof value !== 'number' || !Number.isFinite(value))
      throw this.#corrupt(`memory.${key} is not a finite number`);
    return value;
  }

  /** A whole number from 0 to `max`. */
  count(key: string, max = Number.MAX_SAFE_INTEGER): number {
    const value = this.number(key);
    if (!Number.isInteger(value) || value < 0 || value > max) {
      throw this.#corrupt(`memory.${key} is ${value}, not a whole number in 0…${max}`);
    }
    return value;
  }

  flag(key: string): boolean {
    return this.count(key, 1) === 1;
  }

  /** A finite number, or null where there is none yet. */
  optional(key: string): number | null {
    return this.#memory[key] === null ? null : this.number(key);
  }

  /** A list of finite numbers whose length lies in 0…`max`. */
  list(key: string, max: number): number[] {
    const value = this.#memory[key];
    if (!Array.isArray(value) || value.length > max || !value.every((item) => Number.isFinite(item))) {
      throw this.#corrupt(`memory.${key} is not a list of at most ${max} finite numbers`);
    }
    return [...(value as number[])];
  }

  /** @throws CORRUPT when the condition does not hold. */
  require(condition: boolean, otherwise: string): void {
    if (!condition) throw this.#corrupt(otherwise);
  }

  #corrupt(what: string): SanderlingError {
    return new SanderlingError('CORRUPT', `not a state of ${this.#name}: ${what}`, {
      where: 'state',
      fix: 'start the detector anew; it will need its warm-up again',
    });
  }
}
