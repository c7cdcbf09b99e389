import { readFileSync } from 'node:fs';
import { createRandom } from '@sanderling/kit';
import { describe, expect, test } from 'vitest';
import {
  calibrate,
  checkModel,
  compose,
  decodeModel,
  foldBatchNorm,
  foldConstants,
  GraphBuilder,
  openSession,
  quantisationNoise,
  quantise,
  removeNoOps,
  tensorOf,
  toNumbers,
  type Feeds,
  type Model,
  type Value,
} from '../index.ts';
import { Histogram, chosenRange } from './histogram.ts';

const fixture = (name: string): Buffer => readFileSync(new URL(`../fixtures/${name}`, import.meta.url));
const plain = decodeModel(fixture('torch-plain.onnx'));
const images = (count: number): Feeds[] => {
  const random = createRandom(4, 'images');
  const data = (): Float32Array => Float32Array.from({ length: 768 }, () => random.normal());
  return Array.from({ length: count }, () => ({ x: { dtype: 'float32', dims: [1, 3, 16, 16], data: data() } }));
};

async function scores(model: Model, feeds: Feeds): Promise<Float32Array> {
  await using session = await openSession(model);
  return (await session.run(feeds))['y']!.data as Float32Array;
}

const largest = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);

describe('quantise', () => {
  type Reference = {
    samples: number[][];
    activations: Record<string, [scale: number, zero: number]>;
    weights: Record<string, { scales: number[]; codes: number[] }>;
    result: number[];
  };
  const reference = JSON.parse(fixture('quantised-plain.json').toString()) as Reference;
  const samples = reference.samples.map(
    (values): Feeds => ({ x: { dtype: 'float32', dims: [1, 3, 16, 16], data: Float32Array.from(values) } }),
  );

  test("gives the scales, codes and results of ONNX Runtime's own quantiser", async () => {
    const model = quantise(plain, await calibrate(plain, samples));
    expect(checkModel(model)).toEqual([]);
    const constant = (name: string): number[] => toNumbers(model.graph.initializers.get(name)!);
    const { y_QuantizeLinear_Input: output, ...inner } = reference.activations;
    for (const [name, [scale, zero]] of Object.entries({ ...inner, y: output! })) {
      expect(Math.abs(constant(`${name}.scale`)[0]! / scale - 1)).toBeLessThan(1e-6);
      expect(constant(`${name}.zero`)).toEqual([zero]);
    }
    const renamed = {
      'a.weight': '/a/Conv_output_0.weight',
      'b.weight': '/b/Conv_output_0.weight',
      'head.weight': 'y.weight',
      'a.bias': '/a/Conv_output_0.bias',
    };
    for (const [theirs, ours] of Object.entries(renamed)) {
      const { scales, codes } = reference.weights[theirs]!;
      expect(largest(constant(`${ours}.scale`), scales)).toBeLessThan(1e-9);
      expect(largest(constant(`${ours}.quantised`), codes)).toBeLessThanOrEqual(1);
    }
    expect(largest(await scores(model, samples[0]!), reference.result)).toBeLessThan(2e-5);
  });

  test('keeps a batch-normalised network close to the original, per channel closer than with one scale', async () => {
    const float = await compose(removeNoOps, foldConstants(), foldBatchNorm)(decodeModel(fixture('torch-mobile.onnx')));
    expect(float.graph.nodes.map(({ opType }) => opType)).not.toContain('BatchNormalization');
    const [train, tests] = [images(6), images(9).slice(6)];
    const ranges = await calibrate(float, train);
    const errors = await Promise.all(
      [true, false].map(async (perChannel) => {
        const model = quantise(float, ranges, { perChannel, activations: 'int8' });
        expect(checkModel(model)).toEqual([]);
        const each = await Promise.all(
          tests.map(async (feeds) => largest(await scores(model, feeds), await scores(float, feeds))),
        );
        return Math.max(...each);
      }),
    );
    expect(errors[0]).toBeLessThan(0.02);
    expect(errors[0]).toBeLessThan(errors[1]! + 0.005);
  });

  test('tells which layers suffer, and leaves those in float that it is told to', async () => {
    const ranges = await calibrate(plain, samples);
    const noise = await quantisationNoise(plain, quantise(plain, ranges), samples);
    expect(noise.map(({ value }) => value)).toContain('y');
    for (const { decibels } of noise) expect(decibels).toBeGreaterThan(30);
    const spared = quantise(plain, ranges, { skip: ['/a/Conv'] });
    expect(spared.graph.initializers.has('a.weight')).toBe(true);
    const after = await quantisationNoise(plain, spared, samples);
    const first = (list: typeof noise): number => list.find(({ value }) => value === '/a/Conv_output_0')!.decibels;
    expect(first(after)).toBeGreaterThan(first(noise) + 20);
  });

  test('refuses to calibrate on nothing, on what is not finite, and ranges of another model', async () => {
    await expect(calibrate(plain, [])).rejects.toMatchObject({ code: 'TOO_LITTLE_DATA' });
    const bad = {
      x: { dtype: 'float32' as const, dims: [1, 3, 16, 16], data: new Float32Array(768).fill(Number.NaN) },
    };
    await expect(calibrate(plain, [bad])).rejects.toMatchObject({ code: 'INVALID_DATA' });
    expect(() => quantise(plain, new Map())).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    const ranges = await calibrate(plain, samples);
    expect(() => quantise(quantise(plain, ranges), ranges)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    );
  });

  test('an output that others read, a shared weight and a channel of zeros are no trouble', async () => {
    const b = new GraphBuilder('odd');
    const x = b.input('x', 'float32', ['n', 4]);
    const w = b.initializer('w', tensorOf('float32', [4, 4], [1, 2, 3, 0, 5, 6, 7, 0, 9, 1, 2, 0, 4, 5, 6, 0]));
    const first = b.op('MatMul', [x, w]);
    b.output('y', first);
    b.output('z', b.op('MatMul', [first, w]));
    const model = b.model();
    const feeds: Feeds[] = [{ x: { dtype: 'float32', dims: [1, 4], data: Float32Array.of(1, -2, 3, 0.5) } }];
    const integer = quantise(model, await calibrate(model, feeds));
    expect(checkModel(integer)).toEqual([]);
    await using before = await openSession(model);
    await using after = await openSession(integer);
    const [a, c] = [await before.run(feeds[0]!), await after.run(feeds[0]!)];
    for (const name of ['y', 'z']) {
      const exact = a[name]!.data as Float32Array;
      expect(largest(exact, c[name]!.data as Float32Array)).toBeLessThan(0.04 * Math.max(...exact.map(Math.abs)));
    }
  });
});

