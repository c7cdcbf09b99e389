// Convolutions and products of every form that the writers tell apart, under the sanitizers, against ONNX Runtime.
import { createRandom } from '@sanderling/kit';
import { GraphBuilder, openSession, tensorOf, type Model } from '@sanderling/onnx';
import { describe, expect, test } from 'vitest';
import { compileForHost, generateC, hasCompiler } from '../index.ts';
import { randomFloats, randomInputs, referenceOutputs, worstDifference } from '../testing.ts';

const compiler = await hasCompiler();
if (!compiler) console.warn('packages/micro: no gcc on PATH, so no convolution is compiled or run here');

const product = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1);

/** One convolution of random rank, groups, kernel, stride, dilation and padding; some are depthwise or pointwise, some have weights that are not constant. */
function randomConvolution(seed: number): Model {
  const random = createRandom(seed, 'convolution');
  const b = new GraphBuilder(`conv${seed}`);
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
  const x = b.input('x', 'float32', [random.int(1, 2), channels, ...space]);
  const fed = random.next() < 0.1;
  const w = fed ? b.input('w', 'float32', dims) : b.constant(values);
  const bias = random.next() < 0.7 ? [b.constant(tensorOf('float32', [maps], randomFloats(random, maps)))] : [];
  b.output(
    'y',
    b.op('Conv', [x, w, ...bias], { group, kernel_shape: kernel, dilations, strides, pads: [...begins, ...ends] }),
  );
  return b.model();
}

/** One transposed convolution of random rank, groups, kernel, stride, dilation, padding and output padding. */
function randomTransposed(seed: number): Model {
  const random = createRandom(seed, 'transposed');
  const b = new GraphBuilder(`transposed${seed}`);
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
  const x = b.input('x', 'float32', [random.int(1, 2), channels, ...space]);
  const w = random.next() < 0.1 ? b.input('w', 'float32', dims) : b.constant(values);
  const all = maps * group;
  const bias = random.next() < 0.7 ? [b.constant(tensorOf('float32', [all], randomFloats(random, all)))] : [];
  const attributes = { group, kernel_shape: kernel, dilations, strides, pads, output_padding: extra };
  b.output('y', b.op('ConvTranspose', [x, w, ...bias], attributes));
  return b.model();
}

/** Gemm and MatMul with all their transpositions, factors and shapes of bias. */
function randomProduct(seed: number): Model {
  const random = createRandom(seed, 'product');
  const b = new GraphBuilder(`product${seed}`);
  const [rows, depth, columns] = [random.int(1, 3), random.int(1, 21), random.int(1, 11)];
  const constant = (dims: number[]) => b.constant(tensorOf('float32', dims, randomFloats(random, product(dims))));
  if (random.next() < 0.4) {
    const outer = random.pick([[], [2], [2, 1]]);
    b.output('y', b.op('MatMul', [b.input('x', 'float32', [...outer, rows, depth]), constant([depth, columns])]));
    return b.model();
  }
  const [transA, transB] = [random.int(0, 1), random.int(0, 1)];
  const x = b.input('x', 'float32', transA ? [depth, rows] : [rows, depth]);
  const bias = random.pick<number[][]>([[], [[columns]], [[1]], [[rows, columns]], [[rows, 1]]]);
  const w = constant(transB ? [columns, depth] : [depth, columns]);
  const factors = { alpha: random.pick([1, 0.5]), beta: random.pick([1, 2, 0]) };
  b.output('y', b.op('Gemm', [x, w, ...bias.map(constant)], { transA, transB, ...factors }));
  return b.model();
}

/** The seeds, from a first one on, whose models ONNX Runtime takes. */
async function runnable(make: (seed: number) => Model, count: number): Promise<readonly number[]> {
  const seeds: number[] = [];
  for (let seed = 1; seeds.length < count; seed += 1) {
    const opened = await openSession(make(seed)).catch(() => undefined);
    if (!opened) continue;
    await opened[Symbol.asyncDispose]();
    seeds.push(seed);
  }
  return seeds;
}

describe.skipIf(!compiler)('random layers', () => {
  test.each([
    ['convolutions', randomConvolution, 40],
    ['transposed convolutions', randomTransposed, 16],
    ['products', randomProduct, 25],
  ] as const)('%s give the answer of ONNX Runtime', async (_, make, count) => {
    const seeds = await runnable(make, count);
    const models = seeds.map(make);
    const generated = await Promise.all(models.map((model, i) => generateC(model, { name: `c${i}` })));
    await using host = await compileForHost(generated, { sanitize: true, optimise: '-O0' });
    for (const [i, model] of models.entries()) {
      const calls = [randomInputs(model, seeds[i]!)];
      const [[got], [wanted]] = [await host.run(calls, i), await referenceOutputs(model, calls)];
      expect(worstDifference(got!, wanted!), `seed ${seeds[i]}`).toBeLessThan(1e-5);
    }
  });
});
