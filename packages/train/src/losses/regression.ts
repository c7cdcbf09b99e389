// Losses of numbers: the error e = prediction − target, element by element.
import type { Value } from '@sanderling/onnx';
import type { Algebra } from '../algebra.ts';
import { checkSettings } from '../settings.ts';
import { checkSameShape, meanOfSample, type Loss } from './loss.ts';

/** A loss that looks at the error only. */
function ofError(name: string, each: (m: Algebra, error: Value) => Value): Loss {
  return {
    name,
    targetType: 'float32',
    perSample: (terms) => {
      checkSameShape(terms);
      const { m, prediction, target } = terms;
      return meanOfSample(m, each(m, m.sub(prediction, target)));
    },
  };
}

/** Mean squared error: e². */
export const meanSquaredError: Loss = ofError('mse', (m, error) => m.square(error));

/** Mean absolute error: |e|. */
export const meanAbsoluteError: Loss = ofError('mae', (m, error) => m.abs(error));

/** Huber's loss: e²/2 within ±delta, delta (|e| − delta/2) beyond (Huber 1964; as PyTorch's HuberLoss). */
export function huber(delta = 1): Loss {
  checkSettings('positive', { delta });
  return ofError('huber', (m, error) => {
    // with c = clip(e): c (e − c/2) is both branches at once
    const clipped = m.clip(error, [-delta, delta]);
    return m.mul(clipped, m.sub(error, m.mul(clipped, 0.5)));
  });
}

/** Smooth L1: e²/(2β) within ±β, |e| − β/2 beyond: Huber's loss over β. */
export function smoothL1(beta = 1): Loss {
  checkSettings('positive', { beta });
  const scaled = huber(beta);
  return { name: 'smooth_l1', targetType: 'float32', perSample: (terms) => terms.m.div(scaled.perSample(terms), beta) };
}

/**
 * Quantile ("pinball") loss: max(q d, (q − 1) d), d = target − prediction; its minimum is the q-quantile (Koenker & Bassett 1978).
 * @param q Between 0 and 1.
 */
export function quantile(q: number): Loss {
  checkSettings('part', { q });
  return ofError(`quantile_${q}`, (m, error) => m.max(m.mul(error, -q), m.mul(error, 1 - q)));
}

/** ln cosh e: quadratic near zero, linear far away, smooth everywhere; as e + softplus(−2e) − ln 2. */
export const logCosh: Loss = ofError('log_cosh', (m, error) =>
  m.sub(m.add(error, m.op('Softplus', [m.mul(error, -2)])), Math.LN2),
);
