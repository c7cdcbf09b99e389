import { readFileSync } from 'node:fs';
import { createRandom } from '@sanderling/kit';
import { describe, expect, test } from 'vitest';
import {
  checkModel,
  compose,
  decodeModel,
  foldBatchNorm,
  foldConstants,
  foldShapes,
  GraphBuilder,
  inlineFunctions,
  modelOf,
  openSession,
  pruneDead,
  removeNoOps,
  sortNodes,
  tensorOf,
  type Graph,
  type Model,
  type ModelFunction,
  type Node,
  type RunTensor,
  type Value,
} from '../index.ts';

const random = createRandom(11, 'passes');
const values = (count: number, least = -1): number[] => Array.from({ length: count }, () => random.uniform(least, 1));
const weight = (b: GraphBuilder, name: string, dims: number[], least?: number): Value =>
  b.initializer(
    name,
    tensorOf(
      'float32',
      dims,
      values(
        dims.reduce((x, y) => x * y, 1),
        least,
      ),
    ),
  );
const feed = (dims: number[]): RunTensor => ({
  dtype: 'float32',
  dims,
  data: Float32Array.from(values(dims.reduce((x, y) => x * y, 1))),
});

async function run(model: Model, x: RunTensor): Promise<Float32Array> {
  expect(checkModel(model)).toEqual([]);
  await using session = await openSession(model, { optimisation: 'disabled' });
  return (await session.run({ x }))['y']!.data as Float32Array;
}

async function expectSame(before: Model, after: Model, x: RunTensor): Promise<void> {
  const [a, b] = [await run(before, x), await run(after, x)];
  expect(b.length).toBe(a.length);
  for (const [i, value] of a.entries()) expect(Math.abs(b[i]! - value)).toBeLessThan(1e-5 * (1 + Math.abs(value)));
}

const operators = (model: Model): string[] => model.graph.nodes.map(({ opType }) => opType);
const norm = (b: GraphBuilder, x: Value, channels: number): Value =>
  b.op('BatchNormalization', [
    x,
    weight(b, `${x.name}.g`, [channels]),
    weight(b, `${x.name}.b`, [channels]),
    weight(b, `${x.name}.m`, [channels]),
    weight(b, `${x.name}.v`, [channels], 0.1),
  ]);

describe('foldBatchNorm', () => {
  test('into a grouped convolution with bias, a transposed one, and both layouts of Gemm', async () => {
    const b = new GraphBuilder('bn');
    const x = b.input('x', 'float32', ['n', 4, 8, 8]);
    const conv = norm(b, b.op('Conv', [x, weight(b, 'w1', [6, 2, 3, 3]), weight(b, 'b1', [6])], { group: 2 }), 6);
    const up = norm(
      b,
      b.op('ConvTranspose', [b.op('Relu', [conv]), weight(b, 'w2', [6, 2, 2, 2])], { group: 2, strides: [2, 2] }),
      4,
    );
    const flat = b.op('ReduceMean', [up, b.int64([2, 3])], { keepdims: 0 });
    const dense = norm(b, b.op('Gemm', [flat, weight(b, 'w3', [4, 5]), weight(b, 'b3', [5])], { beta: 0.5 }), 5);
    b.output('y', norm(b, b.op('Gemm', [dense, weight(b, 'w4', [3, 5])], { transB: 1 }), 3));
    const before = modelOf(b.build());
    const after = foldBatchNorm(before);
    expect(operators(after)).not.toContain('BatchNormalization');
    await expectSame(before, after, feed([2, 4, 8, 8]));
  });

  test('not where the convolution has another reader', () => {
    const b = new GraphBuilder('shared');
    const x = b.input('x', 'float32', [1, 1, 4, 4]);
    const conv = b.op('Conv', [x, weight(b, 'w', [1, 1, 1, 1])]);
    b.output('y', b.op('Add', [norm(b, conv, 1), conv]));
    const model = modelOf(b.build());
    expect(operators(foldBatchNorm(model))).toEqual(operators(model));
  });
});

