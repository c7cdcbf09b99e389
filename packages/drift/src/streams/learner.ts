// An online Gaussian naive Bayes: turns a labelled stream into a stream of errors, as a deployed model would.
import type { StreamSample } from './stream.ts';

/** What is known of one class. */
interface ClassMoments {
  count: number;
  readonly means: Float64Array;
  readonly squares: Float64Array;
}

/** Keeps variances of constant features from zero, unit of x squared, relative to the variance over all classes. */
const smoothing = 1e-3;

/** Counts, means and squares of each class; classes are met as they come. */
export class NaiveBayes {
  readonly #classes: ClassMoments[] = [];
  readonly #features: number;

  constructor(features: number) {
    this.#features = features;
  }

  /** Samples learnt. */
  get n(): number {
    return this.#classes.reduce((sum, { count }) => sum + count, 0);
  }

  learn({ x, label }: StreamSample): void {
    while (this.#classes.length <= label) {
      this.#classes.push({
        count: 0,
        means: new Float64Array(this.#features),
        squares: new Float64Array(this.#features),
      });
    }
    const own = this.#classes[label] as ClassMoments;
    own.count += 1;
    for (let j = 0; j < x.length; j++) {
      const gap = (x[j] as number) - (own.means[j] as number);
      own.means[j] = (own.means[j] as number) + gap / own.count;
      own.squares[j] = (own.squares[j] as number) + gap * ((x[j] as number) - (own.means[j] as number));
    }
  }

  /** The likeliest label; 0 before anything was learnt. */
  predict(x: Float64Array): number {
    let best = 0;
    let most = -Infinity;
    this.#classes.forEach((own, label) => {
      const likelihood = own.count === 0 ? -Infinity : logLikelihood(own, x);
      if (likelihood > most) {
        most = likelihood;
        best = label;
      }
    });
    return best;
  }
}

function logLikelihood({ count, means, squares }: ClassMoments, x: Float64Array): number {
  let total = Math.log(count);
  for (let j = 0; j < x.length; j++) {
    const mean = means[j] as number;
    const variance = (squares[j] as number) / count + smoothing * (1e-2 + mean * mean);
    const gap = (x[j] as number) - mean;
    total -= 0.5 * (Math.log(variance) + (gap * gap) / variance);
  }
  return total;
}
