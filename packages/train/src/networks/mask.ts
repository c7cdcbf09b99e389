// A small U-Net (Ronneberger et al. 2015): a mask for every pixel, with the fine detail handed across.
import type { Value } from '@sanderling/onnx';
import { Layers } from '../layers/layers.ts';
import type { Network } from '../network.ts';
import { checkMultiple, checkSettings, wrongSetting } from '../settings.ts';

/** The shape of the network. */
export interface MaskOptions {
  /** Height and width in pixels; multiples of 2 ** (stages − 1). */
  readonly size: readonly [number, number];
  /** @default 3 */
  readonly channels?: number;
  /** Masks to give. @default 1 */
  readonly masks?: number;
  /** Filters of the stages from fine to coarse. @default [8, 16, 32] */
  readonly filters?: readonly number[];
  /** @default 0 */
  readonly seed?: number | string;
}

/**
 * Input `image` float32 [batch, channels, height, width], output `logits` [batch, masks, height, width]; train with `dice` or `binaryCrossEntropy`.
 * @throws INVALID_ARGUMENT for sizes that cannot be.
 */
export function maskNetwork(options: MaskOptions): Network {
  const { size, channels = 3, masks = 1, filters = [8, 16, 32], seed = 0 } = options;
  checkSettings('count', { size, channels, masks, filters });
  if (filters.length === 0) throw wrongSetting('a mask network needs a stage', 'filters');
  for (const side of size) checkMultiple('a side', side, { name: 'size', number: 2 ** (filters.length - 1) });
  const layers = new Layers('mask_network', seed);
  const { m } = layers;
  const block = (x: Value, count: number) =>
    m.relu(layers.batchNorm(layers.convolution(x, { filters: count, kernel: 3, bias: false })));
  const down: Value[] = [];
  let x = layers.input('image', [channels, ...size]);
  filters.forEach((count, i) => {
    x = block(i === 0 ? x : layers.maxPool(x, 2), count);
    down.push(x);
  });
  for (const [i, count] of [...filters.slice(0, -1).entries()].toReversed()) {
    const up = layers.enlargement(x, { filters: count, stride: 2 });
    x = block(m.concat([down[i] as Value, up], 1), count);
  }
  return layers.network({ logits: layers.convolution(x, { filters: masks, kernel: 1 }, 'head') });
}
