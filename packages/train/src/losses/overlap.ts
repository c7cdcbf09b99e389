// Losses of regions: masks and boxes that should cover the same ground.
import type { Value } from '@sanderling/onnx';
import type { Algebra } from '../algebra.ts';
import { checkSettings } from '../settings.ts';
import { checkSameShape, meanOfSample, type Loss } from './loss.ts';

/** A loss of mask logits [batch, channels, …] against 0 … 1 that sees Σ p t and Σ p + Σ t of each channel. */
function ofMasks(name: string, each: (m: Algebra, both: Value, all: Value) => Value): Loss {
  return {
    name,
    targetType: 'float32',
    perSample: (terms) => {
      checkSameShape(terms);
      const { m, prediction, target } = terms;
      const axes = Array.from({ length: (prediction.shape?.length ?? 4) - 2 }, (_, i) => i + 2);
      const p = m.sigmoid(prediction);
      const both = m.sum(m.mul(p, target), axes);
      return meanOfSample(m, m.oneMinus(each(m, both, m.add(m.sum(p, axes), m.sum(target, axes)))));
    },
  };
}

/** Dice loss of mask logits [batch, channels, …] against 0 … 1: 1 − (2 Σ p t + s) / (Σ p + Σ t + s) a channel (Milletari et al. 2016). */
export function dice(smooth = 1): Loss {
  checkSettings('notNegative', { smooth });
  return ofMasks('dice', (m, both, all) => m.div(m.add(m.mul(both, 2), smooth), m.add(all, smooth)));
}

/** Intersection over union of masks: 1 − (Σ p t + s) / (Σ p + Σ t − Σ p t + s) a channel; logits and targets as of {@link dice}. */
export function jaccard(smooth = 1): Loss {
  checkSettings('notNegative', { smooth });
  return ofMasks('jaccard', (m, both, all) => m.div(m.add(both, smooth), m.add(m.sub(all, both), smooth)));
}

/** Boxes [batch, …, 4] as left, top, right, bottom, each [batch, …, 1]. */
function sides(m: Algebra, boxes: Value): [Value, Value, Value, Value] {
  const axis = (boxes.shape?.length ?? 2) - 1;
  return m.split(boxes, axis, [1, 1, 1, 1]) as [Value, Value, Value, Value];
}

/** What is known of two boxes: their sides, and the area that they share and that they cover together. */
interface Pair {
  readonly a: readonly Value[];
  readonly b: readonly Value[];
  /** Width and height of the smallest box around both. */
  readonly hull: readonly [Value, Value];
  readonly union: Value;
}

/** 1 − IoU + a penalty, of boxes (left, top, right, bottom) [batch, …, 4]. */
function ofBoxes(name: string, penalty: (m: Algebra, pair: Pair) => Value): Loss {
  return {
    name,
    targetType: 'float32',
    perSample: (terms) => {
      checkSameShape(terms);
      const { m, prediction, target } = terms;
      const [a, b] = [sides(m, prediction), sides(m, target)];
      const area = ([left, top, right, bottom]: readonly Value[]) =>
        m.mul(m.relu(m.sub(right as Value, left as Value)), m.relu(m.sub(bottom as Value, top as Value)));
      const inner = area([m.max(a[0], b[0]), m.max(a[1], b[1]), m.min(a[2], b[2]), m.min(a[3], b[3])]);
      const union = m.sub(m.add(area(a), area(b)), inner);
      const hull = [m.sub(m.max(a[2], b[2]), m.min(a[0], b[0])), m.sub(m.max(a[3], b[3]), m.min(a[1], b[1]))] as const;
      const miss = m.oneMinus(m.div(inner, m.add(union, 1e-7)));
      return meanOfSample(m, m.add(miss, penalty(m, { a, b, hull, union })));
    },
  };
}

/** Generalised IoU loss of boxes (left, top, right, bottom): 1 − IoU + empty share of the hull (Rezatofighi et al. 2019). */
export const generalisedIou: Loss = ofBoxes('giou', (m, { hull: [width, height], union }) => {
  const hull = m.mul(m.relu(width), m.relu(height));
  return m.div(m.sub(hull, union), m.add(hull, 1e-7));
});

/** Distance IoU loss of boxes (left, top, right, bottom): 1 − IoU + (distance of the centres / diagonal of the hull)² (Zheng et al. 2020). */
export const distanceIou: Loss = ofBoxes('diou', (m, { a, b, hull: [width, height] }) => {
  const apart = (low: 0 | 1) =>
    m.square(
      m.mul(m.sub(m.add(a[low] as Value, a[low + 2] as Value), m.add(b[low] as Value, b[low + 2] as Value)), 0.5),
    );
  return m.div(m.add(apart(0), apart(1)), m.add(m.add(m.square(width), m.square(height)), 1e-7));
});
