import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { createRandom, SanderlingError, type Random } from '@sanderling/kit';
import { describe, expect, test } from 'vitest';
import {
  checkModel,
  decodeModel,
  GraphBuilder,
  inferModel,
  inspectModel,
  modelOf,
  openSession,
  tensorOf,
  type Attribute,
  type Dim,
  type Graph,
  type Shape,
  type Value,
} from '../index.ts';

const w = (b: GraphBuilder, dims: number[]): Value =>
  b.constant(tensorOf('float32', dims, new Float32Array(dims.reduce((x, y) => x * y, 1)).fill(0.5)));
type Case = readonly [name: string, input: Shape, build: (b: GraphBuilder, x: Value) => Value, expected: Shape];

const cases: readonly Case[] = [
  [
    'convolution, batch unknown',
    ['n', 3, 17, 'w'],
    (b, x) => b.op('Conv', [x, w(b, [8, 3, 3, 3])], { strides: [2, 1], pads: [1, 1, 1, 1] }),
    ['n', 8, 9, 'w'],
  ],
  [
    'dilated, grouped',
    ['n', 4, 20],
    (b, x) => b.op('Conv', [x, w(b, [8, 2, 5])], { group: 2, dilations: [2] }),
    ['n', 8, 12],
  ],
  [
    'transposed with output padding',
    [1, 4, 7, 7],
    (b, x) => b.op('ConvTranspose', [x, w(b, [4, 2, 3, 3])], { strides: [2, 2], output_padding: [1, 0] }),
    [1, 2, 16, 15],
  ],
  [
    'pool with ceil',
    [1, 2, 10, 11],
    (b, x) => b.op('MaxPool', [x], { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1 }),
    [1, 2, 5, 5],
  ],
  [
    'same padding',
    ['n', 2, 10],
    (b, x) => b.op('AveragePool', [x], { kernel_shape: [3], strides: [3], auto_pad: 'SAME_UPPER' }),
    ['n', 2, 4],
  ],
  [
    'fused matrix product',
    ['n', 5, 3],
    (b, x) => b.op('FusedMatMul', [x, x], { transA: 1 }, { domain: 'com.microsoft' }),
    ['n', 3, 3],
  ],
  [
    'flatten and dense',
    ['n', 4, 6],
    (b, x) => b.op('Gemm', [b.op('Reshape', [x, b.int64([-1, 24])]), w(b, [10, 24])], { transB: 1 }),
    ['n', 10],
  ],
  [
    'split heads',
    ['n', 't', 12],
    (b, x) => b.op('Transpose', [b.op('Reshape', [x, b.int64([0, 0, 3, 4])])], { perm: [0, 2, 1, 3] }),
    ['n', 3, 't', 4],
  ],
  ['einsum', ['n', 't', 4], (b, x) => b.op('Einsum', [x, w(b, [4, 7])], { equation: 'ntk,kc->nct' }), ['n', 7, 't']],
  [
    'resize by scales',
    ['n', 2, 5, 5],
    (b, x) => b.op('Resize', [x, undefined, b.constant(tensorOf('float32', [4], [1, 1, 2, 3.5]))], { mode: 'nearest' }),
    ['n', 2, 10, 17],
  ],
  [
    'slice from the back with a step',
    ['n', 10],
    (b, x) => b.op('Slice', [x, b.int64([-1]), b.int64([-(2 ** 40)]), b.int64([1]), b.int64([-3])]),
    ['n', 4],
  ],
  ['uneven split', ['n', 7], (b, x) => b.ops('Split', [x], { axis: 1, num_outputs: 3 }, 3)[2]!, ['n', 1]],
  ['top k', ['n', 9], (b, x) => b.ops('TopK', [x, b.int64([4])], {}, 2)[0]!, ['n', 4]],
  ['one hot', ['n'], (b, x) => b.op('OneHot', [b.op('Cast', [x], { to: 7 }), b.int64([5]), w(b, [2])]), ['n', 5]],
  [
    'gather of rows',
    [6, 4],
    (b, x) => b.op('Gather', [x, b.constant(tensorOf('int64', [2, 3], [0, 1, 2, 3, 4, 5]))]),
    [2, 3, 4],
  ],
  [
    'gru',
    ['t', 'n', 3],
    (b, x) =>
      b.ops('GRU', [x, w(b, [2, 12, 3]), w(b, [2, 12, 4])], { hidden_size: 4, direction: 'bidirectional' }, 2)[0]!,
    ['t', 2, 'n', 4],
  ],
  [
    'reduction by computed axes',
    ['n', 3, 4],
    (b, x) => b.op('ReduceMean', [x, b.op('Neg', [b.int64([1])])], { keepdims: 0 }),
    ['n', 3],
  ],
  [
    'expand to another shape',
    ['n', 1],
    (b, x) => b.op('Expand', [x, b.op('Concat', [b.op('Shape', [x], { end: 1 }), b.int64([6])], { axis: 0 })]),
    ['n', 6],
  ],
];