describe('every quantised operator', () => {
  const c = (b: GraphBuilder, dims: number[]): Value =>
    b.constant(
      tensorOf(
        'float32',
        dims,
        Array.from({ length: dims.reduce((x, y) => x * y, 1) }, (_, i) => Math.sin(i * 1.7)),
      ),
    );
  const small = [1, 4, 6, 6];
  type Operator = readonly [string, (b: GraphBuilder, x: Value) => Value];
  const operators: readonly Operator[] = [
    ['Conv', (b, x) => b.op('Conv', [x, c(b, [5, 4, 3, 3]), c(b, [5])])],
    ['depthwise Conv', (b, x) => b.op('Relu', [b.op('Conv', [x, c(b, [4, 1, 3, 3])], { group: 4 })])],
    ['ConvTranspose', (b, x) => b.op('ConvTranspose', [x, c(b, [4, 2, 2, 2]), c(b, [2])], { strides: [2, 2] })],
    ['grouped ConvTranspose', (b, x) => b.op('ConvTranspose', [x, c(b, [4, 2, 2, 2]), c(b, [4])], { group: 2 })],
    ['Gemm', (b, x) => b.op('Gemm', [b.op('Flatten', [x]), c(b, [144, 3]), c(b, [3])])],
    ['MatMul', (b, x) => b.op('Add', [b.op('MatMul', [x, c(b, [6, 3])]), c(b, [3])])],
    ['MatMul of two values', (b, x) => b.op('MatMul', [x, x])],
    ['Add', (b, x) => b.op('Add', [x, b.op('Transpose', [x], { perm: [0, 1, 3, 2] })])],
    ['Mul', (b, x) => b.op('Mul', [x, b.op('Sigmoid', [x])])],
    ['Clip', (b, x) => b.op('Clip', [b.op('Conv', [x, c(b, [2, 4, 1, 1])]), b.scalar(0), b.scalar(1)])],
    ['MaxPool', (b, x) => b.op('MaxPool', [x], { kernel_shape: [2, 2], strides: [2, 2] })],
    ['AveragePool', (b, x) => b.op('AveragePool', [x], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] })],
    ['GlobalAveragePool', (b, x) => b.op('GlobalAveragePool', [x])],
    ['Concat', (b, x) => b.op('Concat', [x, b.op('Mul', [x, b.scalar(0.1)])], { axis: 1 })],
    ['Pad', (b, x) => b.op('Pad', [x, b.int64([0, 0, 1, 1, 0, 0, 1, 1])])],
    ['Split', (b, x) => b.op('Add', b.ops('Split', [x], { axis: 1, num_outputs: 2 }, 2))],
    ['LeakyRelu', (b, x) => b.op('LeakyRelu', [x], { alpha: 0.2 })],
    ['Softmax', (b, x) => b.op('Softmax', [x], { axis: -1 })],
    ['Reshape', (b, x) => b.op('Reshape', [x, b.int64([4, 36])])],
  ];
  /** Those that only kernels of microcontrollers have. */
  const more: readonly Operator[] = [
    ['Tanh', (b, x) => b.op('Tanh', [x])],
    ['HardSigmoid', (b, x) => b.op('HardSigmoid', [x])],
    ['HardSwish', (b, x) => b.op('HardSwish', [x])],
    ['Gelu', (b, x) => b.op('Gelu', [x])],
    ['Elu', (b, x) => b.op('Elu', [x])],
    ['Sub', (b, x) => b.op('Sub', [x, b.op('Transpose', [x], { perm: [0, 1, 3, 2] })])],
    ['ReduceMean', (b, x) => b.op('ReduceMean', [x, b.int64([2, 3])])],
    ['GlobalMaxPool', (b, x) => b.op('GlobalMaxPool', [x])],
    ['Slice', (b, x) => b.op('Slice', [x, b.int64([1]), b.int64([3]), b.int64([2])])],
  ];

  const cases = [
    ...operators.map((one) => ['runtime', ...one] as const),
    ...more.map((one) => ['micro', ...one] as const),
  ];
  test.each(cases)(
    '%s: %s is close in float and in the integer kernels that the runtime puts in its place',
    async (kernels, _, build) => {
      const b = new GraphBuilder('one');
      b.output('y', build(b, b.input('x', 'float32', small)));
      const float = b.model();
      const random = createRandom(2, 'operators');
      const feeds: Feeds = {
        x: { dtype: 'float32', dims: small, data: Float32Array.from({ length: 144 }, () => random.normal()) },
      };
      const exact = await scores(float, feeds);
      const tolerance = 0.03 * Math.max(...exact.map(Math.abs));
      for (const activations of ['uint8', 'int8'] as const) {
        const model = quantise(float, await calibrate(float, [feeds], { kernels }), { activations, kernels });
        expect(checkModel(model)).toEqual([]);
        expect(model.graph.nodes.some(({ opType }) => opType === 'QuantizeLinear')).toBe(true);
        for (const optimisation of ['disabled', 'extended'] as const) {
          await using session = await openSession(model, { optimisation });
          expect(largest(exact, (await session.run(feeds))['y']!.data as Float32Array)).toBeLessThan(tolerance);
        }
      }
    },
  );
});

