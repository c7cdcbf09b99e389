// Hostile and impossible models: coded errors that name the node and say what to do, in bounded time and memory.
import { SanderlingError } from '@sanderling/kit';
import { GraphBuilder, modelOf, tensorOf, type Graph, type Model, type Node } from '@sanderling/onnx';
import { describe, expect, test } from 'vitest';
import { checkName, nameFrom } from './c-name.ts';
import { generateC, type GenerateOptions } from './index.ts';
import { damagedModel } from './testing.ts';

async function refusal(model: Model, options: GenerateOptions = {}): Promise<SanderlingError> {
  const error = await generateC(model, options).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(SanderlingError);
  return error as SanderlingError;
}

function build(make: (b: GraphBuilder) => void): Model {
  const b = new GraphBuilder('g');
  make(b);
  return b.model();
}

const node = (
  opType: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: Node['attributes'] = {},
): Node => ({
  name: `my ${opType}`,
  opType,
  domain: '',
  inputs,
  outputs,
  attributes,
});
const graphOf = (nodes: readonly Node[], dims: readonly (number | string)[] = [2, 2]): Model => {
  const graph: Graph = {
    name: 'g',
    nodes,
    initializers: new Map(),
    inputs: [{ name: 'x', dtype: 'float32', shape: dims }],
    outputs: [{ name: 'y', dtype: 'float32', shape: undefined }],
    valueInfo: new Map(),
  };
  return modelOf(graph);
};

describe('refusals', () => {
  test('an unsupported operator: node, operator, what to do', async () => {
    const error = await refusal(graphOf([node('Det', ['x'], ['y'])]));
    expect(error).toMatchObject({ code: 'UNSUPPORTED', where: 'my Det', details: { operator: 'Det' } });
    expect(error.message).toContain('Det "my Det"');
    expect(error.fix).toContain('OPERATORS.md');
  });
  test('names of Object.prototype are no operators', async () => {
    expect((await refusal(graphOf([node('constructor', ['x'], ['y'])]))).code).toBe('UNSUPPORTED');
  });
  test('a circle', async () => {
    const error = await refusal(
      graphOf([node('Add', ['x', 'b'], ['a']), node('Relu', ['a'], ['b']), node('Relu', ['b'], ['y'])]),
    );
    expect(error.code).toBe('INVALID_MODEL');
  });
  test('a value that two nodes make, or an input that is made again', async () => {
    const twice = graphOf([node('Relu', ['x'], ['y']), node('Tanh', ['x'], ['y'])]);
    expect(await refusal(twice)).toMatchObject({ code: 'INVALID_MODEL', where: 'my Tanh' });
    expect(await refusal(graphOf([node('Relu', ['x'], ['x'])]))).toMatchObject({ code: 'INVALID_MODEL' });
    const model = graphOf([node('Relu', ['x'], ['y'])]);
    const inputs = [...model.graph.inputs, ...model.graph.inputs];
    expect(await refusal({ ...model, graph: { ...model.graph, inputs } })).toMatchObject({ code: 'INVALID_MODEL' });
  });
  test('opsets whose operators mean something else, or are not known yet', async () => {
    for (const opset of [1, 6, 28, 99]) {
      const error = await refusal(modelOf(graphOf([node('Add', ['x', 'x'], ['y'])]).graph, { opset }));
      expect(error.code).toBe('UNSUPPORTED');
      expect(error.message).toContain(`opset ${opset}`);
    }
    await generateC(modelOf(graphOf([node('Relu', ['x'], ['y'])]).graph, { opset: 1 }));
  });
  test('functions that call functions: counted before they are unfolded', async () => {
    const calls = (level: number, inputs: readonly string[], outputs: readonly string[]): Node => ({
      ...node(`F${level}`, inputs, outputs),
      domain: 'own',
    });
    const functions = (count: number, width: number): Model['functions'] =>
      Array.from({ length: count }, (_, i) => ({
        name: `F${i}`,
        domain: 'own',
        overload: '',
        inputs: ['a0'],
        outputs: [`a${width}`],
        nodes: Array.from({ length: width }, (__, k) =>
          i + 1 < count ? calls(i + 1, [`a${k}`], [`a${k + 1}`]) : node('Relu', [`a${k}`], [`a${k + 1}`]),
        ),
        attributes: [],
        defaults: {},
        valueInfo: new Map(),
        opsets: new Map([
          ['', 21],
          ['own', 1],
        ]),
      }));
    const model = graphOf([calls(0, ['x'], ['y'])]);
    const functional = (count: number, width: number): Model => ({
      ...model,
      opsets: new Map([...model.opsets, ['own', 1]]),
      functions: functions(count, width),
    });
    const started = process.memoryUsage().heapUsed;
    expect(await refusal(functional(60, 2))).toMatchObject({ code: 'TOO_LARGE' });
    expect(await refusal(functional(5000, 1))).toMatchObject({ code: 'TOO_LARGE' });
    expect(process.memoryUsage().heapUsed - started).toBeLessThan(100 * 2 ** 20);
    expect((await generateC(functional(4, 2))).report.layers).toHaveLength(16);
  });
  test('a value that nothing makes', async () => {
    expect((await refusal(graphOf([node('Add', ['x', 'ghost'], ['y'])]))).code).toMatch(/INVALID_MODEL|UNSUPPORTED/);
  });
  test('huge inputs, weights out of nothing and huge intermediate values', async () => {
    expect((await refusal(graphOf([node('Relu', ['x'], ['y'])], [100_000, 100_000, 1000]))).code).toBe('TOO_LARGE');
    const grown = build((b) => {
      const shape = b.int64([1_000_000, 1_000_000]);
      b.output('y', b.op('Add', [b.input('x', 'float32', [1]), b.op('ConstantOfShape', [shape])]));
    });
    expect((await refusal(grown)).code).toBe('TOO_LARGE');
    const product = build((b) => {
      const x = b.input('x', 'float32', [20_000, 1]);
      b.output('y', b.op('MatMul', [x, b.op('Transpose', [x], { perm: [1, 0] })]));
    });
    expect((await refusal(product)).code).toBe('TOO_LARGE');
  });
  test('a tensor without elements', async () => {
    const error = await refusal(graphOf([node('Relu', ['x'], ['y'])], [0, 4]));
    expect(error).toMatchObject({ code: 'UNSUPPORTED', where: 'x' });
  });
  test('element types that are not known or not covered', async () => {
    const half = build((b) => b.output('y', b.op('Relu', [b.input('x', 'float16', [2])])));
    expect(await refusal(half)).toMatchObject({ code: 'UNSUPPORTED', where: 'x' });
    const exp = build((b) =>
      b.output('y', b.op('Exp', [b.input('x', 'int32', [2])], {}, { outputs: [{ dtype: 'int32', shape: [2] }] })),
    );
    expect((await refusal(exp)).message).toContain('elements of type int32');
  });
  test('places to slice from that are no integers', async () => {
    const sliced = graphOf([node('Slice', ['x', 'from', 'to'], ['y'])]);
    const constants = new Map([
      ['from', tensorOf('float32', [1], [0.5])],
      ['to', tensorOf('int64', [1], [2n])],
    ]);
    const model = { ...sliced, graph: { ...sliced.graph, initializers: constants } };
    expect(await refusal(model)).toMatchObject({ code: 'INVALID_MODEL', where: 'my Slice' });
  });
  test('sizes that are open or depend on what is fed', async () => {
    const open = graphOf([node('Relu', ['x'], ['y'])], ['batch', 'time', 3]);
    expect(await refusal(open)).toMatchObject({
      code: 'INVALID_ARGUMENT',
      where: 'x',
      fix: 'give sizes: { time: … }, on the command line --size time=…',
    });
    const misspelt = { sizes: { time: 2, Time: 3 } };
    expect(await refusal(open, misspelt)).toMatchObject({ code: 'INVALID_ARGUMENT', where: 'Time' });
    const free = build((b) =>
      b.output('y', b.op('Reshape', [b.input('x', 'float32', [4]), b.input('shape', 'int64', [2])])),
    );
    expect((await refusal(free)).code).toBe('UNSUPPORTED');
    await generateC(free, { bind: new Map([['shape', tensorOf('int64', [2], [2n, 2n])]]) });
  });
  test('too many layers', async () => {
    const chain = Array.from({ length: 5000 }, (_, i) =>
      node('Relu', [i === 0 ? 'x' : `v${i}`], [i === 4999 ? 'y' : `v${i + 1}`]),
    );
    expect((await refusal(graphOf(chain))).code).toBe('TOO_LARGE');
  });
  test('options that make no sense', async () => {
    const model = graphOf([node('Relu', ['x'], ['y'])]);
    for (const name of ['', '9x', 'a-b', 'a b', 'a;b', 'x'.repeat(40), 'math', 'time', 'STRING', 'stdint'])
      expect((await refusal(model, { name })).code).toBe('INVALID_ARGUMENT');
    expect((await refusal(model, { batch: 0 })).code).toBe('INVALID_ARGUMENT');
    expect((await refusal(model, { carry: ['nobody'] })).code).toBe('INVALID_ARGUMENT');
    expect((await refusal(model, { state: [{ input: 'x', output: 'z' }] })).code).toBe('INVALID_ARGUMENT');
    expect((await refusal(model, { selfTest: { vectors: [{ inputs: {}, outputs: {} }] } })).code).toBe(
      'INVALID_ARGUMENT',
    );
  });
});

