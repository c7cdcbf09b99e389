// A depthwise-separable classifier in the manner of MobileNet (Howard et al. 2017): few weights, few operations, for small devices.
import type { Value } from '@sanderling/onnx';
import { Layers } from '../layers/layers.ts';
import type { Network } from '../network.ts';
import { checkSettings } from '../settings.ts';

/** One block: filters out and stride. */
export type DepthwiseBlock = readonly [filters: number, stride: number];

/** The shape of the classifier. */
export interface DepthwiseOptions {
  /** Height and width of the picture in pixels. */
  readonly size: readonly [number, number];
  /** @default 3 */
  readonly channels?: number;
  readonly classes: number;
  /** Filters of the first, ordinary convolution, which halves the picture. @default 16 */
  readonly stem?: number;
  /** @default [32,1] [64,2] [64,1] [128,2] [128,1] [256,2] [256,1] */
  readonly blocks?: readonly DepthwiseBlock[];
  /** @default 0 */
  readonly seed?: number | string;
}

const usual: readonly DepthwiseBlock[] = [
  [32, 1],
  [64, 2],
  [64, 1],
  [128, 2],
  [128, 1],
  [256, 2],
  [256, 1],
];

/**
 * Input `image` float32 [batch, channels, height, width], output `logits` [batch, classes]; train with `crossEntropy`.
 * @throws INVALID_ARGUMENT for sizes that cannot be.
 */
export function depthwiseClassifier(options: DepthwiseOptions): Network {
  const { size, channels = 3, classes, stem = 16, blocks = usual, seed = 0 } = options;
  checkSettings('count', { size, channels, classes, stem, blocks: blocks.flat() });
  const layers = new Layers('depthwise_classifier', seed);
  const normalised = (x: Value) => layers.m.relu(layers.batchNorm(x));
  const image = layers.input('image', [channels, ...size]);
  let x = normalised(layers.convolution(image, { filters: stem, kernel: 3, stride: 2, bias: false }));
  let width = stem;
  for (const [filters, stride] of blocks) {
    x = normalised(layers.convolution(x, { filters: width, kernel: 3, stride, groups: width, bias: false }));
    x = normalised(layers.convolution(x, { filters, kernel: 1, bias: false }));
    width = filters;
  }
  return layers.network({ logits: layers.dense(layers.globalAverage(x), classes, 'head') });
}