describe('folding', () => {
  test('shape arithmetic disappears without the runtime', async () => {
    const b = new GraphBuilder('shapes');
    const x = b.input('x', 'float32', [2, 3, 4]);
    const rows = b.op('Gather', [b.op('Shape', [x]), b.int64([0])]);
    const y = b.op('Reshape', [x, b.op('Concat', [rows, b.op('Mul', [b.int64([3]), b.int64([4])])], { axis: 0 })]);
    b.output('y', y);
    const before = modelOf(b.build());
    const after = foldShapes(before);
    expect(operators(after)).toEqual(['Reshape']);
    await expectSame(before, after, feed([2, 3, 4]));
  });

  test('whatever depends on constants only is computed once; random numbers are not', async () => {
    const b = new GraphBuilder('constants');
    const x = b.input('x', 'float32', ['n', 3]);
    const w = b.op('Exp', [b.op('Transpose', [weight(b, 'w', [5, 3])])]);
    b.output('y', b.op('MatMul', [x, w]));
    b.output('noise', b.op('RandomNormal', [], { shape: [2] }));
    const before = modelOf(b.build());
    const after = await foldConstants()(before);
    expect(operators(after).sort()).toEqual(['MatMul', 'RandomNormal']);
    expect(after.graph.initializers.size).toBe(1);
    await expectSame(before, after, feed([4, 3]));
    expect(operators(await foldConstants({ maxBytes: 10 })(before))).toContain('Exp');
  });
});

describe('folding nodes of several outputs', () => {
  const numbers = (count: number) => Array.from({ length: count }, (_, i) => Math.sin(7 * i));
  const picked = (shown: readonly ('values' | 'indices')[]): Model => {
    const b = new GraphBuilder('picked');
    const x = b.input('x', 'float32', [2]);
    const table = b.op('Neg', [b.op('Abs', [weight(b, 'table', [300])])]);
    const [values, indices] = b.ops('TopK', [table, b.int64([100])], {}, 2) as [Value, Value];
    if (shown.includes('values')) b.output('values', values);
    if (shown.includes('indices')) b.output('indices', indices);
    b.output('y', b.op('Add', [x, b.op('ReduceMax', [values], { keepdims: 0 })]));
    return b.model();
  };

  test.each([
    ['an output that the model shows, another that nobody reads', ['values'], 2 ** 20, 0],
    ['both outputs shown', ['values', 'indices'], 2 ** 20, 0],
    ['one output too large to be kept as a constant', ['values', 'indices'], 500, 1],
    ['both too large', ['values', 'indices'], 100, 1],
  ] as const)('%s', async (_, shown, maxBytes, left) => {
    const before = picked(shown);
    const after = await foldConstants({ maxBytes })(before);
    expect(checkModel(after)).toEqual([]);
    expect(operators(after).filter((name) => name === 'TopK')).toHaveLength(left);
    const x: RunTensor = { dtype: 'float32', dims: [2], data: Float32Array.from(numbers(2)) };
    await using one = await openSession(before);
    await using two = await openSession(after);
    expect(await two.run({ x })).toEqual(await one.run({ x }));
  });
});

