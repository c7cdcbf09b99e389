// Metrics of scores and probabilities: ranking (ROC), and how far probabilities are from what happened (log-loss, Brier, calibration).
import { SanderlingError } from '@sanderling/kit';
import { checkPair, checkSeries, type Series } from './series.ts';

/** A point of the receiver operating characteristic: "positive" is a score of at least the threshold. */
export interface RocPoint {
  readonly threshold: number;
  readonly falsePositiveRate: number;
  readonly truePositiveRate: number;
}

/** One bin of a reliability diagram. */
export interface ReliabilityBin {
  /** The bin holds probabilities above `from` (the first: from 0) up to `to`. */
  readonly from: number;
  readonly to: number;
  readonly count: number;
  /** Mean probability; null in an empty bin. */
  readonly confidence: number | null;
  /** Share of what came true; null in an empty bin. */
  readonly frequency: number | null;
}

/**
 * Area under the ROC curve: the chance that a positive scores above a negative, ties count half (Mann & Whitney 1947).
 * @param actual 1 for positive, 0 for negative
 * @throws INVALID_DATA on anything else, or when one class is missing
 */
export function rocAuc(actual: Series, scores: Series): number {
  const { positives, negatives } = checkBinary(actual, scores);
  const order = byScore(scores);
  let rankSum = 0;
  for (let i = 0; i < order.length; ) {
    let end = i;
    while (end < order.length && scores[order[end]!] === scores[order[i]!]) end++;
    const rank = (i + 1 + end) / 2;
    for (; i < end; i++) rankSum += actual[order[i]!]! * rank;
  }
  return (rankSum - (positives * (positives + 1)) / 2) / (positives * negatives);
}

/** The ROC curve from (0, 0) at threshold Infinity to (1, 1), one point for each distinct score. @throws as rocAuc */
export function rocCurve(actual: Series, scores: Series): readonly RocPoint[] {
  const { positives, negatives } = checkBinary(actual, scores);
  const order = byScore(scores).reverse();
  const points: RocPoint[] = [{ threshold: Infinity, falsePositiveRate: 0, truePositiveRate: 0 }];
  let hits = 0;
  for (let i = 0; i < order.length; i++) {
    hits += actual[order[i]!]!;
    const threshold = scores[order[i]!]!;
    if (i + 1 < order.length && scores[order[i + 1]!] === threshold) continue;
    points.push({ threshold, falsePositiveRate: (i + 1 - hits) / negatives, truePositiveRate: hits / positives });
  }
  return points;
}

/**
 * Mean of −ln p of what happened, in nats. Probabilities are cut at 2⁻⁵² from 0 and 1, so that one sure error is costly but not infinite.
 * @param actual the class of each row, a whole number from 0
 * @param probabilities one row of probabilities for each, which sum to 1 within 10⁻³
 */
export function logLoss(actual: Series, probabilities: readonly Series[]): number {
  checkProbabilities(actual, probabilities);
  let sum = 0;
  for (let i = 0; i < actual.length; i++) sum -= Math.log(clip(probabilities[i]![actual[i]!]!));
  return sum / actual.length;
}

/** Brier score: mean squared distance of the probabilities from what happened, in 0…2 (for two classes twice the binary form). Arguments as logLoss. */
export function brierScore(actual: Series, probabilities: readonly Series[]): number {
  checkProbabilities(actual, probabilities);
  let sum = 0;
  for (const [i, row] of probabilities.entries()) {
    for (let k = 0; k < row.length; k++) sum += (row[k]! - (k === actual[i] ? 1 : 0)) ** 2;
  }
  return sum / actual.length;
}

/**
 * Reliability diagram: bins of equal width over [0, 1].
 * @param happened 1 where the prediction came true, 0 where not
 * @param confidences the probability that the model gave it
 */