test('a name is made of any text', () => {
  const texts = ['net', 'my net-2', 'time', 'Math', '2nd', '', 'ünï', '../../etc/passwd', 'a__b', '-', 'x'.repeat(80)];
  const names = texts.map(nameFrom);
  expect(names.slice(0, 9)).toEqual([
    'net',
    'my_net_2',
    'model_time',
    'model_Math',
    'model_2nd',
    'model',
    'n',
    'etc_passwd',
    'a_b',
  ]);
  for (const name of names) expect(() => checkName(name)).not.toThrow();
});

test('names from the model cannot break out of comments or become C', async () => {
  const evil = '*/ int main(void){return 1;} /* \\\n#include "/etc/passwd" ??/';
  const model = graphOf([{ ...node('Relu', ['x'], ['y']), name: evil }]);
  const { files } = await generateC(model);
  const bare = Object.values(files).map((text) => text.replace(/\/\*[\s\S]*?\*\//g, ''));
  for (const text of bare) {
    expect(text).not.toContain('main');
    expect(text).not.toContain('passwd');
  }
});

test('damaged models end in code or in a coded error', async () => {
  const codes = new Set<string>();
  for (let seed = 1; seed <= 150; seed += 1) {
    const code = await generateC(damagedModel(seed), { maxBytes: 2 ** 20 }).then(
      () => 'code',
      (error: unknown) => (error instanceof SanderlingError ? error.code : String(error)),
    );
    codes.add(code);
  }
  expect([...codes].toSorted()).toEqual(['INVALID_MODEL', 'UNSUPPORTED', 'code']);
});
