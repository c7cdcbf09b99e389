// Networks with random weights for the benches of generated C: single layers, the forecaster of S1, and the shapes of MLPerf Tiny.
import { createRandom, type Random } from '@sanderling/kit';
import { GraphBuilder, tensorOf, type Feeds, type Model, type Value } from '@sanderling/onnx';

type Dims = readonly number[];
type Attributes = Readonly<Record<string, number | number[]>>;

const product = (dims: Dims): number => dims.reduce((a, b) => a * b, 1);
const dimsOf = ({ shape }: Value): Dims => shape as Dims;

/** A graph that grows by layers of random weights, which keep the size of what flows through. Equal names give equal weights. */
class Net {
  readonly b: GraphBuilder;
  readonly #random: Random;

  constructor(name: string) {
    this.b = new GraphBuilder(name.replaceAll(/\W+/g, '_'));
    this.#random = createRandom(1, name);
  }

  /** Normal numbers. */
  constant(dims: Dims, spread: number): Value {
    const data = Float32Array.from({ length: product(dims) }, () => spread * this.#random.normal());
    return this.b.constant(tensorOf('float32', dims, data));
  }

  /** Convolution with a bias over [1, channels, …space]. */
  conv(x: Value, filters: number, kernel: Dims, attributes: Attributes = {}): Value {
    const dims = [filters, dimsOf(x)[1]! / Number(attributes['group'] ?? 1), ...kernel];
    const weights = this.constant(dims, Math.sqrt(2 / product(dims.slice(1))));
    return this.b.op('Conv', [x, weights, this.constant([filters], 0.1)], { kernel_shape: [...kernel], ...attributes });
  }

  dense(x: Value, outputs: number): Value {
    const inputs = dimsOf(x)[1]!;
    const weights = this.constant([outputs, inputs], Math.sqrt(2 / inputs));
    return this.b.op('Gemm', [x, weights, this.constant([outputs], 0.1)], { transB: 1 });
  }

  /** The last state of a GRU over [time, 1, inputs]. */
  gru(x: Value, hidden: number): Value {
    const spread = 1 / Math.sqrt(hidden);
    const weights = [
      [1, 3 * hidden, dimsOf(x)[2]!],
      [1, 3 * hidden, hidden],
      [1, 6 * hidden],
    ];
    const inputs = [x, ...weights.map((dims) => this.constant(dims, spread))];
    return this.b.ops('GRU', inputs, { hidden_size: hidden, linear_before_reset: 1 }, 2)[1]!;
  }

  relu(x: Value): Value {
    return this.b.op('Relu', [x]);
  }
}

/** A network: its name in tables, and how it is made. */
export interface Network {
  readonly name: string;
  readonly model: () => Model;
}

function network(name: string, dims: Dims, grow: (net: Net, x: Value) => Value): Network {
  const model = (): Model => {
    const net = new Net(name);
    net.b.output('y', grow(net, net.b.input('x', 'float32', [...dims])));
    return net.b.model();
  };
  return { name, model };
}

const around = (pad: number): number[] => [pad, pad, pad, pad];

/** One layer each, of the kinds that small networks are made of. */
export const singleLayers: readonly Network[] = [
  network('conv 3×3, 16→16 on 16×16', [1, 16, 16, 16], (n, x) => n.conv(x, 16, [3, 3], { pads: around(1) })),
  network('conv 3×3, 64→64 on 8×8', [1, 64, 8, 8], (n, x) => n.conv(x, 64, [3, 3], { pads: around(1) })),
  network('conv 3×3, 3→16 on 32×32', [1, 3, 32, 32], (n, x) => n.conv(x, 16, [3, 3], { pads: around(1) })),
  network('conv 1×1, 64→64 on 8×8', [1, 64, 8, 8], (n, x) => n.conv(x, 64, [1, 1])),
  network('conv 1×1, 8→16 on 48×48', [1, 8, 48, 48], (n, x) => n.conv(x, 16, [1, 1])),
  network('depthwise 3×3, 64 on 16×16', [1, 64, 16, 16], (n, x) =>
    n.conv(x, 64, [3, 3], { pads: around(1), group: 64 }),
  ),
  network('depthwise 3×3, stride 2, 64 on 16×16', [1, 64, 16, 16], (n, x) =>
    n.conv(x, 64, [3, 3], { pads: around(1), group: 64, strides: [2, 2] }),
  ),
  network('depthwise 5×5, 64 on 16×16', [1, 64, 16, 16], (n, x) =>
    n.conv(x, 64, [5, 5], { pads: around(2), group: 64 }),
  ),
  network('depthwise 1-D of 5, 64 on 64', [1, 64, 64], (n, x) => n.conv(x, 64, [5], { pads: [2, 2], group: 64 })),
  network('conv 1-D of 5, 32→32 on 64', [1, 32, 64], (n, x) => n.conv(x, 32, [5], { pads: [2, 2] })),
  network('dense 256→128', [1, 256], (n, x) => n.dense(x, 128)),
  network('GRU of S1, hidden 32, window 24', [24, 1, 2], (n, x) => n.gru(x, 32)),
  network('GRU, hidden 64, window 48', [48, 1, 2], (n, x) => n.gru(x, 64)),
];

/** Keyword spotting: 49 × 10 MFCC; one wide convolution and four depthwise-separable blocks of 64 channels; 12 words. */
const keywords = network('keyword spotting, DS-CNN 49×10', [1, 1, 49, 10], (n, x) => {
  let y = n.relu(n.conv(x, 64, [10, 4], { strides: [2, 2], pads: [4, 1, 5, 1] }));
  for (let block = 0; block < 4; block += 1) {
    y = n.relu(n.conv(y, 64, [3, 3], { pads: around(1), group: 64 }));
    y = n.relu(n.conv(y, 64, [1, 1]));
  }
  const pooled = n.b.op('Flatten', [n.b.op('GlobalAveragePool', [y])]);
  return n.b.op('Softmax', [n.dense(pooled, 12)]);
});

/** Image classification: ResNet of 8 layers on 32 × 32 × 3; three stages of 16, 32, 64 channels; 10 classes. */
const resnet = network('images, 8-layer ResNet 32×32×3', [1, 3, 32, 32], (n, x) => {
  let y = n.relu(n.conv(x, 16, [3, 3], { pads: around(1) }));
  for (const [channels, stride] of [
    [16, 1],
    [32, 2],
    [64, 2],
  ] as const) {
    const strides = [stride, stride];
    const pads = stride === 2 ? [0, 0, 1, 1] : around(1);
    const first = n.relu(n.conv(y, channels, [3, 3], { pads, strides }));
    const second = n.conv(first, channels, [3, 3], { pads: around(1) });
    const shortcut = stride === 1 ? y : n.conv(y, channels, [1, 1], { strides });
    y = n.relu(n.b.op('Add', [second, shortcut]));
  }
  const pooled = n.b.op('Flatten', [n.b.op('GlobalAveragePool', [y])]);
  return n.b.op('Softmax', [n.dense(pooled, 10)]);
});

/** Anomaly detection: 640 – 128 × 4 – 8 – 128 × 4 – 640. */
const autoencoder = network('sounds, autoencoder 640-128-8-128-640', [1, 640], (n, x) => {
  let y = x;
  for (const width of [128, 128, 128, 128, 8, 128, 128, 128, 128]) y = n.relu(n.dense(y, width));
  return n.dense(y, 640);
});

/** The forecaster of S1: a window of 24 with two features, a GRU of 32, six steps ahead as differences from the newest value. */
const forecaster = network('forecaster of S1, GRU 32, window 24', [1, 24, 2], (n, x) => {
  const { b } = n;
  const state = b.op('Squeeze', [n.gru(b.op('Transpose', [x], { perm: [1, 0, 2] }), 32), b.int64([0])]);
  const newest = b.op('Slice', [x, b.int64([23, 0]), b.int64([24, 1]), b.int64([1, 2])]);
  return b.op('Add', [n.dense(state, 6), b.op('Squeeze', [newest, b.int64([2])])]);
});

/** Vibration: three convolutions of 5 over 256 samples of 3 axes, halved each time; 4 classes. */
const vibration = network('vibration, 1-D CNN 256×3', [1, 3, 256], (n, x) => {
  let y = x;
  for (const channels of [16, 32, 64]) y = n.relu(n.conv(y, channels, [5], { strides: [2], pads: [2, 2] }));
  const pooled = n.b.op('Flatten', [n.b.op('GlobalAveragePool', [y])]);
  return n.b.op('Softmax', [n.dense(pooled, 4)]);
});

/** The shapes of MLPerf Tiny v1 (batch normalisation is folded before anything is generated, so it is left out), and two of our own. */
export const tinyNetworks: readonly Network[] = [keywords, resnet, autoencoder, vibration, forecaster];

/** Normal inputs, as many as asked for. */
export function randomFeeds({ graph: { inputs } }: Model, count: number, seed: number): readonly Feeds[] {
  const random = createRandom(seed, 'micro-feeds');
  return Array.from({ length: count }, () =>
    Object.fromEntries(
      inputs.map(({ name, shape }) => {
        const dims = shape as Dims;
        const data = Float32Array.from({ length: product(dims) }, () => random.normal());
        return [name, { dtype: 'float32' as const, dims, data }];
      }),
    ),
  );
}
