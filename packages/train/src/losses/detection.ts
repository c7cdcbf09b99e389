// The loss of a single-shot detector: what each anchor shows, and for those on an object how far its box is off.
import type { Value } from '@sanderling/onnx';
import type { Algebra } from '../algebra.ts';
import { checkSettings, wrongSetting } from '../settings.ts';
import { oneHot } from './classification.ts';
import type { Loss } from './loss.ts';

/** Settings of the detection loss. */
export interface DetectionLossOptions {
  readonly classes: number;
  /** Focus γ of the focal classification loss, which keeps the many easy background anchors from drowning the rest (Lin et al. 2017). @default 2 */
  readonly focus?: number;
}

/**
 * (Σ focal cross-entropy over anchors + Σ smooth L1 over matched anchors' offsets) / matched anchors, a picture. Prediction [batch, anchors,
 * classes + 1 + 4]: logits (background first) and offsets; target float32 [batch, anchors, 5]: class + 1 or 0, and offsets (see `matchAnchors`).
 */
export function detectionLoss({ classes, focus = 2 }: DetectionLossOptions): Loss {
  checkSettings('count', { classes });
  checkSettings('notNegative', { focus });
  return {
    name: 'detection',
    targetType: 'float32',
    perSample: ({ m, prediction, target }) => {
      if (prediction.shape?.[2] !== classes + 5)
        throw wrongSetting(
          `${classes} classes take ${classes + 5} numbers an anchor, not ${prediction.shape?.[2]}`,
          'classes',
        );
      const [logits, offsets] = m.split(prediction, 2, [classes + 1, 4]) as [Value, Value];
      const [label, wanted] = m.split(target, 2, [1, 4]) as [Value, Value];
      const matched = m.mask('Greater', label, 0.5);
      const count = m.max(m.sum(matched, [1, 2]), 1);
      const focal = m.sum(focalEntropy(m, { logits, label, classes, focus }), [1]);
      const far = m.sum(m.mul(smooth(m, m.sub(offsets, wanted)), matched), [1, 2]);
      return m.div(m.add(focal, far), count);
    },
  };
}

/** −(1 − p)^γ ln p of the right class, [batch, anchors]. */
function focalEntropy(m: Algebra, at: { logits: Value; label: Value; classes: number; focus: number }): Value {
  const logs = m.transpose(m.op('LogSoftmax', [at.logits], { axis: 2 }), [0, 2, 1]);
  const labels = m.cast(m.op('Squeeze', [at.label, m.int64([2])]), 'int64');
  const hit = m.sum(m.mul(logs, oneHot(m, labels, at.classes + 1)), [1]);
  const doubt = m.pow(m.max(m.oneMinus(m.exp(hit)), 1e-7), at.focus);
  return m.neg(m.mul(doubt, hit));
}

/** Smooth L1 with β = 1, element by element. */
function smooth(m: Algebra, error: Value): Value {
  const clipped = m.clip(error, [-1, 1]);
  return m.mul(clipped, m.sub(error, m.mul(clipped, 0.5)));
}
