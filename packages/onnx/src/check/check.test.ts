import { describe, expect, test } from 'vitest';
import {
  assertValid,
  checkModel,
  GraphBuilder,
  modelOf,
  openSession,
  tensorOf,
  type Graph,
  type Model,
  type Node,
} from '../index.ts';

const node = (opType: string, inputs: string[], outputs: string[], extra: Partial<Node> = {}): Node => ({
  name: `${opType}_${outputs[0]}`,
  opType,
  domain: '',
  inputs,
  outputs,
  attributes: {},
  ...extra,
});

const f32 = (name: string, shape: readonly (number | string)[] = [2]) => ({ name, dtype: 'float32' as const, shape });

function model(nodes: readonly Node[], graph: Partial<Graph> = {}, rest: Partial<Model> = {}): Model {
  const base = {
    name: 'g',
    nodes,
    initializers: new Map(),
    inputs: [f32('x')],
    outputs: [f32('y')],
    valueInfo: new Map(),
    ...graph,
  };
  return { ...modelOf(base), ...rest };
}

const codes = (of: Model): string[] => checkModel(of).map(({ code }) => code);

describe('checkModel', () => {
  test.each<[string, Model, string]>([
    ['UNDEFINED_INPUT', model([node('Relu', ['z'], ['y'])]), 'Relu_y'],
    ['UNDEFINED_OUTPUT', model([node('Relu', ['x'], ['z'])]), ''],
    ['DUPLICATE_NAME', model([node('Relu', ['x'], ['y']), node('Abs', ['x'], ['y'])]), ''],
    ['CYCLE', model([node('Add', ['x', 'b'], ['a']), node('Abs', ['a'], ['b']), node('Abs', ['b'], ['y'])]), 'Add_a'],
    ['NOT_SORTED', model([node('Abs', ['a'], ['y']), node('Abs', ['x'], ['a'])]), 'Abs_y'],
    ['UNKNOWN_OPERATOR', model([node('Reluu', ['x'], ['y'])]), 'Reluu_y'],
    ['UNKNOWN_OPERATOR', model([node('Gelu', ['x'], ['y'])], {}, { opsets: new Map([['', 19]]) }), 'Gelu_y'],
    [
      'DEPRECATED_OPERATOR',
      model([node('Upsample', ['x', 'x'], ['y'])], {}, { opsets: new Map([['', 13]]) }),
      'Upsample_y',
    ],
    ['WRONG_ARITY', model([node('Add', ['x'], ['y'])]), 'Add_y'],
    ['MISSING_ATTRIBUTE', model([node('Concat', ['x', 'x'], ['y'])], { outputs: [f32('y', [4])] }), 'Concat_y'],
    [
      'UNKNOWN_ATTRIBUTE',
      model([node('Relu', ['x'], ['y'], { attributes: { alpha: { type: 'float', value: 1 } } })]),
      'Relu_y',
    ],
    [
      'WRONG_ATTRIBUTE',
      model([node('Elu', ['x'], ['y'], { attributes: { alpha: { type: 'int', value: 1 } } })]),
      'Elu_y',
    ],
    ['WRONG_TYPE', model([node('Not', ['x'], ['y'])], { outputs: [{ ...f32('y'), dtype: 'bool' }] }), 'Not_y'],
    [
      'WRONG_SHAPE',
      model([node('Add', ['x', 'w'], ['y'])], { initializers: new Map([['w', tensorOf('float32', [3], [1, 2, 3])]]) }),
      'Add_y',
    ],
    ['WRONG_DECLARATION', model([node('Relu', ['x'], ['y'])], { outputs: [f32('y', [5])] }), 'Relu_y'],
    ['OPSET_OUT_OF_RANGE', model([node('Relu', ['x'], ['y'])], {}, { opsets: new Map([['', 27]]) }), ''],
    ['IR_OUT_OF_RANGE', model([node('Relu', ['x'], ['y'])], {}, { irVersion: 14 }), ''],
    [
      'MISSING_OPSET',
      model([node('Relu', ['x'], ['y'], { domain: 'elsewhere' })], {}, { opsets: new Map([['', 21]]) }),
      'Relu_y',
    ],
    ['NO_OUTPUTS', model([node('Relu', ['x'], ['y'])], { outputs: [] }), ''],
  ])('%s is found', async (code, bad, where) => {
    const found = checkModel(bad).find((problem) => problem.code === code);
    expect(found?.node ?? '').toBe(where);
    if (where !== '') expect(found!.message).toContain(where);
    // The runtime refuses most of these too; it mends the order, and goes by what it infers.
    if (!['NOT_SORTED', 'NO_OUTPUTS', 'WRONG_DECLARATION'].includes(code))
      await expect(openSession(bad)).rejects.toMatchObject({
        code: expect.stringMatching(/INVALID_MODEL|UNSUPPORTED/) as string,
      });
  });

  test('problems inside a body are found with the path to them', () => {
    const b = new GraphBuilder('loop');
    const x = b.input('x', 'float32', [2]);
    const body = b.subgraph('body');
    body.input('i', 'int64', []);
    const go = body.input('go', 'bool', []);
    body.output(body.op('Identity', [go]));
    body.output(body.op('Relu', [body.input('state', 'float32', [2])]));
    const broken = {
      ...body.graph(),
      nodes: body.nodes.map((inner) => (inner.opType === 'Relu' ? { ...inner, inputs: ['nowhere'] } : inner)),
    };
    b.output(
      'y',
      b.ops(
        'Loop',
        [b.constant(tensorOf('int64', [], [3n])), undefined, x],
        { body: broken },
        { count: 1, name: 'loop' },
      )[0]!,
    );
    const problems = checkModel(modelOf(b.build()));
    const mistyped = {
      ...body.graph(),
      nodes: body.nodes.map((inner) => (inner.opType === 'Relu' ? { ...inner, opType: 'Not' } : inner)),
    };
    const graph = b.build();
    const other = {
      ...graph,
      nodes: graph.nodes.map((outer) => ({
        ...outer,
        attributes: { body: { type: 'graph', value: mistyped } as const },
      })),
    };
    expect(checkModel(modelOf(other))).toContainEqual(
      expect.objectContaining({ code: 'WRONG_TYPE', path: 'main/loop.body', operator: 'Not' }),
    );
    expect(problems[0]).toMatchObject({
      code: 'UNDEFINED_INPUT',
      path: 'main/loop.body',
      operator: 'Relu',
      value: 'nowhere',
    });
  });

  test('a function that calls itself is found', () => {
    const again = {
      name: 'Again',
      domain: 'local',
      overload: '',
      inputs: ['a'],
      outputs: ['b'],
      attributes: [],
      defaults: {},
      nodes: [node('Again', ['a'], ['b'], { domain: 'local' })],
      opsets: new Map([['local', 1]]),
      valueInfo: new Map(),
    };
    const bad = { ...model([node('Again', ['x'], ['y'], { domain: 'local' })]), functions: [again] };
    expect(
      codes({
        ...bad,
        opsets: new Map([
          ['', 21],
          ['local', 1],
        ]),
      }),
    ).toContain('RECURSIVE_FUNCTION');
  });

  test('a good model passes, and assertValid names what is wrong with a bad one', () => {
    expect(checkModel(model([node('Relu', ['x'], ['y'])]))).toEqual([]);
    expect(() => assertValid(model([node('Relu', ['z'], ['y'])]))).toThrow(
      expect.objectContaining({ code: 'INVALID_MODEL', where: 'Relu_y' }),
    );
  });

  test('thirty thousand nodes are checked in linear time', () => {
    const nodes = Array.from({ length: 30_000 }, (_, i) => node('Relu', [i === 0 ? 'x' : `v${i - 1}`], [`v${i}`]));
    expect(checkModel(model([...nodes, node('Relu', ['v29999'], ['y'])]))).toEqual([]);
  });
});
