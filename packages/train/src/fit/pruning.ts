// Pruning while training: the smallest weights, or whole filters, are set to zero a few at a time, and the rest learns to do without
// (Zhu & Gupta 2018: share(e) = final · (1 − (1 − e/E)³)).
import { SanderlingError } from '@sanderling/kit';
import type { RunTensor } from '@sanderling/onnx';
import { maskName, type TrainingPlan } from '../compile/plan.ts';
import { checkSettings, wrongSetting } from '../settings.ts';
import type { TrainingState } from './runtime.ts';

/** How weights are pruned. Only the epochs from `epochs` on, which have the full share, are candidates for the best. */
export interface Pruning {
  /** Share of the masked weights that are zero in the end, 0 … 1. */
  readonly share: number;
  /** The epoch from which on the share is full. */
  readonly epochs: number;
  /** Single weights, the smallest of all masked tensors; or whole rows of axis 0 (filters, units), a share of each tensor. */
  readonly structure: 'weights' | 'filters';
}

/** @throws INVALID_ARGUMENT for an impossible share, number of epochs or structure. */
export function checkPruning({ share, epochs, structure }: Pruning): void {
  checkSettings('part', { share });
  checkSettings('count', { epochs });
  if (structure !== 'weights' && structure !== 'filters')
    throw wrongSetting(`weights or filters are pruned, not ${String(structure)}`, 'structure');
}

/** The share of an epoch counted from 1. */
export function shareAt({ share, epochs }: Pruning, epoch: number): number {
  return share * (1 - (1 - Math.min(1, epoch / epochs)) ** 3);
}

/** The state with new masks, and zeros where they say so. @throws INVALID_ARGUMENT when the plan masks nothing. */
export function prunedState(
  state: TrainingState,
  { masked = [] }: TrainingPlan,
  at: { pruning: Pruning; epoch: number },
): TrainingState {
  if (masked.length === 0)
    throw new SanderlingError('INVALID_ARGUMENT', 'the plan masks no parameter', { where: 'plan.masked' });
  const share = shareAt(at.pruning, at.epoch);
  const weights = new Map(masked.map((name) => [name, (state.get(name) as RunTensor).data as Float32Array]));
  const masks = at.pruning.structure === 'weights' ? weightMasks(weights, share) : filterMasks(state, weights, share);
  const next = new Map(state);
  for (const [name, mask] of masks) {
    const { dtype, dims } = state.get(name) as RunTensor;
    const kept = (weights.get(name) as Float32Array).map((weight, i) => weight * (mask[i] as number));
    next.set(maskName(name), { dtype, dims, data: mask });
    next.set(name, { dtype, dims, data: kept });
  }
  return next;
}

/** The value below which a share of some numbers lies; ties are kept. */
function threshold(numbers: Float32Array, share: number): number {
  const sorted = Float32Array.from(numbers).sort();
  const count = Math.floor(share * sorted.length);
  return count === 0 ? Number.NEGATIVE_INFINITY : (sorted[count - 1] as number);
}

function weightMasks(weights: ReadonlyMap<string, Float32Array>, share: number): Map<string, Float32Array> {
  const sizes = Float32Array.from([...weights.values()].flatMap((values) => Array.from(values, Math.abs)));
  const limit = threshold(sizes, share);
  return new Map(
    [...weights].map(([name, values]) => [name, values.map((weight) => (Math.abs(weight) > limit ? 1 : 0))]),
  );
}

/** Rows of axis 0 by their Euclidean norm, a share of every tensor. */
function filterMasks(
  state: TrainingState,
  weights: ReadonlyMap<string, Float32Array>,
  share: number,
): Map<string, Float32Array> {
  return new Map(
    [...weights].map(([name, values]) => {
      const rows = (state.get(name) as RunTensor).dims[0] ?? 1;
      const size = values.length / rows;
      const norms = Float32Array.from({ length: rows }, (_, row) =>
        Math.sqrt(values.subarray(row * size, (row + 1) * size).reduce((sum, weight) => sum + weight * weight, 0)),
      );
      const limit = threshold(norms, share);
      return [name, values.map((_, i) => ((norms[Math.floor(i / size)] as number) > limit ? 1 : 0))] as const;
    }),
  );
}
