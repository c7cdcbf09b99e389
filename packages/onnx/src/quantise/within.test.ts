// Quantisation within a budget: what breaks it stays in float, the rest does not, and the promise is measured here once more.
import { createRandom } from '@sanderling/kit';
import { describe, expect, test } from 'vitest';
import { GraphBuilder, openSession, quantiseWithin, tensorOf, type Feeds, type Model, type Value } from '../index.ts';

const random = (seed: number) => createRandom(seed, 'within');
const normals = (seed: number, count: number): Float32Array => {
  const source = random(seed);
  return Float32Array.from({ length: count }, () => source.normal());
};

/** Dense layers; between two of them the channels are blown up by factors from 1 to 10,000 and back, which 8 bits with one scale cannot hold. */
function delicate(): Model {
  const b = new GraphBuilder('delicate');
  const dense = (x: Value, seed: number): Value =>
    b.op('Gemm', [
      x,
      b.constant(
        tensorOf(
          'float32',
          [8, 8],
          normals(seed, 64).map((w) => w / 3),
        ),
      ),
      b.constant(tensorOf('float32', [8], normals(seed + 1, 8))),
    ]);
  const factors = Float32Array.from({ length: 8 }, (_, i) => 10 ** ((4 * i) / 7));
  const x = b.input('x', 'float32', [1, 8]);
  const first = b.op('Relu', [dense(x, 1)], {}, { name: 'first' });
  const blown = b.op('Mul', [first, b.constant(tensorOf('float32', [8], factors))], {}, { name: 'blown' });
  const back = b.op(
    'Mul',
    [
      blown,
      b.constant(
        tensorOf(
          'float32',
          [8],
          factors.map((f) => 1 / f),
        ),
      ),
    ],
    {},
    { name: 'back' },
  );
  b.output('y', dense(b.op('Relu', [dense(back, 3)], {}, { name: 'second' }), 5));
  return b.model();
}

const samples = Array.from(
  { length: 40 },
  (_, i): Feeds => ({ x: { dtype: 'float32', dims: [1, 8], data: normals(100 + i, 8) } }),
);

async function answers(model: Model): Promise<Float32Array[]> {
  await using session = await openSession(model, { optimisation: 'basic' });
  const all: Float32Array[] = [];
  for (const feeds of samples) all.push((await session.run(feeds))['y']!.data as Float32Array);
  return all;
}

/** √(Σ (a − b)² / Σ a²). */
function relativeError(exact: readonly Float32Array[], rough: readonly Float32Array[]): number {
  let [signal, noise] = [0, 0];
  for (const [i, row] of exact.entries())
    for (const [j, value] of row.entries()) {
      signal += value ** 2;
      noise += (value - rough[i]![j]!) ** 2;
    }
  return Math.sqrt(noise / signal);
}

const micro = { kernels: 'micro' } as const;

describe('quantiseWithin', () => {
  test('keeps in float what 8 bits cannot hold, and what it promises', async () => {
    const float = delicate();
    const exact = await answers(float);
    const loose = await quantiseWithin(float, samples, { ...micro, budget: { relativeError: 10 } });
    expect(loose.report.layers.every((layer) => !layer.float)).toBe(true);
    expect(relativeError(exact, await answers(loose.model))).toBeGreaterThan(0.2);
    const { model, report } = await quantiseWithin(float, samples, { ...micro, budget: { relativeError: 0.03 } });
    const measured = relativeError(exact, await answers(model));
    expect(measured).toBeLessThanOrEqual(0.03);
    expect(measured).toBeCloseTo(report.relativeError, 6);
    expect(report.layers.filter((layer) => layer.float).map(({ value }) => value)).toEqual(['blown', 'back']);
    const worst = report.layers.toSorted((a, b) => a.aloneDecibels - b.aloneDecibels)[0]!;
    expect(['blown', 'back']).toContain(worst.value);
    for (const { value, aloneDecibels, cumulativeDecibels } of report.layers) {
      if (value === 'blown' || value === 'back') continue;
      expect(aloneDecibels).toBeGreaterThan(30);
      expect(cumulativeDecibels).toBeGreaterThan(25);
    }
  });

  test('a metric of the model is a budget too', async () => {
    const float = delicate();
    const signs = (rows: readonly Float32Array[]): boolean[] => rows.flatMap((row) => Array.from(row, (y) => y > 0));
    const truth = signs(await answers(float));
    const metric = async (model: Model): Promise<number> => {
      const got = signs(await answers(model));
      return got.filter((sign, i) => sign === truth[i]).length / truth.length;
    };
    const { model, report } = await quantiseWithin(float, samples, { ...micro, budget: { metric, loss: 0.02 } });
    expect(report.metric!.float).toBe(1);
    expect(report.metric!.quantised).toBe(await metric(model));
    expect(report.metric!.quantised).toBeGreaterThanOrEqual(0.98);
    expect(report.layers.some((layer) => layer.float)).toBe(true);
    expect(report.layers.some((layer) => !layer.float)).toBe(true);
  });

  test('no budget at all leaves the float model, and skipped layers are not spoken of', async () => {
    const float = delicate();
    const none = await quantiseWithin(float, samples, { ...micro, budget: { relativeError: 0 }, skip: ['second'] });
    expect(none.model.graph.nodes.map(({ opType }) => opType)).toEqual(float.graph.nodes.map(({ opType }) => opType));
    expect(none.report.relativeError).toBe(0);
    expect(none.report.layers.map(({ value }) => value)).not.toContain('second');
    expect(await answers(none.model)).toEqual(await answers(float));
  });

  test('operators on shapes are no layers, as exporters write them for open sizes', async () => {
    const b = new GraphBuilder('open');
    const x = b.input('x', 'float32', ['batch', 8]);
    const rows = b.op('Gather', [b.op('Shape', [x]), b.int64([0])]);
    const shape = b.op('Concat', [rows, b.int64([2, 4])], { axis: 0 }, { name: 'sizes' });
    const w = b.constant(tensorOf('float32', [4, 3], normals(9, 12)));
    b.output('y', b.op('MatMul', [b.op('Reshape', [x, shape]), w], {}, { name: 'dense' }));
    const { report } = await quantiseWithin(b.model(), samples, { ...micro, budget: { relativeError: 0.05 } });
    expect(report.layers.map(({ operator, float }) => [operator, float])).toEqual([
      ['Reshape', false],
      ['MatMul', false],
    ]);
    const whole = new GraphBuilder('whole');
    const places = whole.input('x', 'float32', ['batch', 8]);
    whole.output('y', whole.op('Concat', [whole.op('Shape', [places]), whole.int64([2])], { axis: 0 }));
    const nothing = await quantiseWithin(whole.model(), samples, { ...micro, budget: { relativeError: 0 } });
    expect(nothing.report.layers).toEqual([]);
  });

  test('refuses budgets that are none and nothing to measure on', async () => {
    for (const relativeError of [-1, Number.NaN])
      await expect(quantiseWithin(delicate(), samples, { budget: { relativeError } })).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
      });
    await expect(quantiseWithin(delicate(), [], { budget: { relativeError: 1 } })).rejects.toMatchObject({
      code: 'TOO_LITTLE_DATA',
    });
  });
});
