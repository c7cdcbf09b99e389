// From a detector's raw output to objects: scores by softmax, boxes from offsets, and of overlapping boxes of one class only the best.
import { SanderlingError } from '@sanderling/kit';
import { decodeBox, overlap, type LabelledBox } from './boxes.ts';

/** A found object. */
export interface Detection extends LabelledBox {
  /** Probability of the class, 0 … 1. */
  readonly score: number;
}

/** What counts as found. */
export interface DetectionOptions {
  readonly classes: number;
  /** Least score. @default 0.5 */
  readonly score?: number;
  /** Boxes of one class that overlap a better one by more than this are dropped. @default 0.45 */
  readonly overlap?: number;
  /** Most objects a picture. @default 100 */
  readonly limit?: number;
}

/**
 * The objects of one picture, best first. @param raw One picture's output, anchors × (classes + 1 + 4): logits (background first), then offsets.
 * @throws INVALID_ARGUMENT when the lengths do not fit.
 */
export function detectionsIn(raw: Float32Array, anchors: Float32Array, options: DetectionOptions): Detection[] {
  const { classes, score: least = 0.5, limit = 100 } = options;
  const [width, count] = [classes + 5, anchors.length / 4];
  if (raw.length !== count * width) {
    throw new SanderlingError(
      'INVALID_ARGUMENT',
      `${count} anchors of ${classes} classes give ${count * width} numbers, not ${raw.length}`,
      { where: 'raw' },
    );
  }
  const found: Detection[] = [];
  for (let i = 0; i < count; i += 1) {
    const row = raw.subarray(i * width, (i + 1) * width);
    const scores = softmax(row.subarray(0, classes + 1));
    for (let label = 0; label < classes; label += 1) {
      const score = scores[label + 1] as number;
      if (score >= least) found.push({ label, score, box: decodeBox(anchors, i, row.subarray(classes + 1)) });
    }
  }
  return withoutRepeats(found, options.overlap ?? 0.45, limit);
}

/** Greedy non-maximum suppression within each class, best first. @param most Overlap that is borne. @param limit Most that are kept. @default all */
export function withoutRepeats(
  found: readonly Detection[],
  most: number,
  limit = Number.POSITIVE_INFINITY,
): Detection[] {
  const kept: Detection[] = [];
  for (const one of found.toSorted((a, b) => b.score - a.score)) {
    if (kept.length >= limit) break;
    if (!kept.some((better) => better.label === one.label && overlap(better.box, one.box) > most)) kept.push(one);
  }
  return kept;
}

function softmax(logits: Float32Array): number[] {
  const top = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const powers = Array.from(logits, (x) => Math.exp(x - top));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((x) => x / sum);
}
