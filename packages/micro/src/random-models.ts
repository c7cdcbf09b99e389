// For tests and benchmarks: random models of supported operators.
import { createRandom, type Random } from '@sanderling/kit';
import { GraphBuilder, tensorOf, type Model, type Value } from '@sanderling/onnx';

/** A random tensor of float32. */
export function randomFloats(random: Random, count: number): Float32Array {
  return Float32Array.from({ length: count }, () => random.uniform(-1.5, 1.5));
}

const product = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1);

/** A model under construction: the values so far, and random weights. */
interface Growing {
  readonly random: Random;
  readonly b: GraphBuilder;
}

type Step = (grow: Growing, x: Value, others: readonly Value[]) => Value | undefined;

const dimsOf = ({ shape }: Value): readonly number[] => shape as readonly number[];

function weights({ random, b }: Growing, dims: readonly number[], scale = 1): Value {
  const data = randomFloats(random, product(dims)).map((x) => x * scale);
  return b.constant(tensorOf('float32', dims, data));
}

const unary = [
  'Relu',
  'Sigmoid',
  'Tanh',
  'Abs',
  'Neg',
  'Elu',
  'LeakyRelu',
  'HardSwish',
  'Softplus',
  'Softsign',
  'Floor',
  'Erf',
  'Sin',
];
const reductions = ['ReduceMean', 'ReduceMax', 'ReduceMin', 'ReduceSum', 'ReduceSumSquare', 'ReduceL1'];
const binary = ['Add', 'Sub', 'Mul', 'Max', 'Min'];
const comparisons = ['Greater', 'Less', 'GreaterOrEqual', 'LessOrEqual', 'Equal'];

/** Gate activations of a recurrent layer, those that take no numbers and those that take one. */
const plainGates = ['Sigmoid', 'Tanh', 'Relu', 'Softsign', 'HardSigmoid'];
const bentGates = ['LeakyRelu', 'Elu', 'ThresholdedRelu', 'Affine'];

function randomActivations({ random }: Growing, kind: string, directions: number) {
  if (random.next() < 0.5) return {};
  const count = { GRU: 2, LSTM: 3, RNN: 1 }[kind]! * directions;
  const activations = Array.from({ length: count }, () => random.pick([...plainGates, ...bentGates]));
  const numbers = activations.filter((name) => bentGates.includes(name) || name === 'HardSigmoid');
  const pairs = activations.filter((name) => name === 'HardSigmoid' || name === 'Affine');
  return {
    activations,
    activation_alpha: numbers.map(() => random.uniform(0.1, 0.6)),
    activation_beta: pairs.map(() => random.uniform(0, 0.4)),
  };
}

