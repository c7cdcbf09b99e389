// Is model A better than model B on the same rows? Moving-block bootstrap of the paired difference (Künsch 1989): blocks of neighbouring
// rows are drawn together, because errors in time order resemble their neighbours and drawing single rows would make intervals too narrow.
import { createRandom, SanderlingError, type Random } from '@sanderling/kit';
import { bestBlockLength } from './block-length.ts';
import { checkPair, finite, type Series } from './series.ts';

/** How a model's errors become one number, and back from the mean of the terms. */
const statistics = {
  'mean-abs-difference': { term: Math.abs, finish: (mean: number) => mean },
  'rms-difference': { term: (error: number) => error * error, finish: Math.sqrt },
  'mean-difference': { term: (loss: number) => loss, finish: (mean: number) => mean },
} as const;

/** What is compared: the mean absolute error, the root mean squared error, or the plain mean of losses (for example 0 or 1 a row). */
export type BootstrapStatistic = keyof typeof statistics;

/** How to compare. */
export interface BootstrapOptions {
  /** @default 'mean-abs-difference' */
  readonly statistic?: BootstrapStatistic;
  /**
   * Rows in one block; 1 when the rows are independent; 'auto' asks the data (Politis & White 2004) and is the safer choice for forecasts that overlap.
   * @default the whole number nearest to n^(1/3) (Hall, Horowitz & Jing 1995)
   */
  readonly blockLength?: number | 'auto';
  /** @default 2000 */
  readonly resamples?: number;
  /** Share of resamples inside the interval. @default 0.95 */
  readonly confidence?: number;
  /** @default 0 */
  readonly seed?: number | string;
}

/** The difference of A and B, statistic(A) − statistic(B): below zero A is better. */
export interface Comparison {
  readonly statistic: BootstrapStatistic;
  readonly a: number;
  readonly b: number;
  readonly difference: number;
  /** Ends of the percentile interval of the difference. */
  readonly low: number;
  readonly high: number;
  /** difference / statistic(B): −0.1 is "10 % better". Null when statistic(B) is zero, here or in a resample. */
  readonly relativeDifference: number | null;
  readonly relativeLow: number | null;
  readonly relativeHigh: number | null;
  /** Share of the resamples where A is better; ties count half. */
  readonly probabilityBetter: number;
  readonly confidence: number;
  readonly blockLength: number;
  readonly resamples: number;
  readonly count: number;
}

/** Fewer rows than this say nothing about a confidence. */
export const leastRows = 8;
const mostDraws = 5e8;

/**
 * Compares two models by their errors on the same rows in time order. Takes O(resamples × n / blockLength) time.
 * @param errorsA predicted − actual (or losses) of the model in question
 * @param errorsB the same of the model that it is compared with
 * @throws TOO_LITTLE_DATA below 8 rows, INVALID_DATA on unequal lengths or values that are not finite, INVALID_ARGUMENT on absurd options
 */
export function pairedBootstrap(errorsA: Series, errorsB: Series, options: BootstrapOptions = {}): Comparison {
  checkPair(['errorsA', 'errorsB'], errorsA, errorsB);
  const count = errorsA.length;
  const settings = settle(options, [errorsA, errorsB]);
  const { term, finish } = statistics[settings.statistic];
  const sumsA = runningSums(errorsA, term);
  const sumsB = runningSums(errorsB, term);
  const a = finite('errorsA', finish(sumsA[count]! / count));
  const b = finite('errorsB', finish(sumsB[count]! / count));
  const drawn = drawAll(sumsA, sumsB, settings);
  const differences = drawn.a.map((mean, i) => finish(mean) - finish(drawn.b[i]!));
  const ratios = differences.map((difference, i) => difference / finish(drawn.b[i]!));
  const [low, high] = percentiles(differences, settings.confidence);
  const relative = b !== 0 && ratios.every(Number.isFinite);
  const [relativeLow, relativeHigh] = relative ? percentiles(ratios, settings.confidence) : [null, null];
  return {
    ...settings,
    count,
    a,
    b,
    difference: a - b,
    low,
    high,
    relativeDifference: relative ? (a - b) / b : null,
    relativeLow,
    relativeHigh,
    probabilityBetter: shareBelowZero(differences),
  };
}

/**
 * Whether the data say, with the comparison's confidence, that A is worse than B by at most `margin` (a fraction of B: 0.02 is 2 %; 0 asks that A be no
 * worse at all, which equally good models rarely show). Looks at the upper end of the interval: at 95 % a wrong yes has a chance of 2.5 %.
 */