export function reliability(happened: Series, confidences: Series, bins = 10): readonly ReliabilityBin[] {
  checkZeroOne(happened, confidences);
  if (!Number.isInteger(bins) || bins < 1 || bins > 10_000)
    throw new SanderlingError('INVALID_ARGUMENT', `bins is ${bins}, not a whole number in 1…10000`, { where: 'bins' });
  const sums = Array.from({ length: bins }, () => ({ count: 0, confidence: 0, frequency: 0 }));
  for (let i = 0; i < happened.length; i++) {
    const confidence = confidences[i]!;
    if (confidence < 0 || confidence > 1) throw invalid(`confidences[${i}]`, `${confidence} is no probability`);
    const bin = sums[Math.max(0, Math.ceil(confidence * bins) - 1)]!;
    bin.count++;
    bin.confidence += confidence;
    bin.frequency += happened[i]!;
  }
  return sums.map(({ count, confidence, frequency }, i) => ({
    from: i / bins,
    to: (i + 1) / bins,
    count,
    confidence: count === 0 ? null : confidence / count,
    frequency: count === 0 ? null : frequency / count,
  }));
}

/** Expected calibration error (Guo et al. 2017): mean distance of confidence and frequency over the bins, weighted by their counts. Arguments as reliability. */
export function expectedCalibrationError(happened: Series, confidences: Series, bins = 10): number {
  let sum = 0;
  for (const { count, confidence, frequency } of reliability(happened, confidences, bins)) {
    if (count > 0) sum += count * Math.abs(confidence! - frequency!);
  }
  return sum / happened.length;
}

/** The most likely class of each row, its probability, and whether it came true: what reliability takes for several classes. Arguments as logLoss. */
export function topConfidence(
  actual: Series,
  probabilities: readonly Series[],
): {
  readonly predicted: readonly number[];
  readonly confidences: readonly number[];
  readonly happened: readonly number[];
} {
  checkProbabilities(actual, probabilities);
  const predicted = probabilities.map((row) => row.indexOf(Math.max(...row)));
  return {
    predicted,
    confidences: predicted.map((k, i) => Math.min(1, probabilities[i]![k]!)),
    happened: predicted.map((k, i) => (k === actual[i] ? 1 : 0)),
  };
}

function clip(probability: number): number {
  return Math.min(1 - Number.EPSILON, Math.max(Number.EPSILON, probability));
}

function byScore(scores: Series): number[] {
  return Array.from(scores, (_, i) => i).sort((a, b) => scores[a]! - scores[b]!);
}

function checkZeroOne(actual: Series, scores: Series): void {
  checkPair(['actual', 'scores'], actual, scores);
  for (let i = 0; i < actual.length; i++) {
    if (actual[i] !== 0 && actual[i] !== 1) throw invalid(`actual[${i}]`, `${actual[i]} is neither 0 nor 1`);
  }
}

function checkBinary(actual: Series, scores: Series): { positives: number; negatives: number } {
  checkZeroOne(actual, scores);
  let positives = 0;
  for (const value of actual) positives += value;
  const negatives = actual.length - positives;
  if (positives === 0 || negatives === 0) throw invalid('actual', 'there is only one class');
  return { positives, negatives };
}

function checkProbabilities(actual: Series, probabilities: readonly Series[]): void {
  checkSeries('actual', actual);
  if (!Array.isArray(probabilities) || probabilities.length !== actual.length)
    throw invalid('probabilities', `there is not one row of probabilities for each of ${actual.length} rows`);
  const width = probabilities[0]!.length;
  for (const [i, row] of probabilities.entries()) {
    checkSeries(`probabilities[${i}]`, row);
    const sum = row.reduce((total: number, p: number) => total + p, 0);
    if (row.length !== width || Math.abs(sum - 1) > 1e-3 || row.some((p: number) => p < 0))
      throw invalid(`probabilities[${i}]`, `these are not ${width} probabilities that sum to 1`);
    const label = actual[i]!;
    if (!Number.isInteger(label) || label < 0 || label >= width)
      throw invalid(`actual[${i}]`, `${label} is no class of ${width}`);
  }
}

function invalid(where: string, message: string): SanderlingError {
  return new SanderlingError('INVALID_DATA', message, { where });
}
