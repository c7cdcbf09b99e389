// Metrics of masks: overlap of predicted and actual pixels.
import { SanderlingError } from '@sanderling/kit';
import { meanDefined, ratio } from './classification.ts';

/** Class of every pixel, whole numbers in 0…255 or more. */
export type Mask = Uint8Array | Uint16Array | Int32Array | readonly number[];

/** Overlap of one class. Null where neither mask has the class. */
export interface ClassOverlap {
  readonly label: number;
  /** Pixels of the class in the actual mask. */
  readonly pixels: number;
  /** Intersection over union (Jaccard). */
  readonly iou: number | null;
  /** 2 · intersection / sum of both (the F1 of pixels). */
  readonly dice: number | null;
}

/** Overlap of all classes. Means are over the classes that occur. */
export interface SegmentationMetrics {
  readonly pixelAccuracy: number;
  readonly meanIou: number | null;
  readonly meanDice: number | null;
  readonly classes: readonly ClassOverlap[];
}

/** What to count. */
export interface SegmentationOptions {
  /** Number of classes; labels are below it. */
  readonly classes: number;
  /** Pixels with this actual label count nowhere. @default none */
  readonly ignore?: number;
}

/**
 * Overlap of two masks (or of many, concatenated).
 * @throws TOO_LITTLE_DATA without pixels, INVALID_DATA on unequal sizes or labels out of range
 */
export function segmentationMetrics(actual: Mask, predicted: Mask, options: SegmentationOptions): SegmentationMetrics {
  const { classes, ignore } = options;
  if (!Number.isInteger(classes) || classes < 1 || classes > 65_536)
    throw new SanderlingError('INVALID_ARGUMENT', `classes is ${classes}, not a whole number in 1…65536`, {
      where: 'classes',
    });
  if (actual.length !== predicted.length)
    throw new SanderlingError('INVALID_DATA', `the masks have ${actual.length} and ${predicted.length} pixels`, {
      where: 'predicted',
    });
  const inActual = new Float64Array(classes);
  const inPredicted = new Float64Array(classes);
  const inBoth = new Float64Array(classes);
  let pixels = 0;
  let hits = 0;
  for (let i = 0; i < actual.length; i++) {
    const label = actual[i]!;
    if (label === ignore) continue;
    const guess = predicted[i]!;
    if (!(isLabel(label, classes) && isLabel(guess, classes))) throw badLabel(i, label, guess);
    inActual[label]!++;
    inPredicted[guess]!++;
    pixels++;
    if (label !== guess) continue;
    inBoth[label]!++;
    hits++;
  }
  if (pixels === 0) throw new SanderlingError('TOO_LITTLE_DATA', 'there is no pixel to judge', { where: 'actual' });
  const overlaps = Array.from({ length: classes }, (_, label) => {
    const [a, b, both] = [inActual[label]!, inPredicted[label]!, inBoth[label]!];
    return { label, pixels: a, iou: ratio(both, a + b - both), dice: ratio(2 * both, a + b) };
  });
  return {
    pixelAccuracy: hits / pixels,
    meanIou: meanDefined(overlaps.map(({ iou }) => iou)),
    meanDice: meanDefined(overlaps.map(({ dice }) => dice)),
    classes: overlaps,
  };
}

function isLabel(value: number, classes: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < classes;
}

function badLabel(i: number, label: number, guess: number): SanderlingError {
  return new SanderlingError('INVALID_DATA', `pixel ${i} has the labels ${label} and ${guess}, outside the classes`, {
    where: `actual[${i}]`,
    fix: 'give the number of classes, and the label to ignore',
  });
}
