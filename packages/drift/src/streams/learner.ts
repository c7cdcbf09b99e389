// An online Gaussian naive Bayes for two classes: turns a labelled stream into a stream of errors, as a deployed model would.
import type { StreamSample } from './stream.ts';

/** Counts, means and squares of both classes. */
export class NaiveBayes {
  readonly #counts = [0, 0];
  readonly #means: readonly [Float64Array, Float64Array];
  readonly #squares: readonly [Float64Array, Float64Array];

  constructor(features: number) {
    this.#means = [new Float64Array(features), new Float64Array(features)];
    this.#squares = [new Float64Array(features), new Float64Array(features)];
  }

  /** Samples learnt. */
  get n(): number {
    return (this.#counts[0] as number) + (this.#counts[1] as number);
  }

  learn({ x, label }: StreamSample): void {
    const side = label === 1 ? 1 : 0;
    const count = ((this.#counts[side] as number) += 1);
    const means = this.#means[side];
    const squares = this.#squares[side];
    for (let j = 0; j < x.length; j++) {
      const gap = (x[j] as number) - (means[j] as number);
      means[j] = (means[j] as number) + gap / count;
      squares[j] = (squares[j] as number) + gap * ((x[j] as number) - (means[j] as number));
    }
  }

  /** 0 or 1; 0 before anything was learnt. */
  predict(x: Float64Array): number {
    return Number(this.#logLikelihood(1, x) > this.#logLikelihood(0, x));
  }

  #logLikelihood(side: 0 | 1, x: Float64Array): number {
    const count = this.#counts[side] as number;
    if (count === 0) return -Infinity;
    let total = Math.log(count);
    for (let j = 0; j < x.length; j++) {
      const variance = (this.#squares[side][j] as number) / count + 1e-4;
      const gap = (x[j] as number) - (this.#means[side][j] as number);
      total -= 0.5 * (Math.log(variance) + (gap * gap) / variance);
    }
    return total;
  }
}
