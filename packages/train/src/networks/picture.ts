// Convolutional networks for small pictures of faces or signs: three convolutions (128, 128, 384 filters), a dense layer of 256, dropouts.
// Pools come before ReLU: they commute, and the ReLU then has a quarter of the work.
import type { Value } from '@sanderling/onnx';
import { Layers } from '../layers/layers.ts';
import type { Network } from '../network.ts';
import { checkSettings, wrongSetting } from '../settings.ts';

/** The shape of a picture network. */
export interface PictureOptions {
  /** Side of the square picture in pixels, at least 8. */
  readonly side: number;
  /** @default 3 */
  readonly channels?: number;
  readonly classes: number;
  /** Filters of the three convolutions. @default [128, 128, 384] */
  readonly filters?: readonly [number, number, number];
  /** Units of the dense layer. @default 256 */
  readonly units?: number;
  /** Shares dropped before and after the dense layer. @default [0.3, 0.5] */
  readonly dropouts?: readonly [number, number];
  /** @default 0 */
  readonly seed?: number | string;
}

/** Three times convolution, pool, ReLU; then dropout, dense, ReLU, dropout: [batch, units]. */
function trunk(layers: Layers, input: Value, options: PictureOptions): Value {
  const { side, channels, classes, filters = [128, 128, 384], units = 256, dropouts = [0.3, 0.5] } = options;
  checkSettings('count', { side, channels, classes, filters, units });
  if (side < 8) throw wrongSetting(`three pools need a picture of at least 8 pixels, not ${side}`, 'side');
  const kernels = [5, 5, 3] as const;
  let x = input;
  filters.forEach((count, i) => {
    x = layers.m.relu(layers.maxPool(layers.convolution(x, { filters: count, kernel: kernels[i] as number }), 2));
  });
  const features = layers.m.relu(layers.dense(layers.dropout(layers.flatten(x), dropouts[0]), units));
  return layers.dropout(features, dropouts[1]);
}

/**
 * A classifier: input `image` float32 [batch, channels, side, side], output `logits` [batch, classes]; train with `crossEntropy`.
 * @throws INVALID_ARGUMENT for sizes or shares that cannot be.
 */
export function pictureClassifier(options: PictureOptions): Network {
  const { side, channels = 3, classes, seed = 0 } = options;
  const layers = new Layers('picture_classifier', seed);
  const x = trunk(layers, layers.input('image', [channels, side, side]), options);
  return layers.network({ logits: layers.dense(x, classes, 'head') });
}

/** The shape of an embedding network. */
export interface EmbeddingOptions extends PictureOptions {
  /** Length of the embedding. @default 64 */
  readonly width?: number;
}

/**
 * An embedding network: outputs `embedding` [batch, width] of length 1 and `cosines` [batch, classes] to a learnt direction of each class.
 * Train `cosines` with `angularMargin`; export `embedding` alone: people never seen are compared by the cosine of their embeddings.
 * @throws INVALID_ARGUMENT for sizes or shares that cannot be.
 */
export function pictureEmbedding(options: EmbeddingOptions): Network {
  const { side, channels = 3, classes, width = 64, seed = 0 } = options;
  checkSettings('count', { classes, width });
  const layers = new Layers('picture_embedding', seed);
  const { m } = layers;
  const x = trunk(layers, layers.input('image', [channels, side, side]), options);
  const unit = (value: Value) => m.op('LpNormalization', [value], { axis: 1, p: 2 });
  const embedding = unit(layers.dense(x, width, 'embedding'));
  const directions = unit(layers.uniform('directions', [classes, width], 1));
  return layers.network({ cosines: m.gemm(embedding, directions, { transB: true }), embedding });
}
