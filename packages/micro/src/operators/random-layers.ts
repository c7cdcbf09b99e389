// For tests: single layers of every form that the writers tell apart.
import { createRandom, type Random } from '@sanderling/kit';
import { GraphBuilder, openSession, tensorOf, type Model, type Value } from '@sanderling/onnx';
import { randomFloats } from '../random-models.ts';

/** Adds one layer to a graph, with inputs and outputs that are called after the seed. */
export type Grow = (b: GraphBuilder, seed: number) => void;

/** A model of one layer for each seed. */
export function modelOf(grow: Grow, seeds: readonly number[]): Model {
  const b = new GraphBuilder('layers');
  for (const seed of seeds) grow(b, seed);
  return b.model();
}

/** The seeds, from a first one on, whose models ONNX Runtime takes. */
export async function runnable(grow: Grow, count: number): Promise<readonly number[]> {
  const seeds: number[] = [];
  for (let seed = 1; seeds.length < count; seed += 1) {
    const opened = await openSession(modelOf(grow, [seed])).catch(() => undefined);
    if (!opened) continue;
    await opened[Symbol.asyncDispose]();
    seeds.push(seed);
  }
  return seeds;
}

const product = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1);

/** One convolution of random rank, groups, kernel, stride, dilation and padding; some are depthwise or pointwise, some have weights that are not constant. */
export function randomConvolution(b: GraphBuilder, seed: number): void {
  const random = createRandom(seed, 'convolution');
  const rank = random.pick([1, 2, 2, 2, 3]);
  const space = Array.from({ length: rank }, () => random.int(1, rank === 3 ? 5 : 19));
  const groups = random.pick([1, 1, 2, 3]);
  const depthwise = random.next() < 0.35;
  const channels = depthwise ? random.int(2, 5) : groups * random.int(1, 3);
  const group = depthwise ? channels : groups;
  const maps = group * random.int(1, depthwise ? 2 : 9);
  const pointwise = random.next() < 0.2;
  const kernel = space.map(() => (pointwise ? 1 : random.int(1, 6)));
  const dilations = space.map(() => (pointwise ? 1 : random.int(1, 2)));
  const strides = space.map(() => (pointwise ? 1 : random.int(1, 3)));
  const reach = kernel.map((size, i) => (size - 1) * dilations[i]! + 1);
  const begins = reach.map((size) => (pointwise ? 0 : random.int(0, size - 1)));
  const ends = reach.map((size, i) =>
    pointwise ? 0 : Math.max(random.int(0, size - 1), size - space[i]! - begins[i]!),
  );
  const dims = [maps, channels / group, ...kernel];
  const values = tensorOf('float32', dims, randomFloats(random, product(dims)));
  const x = b.input(`x${seed}`, 'float32', [random.int(1, 2), channels, ...space]);
  const fed = random.next() < 0.1;
  const w = fed ? b.input(`w${seed}`, 'float32', dims) : b.constant(values);
  const bias = random.next() < 0.7 ? [b.constant(tensorOf('float32', [maps], randomFloats(random, maps)))] : [];
  b.output(
    `y${seed}`,
    b.op('Conv', [x, w, ...bias], { group, kernel_shape: kernel, dilations, strides, pads: [...begins, ...ends] }),
  );
}

/** One transposed convolution of random rank, groups, kernel, stride, dilation, padding and output padding. */
export function randomTransposed(b: GraphBuilder, seed: number): void {
  const random = createRandom(seed, 'transposed');
  const space = Array.from({ length: random.pick([1, 2, 2, 3]) }, () => random.int(1, 7));
  const group = random.pick([1, 1, 2, 3]);
  const [channels, maps] = [group * random.int(1, 3), random.int(1, 6)];
  const kernel = space.map(() => random.int(1, 5));
  const strides = space.map(() => random.int(1, 3));
  const dilations = space.map(() => random.int(1, 3));
  const reach = kernel.map((size, i) => (size - 1) * dilations[i]! + 1);
  const pads = [...reach, ...reach].map((size) => random.int(0, Math.floor((size - 1) / 2)));
  const extra = strides.map((step) => random.int(0, step - 1));
  const dims = [channels, maps, ...kernel];
  const values = tensorOf('float32', dims, randomFloats(random, product(dims)));
  const x = b.input(`x${seed}`, 'float32', [random.int(1, 2), channels, ...space]);
  const w = random.next() < 0.1 ? b.input(`w${seed}`, 'float32', dims) : b.constant(values);
  const all = maps * group;
  const bias = random.next() < 0.7 ? [b.constant(tensorOf('float32', [all], randomFloats(random, all)))] : [];
  const attributes = { group, kernel_shape: kernel, dilations, strides, pads, output_padding: extra };
  b.output(`y${seed}`, b.op('ConvTranspose', [x, w, ...bias], attributes));
}

