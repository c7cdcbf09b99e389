// Which detections of one image and class hit which objects, by the rules of COCO and of VOC.
import { boxIou } from './boxes.ts';
import type { Detection, DetectionImage, Truth } from './detection.ts';

/** What a detection counts as. */
export interface Match {
  readonly score: number;
  readonly verdict: 'hit' | 'false' | 'ignored';
}

/** The detections of one image, best first, and how many objects there are to find. */
export interface Matched {
  readonly matches: readonly Match[];
  readonly total: number;
}

/** An image prepared for COCO's rule: detections best first, the overlap of each with each truth, and which lie outside the area in question. */
export interface Overlaps {
  readonly truths: readonly Truth[];
  readonly detections: readonly Detection[];
  readonly outside: readonly boolean[];
  readonly ious: readonly (readonly number[])[];
}

/** COCO: each detection takes the free object that it overlaps most; one that counts before one that is ignored. */
export function matchCoco({ truths, detections, outside, ious }: Overlaps, threshold: number): Matched {
  const taken = new Set<number>();
  const order = truths.map((_, i) => i).sort((a, b) => Number(truths[a]!.ignore) - Number(truths[b]!.ignore));
  const matches = detections.map(({ score }, d): Match => {
    const found = bestFree({ truths, order, taken }, ious[d]!, threshold);
    if (found === undefined) return { score, verdict: outside[d] === true ? 'ignored' : 'false' };
    taken.add(found);
    return { score, verdict: truths[found]!.ignore === true ? 'ignored' : 'hit' };
  });
  return { matches, total: truths.filter(({ ignore }) => ignore !== true).length };
}

interface Candidates {
  readonly truths: readonly Truth[];
  /** Indices, those that count first. */
  readonly order: readonly number[];
  readonly taken: ReadonlySet<number>;
}

function bestFree(
  { truths, order, taken }: Candidates,
  ious: readonly number[],
  threshold: number,
): number | undefined {
  let best: number | undefined;
  let least = Math.min(threshold, 1 - 1e-10);
  for (const i of order) {
    if (taken.has(i)) continue;
    if (best !== undefined && truths[best]!.ignore !== true && truths[i]!.ignore === true) break;
    if (ious[i]! < least) continue;
    least = ious[i]!;
    best = i;
  }
  return best;
}

/** VOC: each detection claims the object that it overlaps most, taken or not; a second claim is false. */
export function matchVoc({ truths, detections }: DetectionImage, threshold: number): Matched {
  const taken = new Set<number>();
  const matches = detections
    .toSorted((a, b) => b.score - a.score)
    .map(({ box, score }): Match => {
      const ious = truths.map((truth) => boxIou(box, truth.box));
      const best = ious.reduce((top, iou, i) => (iou > (ious[top] ?? 0) ? i : top), 0);
      if ((ious[best] ?? 0) < threshold) return { score, verdict: 'false' };
      if (truths[best]!.ignore === true) return { score, verdict: 'ignored' };
      if (taken.has(best)) return { score, verdict: 'false' };
      taken.add(best);
      return { score, verdict: 'hit' };
    });
  return { matches, total: truths.filter(({ ignore }) => ignore !== true).length };
}