describe('inference of built graphs', () => {
  test.each(cases)('%s, as ONNX Runtime infers and as it runs', async (_, shape, build, expected) => {
    const b = new GraphBuilder('case');
    const x = b.input('x', 'float32', shape);
    const y = build(b, x);
    expect(y.shape).toEqual(expected);
    b.output('y', y);
    const graph = b.build();
    const open = {
      ...graph,
      valueInfo: new Map(),
      outputs: graph.outputs.map((info) => ({ ...info, shape: undefined })),
    };
    await using session = await openSession(modelOf(open));
    const sizes: Record<string, number> = { n: 2, t: 3, w: 6 };
    const dims = shape.map((dim) => (typeof dim === 'string' ? sizes[dim]! : dim!));
    const out = await session.run({
      x: { dtype: 'float32', dims, data: new Float32Array(dims.reduce((p, q) => p * q, 1)) },
    });
    expect(out['y']!.dims).toEqual(expected.map((dim) => (typeof dim === 'string' ? sizes[dim] : dim)));
    // Where the runtime's own inference knows a number, it is ours.
    const own = session.outputs[0]!.shape ?? [];
    for (const [i, dim] of own.entries()) if (typeof dim === 'number') expect(expected[i]).toBe(dim);
  });

  test('a loop whose state grows has an unknown size; a steady one keeps it', () => {
    const b = new GraphBuilder('loop');
    const x = b.input('x', 'float32', ['n', 2]);
    const grow = b.subgraph('grow');
    grow.input('i', 'int64', []);
    grow.output(grow.op('Identity', [grow.input('go', 'bool', [])]));
    const [a, c] = [grow.input('a', 'float32', undefined), grow.input('c', 'float32', undefined)];
    grow.output(grow.op('Concat', [a, a], { axis: 0 }));
    grow.output(grow.op('Neg', [c]));
    const trips = b.constant(tensorOf('int64', [], [3n]));
    const [grown, steady] = b.ops('Loop', [trips, undefined, x, x], { body: grow.graph() }, 2);
    expect(grown!.shape).toEqual([undefined, 2]);
    expect(steady!.shape).toEqual(['n', 2]);
  });

  test('a wrong model says which node and why', () => {
    const b = new GraphBuilder('wrong');
    const x = b.input('x', 'float32', [2, 3]);
    b.output('y', b.op('Add', [x, b.scalar(1)], {}, { name: 'sum' }));
    const graph = b.build();
    const bad: Graph = { ...graph, initializers: new Map([['constant', tensorOf('float32', [5], [1, 2, 3, 4, 5])]]) };
    expect(() => inferModel(modelOf(bad))).toThrow(
      expect.objectContaining({
        code: 'INVALID_MODEL',
        where: 'sum',
        message: 'Add "sum": dimensions 3 and 5 do not go together',
      }),
    );
  });
});