export function isNotWorse(comparison: Comparison, margin = 0): boolean {
  if (!Number.isFinite(margin)) throw invalid('margin', margin, 'a finite fraction');
  if (comparison.relativeHigh !== null) return comparison.relativeHigh <= margin;
  return comparison.high <= margin * Math.abs(comparison.b);
}

/** Whether the data say, with the comparison's confidence, that A is better than B by at least `fraction` of B (0.1 is 10 %). */
export function isBetterBy(comparison: Comparison, fraction: number): boolean {
  return isNotWorse(comparison, -fraction);
}

interface Settings {
  readonly statistic: BootstrapStatistic;
  readonly blockLength: number;
  readonly resamples: number;
  readonly confidence: number;
  readonly seed: number | string;
}

function settle(options: BootstrapOptions, errors: readonly [Series, Series]): Settings {
  const count = errors[0].length;
  const { statistic = 'mean-abs-difference', resamples = 2000, confidence = 0.95, seed = 0 } = options;
  if (!Object.hasOwn(statistics, statistic))
    throw invalid('statistic', statistic, `one of ${Object.keys(statistics).join(', ')}`);
  const blockLength = blockLengthOf(options.blockLength, statistics[statistic].term, errors);
  if (!Number.isInteger(resamples) || resamples < 100) throw invalid('resamples', resamples, 'a whole number from 100');
  if (!(confidence > 0.5 && confidence < 1)) throw invalid('confidence', confidence, 'above 0.5 and below 1');
  if (!Number.isInteger(blockLength) || blockLength < 1)
    throw invalid('blockLength', blockLength, 'a whole number from 1');
  if (count < leastRows || blockLength > count / 2) {
    const least = Math.max(leastRows, 2 * blockLength);
    throw new SanderlingError('TOO_LITTLE_DATA', `${count} rows, at least ${least} are needed for an interval`, {
      where: 'errorsA',
      fix: 'judge on a longer test period',
    });
  }
  if (resamples * (count / blockLength) > mostDraws) throw invalid('resamples', resamples, 'fewer for so many rows');
  return { statistic, blockLength, resamples, confidence, seed };
}

function blockLengthOf(
  wanted: number | 'auto' | undefined,
  term: (error: number) => number,
  [a, b]: readonly [Series, Series],
): number {
  if (wanted === 'auto') return bestBlockLength(Float64Array.from(a, (error, i) => term(error) - term(b[i]!)));
  return wanted ?? Math.max(1, Math.round(Math.cbrt(a.length)));
}

/** sums[i] is the sum of the first i terms, so that a block's sum is one subtraction. */
function runningSums(errors: Series, term: (error: number) => number): Float64Array {
  const sums = new Float64Array(errors.length + 1);
  for (let i = 0; i < errors.length; i++) sums[i + 1] = sums[i]! + term(errors[i]!);
  return sums;
}

/** The means of every resample; A and B share the blocks, which makes the comparison paired. */
function drawAll(sumsA: Float64Array, sumsB: Float64Array, settings: Settings): { a: Float64Array; b: Float64Array } {
  const random = createRandom(settings.seed, 'paired-bootstrap');
  const means = { a: new Float64Array(settings.resamples), b: new Float64Array(settings.resamples) };
  for (let r = 0; r < settings.resamples; r++)
    [means.a[r], means.b[r]] = drawOne(sumsA, sumsB, settings.blockLength, random);
  return means;
}

function drawOne(sumsA: Float64Array, sumsB: Float64Array, blockLength: number, random: Random): [number, number] {
  const count = sumsA.length - 1;
  let a = 0;
  let b = 0;
  for (let left = count; left > 0; left -= blockLength) {
    const start = random.int(0, count - blockLength);
    const end = start + Math.min(blockLength, left);
    a += sumsA[end]! - sumsA[start]!;
    b += sumsB[end]! - sumsB[start]!;
  }
  return [a / count, b / count];
}

/** Linear interpolation between order statistics (type 7 of Hyndman & Fan 1996). */
function percentiles(values: Float64Array, confidence: number): [number, number] {
  const sorted = Float64Array.from(values).sort();
  return [quantile(sorted, (1 - confidence) / 2), quantile(sorted, (1 + confidence) / 2)];
}

function quantile(sorted: Float64Array, share: number): number {
  const place = share * (sorted.length - 1);
  const below = Math.floor(place);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below]! + (place - below) * (sorted[above]! - sorted[below]!);
}

function shareBelowZero(values: Float64Array): number {
  let share = 0;
  for (const value of values) share += value < 0 ? 1 : value === 0 ? 0.5 : 0;
  return share / values.length;
}

function invalid(name: string, value: unknown, expected: string): SanderlingError {
  return new SanderlingError('INVALID_ARGUMENT', `${name} is ${String(value)}, expected ${expected}`, { where: name });
}