/** Ways for a model to grow; undefined where a way does not fit the value. */
const steps: readonly Step[] = [
  ({ random, b }, x) => b.op(random.pick(unary), [x]),
  ({ random, b }, x) => b.op(random.pick(unary), [x]),
  ({ random, b }, x, others) => {
    const fits = others.filter((other) => dimsOf(other).join() === dimsOf(x).join());
    return b.op(random.pick(binary), random.next() < 0.5 ? [x, random.pick(fits)] : [random.pick(fits), x]);
  },
  (grow, x) =>
    grow.b.op(grow.random.pick(binary), [
      x,
      weights(
        grow,
        dimsOf(x).map((size) => (grow.random.next() < 0.5 ? 1 : size)),
      ),
    ]),
  (grow, x) => {
    const out = grow.random.int(1, 6);
    return grow.b.op('MatMul', [x, weights(grow, [dimsOf(x).at(-1)!, out], 0.5)]);
  },
  (grow, x) => {
    if (dimsOf(x).length !== 2) return undefined;
    const out = grow.random.int(1, 6);
    const transB = grow.random.int(0, 1);
    const w = weights(grow, transB ? [out, dimsOf(x)[1]!] : [dimsOf(x)[1]!, out], 0.5);
    return grow.b.op('Gemm', [x, w, weights(grow, [out])], { transB });
  },
  (grow, x) => {
    const [, channels, ...space] = dimsOf(x);
    if (space.length < 1 || space.length > 2) return undefined;
    const { random, b } = grow;
    const group = random.pick([1, channels!]);
    const maps = group === 1 ? random.int(1, 4) : channels! * random.int(1, 2);
    const kernel = space.map((size) => random.int(1, Math.min(3, size)));
    const pads = [...kernel, ...kernel].map((size) => random.int(0, size - 1));
    const w = weights(grow, [maps, channels! / group, ...kernel], 0.5);
    const strides = space.map(() => random.int(1, 2));
    return b.op('Conv', [x, w, weights(grow, [maps])], { group, pads, strides, kernel_shape: kernel });
  },
  (grow, x) => {
    const [, channels, ...space] = dimsOf(x);
    if (space.length < 1 || space.length > 2 || product(space) > 64) return undefined;
    const { random, b } = grow;
    const kernel = space.map(() => random.int(1, 3));
    const w = weights(grow, [channels!, random.int(1, 3), ...kernel], 0.5);
    return b.op('ConvTranspose', [x, w], { strides: space.map(() => random.int(1, 2)), kernel_shape: kernel });
  },
  ({ random, b }, x) => {
    const [, , ...space] = dimsOf(x);
    if (space.length < 1 || space.length > 2) return undefined;
    const kernel = space.map((size) => random.int(1, Math.min(3, size)));
    const attributes = {
      kernel_shape: kernel,
      strides: space.map(() => random.int(1, 2)),
      pads: [...kernel, ...kernel].map((size) => random.int(0, Math.floor(size / 2))),
    };
    return b.op(random.pick(['MaxPool', 'AveragePool']), [x], attributes);
  },
  ({ random, b }, x) => {
    const perm = random.shuffle(dimsOf(x).map((_, axis) => axis));
    return b.op('Transpose', [x], { perm });
  },
  ({ random, b }, x) => {
    const dims = random.shuffle([...dimsOf(x)]);
    return b.op('Reshape', [x, b.int64(random.next() < 0.4 ? [dims[0]!, product(dims.slice(1))] : dims)]);
  },
  ({ random, b }, x) => b.op('Concat', [x, x], { axis: random.int(0, dimsOf(x).length - 1) }),
  ({ random, b }, x) => {
    const axis = random.int(0, dimsOf(x).length - 1);
    const size = dimsOf(x)[axis]!;
    const start = random.int(0, size - 1);
    return b.op('Slice', [x, b.int64([start]), b.int64([random.int(start + 1, size)]), b.int64([axis])]);
  },
  ({ random, b }, x) =>
    b.op(random.pick(['Softmax', 'LogSoftmax']), [x], { axis: random.int(0, dimsOf(x).length - 1) }),
  (grow, x) => {
    const size = dimsOf(x).at(-1)!;
    return grow.b.op('LayerNormalization', [x, weights(grow, [size]), weights(grow, [size])], {
      axis: -1,
      epsilon: 0.01,
    });
  },
  ({ random, b }, x) => {
    if (dimsOf(x).length < 2) return undefined;
    const axes = b.int64([random.int(0, dimsOf(x).length - 1)]);
    return b.op(
      random.pick(reductions.slice(0, 1).concat(reductions)),
      [x, axes],
      { keepdims: 1 },
      { name: 'reduced' },
    );
  },
  ({ random, b }, x) => {
    const pads = [...dimsOf(x), ...dimsOf(x)].map(() => random.int(0, 1));
    return b.op('Pad', [x, b.int64(pads)], { mode: random.pick(['constant', 'edge']) });
  },
  ({ b }, x) => {
    const positive = b.op('Greater', [x, b.scalar(0)]);
    return b.op('Where', [positive, x, b.op('Exp', [x])]);
  },
  ({ random, b }, x) => {
    const axis = random.int(0, dimsOf(x).length - 1);
    const size = dimsOf(x)[axis]!;
    const indices = Array.from({ length: random.int(1, 3) }, () => random.int(-size, size - 1));
    return b.op('Gather', [x, b.int64(indices)], { axis });
  },
  ({ random, b }, x) => {
    if (dimsOf(x).length !== 4) return undefined;
    const scales = tensorOf('float32', [4], [1, 1, random.int(1, 2), random.int(1, 2)]);
    return b.op('Resize', [x, undefined, b.constant(scales)], {
      mode: random.pick(['nearest', 'linear']),
      coordinate_transformation_mode: random.pick(['half_pixel', 'asymmetric', 'align_corners']),
      nearest_mode: 'floor',
    });
  },
  ({ random, b }, x) =>
    b.op('Clip', [x, b.scalar(-random.next()), random.next() < 0.5 ? b.scalar(random.next()) : undefined]),
  ({ random, b }, x) => b.op('Div', [x, b.op('Add', [b.op('Abs', [x]), b.scalar(random.uniform(0.5, 2))])]),
  ({ random, b }, x) => b.op('Cast', [b.op(random.pick(comparisons), [x, b.scalar(0.25)])], { to: 1 }),
  ({ random, b }, x) => {
    const axis = random.int(0, dimsOf(x).length - 1);
    const k = random.int(1, dimsOf(x)[axis]!);
    return b.ops('TopK', [x, b.int64([k])], { axis, largest: random.int(0, 1) }, 2)[0];
  },
  ({ random, b }, x) => {
    const axis = random.int(0, dimsOf(x).length - 1);
    return b.op('Cast', [b.op(random.pick(['ArgMax', 'ArgMin']), [x], { axis, keepdims: 1 })], { to: 1 });
  },
  // Whole numbers of 8, 16 and 32 bits: scaled, divided with and without a rest, and back.
  ({ random, b }, x) => {
    const [dtype, to] = random.pick([
      ['int8', 3],
      ['int16', 5],
      ['int32', 6],
      ['uint8', 2],
    ] as const);
    const whole = b.op('Cast', [b.op('Clip', [b.op('Mul', [x, b.scalar(9)]), b.scalar(0), b.scalar(100)])], { to });
    const by = b.constant(tensorOf(dtype, [1], [random.int(1, 7)]));
    return b.op('Cast', [b.op(random.pick(['Div', 'Mod', 'Add', 'Sub']), [whole, by])], { to: 1 });
  },
  ({ random, b }, x) => {
    const axis = random.int(0, dimsOf(x).length - 1);
    const size = dimsOf(x)[axis]!;
    if (size < 2) return undefined;
    const first = random.int(1, size - 1);
    return random.pick(b.ops('Split', [x, b.int64([first, size - first])], { axis }, 2));
  },
  (grow, x) => {
    const [, channels, ...space] = dimsOf(x);
    if (space.length < 1) return undefined;
    const vector = (): Value => weights(grow, [channels!]);
    const spread = grow.b.op('Abs', [vector()]);
    return grow.b.op('BatchNormalization', [
      x,
      vector(),
      vector(),
      vector(),
      grow.b.op('Add', [spread, grow.b.scalar(0.5)]),
    ]);
  },
  (grow, x) => {
    if (dimsOf(x).length !== 3) return undefined;
    const { random, b } = grow;
    const kind = random.pick(['GRU', 'LSTM', 'RNN']);
    const gates = { GRU: 3, LSTM: 4, RNN: 1 }[kind]!;
    const hidden = random.int(1, 4);
    const direction = random.pick(['forward', 'reverse', 'bidirectional']);
    const directions = direction === 'bidirectional' ? 2 : 1;
    const inputs = [
      x,
      weights(grow, [directions, gates * hidden, dimsOf(x)[2]!], 0.5),
      weights(grow, [directions, gates * hidden, hidden], 0.5),
      random.next() < 0.7 ? weights(grow, [directions, 2 * gates * hidden]) : undefined,
    ];
    const before = kind === 'GRU' ? { linear_before_reset: random.int(0, 1) } : {};
    const limit = random.next() < 0.3 ? { clip: 0.7 } : {};
    const shape = { hidden_size: hidden, direction, ...before, ...limit };
    const [all, last] = b.ops(kind, inputs, { ...shape, ...randomActivations(grow, kind, directions) }, 2);
    return random.next() < 0.5 ? all! : last!;
  },
];

/** Sizes beyond this are not grown further. */
const mostElements = 4000;

/** A random model: one float input, up to a dozen operators with branches, one or two outputs. Equal seeds give equal models. */
export function randomModel(seed: number): Model {
  const random = createRandom(seed, 'micro-model');
  const b = new GraphBuilder(`random${seed}`);
  const rank = random.int(2, 4);
  const dims = Array.from({ length: rank }, (_, axis) => random.int(1, axis === 0 ? 2 : 6));
  const values: Value[] = [b.input('x', 'float32', dims)];
  const grow = { random, b };
  const wanted = random.int(2, 12);
  for (let tries = 0; values.length <= wanted && tries < 60; tries += 1) {
    const x = random.next() < 0.7 ? values.at(-1)! : random.pick(values);
    const next = random.pick(steps)(grow, x, values);
    if (next && product(dimsOf(next)) <= mostElements && dimsOf(next).every((size) => size > 0)) values.push(next);
  }
  b.output('y', values.at(-1)!);
  if (values.length > 3 && random.next() < 0.3) b.output('z', random.pick(values.slice(1, -1)));
  return b.model();
}