describe('elements of small tensors', () => {
  test('are followed through slices, turns and picks as ONNX Runtime computes them', async () => {
    const random = createRandom(1, 'elements');
    const b = new GraphBuilder('elements');
    const followed = new Map<string, readonly Dim[] | undefined>();
    for (let round = 0; round < 200; round += 1) {
      const dims = Array.from({ length: random.int(1, 3) }, () => random.int(1, 4));
      const count = dims.reduce((all, dim) => all * dim, 1);
      let x = b.constant(
        tensorOf(
          'int64',
          dims,
          Array.from({ length: count }, () => random.int(-9, 9)),
        ),
      );
      for (let step = random.int(1, 4); step > 0; step -= 1) x = moved(b, x, random);
      const name = `y${round}`;
      b.output(name, x);
      followed.set(name, b.elementsOf(x));
    }
    await using session = await openSession(modelOf(b.build()), { optimisation: 'disabled' });
    const out = await session.run({});
    for (const [name, values] of followed) expect(values).toEqual(Array.from(out[name]!.data as BigInt64Array, Number));
  });

  test('pads as PyTorch’s exporter computes them are known', () => {
    const b = new GraphBuilder('pads');
    const x = b.input('x', 'float32', ['n', 8, 6, 6]);
    const zeros = b.op('ConstantOfShape', [b.int64([4])], {
      value: { type: 'tensor', value: tensorOf('int64', [1], [0]) },
    });
    const pairs = b.op('Reshape', [b.op('Concat', [b.int64([1, 1, 2, 0]), zeros], { axis: 0 }), b.int64([-1, 2])]);
    const ends = [[-1], [-(2n ** 63n)], [0], [-1]].map((list) => b.int64(list));
    const turned = b.op('Transpose', [b.op('Slice', [pairs, ...ends])], { perm: [1, 0] });
    const pads = b.op('Cast', [b.op('Reshape', [turned, b.int64([-1])])], { to: 7 });
    expect(b.op('Pad', [x, pads], { mode: 'reflect' }).shape).toEqual(['n', 8, 8, 8]);
  });
});

/** One of the operators that move elements, with random settings. */
function moved(b: GraphBuilder, x: Value, random: Random): Value {
  const dims = x.shape as readonly number[];
  const axis = random.int(0, dims.length - 1);
  const size = dims[axis]!;
  switch (random.int(0, 3)) {
    case 0:
      return b.op('Transpose', [x], { perm: random.shuffle(Array.from(dims.keys())) });
    case 1: {
      const at = b.int64(Array.from({ length: random.int(1, 3) }, () => random.int(-size, size - 1)));
      return size === 0 ? x : b.op('Gather', [x, at], { axis });
    }
    case 2:
      return b.op('Flatten', [x], { axis });
    default: {
      const step = [1, 2, -1, -2][random.int(0, 3)]!;
      const far = step > 0 ? 2n ** 62n : -(2n ** 62n);
      const bounds = [
        [random.int(-size - 1, size)],
        [random.int(0, 1) === 0 ? far : random.int(-size, size)],
        [axis],
        [step],
      ];
      return b.op('Slice', [x, ...bounds.map((list) => b.int64(list))]);
    }
  }
}

describe('hostile attributes and shapes', () => {
  const numbers = fc.oneof(
    fc.integer(),
    fc.constantFrom(0, -1, 2 ** 31, 2 ** 40, -(2 ** 31), 2n ** 63n - 1n, -(2n ** 63n)),
  );
  const dims = fc.oneof(fc.constantFrom(0, 1, 2, 'n', undefined, 2 ** 31, 2 ** 40), fc.nat(9));
  const shapes = fc.option(fc.array(dims, { maxLength: 6 }), { nil: undefined });
  const base = cases.map(([, shape, build]) => {
    const b = new GraphBuilder('case');
    b.output('y', build(b, b.input('x', 'float32', shape)));
    return modelOf(b.build());
  });
  base.push(decodeModel(readFileSync(new URL('../fixtures/everything.onnx', import.meta.url))));

  const changed = (attribute: Attribute, value: number | bigint): Attribute => {
    if (attribute.type === 'int') return { type: 'int', value };
    return attribute.type === 'ints' ? { type: 'ints', value: [...attribute.value.slice(1), value] } : attribute;
  };

  test('give a coded error or a result, never anything else', () => {
    fc.assert(
      fc.property(fc.constantFrom(...base), numbers, shapes, fc.boolean(), (model, number, shape, drop) => {
        const nodes = model.graph.nodes.map((node) => ({
          ...node,
          inputs: drop ? node.inputs.slice(0, -1) : node.inputs,
          attributes: Object.fromEntries(
            Object.entries(node.attributes).map(([name, of]) => [name, changed(of, number)]),
          ),
        }));
        const inputs = model.graph.inputs.map((info) => ({ ...info, shape }));
        const hostile = { ...model, graph: { ...model.graph, nodes, inputs, valueInfo: new Map() } };
        try {
          checkModel(hostile);
          inspectModel(hostile);
          inferModel(hostile);
        } catch (error) {
          expect(error).toBeInstanceOf(SanderlingError);
        }
      }),
      { numRuns: 1500 },
    );
  });
});
