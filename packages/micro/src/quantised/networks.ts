// For tests: small networks of every kind that int8 is meant for, with seeded weights, and their quantised form.
import { createRandom } from '@sanderling/kit';
import { calibrate, GraphBuilder, quantise, tensorOf, type Feeds, type Model, type Value } from '@sanderling/onnx';
import type { Elements } from '../options.ts';

const product = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1);

class Network {
  readonly b: GraphBuilder;
  readonly #random;

  constructor(name: string, seed: number) {
    this.b = new GraphBuilder(name, { opset: 21 });
    this.#random = createRandom(seed, 'network');
  }

  weights(dims: readonly number[], fan: number): Value {
    const most = Math.sqrt(3 / fan);
    const data = Float32Array.from({ length: product(dims) }, () => this.#random.uniform(-most, most));
    return this.b.constant(tensorOf('float32', dims, data));
  }

  /** Convolution with bias and Relu. */
  conv(x: Value, dims: readonly number[], { group = 1, relu = true, ...more }: Conv = {}): Value {
    const inputs = [x, this.weights(dims, product(dims.slice(1))), this.weights([dims[0]!], 6)];
    const y = this.b.op('Conv', inputs, { group, ...more });
    return relu ? this.b.op('Relu', [y]) : y;
  }

  dense(x: Value, input: number, output: number): Value {
    return this.b.op('Gemm', [x, this.weights([output, input], input), this.weights([output], 6)], { transB: 1 });
  }
}

interface Conv {
  readonly group?: number;
  readonly relu?: boolean;
  readonly pads?: readonly number[];
  readonly strides?: readonly number[];
}

const same = [1, 1, 1, 1];

function cnn(): Model {
  const n = new Network('cnn', 1);
  const x = n.b.input('x', 'float32', [1, 3, 16, 16]);
  const one = n.b.op('MaxPool', [n.conv(x, [8, 3, 3, 3], { pads: same })], { kernel_shape: [2, 2], strides: [2, 2] });
  const two = n.b.op('AveragePool', [n.conv(one, [12, 8, 3, 3])], { kernel_shape: [2, 2], strides: [2, 2] });
  const flat = n.b.op('Flatten', [two]);
  n.b.output('y', n.b.op('Softmax', [n.dense(n.b.op('Sigmoid', [n.dense(flat, 108, 20)]), 20, 6)]));
  return n.b.model();
}

/** Depthwise and pointwise convolutions, as for keywords. */
function separable(): Model {
  const n = new Network('separable', 2);
  const x = n.b.input('x', 'float32', [1, 1, 20, 10]);
  let y = n.conv(x, [16, 1, 4, 4], { strides: [2, 2], pads: [1, 1, 2, 1] });
  for (let i = 0; i < 2; i += 1) y = n.conv(n.conv(y, [16, 1, 3, 3], { group: 16, pads: same }), [16, 16, 1, 1], {});
  const pooled = n.b.op('Flatten', [n.b.op('GlobalAveragePool', [y])]);
  n.b.output('y', n.dense(pooled, 16, 12));
  return n.b.model();
}

function residual(): Model {
  const n = new Network('residual', 3);
  const x = n.b.input('x', 'float32', [1, 3, 12, 12]);
  const stem = n.conv(x, [8, 3, 3, 3], { pads: same });
  const side = n.conv(n.conv(stem, [8, 8, 3, 3], { pads: same }), [8, 8, 3, 3], { pads: same, relu: false });
  const joined = n.b.op('Relu', [n.b.op('Add', [side, stem])]);
  const short = n.conv(joined, [16, 8, 1, 1], { strides: [2, 2], relu: false });
  const long = n.conv(n.conv(joined, [16, 8, 3, 3], { strides: [2, 2], pads: same }), [16, 16, 3, 3], {
    pads: same,
    relu: false,
  });
  const wide = n.b.op('Concat', [n.b.op('HardSwish', [n.b.op('Add', [short, long])]), long], { axis: 1 });
  const pooled = n.b.op('ReduceMean', [wide, n.b.int64([2, 3])], { keepdims: 0 });
  n.b.output('y', n.dense(pooled, 32, 10));
  return n.b.model();
}

function autoencoder(): Model {
  const n = new Network('autoencoder', 4);
  const x = n.b.input('x', 'float32', [1, 64]);
  const sizes = [64, 32, 8, 32, 64];
  const y = sizes.slice(1).reduce((value, size, i) => {
    const out = n.dense(value, sizes[i]!, size);
    return i < 3 ? n.b.op('Relu', [out]) : out;
  }, x);
  n.b.output('y', y);
  return n.b.model();
}

/** One-dimensional convolutions down, a transposed one up. */
function signal(): Model {
  const n = new Network('signal', 5);
  const x = n.b.input('x', 'float32', [1, 2, 48]);
  const down = n.conv(n.conv(x, [8, 2, 5], { pads: [2, 2], strides: [2] }), [12, 8, 3], { pads: [1, 1] });
  const up = n.b.op('ConvTranspose', [n.b.op('Tanh', [down]), n.weights([12, 2, 4], 24)], {
    strides: [2],
    pads: [1, 1],
  });
  n.b.output('y', n.b.op('LeakyRelu', [up]));
  return n.b.model();
}

/** A recurrent layer over 24 steps; `head`: a dense layer behind its last state. */
function recurrent(kind: 'GRU' | 'LSTM', head: boolean): () => Model {
  return () => {
    const n = new Network(kind, 6);
    const [input, hidden, gates] = [3, 12, kind === 'GRU' ? 3 : 4];
    const x = n.b.input('x', 'float32', [1, 24, input]);
    const turned = n.b.op('Transpose', [x], { perm: [1, 0, 2] });
    const inputs = [
      turned,
      n.weights([1, gates * hidden, input], input),
      n.weights([1, gates * hidden, hidden], hidden),
      n.weights([1, 2 * gates * hidden], 12),
    ];
    const attributes = { hidden_size: hidden, ...(kind === 'GRU' ? { linear_before_reset: 1 } : {}) };
    const [, last] = n.b.ops(kind, inputs, attributes, 2);
    const state = n.b.op('Squeeze', [last!, n.b.int64([0])]);
    n.b.output('y', head ? n.dense(state, hidden, 4) : state);
    return n.b.model();
  };
}

/** Makers of float networks by name; each has an input x and an output y. */
export const networks = {
  'convolutional network': cnn,
  'depthwise-separable network': separable,
  'residual network': residual,
  autoencoder,
  'one-dimensional network': signal,
  'GRU and dense layer': recurrent('GRU', true),
  'LSTM and dense layer': recurrent('LSTM', true),
  'GRU alone': recurrent('GRU', false),
  'LSTM alone': recurrent('LSTM', false),
} as const satisfies Record<string, () => Model>;

/** Smooth random inputs. */
export function inputsFor(model: Model, count: number, seed: number): readonly Elements[] {
  const random = createRandom(seed, 'inputs');
  const length = product(model.graph.inputs[0]!.shape as number[]);
  return Array.from({ length: count }, (_, i) => ({
    x: Float32Array.from({ length }, (_, k) => 0.6 * Math.sin((k + 5 * i) / 4) + 0.4 * random.uniform(-1, 1)),
  }));
}

/** A network with int8 values and weights. */
export async function quantisedNetwork(model: Model): Promise<Model> {
  const dims = model.graph.inputs[0]!.shape as number[];
  const samples = inputsFor(model, 24, 1).map(({ x }): Feeds => ({ x: { dtype: 'float32', dims, data: x! } }));
  return quantise(model, await calibrate(model, samples, { kernels: 'micro' }), { kernels: 'micro' });
}
