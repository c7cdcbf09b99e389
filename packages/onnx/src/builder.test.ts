import { describe, expect, test } from 'vitest';
import { decodeModel, encodeModel, GraphBuilder, modelOf, openSession, tensorOf } from './index.ts';

const f32 = (dims: number[], values: number[]) => ({
  dtype: 'float32' as const,
  dims,
  data: Float32Array.from(values),
});

describe('GraphBuilder', () => {
  test('a built network runs and gives the numbers one computes by hand', async () => {
    const b = new GraphBuilder('net');
    const x = b.input('x', 'float32', ['batch', 2]);
    const w = b.initializer('w', tensorOf('float32', [2, 3], [1, 2, 3, 4, 5, 6]));
    const h = b.op('MatMul', [x, w]);
    const y = b.op('LeakyRelu', [b.op('Sub', [h, b.scalar(10)])], { alpha: 0.5 });
    b.output('y', y);
    expect(y.shape).toEqual(['batch', 3]);
    await using session = await openSession(modelOf(b.build()));
    const out = await session.run({ x: f32([2, 2], [1, 1, 2, 0]) });
    expect(Array.from(out['y']!.data as Float32Array)).toEqual([-2.5, -1.5, -0.5, -4, -3, -2]);
    expect(session.outputs).toEqual([{ name: 'y', dtype: 'float32', shape: ['batch', 3] }]);
  });

  test('shapes computed in the graph are known when they come from constants and shapes', () => {
    const b = new GraphBuilder('shapes');
    const x = b.input('x', 'float32', ['n', 4, 6]);
    const size = b.op('Gather', [b.op('Shape', [x]), b.int64([0])]);
    const target = b.op('Concat', [size, b.int64([-1])], { axis: 0 });
    expect(b.op('Reshape', [x, target]).shape).toEqual(['n', 24]);
    expect(b.op('Slice', [x, b.int64([1]), b.int64([2 ** 40]), b.int64([2])]).shape).toEqual(['n', 4, 5]);
    expect(b.op('Pad', [x, b.int64([0, 1, 2, 0, 1, 2])]).shape).toEqual(['n', 6, 10]);
  });

  test('a wrong op fails where it is written, naming the op', () => {
    const b = new GraphBuilder('wrong');
    const x = b.input('x', 'float32', [2, 3]);
    expect(() => b.op('MatMul', [x, x], {}, { name: 'head' })).toThrow(
      expect.objectContaining({ code: 'INVALID_MODEL', where: 'head' }),
    );
    expect(() => b.op('NoSuchThing', [x])).toThrow(expect.objectContaining({ code: 'UNSUPPORTED' }));
    expect(() => b.input('x', 'float32', [1])).toThrow(expect.objectContaining({ code: 'ALREADY_EXISTS' }));
  });

  test('a model has the opset that its builder inferred by', async () => {
    const b = new GraphBuilder('old', { opset: 12 });
    const x = b.input('x', 'float32', [2, 3]);
    b.output('y', b.op('ReduceSum', [x], { axes: [1], keepdims: 0 }));
    const model = b.model();
    expect([model.opsets.get(''), model.graph.outputs[0]!.shape]).toEqual([12, [2]]);
    await using session = await openSession(model);
    expect((await session.run({ x: f32([2, 3], [1, 2, 3, 4, 5, 6]) }))['y']!.data).toEqual(Float32Array.of(6, 15));
  });

  test('a scan sees outer values and stacks its outputs', async () => {
    const b = new GraphBuilder('scan');
    const x = b.input('x', 'float32', ['time', 2]);
    const start = b.input('start', 'float32', [2]);
    const gain = b.initializer('gain', tensorOf('float32', [2], [2, 3]));
    const body = b.subgraph('step');
    const state = body.input('state', 'float32', [2]);
    const slice = body.input('slice', 'float32', [2]);
    const next = body.op('Add', [state, body.op('Mul', [slice, gain])]);
    body.output(next);
    body.output(next);
    const [last, all] = b.ops('Scan', [start, x], { body: body.graph(), num_scan_inputs: 1 }, 2);
    expect(last!.shape).toEqual([2]);
    expect(all!.shape).toEqual(['time', 2]);
    b.output('last', last!);
    b.output('all', all!);
    await using session = await openSession(encodeModel(modelOf(b.build())));
    const out = await session.run({ x: f32([2, 2], [1, 1, 10, 10]), start: f32([2], [0, 1]) });
    expect(Array.from(out['all']!.data as Float32Array)).toEqual([2, 4, 22, 34]);
  });

  test('append keeps names, binds inputs and lets gradients be written behind a graph', async () => {
    const forward = new GraphBuilder('forward');
    const x = forward.input('x', 'float32', [2]);
    forward.output('y', forward.op('Mul', [x, forward.initializer('w', tensorOf('float32', [2], [3, 4]))]));
    const graph = forward.build();

    const step = new GraphBuilder('step');
    const w = step.input('w', 'float32', [2]);
    const values = step.append(
      { ...graph, initializers: new Map(), inputs: [...graph.inputs, { name: 'w', dtype: 'float32', shape: [2] }] },
      { inputs: { w } },
    );
    const again = step.append(graph);
    expect(values.get('w')!.name).toBe('w');
    expect(again.get('w')!.name).toBe('w_1');
    step.output('sum', step.op('Add', [values.get('y')!, again.get('y')!]));
    await using session = await openSession(modelOf(step.build()));
    const out = await session.run({ x: f32([2], [1, 1]), x_1: f32([2], [10, 10]), w: f32([2], [5, 6]) });
    expect(Array.from(out['sum']!.data as Float32Array)).toEqual([35, 46]);
  });

  test('outputs that are inputs, constants or twice the same value go through a copy', async () => {
    const b = new GraphBuilder('ends');
    const x = b.input('x', 'float32', [1]);
    const y = b.op('Neg', [x]);
    b.output('same', x);
    b.output('once', y);
    b.output('twice', y);
    const model = decodeModel(encodeModel(modelOf(b.build())));
    expect(model.graph.nodes.map((node) => node.opType)).toEqual(['Neg', 'Identity', 'Identity']);
    await using session = await openSession(model);
    const out = await session.run({ x: f32([1], [2]) });
    expect(['same', 'once', 'twice'].map((name) => out[name]!.data[0])).toEqual([2, -2, -2]);
  });
});
