// Autoencoders: what they cannot rebuild is unusual.
import { Layers } from '../layers/layers.ts';
import type { Network } from '../network.ts';
import { checkMultiple, checkSettings, wrongSetting } from '../settings.ts';

/** The shape of a dense autoencoder. */
export interface DenseAutoencoderOptions {
  /** Numbers of one sample. */
  readonly inputs: number;
  /** Units of the layers down to the narrowest; the way up mirrors them. @default [256, 64] */
  readonly units?: readonly number[];
  /** @default 0 */
  readonly seed?: number | string;
}

/**
 * Input `x` float32 [batch, inputs], output `rebuilt` of the same shape; train with `meanSquaredError` on x itself.
 * @throws INVALID_ARGUMENT for sizes that cannot be.
 */
export function denseAutoencoder({ inputs, units = [256, 64], seed = 0 }: DenseAutoencoderOptions): Network {
  checkSettings('count', { inputs, units });
  if (units.length === 0) throw wrongSetting('an autoencoder needs a narrowest layer', 'units');
  const layers = new Layers('dense_autoencoder', seed);
  const widths = [...units, ...units.slice(0, -1).toReversed()];
  let x = layers.input('x', [inputs]);
  for (const width of widths) x = layers.m.relu(layers.dense(x, width));
  return layers.network({ rebuilt: layers.dense(x, inputs) });
}

/** The shape of a convolutional autoencoder. */
export interface ConvolutionalAutoencoderOptions {
  /** Samples of one window; a multiple of pool ** stages. */
  readonly length: number;
  /** @default 1 */
  readonly channels?: number;
  /** Filters of the stages. @default [16, 32, 64] */
  readonly filters?: readonly number[];
  /** Kernels of the stages, odd. @default [7, 5, 3] */
  readonly kernels?: readonly number[];
  /** Shortening a stage. @default 4 */
  readonly pool?: number;
  /** @default 0 */
  readonly seed?: number | string;
}

/**
 * Input `x` float32 [batch, channels, length], output `rebuilt` of the same shape: stages of convolution and pool, and the way back by repetition;
 * train with `meanSquaredError` on x itself.
 * @throws INVALID_ARGUMENT for sizes that cannot be.
 */
export function convolutionalAutoencoder(options: ConvolutionalAutoencoderOptions): Network {
  const { length, channels = 1, filters = [16, 32, 64], kernels = [7, 5, 3], pool = 4, seed = 0 } = options;
  checkSettings('count', { length, channels, filters, kernels, pool });
  if (filters.length === 0 || kernels.length !== filters.length)
    throw wrongSetting(`${filters.length} stages need as many kernels, not ${kernels.length}`, 'kernels');
  checkMultiple('length', length, { name: 'pool', number: pool ** filters.length });
  const layers = new Layers('convolutional_autoencoder', seed);
  const { m } = layers;
  let x = layers.input('x', [channels, length]);
  filters.forEach((count, i) => {
    x = m.relu(layers.maxPool(layers.convolution(x, { filters: count, kernel: kernels[i] as number }), pool));
  });
  const back = [...filters.slice(0, -1).toReversed(), channels];
  back.forEach((count, i) => {
    const kernel = kernels[kernels.length - 1 - i] as number;
    const y = layers.convolution(layers.upsample(x, pool), { filters: count, kernel });
    x = i === back.length - 1 ? y : m.relu(y);
  });
  return layers.network({ rebuilt: x });
}
