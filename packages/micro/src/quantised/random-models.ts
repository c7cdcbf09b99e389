// For tests and benchmarks: random quantised models, and ONNX Runtime's answer to them in steps of their outputs.
import { createRandom, type Random } from '@sanderling/kit';
import {
  calibrate,
  GraphBuilder,
  openSession,
  quantise,
  tensorOf,
  toNumbers,
  type Feeds,
  type Model,
  type RunTensor,
  type TensorArray,
  type Value,
} from '@sanderling/onnx';
import type { Elements } from '../options.ts';

interface Growing {
  readonly random: Random;
  readonly b: GraphBuilder;
}

type Step = (grow: Growing, x: Value, others: readonly Value[]) => Value | undefined;

const dimsOf = ({ shape }: Value): readonly number[] => shape as readonly number[];
const product = (dims: readonly number[]): number => dims.reduce((a, c) => a * c, 1);

/** Weights of a size that keeps values near 1. */
function weights({ random, b }: Growing, dims: readonly number[], fan: number): Value {
  const most = Math.sqrt(3 / fan);
  return b.constant(
    tensorOf(
      'float32',
      dims,
      Float32Array.from({ length: product(dims) }, () => random.uniform(-most, most)),
    ),
  );
}

const unary = ['Relu', 'Sigmoid', 'Tanh', 'HardSwish', 'LeakyRelu', 'Elu', 'HardSigmoid', 'Gelu'] as const;

const convolution: Step = (grow, x) => {
  const [, channels, ...space] = dimsOf(x);
  if (space.length < 1 || space.length > 2) return undefined;
  const { random, b } = grow;
  const group = random.pick([1, 1, 2, channels!].filter((size) => channels! % size === 0));
  const maps = group === 1 ? random.int(1, 9) : channels! * random.int(1, 2);
  const kernel = space.map((size) => random.int(1, Math.min(4, size)));
  const dilations = kernel.map((size, i) => (size > 1 && (size - 1) * 2 < space[i]! ? random.int(1, 2) : 1));
  const pads = [...kernel, ...kernel].map((size) => random.int(0, size - 1));
  const strides = space.map(() => random.int(1, 2));
  const w = weights(grow, [maps, channels! / group, ...kernel], (channels! / group) * product(kernel));
  const inputs = random.next() < 0.7 ? [x, w, weights(grow, [maps], 3)] : [x, w];
  const y = b.op('Conv', inputs, { group, pads, strides, dilations, kernel_shape: kernel });
  return random.next() < 0.4 ? b.op('Relu', [y]) : y;
};

/** Ways for a model to grow. */
const steps: readonly Step[] = [
  convolution,
  convolution,
  convolution,
  ({ random, b }, x) => b.op(random.pick(unary), [x]),
  ({ b }, x) => b.op('Clip', [x, b.scalar(-0.5), b.scalar(0.75)]),
  ({ random, b }, x, others) => {
    const fits = others.filter((other) => dimsOf(other).join() === dimsOf(x).join());
    return b.op(random.pick(['Add', 'Mul', 'Sub']), [x, random.pick(fits)]);
  },
  (grow, x) => {
    const [, channels, ...space] = dimsOf(x);
    if (space.length < 1 || space.length > 2 || product(space) > 64) return undefined;
    const { random, b } = grow;
    const kernel = space.map(() => random.int(1, 3));
    const w = weights(grow, [channels!, random.int(1, 4), ...kernel], channels!);
    return b.op('ConvTranspose', [x, w], { strides: space.map(() => random.int(1, 2)), kernel_shape: kernel });
  },
  ({ random, b }, x) => {
    const [, , ...space] = dimsOf(x);
    if (space.length < 1 || space.length > 2) return undefined;
    const kernel = space.map((size) => random.int(1, Math.min(3, size)));
    const pads = [...kernel, ...kernel].map((size) => random.int(0, Math.floor(size / 2)));
    const attributes = { kernel_shape: kernel, strides: space.map(() => random.int(1, 2)), pads };
    return b.op(random.pick(['MaxPool', 'AveragePool']), [x], attributes);
  },
  ({ random, b }, x) =>
    dimsOf(x).length < 3 ? undefined : b.op(random.pick(['GlobalAveragePool', 'GlobalMaxPool']), [x]),
  (grow, x) => {
    const size = dimsOf(x).at(-1)!;
    const out = grow.random.int(1, 12);
    const y = grow.b.op('MatMul', [x, weights(grow, [size, out], size)]);
    return grow.random.next() < 0.5 ? grow.b.op('Add', [y, weights(grow, [out], 3)]) : y;
  },
  (grow, x) => {
    if (dimsOf(x).length < 2) return undefined;
    const flat = grow.b.op('Flatten', [x], { axis: 1 });
    const size = dimsOf(flat)[1]!;
    const [out, transB] = [grow.random.int(1, 12), grow.random.int(0, 1)];
    const w = weights(grow, transB ? [out, size] : [size, out], size);
    return grow.b.op('Gemm', [flat, w, weights(grow, [out], 3)], { transB });
  },
  ({ random, b }, x) => {
    const perm = random.shuffle(dimsOf(x).map((_, axis) => axis));
    return b.op('Transpose', [x], { perm });
  },
  ({ random, b }, x) => b.op('Concat', [x, x], { axis: random.int(0, dimsOf(x).length - 1) }),
  ({ random, b }, x) => b.op('Softmax', [x], { axis: random.int(0, dimsOf(x).length - 1) }),
  ({ random, b }, x) => b.op('Pad', [x, b.int64([...dimsOf(x), ...dimsOf(x)].map(() => random.int(0, 1)))]),
  ({ random, b }, x) => {
    const axis = random.int(0, dimsOf(x).length - 1);
    const size = dimsOf(x)[axis]!;
    const start = random.int(0, size - 1);
    return b.op('Slice', [x, b.int64([start]), b.int64([random.int(start + 1, size)]), b.int64([axis])]);
  },
  (grow, x) => {
    if (dimsOf(x).length !== 3) return undefined;
    const { random, b } = grow;
    const kind = random.pick(['GRU', 'LSTM']);
    const gates = kind === 'GRU' ? 3 : 4;
    const [hidden, input] = [random.int(1, 9), dimsOf(x)[2]!];
    const direction = random.pick(['forward', 'reverse', 'bidirectional']);
    const directions = direction === 'bidirectional' ? 2 : 1;
    const inputs = [
      x,
      weights(grow, [directions, gates * hidden, input], input),
      weights(grow, [directions, gates * hidden, hidden], hidden),
      random.next() < 0.7 ? weights(grow, [directions, 2 * gates * hidden], 6) : undefined,
    ];
    const before = kind === 'GRU' ? { linear_before_reset: random.int(0, 1) } : {};
    const [all, last] = b.ops(kind, inputs, { hidden_size: hidden, direction, ...before }, 2);
    return random.next() < 0.5 ? all! : last!;
  },
];