/** Gemm and MatMul with all their transpositions, factors and shapes of bias. */
export function randomProduct(b: GraphBuilder, seed: number): void {
  const random = createRandom(seed, 'product');
  const [rows, depth, columns] = [random.int(1, 3), random.int(1, 21), random.int(1, 27)];
  const constant = (dims: number[]) => b.constant(tensorOf('float32', dims, randomFloats(random, product(dims))));
  if (random.next() < 0.4) {
    const outer = random.pick([[], [2], [2, 1]]);
    b.output(
      `y${seed}`,
      b.op('MatMul', [b.input(`x${seed}`, 'float32', [...outer, rows, depth]), constant([depth, columns])]),
    );
    return;
  }
  const [transA, transB] = [random.int(0, 1), random.int(0, 1)];
  const x = b.input(`x${seed}`, 'float32', transA ? [depth, rows] : [rows, depth]);
  const bias = random.pick<number[][]>([[], [[columns]], [[1]], [[rows, columns]], [[rows, 1]]]);
  const w = constant(transB ? [columns, depth] : [depth, columns]);
  const factors = { alpha: random.pick([1, 0.5]), beta: random.pick([1, 2, 0]) };
  b.output(`y${seed}`, b.op('Gemm', [x, w, ...bias.map(constant)], { transA, transB, ...factors }));
}

const activations = {
  GRU: [
    ['Sigmoid', 'Tanh'],
    ['HardSigmoid', 'Softsign'],
    ['Sigmoid', 'Relu'],
    ['Sigmoid', 'Elu'],
  ],
  LSTM: [
    ['Sigmoid', 'Tanh', 'Tanh'],
    ['HardSigmoid', 'Softsign', 'Relu'],
    ['Sigmoid', 'Tanh', 'Affine'],
    ['Sigmoid', 'Elu', 'LeakyRelu'],
  ],
  RNN: [['Tanh'], ['Relu'], ['Affine'], ['Softplus']],
} as const;

const gatesOf = { GRU: 3, LSTM: 4, RNN: 1 } as const;

/** Weights of a recurrent layer; some are not constant. */
function parameter(b: GraphBuilder, random: Random, [name, dims]: readonly [string, number[]]): Value {
  if (random.next() < 0.12) return b.input(name, 'float32', dims);
  return b.constant(
    tensorOf(
      'float32',
      dims,
      randomFloats(random, product(dims)).map((x) => x / Math.sqrt(dims.at(-1)!)),
    ),
  );
}

/** One GRU, LSTM or RNN of random sizes, directions, activations, clip, bias, states and (LSTM) peepholes. */
export function randomRecurrent(b: GraphBuilder, seed: number): void {
  const random = createRandom(seed, 'recurrent');
  const kind = random.pick(['GRU', 'LSTM', 'RNN'] as const);
  const [steps, batch, input] = [random.int(1, 5), random.pick([1, 1, 2]), random.int(1, 9)];
  const hidden = random.int(1, 19);
  const direction = random.pick(['forward', 'reverse', 'bidirectional']);
  const directions = direction === 'bidirectional' ? 2 : 1;
  const gates = gatesOf[kind];
  const names = random.pick<readonly string[]>(activations[kind]);
  const some = (chance: number, name: string, dims: number[]): Value | undefined =>
    random.next() < chance ? parameter(b, random, [`${name}${seed}`, dims]) : undefined;
  const optional = [
    some(0.8, 'b', [directions, 2 * gates * hidden]),
    undefined, // sequence_lens
    some(0.4, 'h', [directions, batch, hidden]),
    ...(kind === 'LSTM' ? [some(0.4, 'c', [directions, batch, hidden]), some(0.4, 'p', [directions, 3 * hidden])] : []),
  ];
  const inputs = [
    b.input(`x${seed}`, 'float32', [steps, batch, input]),
    parameter(b, random, [`w${seed}`, [directions, gates * hidden, input]]),
    parameter(b, random, [`r${seed}`, [directions, gates * hidden, hidden]]),
    ...optional,
  ];
  const attributes = {
    direction,
    hidden_size: hidden,
    activations: Array.from({ length: directions }, () => names).flat(),
    // Affine has no default that everybody agrees on.
    ...(names.includes('Affine')
      ? { activation_alpha: [0.75, 0.5].slice(0, directions), activation_beta: [0.25, -0.25].slice(0, directions) }
      : {}),
    ...(random.next() < 0.3 ? { clip: 0.75 } : {}),
    ...(kind === 'GRU' ? { linear_before_reset: random.int(0, 1) } : {}),
  };
  const outputs = b.ops(kind, inputs, attributes, kind === 'LSTM' ? 3 : 2);
  for (const [i, output] of outputs.entries()) if (i > 0 || random.next() < 0.6) b.output(`y${seed}_${i}`, output);
}
