// The order of layers: against all possible orders of small graphs, and on graphs where the order of the file is a bad one.
import { createRandom } from '@sanderling/kit';
import { GraphBuilder, type Model, type Value as Node } from '@sanderling/onnx';
import { describe, expect, test } from 'vitest';
import { compileForHost, generateC, hasCompiler, lower, planMemory, type Program } from '../index.ts';
import { weightsFor } from '../small-networks.ts';
import { randomInputs, referenceOutputs, worstDifference } from '../testing.ts';
import { cheapestOrder } from './order.ts';

const compiler = await hasCompiler();

/** Layers of sizes that grow and shrink, reading one or two of the values before them. */
function tangled(seed: number, layers: number): Model {
  const random = createRandom(seed, 'tangled');
  const b = new GraphBuilder('tangled');
  const values: Node[] = [b.input('x', 'float32', [1, 4])];
  const width = (value: Node): number => (value.shape as number[])[1]!;
  const w = weightsFor(b, seed);
  const unread = new Set<Node>();
  for (let i = 0; i < layers; i += 1) {
    const x = unread.size > 0 && random.next() < 0.4 ? random.pick([...unread]) : random.pick(values);
    const same = values.filter((other) => other !== x && width(other) === width(x));
    const made =
      random.next() < 0.35 && same.length > 0
        ? b.op('Add', [x, random.pick(same)])
        : random.next() < 0.3
          ? b.op('Relu', [x])
          : b.op('MatMul', [x, w(width(x), random.pick([2, 8, 8, 32]))]);
    unread.delete(x);
    values.push(made);
    unread.add(made);
  }
  const ends = [...unread].map((value) => b.op('ReduceMean', [value, b.int64([1])], { keepdims: 1 }));
  b.output('y', ends.length === 1 ? ends[0]! : b.op('Concat', ends, { axis: 1 }));
  return b.model();
}

/** Every order that keeps values ahead of their readers. */
function* ordersOf(program: Program): Generator<Program> {
  const { layers } = program;
  const makers = new Map(layers.flatMap((layer) => layer.outputs.map((value) => [value, layer] as const)));
  function* extend(order: readonly number[]): Generator<readonly number[]> {
    if (order.length === layers.length) yield order;
    for (const [i, layer] of layers.entries()) {
      if (order.includes(i)) continue;
      const ready = layer.inputs.every(
        (value) => !makers.has(value) || order.includes(layers.indexOf(makers.get(value)!)),
      );
      if (ready) yield* extend([...order, i]);
    }
  }
  for (const order of extend([]))
    yield { ...program, layers: order.map((from, index) => ({ ...layers[from]!, index })) };
}

const arena = (program: Program): number => planMemory(program).arenaBytes;

/** Eight branches that are all opened before the first of them is closed, as breadth-first exporters write them. */
function branches(): Model {
  const b = new GraphBuilder('branches');
  const w = weightsFor(b, 3);
  const x = b.input('x', 'float32', [1, 2, 16, 16]);
  const wide = Array.from({ length: 8 }, () => b.op('Conv', [x, w(8, 2, 3, 3)], { pads: [1, 1, 1, 1] }));
  const narrow = wide.map((value) => b.op('GlobalAveragePool', [value]));
  b.output('y', b.op('Concat', narrow, { axis: 1 }));
  return b.model();
}

describe('the order of layers', () => {
  test('is the best of all orders on small graphs, and never worse than that of the file', async () => {
    let improved = 0;
    for (let seed = 1; seed <= 20; seed += 1) {
      const program = await lower(tangled(seed, 6));
      const all = [...ordersOf(program)].map(arena);
      const found = arena(cheapestOrder(program));
      expect(found, `seed ${seed}`).toBe(Math.min(...all));
      if (found < arena(program)) improved += 1;
    }
    expect(improved).toBeGreaterThan(1);
  });

  test('closes branches one by one', async () => {
    const program = await lower(branches());
    const one = 8 * 16 * 16 * 4;
    expect(arena(program)).toBeGreaterThanOrEqual(8 * one);
    expect(arena(cheapestOrder(program))).toBeLessThan(one + 8 * 8 * 8);
    const { report } = await generateC(branches());
    expect(report.arenaBytes).toBe(arena(cheapestOrder(program)));
    expect(report.arenaBytes).toBe(report.boundBytes);
  });

  test('ends on wide graphs that it cannot search, no worse than it began', async () => {
    for (const seed of [5, 6]) {
      const program = await lower(tangled(seed, 200));
      const found = cheapestOrder(program);
      expect(arena(found)).toBeLessThanOrEqual(arena(program));
      expect(found.layers.map(({ index }) => index)).toEqual(program.layers.map((_, i) => i));
    }
  });

  test.skipIf(!compiler)('changes no answer', async () => {
    const models = [branches(), ...[1, 2, 3].map((seed) => tangled(seed, 12))];
    const generated = await Promise.all(models.map((model, i) => generateC(model, { name: `o${i}` })));
    await using host = await compileForHost(generated, { sanitize: true });
    for (const [i, model] of models.entries()) {
      const calls = [randomInputs(model, i)];
      const [[got], [wanted]] = [await host.run(calls, i), await referenceOutputs(model, calls)];
      expect(worstDifference(got!, wanted!)).toBeLessThan(1e-4);
    }
  });
});