/** A float model of two to seven operators over one input `x`, with outputs `y` (the last value) and sometimes `z`. */
function randomFloatModel(random: Random): Model {
  const b = new GraphBuilder('random', { opset: 21 });
  const rank = random.int(2, 4);
  const dims = [rank === 3 ? random.int(1, 2) : 1, ...Array.from({ length: rank - 1 }, () => random.int(1, 9))];
  const values = [b.input('x', 'float32', dims)];
  const wanted = random.int(2, 7);
  for (let tries = 0; values.length <= wanted && tries < 60; tries += 1) {
    const x = random.next() < 0.8 ? values.at(-1)! : random.pick(values);
    const made = random.pick(steps)({ random, b }, x, values);
    if (made && product(dimsOf(made)) <= 4096) values.push(made);
  }
  b.output('y', values.at(-1)!);
  const middle = values[Math.floor(values.length / 2)]!;
  if (random.next() < 0.3 && middle !== values.at(-1)) b.output('z', middle);
  return b.model();
}

const input = (model: Model, random: Random): Float32Array =>
  Float32Array.from({ length: product(model.graph.inputs[0]!.shape as number[]) }, () => random.uniform(-1, 1));

/** A random model quantised after calibration, and two inputs for it. */
export async function randomQuantisedModel(seed: number): Promise<{ model: Model; calls: readonly Elements[] }> {
  const random = createRandom(seed, 'int8');
  const model = randomFloatModel(random);
  const dims = model.graph.inputs[0]!.shape as number[];
  const samples = Array.from(
    { length: 4 },
    (): Feeds => ({ x: { dtype: 'float32', dims, data: input(model, random) } }),
  );
  const ranges = await calibrate(model, samples, { kernels: 'micro' });
  const activations = random.next() < 0.8 ? 'int8' : 'uint8';
  const quantised = quantise(model, ranges, { kernels: 'micro', activations, perChannel: random.next() < 0.8 });
  return { model: quantised, calls: [{ x: input(model, random) }, { x: input(model, random) }] };
}

/** ONNX Runtime's answer without its own integer kernels: real arithmetic between the quantisations, as the model says. */
export async function plainReference(model: Model, calls: readonly Elements[]): Promise<readonly Elements[]> {
  await using session = await openSession(model, { optimisation: 'disabled' });
  const results: Elements[] = [];
  for (const call of calls) {
    const feeds = Object.fromEntries(
      model.graph.inputs.map(({ name, dtype, shape }): [string, RunTensor] => [
        name,
        { dtype, dims: shape as number[], data: call[name]! },
      ]),
    );
    const out = await session.run(feeds);
    results.push(Object.fromEntries(Object.entries(out).map(([name, { data }]) => [name, data as TensorArray])));
  }
  return results;
}

/** What one step of an output is: the scale of the DequantizeLinear that makes it, 1 for integers. Undefined for other values. */
export function stepOf({ graph }: Model, output: string): number | undefined {
  const maker = graph.nodes.find(({ outputs }) => outputs.includes(output));
  if (maker?.opType === 'QuantizeLinear') return 1;
  const scale = maker?.opType === 'DequantizeLinear' ? graph.initializers.get(maker.inputs[1]!) : undefined;
  return scale && toNumbers(scale)[0];
}

/** How far results are from a reference, in steps. */
export interface Distance {
  readonly values: number;
  readonly equal: number;
  readonly worst: number;
}

/** Compares outputs that have a step. */
export function distance(model: Model, got: readonly Elements[], wanted: readonly Elements[]): Distance {
  let [values, equal, worst] = [0, 0, 0];
  for (const [i, one] of wanted.entries())
    for (const [name, want] of Object.entries(one)) {
      const step = stepOf(model, name);
      if (step === undefined) continue;
      for (let k = 0; k < want.length; k += 1) {
        const off = Math.abs(Number(got[i]![name]![k]) - Number(want[k])) / step;
        values += 1;
        if (off < 0.5) equal += 1;
        worst = Math.max(worst, Number.isNaN(off) ? Infinity : Math.round(off));
      }
    }
  return { values, equal, worst };
}
