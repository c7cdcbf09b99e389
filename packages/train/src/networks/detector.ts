// A small single-shot detector (Liu et al. 2016): a depthwise-separable trunk, heads on two grids of cells, one class and box an anchor.
import type { Value } from '@sanderling/onnx';
import type { AnchorLevel } from '../detection/boxes.ts';
import { Layers } from '../layers/layers.ts';
import type { Network } from '../network.ts';
import { checkMultiple, checkSettings } from '../settings.ts';

/** The shape of a detector. */
export interface DetectorOptions {
  /** Height and width of the picture in pixels; multiples of 16. */
  readonly size: readonly [number, number];
  /** @default 3 */
  readonly channels?: number;
  readonly classes: number;
  /** Filters at an eighth (a multiple of 4) and at a sixteenth of the size. @default [64, 128] */
  readonly filters?: readonly [number, number];
  /** Anchor sizes (shares of the picture) on the fine and on the coarse grid; each comes square, wide and tall. @default [0.15, 0.4] */
  readonly anchorSizes?: readonly [number, number];
  /** @default 0 */
  readonly seed?: number | string;
}

const shapesOf = (size: number): (readonly [number, number])[] => [
  [size, size],
  [size * Math.SQRT2, size * Math.SQRT1_2],
  [size * Math.SQRT1_2, size * Math.SQRT2],
];

/** The anchors' grids, in the order of the network's output. @throws INVALID_ARGUMENT for a size that is no multiple of 16. */
export function detectorLevels({ size, anchorSizes = [0.15, 0.4] }: DetectorOptions): AnchorLevel[] {
  checkSettings('count', { size });
  checkSettings('positive', { anchorSizes });
  for (const side of size) checkMultiple('a side', side, { name: 'size', number: 16 });
  const [height, width] = size;
  return [8, 16].map((stride, i) => ({
    grid: [height / stride, width / stride],
    shapes: shapesOf(anchorSizes[i] as number),
  }));
}

/**
 * Input `image` float32 [batch, channels, height, width], output `detections` [batch, anchors, classes + 1 + 4]; train with `detectionLoss`.
 * @throws INVALID_ARGUMENT for sizes that cannot be.
 */
export function detectorNetwork(options: DetectorOptions): Network {
  const { size, channels = 3, classes, filters = [64, 128], seed = 0 } = options;
  checkSettings('count', { channels, classes, filters });
  checkMultiple('the number of filters', filters[0], { name: 'filters', number: 4 });
  const levels = detectorLevels(options);
  const layers = new Layers('detector', seed);
  const { m } = layers;
  const normalised = (x: Value) => m.relu(layers.batchNorm(x));
  const block = (x: Value, count: number, stride: number) => {
    const inputs = x.shape?.[1] as number;
    const spread = normalised(
      layers.convolution(x, { filters: inputs, kernel: 3, stride, groups: inputs, bias: false }),
    );
    return normalised(layers.convolution(spread, { filters: count, kernel: 1, bias: false }));
  };
  const image = layers.input('image', [channels, ...size]);
  const stem = normalised(layers.convolution(image, { filters: filters[0] / 4, kernel: 3, stride: 2, bias: false }));
  const fine = block(block(block(stem, filters[0] / 2, 2), filters[0], 2), filters[0], 1);
  const coarse = block(block(fine, filters[1], 2), filters[1], 1);
  const width = classes + 5;
  const heads = levels.map(({ grid, shapes }, i) => {
    const raw = layers.convolution(
      [fine, coarse][i] as Value,
      { filters: shapes.length * width, kernel: 3 },
      `head${i + 1}`,
    );
    return m.reshape(m.transpose(raw, [0, 2, 3, 1]), [0, grid[0] * grid[1] * shapes.length, width]);
  });
  return layers.network({ detections: m.concat(heads, 1) });
}
