// Metrics of classes: the confusion matrix and what follows from it, one class against the rest.
import { SanderlingError } from '@sanderling/kit';

/** The name of a class. */
export type Label = string | number;

/** How often each actual class was predicted as each class. */
export interface ConfusionMatrix {
  readonly labels: readonly Label[];
  /** Row: the actual class, column: the predicted one, in the order of `labels`. */
  readonly counts: readonly (readonly number[])[];
  readonly total: number;
}

/** One class against the rest. A ratio whose denominator is zero is null, not zero: there was nothing to judge. */
export interface ClassMetrics {
  readonly label: Label;
  /** Rows of this class. */
  readonly support: number;
  readonly precision: number | null;
  /** Also the true positive rate. */
  readonly recall: number | null;
  readonly f1: number | null;
  readonly falsePositiveRate: number | null;
  readonly falseNegativeRate: number | null;
}

/** All class metrics at once. Means are over the classes where the metric is defined. */
export interface ClassificationMetrics {
  readonly count: number;
  readonly accuracy: number;
  /** Mean recall. */
  readonly balancedAccuracy: number | null;
  readonly macroPrecision: number | null;
  readonly macroF1: number | null;
  readonly classes: readonly ClassMetrics[];
  readonly confusion: ConfusionMatrix;
}

const mostLabels = 4096;

/**
 * Counts actual against predicted classes.
 * @param labels all classes and their order; without it those that occur, sorted
 * @throws TOO_LITTLE_DATA on no rows, INVALID_DATA on unequal lengths, NaN or a class that `labels` lacks
 */
export function confusionMatrix(
  actual: readonly Label[],
  predicted: readonly Label[],
  labels: readonly Label[] = occurring([...actual, ...predicted]),
): ConfusionMatrix {
  if (actual.length === 0)
    throw new SanderlingError('TOO_LITTLE_DATA', 'there is no row to judge', { where: 'actual' });
  if (actual.length !== predicted.length)
    throw invalid('predicted', `${predicted.length} predictions for ${actual.length} rows`);
  const places = new Map(labels.map((label, i) => [label, i]));
  if (places.size !== labels.length || labels.length > mostLabels)
    throw invalid('labels', `labels stand twice, or are more than ${mostLabels}`);
  const counts = labels.map(() => labels.map(() => 0));
  for (const [i, label] of actual.entries()) {
    counts[placeOf(label, places, `actual[${i}]`)]![placeOf(predicted[i]!, places, `predicted[${i}]`)]!++;
  }
  return { labels, counts, total: actual.length };
}

/** Share of rows whose class was predicted. */
export function accuracy({ counts, total }: ConfusionMatrix): number {
  return counts.reduce((sum, row, i) => sum + row[i]!, 0) / total;
}

/** Every class against the rest. */
export function oneVersusRest({ labels, counts, total }: ConfusionMatrix): readonly ClassMetrics[] {
  return labels.map((label, i) => {
    const support = counts[i]!.reduce((sum, n) => sum + n, 0);
    const predicted = counts.reduce((sum, row) => sum + row[i]!, 0);
    const hits = counts[i]![i]!;
    return {
      label,
      support,
      precision: ratio(hits, predicted),
      recall: ratio(hits, support),
      f1: ratio(2 * hits, support + predicted),
      falsePositiveRate: ratio(predicted - hits, total - support),
      falseNegativeRate: ratio(support - hits, support),
    };
  });
}

/** Every class metric. @throws as confusionMatrix */
export function classificationMetrics(
  actual: readonly Label[],
  predicted: readonly Label[],
  labels?: readonly Label[],
): ClassificationMetrics {
  const confusion = confusionMatrix(actual, predicted, labels);
  const classes = oneVersusRest(confusion);
  return {
    count: confusion.total,
    accuracy: accuracy(confusion),
    balancedAccuracy: meanDefined(classes.map(({ recall }) => recall)),
    macroPrecision: meanDefined(classes.map(({ precision }) => precision)),
    macroF1: meanDefined(classes.map(({ f1 }) => f1)),
    classes,
    confusion,
  };
}

/** Mean of what is not null; null when nothing is left. */
export function meanDefined(values: readonly (number | null)[]): number | null {
  const defined = values.filter((value) => value !== null);
  return defined.length === 0 ? null : defined.reduce((sum, value) => sum + value, 0) / defined.length;
}

/** a / b, or null where b is zero. */
export function ratio(a: number, b: number): number | null {
  return b === 0 ? null : a / b;
}

function occurring(labels: readonly Label[]): readonly Label[] {
  return [...new Set(labels)].sort((a, b) =>
    typeof a === 'number' && typeof b === 'number' ? a - b : String(a) < String(b) ? -1 : 1,
  );
}

function placeOf(label: Label, places: ReadonlyMap<Label, number>, where: string): number {
  const place = places.get(label);
  if (place === undefined || Number.isNaN(label)) throw invalid(where, `${String(label)} is none of the classes`);
  return place;
}

function invalid(where: string, message: string): SanderlingError {
  return new SanderlingError('INVALID_DATA', message, { where });
}
