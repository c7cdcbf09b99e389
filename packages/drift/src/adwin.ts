// ADWIN2: a window of variable length that drops its old part when two parts of it have different means.
// A. Bifet and R. Gavaldà, “Learning from time-changing data with adaptive windowing”, SDM 2007.
//
// The window is an exponential histogram: row i holds up to M buckets, each the sum of 2^i samples. Every `clock` samples each
// cut of the window at a bucket's edge into an old part (n0, μ0) and a new part (n1, μ1) is tested:
//
//   |μ0 − μ1| > √(2/m · σ² · δ′) + 2/(3m) · δ′      1/m = 1/(n0 − l + 1) + 1/(n1 − l + 1)      δ′ = ln(2 ln W / δ)
//
// and the oldest bucket is dropped while any cut passes. EVERY bucket's edge is a cut: several public implementations end each
// row one bucket early and so alarm later (see adwin.test.ts). The window that is left goes on after an alarm; nothing is reset.
import { ScalarDetector, type MemoryReader, type Plain } from './detector.ts';
import { resolveOptions, type OptionRules } from './options.ts';

export interface AdwinOptions {
  readonly delta: number;
  readonly clock: number;
  readonly maxBuckets: number;
  readonly minWindow: number;
  readonly grace: number;
}

export const adwinRules: OptionRules<AdwinOptions> = {
  delta: {
    default: 0.002,
    min: 0,
    max: 1,
    open: true,
    about: 'chance of a false alarm at one check',
    search: { low: 1e-6, high: 0.3, log: true },
  },
  clock: { default: 32, min: 1, max: 1e6, whole: true, about: 'samples between checks', search: { low: 1, high: 64 } },
  maxBuckets: { default: 5, min: 1, max: 64, whole: true, about: 'buckets a row (the paper’s M)' },
  minWindow: { default: 5, min: 1, max: 1e6, whole: true, about: 'shortest part that is compared, samples' },
  grace: { default: 10, min: 0, max: 1e9, whole: true, about: 'samples before the first check' },
};

/** Rows of buckets: the window holds up to M · 2^40 samples, then forgets its oldest bucket. */
const maxRows = 40;

export class Adwin extends ScalarDetector<AdwinOptions> {
  readonly name = 'adwin';
  readonly maxBytes: number;
  /** Sums of the buckets, row by row, oldest first; a row has room for M + 1. */
  readonly #sums: Float64Array;
  /** Buckets in use, a row each. */
  readonly #used: Int32Array;
  readonly #room: number;
  #rows = 1;
  #width = 0;
  #total = 0;
  /** Sum of squared deviations from the window's mean. */
  #squares = 0;
  /** The same inside each bucket. */
  readonly #spreads: Float64Array;
  #tick = 0;
  /** Ratio that the newest check left: the evidence until the next check. */
  #rest = 0;

  /** @throws INVALID_CONFIG */
  constructor(options?: Partial<AdwinOptions>) {
    super(resolveOptions(adwinRules, options, 'adwin'));
    this.#room = this.options.maxBuckets + 1;
    this.#sums = new Float64Array(maxRows * this.#room);
    this.#spreads = new Float64Array(maxRows * this.#room);
    this.#used = new Int32Array(maxRows);
    this.maxBytes = maxRows * this.#room * 16 + maxRows * 4 + 6 * 8;
  }

  /** Samples in the window. */
  get width(): number {
    return this.#width;
  }

  /** Mean of the window; 0 when it is empty. */
  get mean(): number {
    return this.#width === 0 ? 0 : this.#total / this.#width;
  }

  /** Variance of the window (divided by its width); 0 when it is empty. */
  get variance(): number {
    return this.#width === 0 ? 0 : Math.max(0, this.#squares) / this.#width;
  }

  protected override restart(): void {
    // The paper keeps the new part: it is the model of the new concept.
  }

