// Models and ranges that cannot be quantised: coded errors, not codes out of nothing.
import { SanderlingError } from '@sanderling/kit';
import { expect, test } from 'vitest';
import {
  calibrate,
  checkModel,
  GraphBuilder,
  openSession,
  quantise,
  quantiseWithin,
  tensorOf,
  type Feeds,
  type Model,
  type Ranges,
} from '../index.ts';

const feeds = (...values: number[]): Feeds => ({
  x: { dtype: 'float32', dims: [1, values.length], data: Float32Array.from(values) },
});

/** y = x W + b, then a GRU over it as one step. */
function network(weights: number[] = [1, -2, 3, 4], rows = 6): Model {
  const b = new GraphBuilder('hostile');
  const x = b.input('x', 'float32', [1, 2]);
  const dense = b.op('Gemm', [x, b.initializer('w', tensorOf('float32', [2, 2], weights))], {}, { name: 'dense' });
  const steps = b.op('Unsqueeze', [dense, b.int64([0])]);
  const w = b.constant(tensorOf('float32', [1, rows, 2], new Float32Array(2 * rows).fill(0.3)));
  const r = b.constant(tensorOf('float32', [1, 6, 2], new Float32Array(12).fill(0.2)));
  b.output('y', b.ops('GRU', [steps, w, r], { hidden_size: 2 }, 2)[1]!);
  return b.model();
}

const micro = { kernels: 'micro' } as const;
const codeOf = async (act: () => unknown): Promise<string> => {
  try {
    await act();
    return 'none';
  } catch (error) {
    return error instanceof SanderlingError ? error.code : String(error);
  }
};

test('weights that are not finite', async () => {
  for (const odd of [Number.NaN, Infinity]) {
    const model = network([1, odd, 3, 4]);
    const ranges: Ranges = new Map([
      ['x', { min: -1, max: 1 }],
      ['dense', { min: -1, max: 1 }],
    ]);
    expect(await codeOf(() => quantise(model, ranges, micro))).toBe('INVALID_DATA');
    expect(await codeOf(async () => calibrate(model, [feeds(1, 2)], micro))).toBe('INVALID_DATA');
    expect(
      await codeOf(async () => quantiseWithin(model, [feeds(1, 2)], { ...micro, budget: { relativeError: 1 } })),
    ).toBe('INVALID_DATA');
  }
});

test('ranges that are none', async () => {
  const model = network();
  const ranges = await calibrate(model, [feeds(1, 2)], micro);
  for (const range of [
    { min: Number.NaN, max: 1 },
    { min: -Infinity, max: 1 },
    { min: 2, max: -2 },
  ])
    expect(await codeOf(() => quantise(model, new Map([...ranges, ['x', range]]), micro))).toBe('INVALID_ARGUMENT');
  for (const tail of [-1, 0.5, Number.NaN])
    expect(await codeOf(async () => calibrate(model, [feeds(1, 2)], { ...micro, method: 'percentile', tail }))).toBe(
      'INVALID_ARGUMENT',
    );
});

test('values that are always zero, weights of zeros and ranges of almost nothing give models that run', async () => {
  for (const [weights, samples] of [
    [[0, 0, 0, 0], feeds(0, 0)],
    [[1e-44, 0, 1e-44, 0], feeds(1e-40, 1e-42)],
    [[1e30, 1e30, 1e30, 1e30], feeds(1e5, 1e5)],
  ] as const) {
    const model = network([...weights]);
    for (const method of ['minmax', 'percentile', 'mse', 'entropy'] as const) {
      const integer = quantise(model, await calibrate(model, [samples], { ...micro, method }), micro);
      expect(checkModel(integer)).toEqual([]);
      await using session = await openSession(integer);
      for (const value of (await session.run(samples))['y']!.data as Float32Array) expect(value).not.toBeNaN();
    }
  }
});

test('circles, values that nothing makes and shapes that do not fit', async () => {
  const model = network();
  const { graph } = model;
  const changed = (inputs: readonly string[]): Model => ({
    ...model,
    graph: { ...graph, nodes: graph.nodes.map((node, i) => (i === 0 ? { ...node, inputs: [...inputs] } : node)) },
  });
  for (const broken of [changed(['y', 'w']), changed(['ghost', 'w']), changed([]), network([1, 2, 3, 4], 5)]) {
    const code = await codeOf(async () =>
      quantiseWithin(broken, [feeds(1, 2)], { ...micro, budget: { relativeError: 1 } }),
    );
    expect(code).toMatch(/^(INVALID_MODEL|INVALID_ARGUMENT|UNSUPPORTED)$/);
    const ranges: Ranges = new Map(['x', 'dense', 'y'].map((name) => [name, { min: -1, max: 1 }]));
    const plain = await codeOf(() => quantise(broken, ranges, micro));
    expect(plain).toMatch(/^(none|INVALID_MODEL|INVALID_ARGUMENT|UNSUPPORTED)$/);
  }
});