describe('ranges', () => {
  /** A normal distribution with one value in a hundred thousand far out. */
  function heavyTailed(): Histogram {
    const random = createRandom(8, 'tail');
    const values = Float32Array.from({ length: 300_000 }, (_, i) => (i % 150_000 === 7 ? 40 : random.normal()));
    const histogram = new Histogram({ min: values.reduce((a, b) => Math.min(a, b)), max: 40 });
    histogram.add(values);
    return histogram;
  }

  test('outliers widen the extremes only', () => {
    const histogram = heavyTailed();
    expect(chosenRange(histogram, 'minmax').max).toBe(40);
    // 10⁻⁵ of 300,000 values are 3: the two outliers and one of the normal ones, of which the largest is near 4.5.
    expect(chosenRange(histogram, 'percentile').max).toBeLessThan(6);
    expect(chosenRange(histogram, 'mse').max).toBeLessThan(40);
    expect(chosenRange(histogram, 'entropy').max).toBeLessThan(40);
  });

  test('evenly spread values keep their whole range', () => {
    const histogram = new Histogram({ min: -1, max: 1 });
    histogram.add(Float32Array.from({ length: 100_000 }, (_, i) => -1 + (2 * i) / 99_999));
    for (const method of ['minmax', 'percentile', 'mse', 'entropy'] as const) {
      const { min, max } = chosenRange(histogram, method);
      expect([Math.abs(min + 1) < 0.03, Math.abs(max - 1) < 0.03]).toEqual([true, true]);
    }
  });
});