  protected accept(x: number): void {
    this.#insert(x);
    this.#tick += 1;
    const due = this.#tick >= this.options.clock;
    if (due) this.#tick = 0;
    this.judge(due && this.#width > this.options.grace ? this.#shrink() : this.#rest);
  }

  #insert(x: number): void {
    if (this.#width > 0) {
      const gap = x - this.#total / this.#width;
      this.#squares += (gap * gap * this.#width) / (this.#width + 1);
    }
    this.#width += 1;
    this.#total += x;
    this.#push(0, x, 0);
    for (let row = 0; (this.#used[row] as number) > this.options.maxBuckets; row++) this.#mergeOldest(row);
  }

  #push(row: number, sum: number, spread: number): void {
    const used = this.#used[row] as number;
    this.#sums[row * this.#room + used] = sum;
    this.#spreads[row * this.#room + used] = spread;
    this.#used[row] = used + 1;
    if (row >= this.#rows) this.#rows = row + 1;
  }

  /** Two oldest buckets of a row become one of the next; past the last row the oldest is forgotten. */
  #mergeOldest(row: number): void {
    if (row + 1 >= maxRows) {
      this.#dropOldest();
      return;
    }
    const at = row * this.#room;
    const size = 2 ** row;
    const first = this.#sums[at] as number;
    const second = this.#sums[at + 1] as number;
    const gap = (first - second) / size;
    const spread = (this.#spreads[at] as number) + (this.#spreads[at + 1] as number) + (gap * gap * size) / 2;
    this.#shift(row, 2);
    this.#push(row + 1, first + second, spread);
  }

  #shift(row: number, count: number): void {
    const at = row * this.#room;
    this.#sums.copyWithin(at, at + count, at + this.#room);
    this.#spreads.copyWithin(at, at + count, at + this.#room);
    this.#used[row] = (this.#used[row] as number) - count;
  }

  #dropOldest(): void {
    const row = this.#rows - 1;
    const at = row * this.#room;
    const size = 2 ** row;
    const sum = this.#sums[at] as number;
    const spread = this.#spreads[at] as number;
    this.#width -= size;
    this.#total -= sum;
    const gap = this.#width === 0 ? 0 : sum / size - this.#total / this.#width;
    this.#squares -= spread + (gap * gap * size * this.#width) / (size + this.#width);
    this.#shift(row, 1);
    while (this.#rows > 1 && this.#used[this.#rows - 1] === 0) this.#rows -= 1;
  }

  /** Drops the oldest bucket while a cut passes. @returns ratio of the first scan. */
  #shrink(): number {
    const found = this.#worstCut();
    let rest = found;
    while (rest > 1 && this.#width > 1) {
      this.#dropOldest();
      rest = this.#worstCut();
    }
    this.#rest = Math.min(rest, 1 - Number.EPSILON);
    return found;
  }

  /** Largest ratio of difference to bound over all cuts; the first above 1 ends the scan. */
  #worstCut(): number {
    const { delta, minWindow } = this.options;
    const confidence = Math.log((2 * Math.log(Math.max(this.#width, Math.E))) / delta);
    const spread = 2 * this.variance * confidence;
    let n0 = 0;
    let sum0 = 0;
    let worst = 0;
    for (let row = this.#rows - 1; row >= 0; row--) {
      const size = 2 ** row;
      const used = this.#used[row] as number;
      for (let k = 0; k < used; k++) {
        n0 += size;
        sum0 += this.#sums[row * this.#room + k] as number;
        const n1 = this.#width - n0;
        if (n1 < minWindow) return worst;
        if (n0 < minWindow) continue;
        const gap = Math.abs(sum0 / n0 - (this.#total - sum0) / n1);
        const reciprocal = 1 / (n0 - minWindow + 1) + 1 / (n1 - minWindow + 1);
        const ratio = gap / (Math.sqrt(spread * reciprocal) + (2 / 3) * confidence * reciprocal);
        if (ratio > worst) worst = ratio;
        if (worst > 1) return worst;
      }
    }
    return worst;
  }

  protected clear(): void {
    this.#sums.fill(0);
    this.#spreads.fill(0);
    this.#used.fill(0);
    this.#rows = 1;
    this.#width = 0;
    this.#total = 0;
    this.#squares = 0;
    this.#tick = 0;
    this.#rest = 0;
  }

  protected memory(): Record<string, Plain> {
    return {
      width: this.#width,
      total: this.#total,
      squares: this.#squares,
      tick: this.#tick,
      rest: this.#rest,
      used: [...this.#used.subarray(0, this.#rows)],
      sums: this.#inUse(this.#sums),
      spreads: this.#inUse(this.#spreads),
    };
  }

  #inUse(values: Float64Array): number[] {
    return [...this.#used.subarray(0, this.#rows)].flatMap((used, row) => [
      ...values.subarray(row * this.#room, row * this.#room + used),
    ]);
  }

  protected recall(memory: MemoryReader): void {
    const used = memory.list('used', maxRows);
    const sums = memory.list('sums', this.#sums.length);
    const spreads = memory.list('spreads', this.#sums.length);
    const buckets = used.reduce((sum, count) => sum + count, 0);
    const held = used.reduce((sum, count, row) => sum + count * 2 ** row, 0);
    const fits = used.every((count) => Number.isInteger(count) && count >= 0 && count < this.#room);
    memory.require(fits && buckets === sums.length && buckets === spreads.length, 'buckets and sums do not match');
    memory.require(held === memory.count('width') && used.length > 0, 'buckets and width do not match');
    this.clear();
    let next = 0;
    used.forEach((count, row) => {
      for (let k = 0; k < count; k++, next++) this.#push(row, sums[next] as number, spreads[next] as number);
    });
    this.#width = held;
    this.#total = memory.number('total');
    this.#squares = memory.number('squares');
    this.#tick = memory.count('tick');
    this.#rest = memory.number('rest');
  }
}
