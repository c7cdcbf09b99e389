// In which order samples are seen: a fresh shuffle an epoch that depends on seed and epoch alone, so that a resumed training sees the same batches.
import { createRandom } from '@sanderling/kit';

/**
 * The samples of one epoch as consecutive batches. The last batch is filled up from the front of the same shuffle, so that every sample is
 * seen at least once and all batches have one size.
 * @returns steps × batch entries of `samples`.
 */
export function epochOrder(
  samples: Int32Array,
  batch: number,
  at: { seed: number | string; epoch: number | string },
): Int32Array {
  const shuffled = Int32Array.from(samples);
  const random = createRandom(at.seed, `epoch ${at.epoch}`);
  for (let i = shuffled.length - 1; i > 0; i -= 1) {
    const j = random.int(0, i);
    const other = shuffled[j] as number;
    shuffled[j] = shuffled[i] as number;
    shuffled[i] = other;
  }
  const order = new Int32Array(Math.ceil(samples.length / batch) * batch);
  for (let i = 0; i < order.length; i += 1) order[i] = shuffled[i % shuffled.length] as number;
  return order;
}
