// Tree-structured Parzen estimator (Bergstra, Bardenet, Bengio & Kégl 2011), multivariate: the best trials shape one density, the others another; of some
// samples of the first the one with the largest ratio is tried. The share of good trials is the paper's 0.15 (at most 25), learning begins after 5 random
// trials, there are 64 candidates, and the kernels are Optuna 5's. Good trials weigh by their rank, where the paper and Optuna have them all alike: on
// 400 seeds that no table reports, 61 % of the searches find the right one of Hartmann6's two deep wells in 100 trials (below −3.232; 51 % of 240 when all weigh
// alike and 128 candidates are drawn), and Branin's median is 0.4065 (see bench/results/search-quality.md). More candidates do not help then.
import type { Random } from '@sanderling/kit';
import { newParams, streamOf, type Algorithm, type Study } from './algorithm.ts';
import { drawParams } from './coordinate.ts';
import { checkOptions } from './options.ts';
import { ParzenEstimator } from './parzen.ts';
import { compareJudged } from './ranking.ts';
import type { Params } from './space.ts';
import { survive } from './survival.ts';
import type { Judged } from './trial.ts';

/** How TPE learns. */
export interface TpeOptions {
  /** Random trials before the first that learns. @default 5 */
  readonly startup?: number;
  /** Samples of which the most promising one is tried. @default 64 */
  readonly candidates?: number;
  /**
   * How many trials may run at once. Trial n learns from the results below n − concurrency + 1 and takes those between for bad ones, whether they are
   * finished or not: the search is the same on one worker or on many. @default 1
   */
  readonly concurrency?: number;
}

/** TPE, as plain data. */
export interface TpeConfig extends TpeOptions {
  readonly kind: 'tpe';
}

const rules = {
  startup: { low: 1, high: 100_000, whole: true },
  candidates: { low: 1, high: 10_000, whole: true },
  concurrency: { low: 1, high: 10_000, whole: true },
} as const;

/** TPE for one goal or several. @throws INVALID_CONFIG on options out of range */
export function tpe(options: TpeOptions = {}): TpeConfig {
  return Object.freeze({ ...checkOptions('tpe', options, rules), kind: 'tpe' });
}

export function createTpe({ startup = 5, candidates = 64, concurrency = 1 }: TpeConfig): Algorithm {
  return {
    propose(id, study) {
      const stream = streamOf(study, id);
      if (id < startup) return newParams(study, stream, () => drawParams(study.space, stream));
      const known = Math.max(0, id - concurrency + 1);
      if (study.finishedBelow < known) return undefined;
      const { good, bad, weights } = split(study, known, id);
      const below = new ParzenEstimator(study.space, good, weights);
      const above = new ParzenEstimator(study.space, bad);
      return newParams(study, stream, () => mostPromising(below, above, { candidates, stream }));
    },
  };
}

const goodShare = 0.15;

interface Split {
  readonly good: readonly Params[];
  /** Of the good ones; undefined: all alike. */
  readonly weights: readonly number[] | undefined;
  readonly bad: readonly Params[];
}

/** The good trials, and the others: worse ones, failures, and those that may still be running; both in the order of their ids. */
function split(study: Study, known: number, id: number): Split {
  const finished = Array.from({ length: known }, (_, i) => study.judged(i));
  const scored = finished.filter(({ score }) => score !== undefined);
  const count = Math.ceil(goodShare * known);
  const ordered = study.aims.goals.length === 1;
  const chosen = ordered ? bestOf(scored, Math.min(count, 25)) : frontOf(scored, count);
  const weights = weightsByRank(chosen.length);
  const good = new Map(chosen.map((judged, rank) => [judged.id, weights[rank]!]));
  const ids = Array.from({ length: id }, (_, i) => i);
  const goodIds = ids.filter((i) => good.has(i));
  return {
    good: goodIds.map((i) => study.params(i)),
    weights: ordered ? goodIds.map((i) => good.get(i)!) : undefined,
    bad: ids.filter((i) => !good.has(i)).map((i) => study.params(i)),
  };
}

/** Weights of the best, the second … with a mean of one: those of recombination in CMA-ES (Hansen & Ostermeier 2001), ln(n + ½) − ln(rank). */
function weightsByRank(count: number): readonly number[] {
  const raw = Array.from({ length: count }, (_, i) => Math.log(count + 0.5) - Math.log(i + 1));
  const sum = raw.reduce((total, weight) => total + weight, 0);
  return raw.map((weight) => (weight * count) / sum);
}

function bestOf(scored: readonly Judged[], count: number): readonly Judged[] {
  return scored.toSorted(compareJudged).slice(0, count);
}

/** For several goals the best are those that NSGA-II would keep. */
function frontOf(scored: readonly Judged[], count: number): readonly Judged[] {
  return survive(scored, count).map(({ judged }) => judged);
}

function mostPromising(
  below: ParzenEstimator,
  above: ParzenEstimator,
  { candidates, stream }: { readonly candidates: number; readonly stream: Random },
): Params {
  let best = below.sample(stream);
  let bestRatio = below.logDensity(best) - above.logDensity(best);
  for (let i = 1; i < candidates; i++) {
    const candidate = below.sample(stream);
    const ratio = below.logDensity(candidate) - above.logDensity(candidate);
    if (ratio > bestRatio) [best, bestRatio] = [candidate, ratio];
  }
  return best;
}