describe('clearing', () => {
  test('dead nodes, idle nodes and unused weights go; the order is mended; passes compose', async () => {
    const b = new GraphBuilder('clutter');
    const x = b.input('x', 'float32', [2]);
    weight(b, 'unused', [100]);
    b.op('Neg', [x]);
    const kept = b.op('Identity', [b.op('Dropout', [b.op('Identity', [x])])]);
    const y = b.op('Sqrt', [b.op('Abs', [kept])]);
    b.output('y', b.op('Identity', [y]));
    const before = modelOf(b.build());
    const shuffled = { ...before, graph: { ...before.graph, nodes: before.graph.nodes.toReversed() } };
    const after = await compose(sortNodes, removeNoOps, pruneDead)(shuffled);
    expect(operators(after)).toEqual(['Abs', 'Sqrt']);
    expect(after.graph.initializers.size).toBe(0);
    await expectSame(before, after, feed([2]));
  });

  test('values that a body reads are kept and follow renamings', async () => {
    const b = new GraphBuilder('captured');
    const x = b.input('x', 'float32', [3]);
    const same = b.op('Identity', [b.op('Abs', [x])]);
    const [yes, no] = [b.subgraph('yes'), b.subgraph('no')];
    yes.output(yes.op('Neg', [same]));
    no.output(no.op('Add', [same, x]));
    const test = b.op('Greater', [b.op('ReduceSum', [x], { keepdims: 0 }), b.scalar(1000)]);
    b.output('y', b.op('If', [test], { then_branch: yes.graph(), else_branch: no.graph() }));
    const before = modelOf(b.build());
    const after = await compose(removeNoOps, pruneDead)(before);
    expect(operators(after)).not.toContain('Identity');
    await expectSame(before, after, feed([3]));
  });

  test('functions are inlined with their attributes, and compute the same', async () => {
    const model = decodeModel(readFileSync(new URL('../fixtures/everything.onnx', import.meta.url)));
    const flat = inlineFunctions(model);
    expect(flat.functions).toEqual([]);
    expect(operators(flat)).toEqual(['Constant', 'Add', 'Mul', 'Mul', 'If']);
    expect(checkModel(flat)).toEqual([]);
    const x = feed([2, 3]);
    const flag: RunTensor = { dtype: 'bool', dims: [], data: Uint8Array.of(0) };
    await using before = await openSession(model);
    await using after = await openSession(flat);
    expect((await after.run({ x, flag }))['y']!.data).toEqual((await before.run({ x, flag }))['y']!.data);
  });

  /** A function of one input and output whose nodes are given. */
  const fn = (name: string, nodes: readonly Node[]): ModelFunction => ({
    name,
    domain: 'own',
    overload: '',
    inputs: ['a'],
    outputs: ['b'],
    attributes: [],
    defaults: {},
    nodes,
    opsets: new Map([
      ['', 21],
      ['own', 1],
    ]),
    valueInfo: new Map(),
  });
  const call = (opType: string, from: string, to: string, domain = ''): Node => ({
    opType,
    domain,
    name: '',
    inputs: [from],
    outputs: [to],
    attributes: {},
  });
  const calling = (functions: readonly ModelFunction[]): Model => {
    const b = new GraphBuilder('calls');
    const x = b.input('x', 'float32', [2]);
    b.output('y', b.op('Abs', [x]));
    const before = modelOf(b.build());
    const nodes = [call(functions[0]!.name, 'x', before.graph.outputs[0]!.name, 'own')];
    return { ...before, opsets: new Map([...before.opsets, ['own', 1]]), functions, graph: { ...before.graph, nodes } };
  };

  test('functions that would double again and again are refused before anything is made', () => {
    const doubling = Array.from({ length: 60 }, (_, i) =>
      fn(`f${i}`, [call(`f${i + 1}`, 'a', 'm', 'own'), call(`f${i + 1}`, 'm', 'b', 'own')]),
    );
    const model = calling([...doubling, fn('f60', [call('Neg', 'a', 'b')])]);
    expect(() => inlineFunctions(model)).toThrow(expect.objectContaining({ code: 'TOO_LARGE' }));
    const chain = Array.from({ length: 5000 }, (_, i) => fn(`f${i}`, [call(`f${i + 1}`, 'a', 'b', 'own')]));
    const deep = calling([...chain, fn('f5000', [call('Neg', 'a', 'b')])]);
    expect(() => inlineFunctions(deep)).toThrow(expect.objectContaining({ code: 'TOO_LARGE' }));
    const ring = calling([fn('f0', [call('f1', 'a', 'b', 'own')]), fn('f1', [call('f0', 'a', 'b', 'own')])]);
    expect(() => inlineFunctions(ring)).toThrow(expect.objectContaining({ code: 'INVALID_MODEL' }));
  });

  test('calls within the bodies of functions are inlined too', async () => {
    const body = (name: string, opType: string, domain = ''): Graph => {
      const g = new GraphBuilder(name);
      g.output('r', g.op('Identity', [g.input('a', 'float32', [2])]));
      const { nodes, ...rest } = g.build();
      expect(nodes).toHaveLength(1);
      return { ...rest, inputs: [], nodes: [call(opType, 'a', rest.outputs[0]!.name, domain)] };
    };
    const condition: Node = {
      ...call('Constant', '', 'c'),
      inputs: [],
      attributes: { value: { type: 'tensor', value: tensorOf('bool', [], [1]) } },
    };
    const choice: Node = {
      ...call('If', 'c', 'b'),
      attributes: {
        then_branch: { type: 'graph', value: body('then', 'inner', 'own') },
        else_branch: { type: 'graph', value: body('else', 'Abs') },
      },
    };
    const flat = inlineFunctions(calling([fn('outer', [condition, choice]), fn('inner', [call('Neg', 'a', 'b')])]));
    expect(flat.functions).toEqual([]);
    expect(checkModel(flat)).toEqual([]);
    await using session = await openSession(flat);
    const x: RunTensor = { dtype: 'float32', dims: [2], data: Float32Array.of(2, -3) };
    expect((await session.run({ x }))[flat.graph.outputs[0]!.name]!.data).toEqual(Float32Array.of(-2, 3));
  });
});
