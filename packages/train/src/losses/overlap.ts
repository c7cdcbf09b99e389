// Losses of regions: masks and boxes that should cover the same ground.
import type { Value } from '@sanderling/onnx';
import type { Algebra } from '../algebra.ts';
import { checkSameShape, meanOfSample, type Loss } from './loss.ts';

/** Dice loss of mask logits [batch, channels, …] against 0 … 1: 1 − (2 Σ p t + s) / (Σ p + Σ t + s) a channel (Milletari et al. 2016). */
export function dice(smooth = 1): Loss {
  return {
    name: 'dice',
    targetType: 'float32',
    perSample: (terms) => {
      checkSameShape(terms);
      const { m, prediction, target } = terms;
      const axes = Array.from({ length: (prediction.shape?.length ?? 4) - 2 }, (_, i) => i + 2);
      const p = m.sigmoid(prediction);
      const both = m.sum(m.mul(p, target), axes);
      const all = m.add(m.sum(p, axes), m.sum(target, axes));
      return meanOfSample(m, m.oneMinus(m.div(m.add(m.mul(both, 2), smooth), m.add(all, smooth))));
    },
  };
}

/** Boxes [batch, …, 4] as left, top, right, bottom, each [batch, …, 1]. */
function sides(m: Algebra, boxes: Value): [Value, Value, Value, Value] {
  const axis = (boxes.shape?.length ?? 2) - 1;
  return m.split(boxes, axis, [1, 1, 1, 1]) as [Value, Value, Value, Value];
}

/** Generalised IoU loss of boxes (left, top, right, bottom): 1 − IoU + empty share of the hull (Rezatofighi et al. 2019). */
export const generalisedIou: Loss = {
  name: 'giou',
  targetType: 'float32',
  perSample: (terms) => {
    checkSameShape(terms);
    const { m, prediction, target } = terms;
    const [a, b] = [sides(m, prediction), sides(m, target)];
    const area = ([left, top, right, bottom]: readonly Value[]) =>
      m.mul(m.relu(m.sub(right as Value, left as Value)), m.relu(m.sub(bottom as Value, top as Value)));
    const inner = area([m.max(a[0], b[0]), m.max(a[1], b[1]), m.min(a[2], b[2]), m.min(a[3], b[3])]);
    const hull = area([m.min(a[0], b[0]), m.min(a[1], b[1]), m.max(a[2], b[2]), m.max(a[3], b[3])]);
    const union = m.sub(m.add(area(a), area(b)), inner);
    const iou = m.div(inner, m.add(union, 1e-7));
    const empty = m.div(m.sub(hull, union), m.add(hull, 1e-7));
    return meanOfSample(m, m.add(m.oneMinus(iou), empty));
  },
};
