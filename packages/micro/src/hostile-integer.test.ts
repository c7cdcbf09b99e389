// Hostile quantised models, and hostile models whose weights go into a blob: coded errors that name the place, in bounded time and memory.
import { SanderlingError } from '@sanderling/kit';
import { modelOf, tensorOf, type Graph, type Model, type Node, type Tensor } from '@sanderling/onnx';
import { describe, expect, test } from 'vitest';
import { compileForHost, generateC, hasCompiler, type GenerateOptions, type Generated } from './index.ts';
import { damagedModel, damagedQuantisedModel, randomInputs } from './testing.ts';

const compiler = await hasCompiler();
if (!compiler) console.warn('packages/micro: no gcc on PATH, so no accepted hostile model is run here');

const node = (
  opType: string,
  inputs: readonly string[],
  output: string,
  attributes: Node['attributes'] = {},
): Node => ({
  name: `my ${opType}`,
  opType,
  domain: '',
  inputs,
  outputs: [output],
  attributes,
});
const int = (value: number) => ({ type: 'int', value }) as const;
const scalar = (value: number): Tensor => tensorOf('float32', [], [value]);
const code = (value: number): Tensor => tensorOf('int8', [], [value]);

/** x → Q → DQ → Gemm with int8 weights behind DQ → Q → DQ → y, with constants and nodes exchanged for others. */
function quantised(
  constants: Readonly<Record<string, Tensor>> = {},
  change: (nodes: Node[]) => Node[] = (all) => all,
): Model {
  const initializers = new Map<string, Tensor>(
    Object.entries({
      scale: scalar(0.1),
      zero: code(3),
      weights: tensorOf(
        'int8',
        [4, 3],
        Int8Array.from({ length: 12 }, (_, i) => i - 6),
      ),
      weights_scale: tensorOf('float32', [3], [0.1, 0.2, 0.3]),
      weights_zero: tensorOf('int8', [3], [0, 0, 0]),
      out_scale: scalar(0.2),
      out_zero: code(-5),
      ...constants,
    }),
  );
  const nodes = [
    node('QuantizeLinear', ['x', 'scale', 'zero'], 'q'),
    node('DequantizeLinear', ['q', 'scale', 'zero'], 'd'),
    node('DequantizeLinear', ['weights', 'weights_scale', 'weights_zero'], 'w', { axis: int(1) }),
    node('Gemm', ['d', 'w'], 'g'),
    node('QuantizeLinear', ['g', 'out_scale', 'out_zero'], 'gq'),
    node('DequantizeLinear', ['gq', 'out_scale', 'out_zero'], 'y'),
  ];
  const graph: Graph = {
    name: 'g',
    nodes: change(nodes),
    initializers,
    inputs: [{ name: 'x', dtype: 'float32', shape: [1, 4] }],
    outputs: [{ name: 'y', dtype: 'float32', shape: undefined }],
    valueInfo: new Map(),
  };
  return modelOf(graph);
}

const replaced =
  (index: number, made: Partial<Node>) =>
  (nodes: Node[]): Node[] =>
    nodes.map((one, i) => (i === index ? { ...one, ...made } : one));

const ways = ['const', 'blob'] as const;

async function outcome(model: Model, options: GenerateOptions): Promise<Generated | string> {
  return generateC(model, options).catch((error: unknown) =>
    error instanceof SanderlingError ? error.code : String(error),
  );
}

describe.each(ways)('quantised models with weights as %s', (weights) => {
  const refusals: Readonly<Record<string, Model>> = {
    'codes that are floats': quantised({ weights: tensorOf('float32', [4, 3], new Float32Array(12)) }),
    'codes of 64 bits': quantised({ weights: tensorOf('int64', [4, 3], new BigInt64Array(12)) }),
    'a scale that is no float': quantised({ scale: tensorOf('int32', [], [1]) }),
    'a scale of float16': quantised({ weights_scale: tensorOf('float16', [3], [1, 1, 1]) }),
    'more scales than channels': quantised({
      weights_scale: tensorOf('float32', [5], [1, 1, 1, 1, 1]),
      weights_zero: tensorOf('int8', [5], [0, 0, 0, 0, 0]),
    }),
    'more zero points than scales': quantised({ weights_zero: tensorOf('int8', [5], [0, 0, 0, 0, 0]) }),
    'an axis that is not there': quantised({}, replaced(2, { attributes: { axis: int(7) } })),
    'a negative block': quantised({}, replaced(2, { attributes: { axis: int(1), block_size: int(-4) } })),
    'no scale': quantised({}, replaced(0, { inputs: ['x'] })),
    'weights that do not fit': quantised({ weights: tensorOf('int8', [5, 3], new Int8Array(15)) }),
    'weights without elements': quantised({ weights: tensorOf('int8', [4, 0], new Int8Array(0)) }),
    'an input of quantisation that nothing makes': quantised(
      {},
      replaced(4, { inputs: ['ghost', 'out_scale', 'out_zero'] }),
    ),
    'a circle through quantisation': quantised({}, replaced(0, { inputs: ['gq', 'scale', 'zero'] })),
    'QLinearMatMul without its scales': quantised({}, (nodes) => [
      ...nodes.slice(0, 1),
      node('QLinearMatMul', ['q', 'scale', 'zero'], 'y'),
    ]),
  };
  test.each(Object.keys(refusals))('%s: a coded error', async (name) => {
    expect(await outcome(refusals[name]!, { weights })).toMatch(
      /^(INVALID_MODEL|UNSUPPORTED|INVALID_DATA|INVALID_ARGUMENT)$/,
    );
  });

  test('huge shapes are refused before anything is allocated', async () => {
    const wide = quantised();
    const model = {
      ...wide,
      graph: { ...wide.graph, inputs: [{ name: 'x', dtype: 'float32' as const, shape: [100_000_000, 4] }] },
    };
    const before = process.memoryUsage().arrayBuffers;
    expect(await outcome(model, { weights })).toBe('TOO_LARGE');
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 2 ** 20);
    expect(await outcome(quantised(), { weights, maxBytes: 8 })).toBe('TOO_LARGE');
  });

  test('an input without elements is refused', async () => {
    const base = quantised();
    const model = {
      ...base,
      graph: { ...base.graph, inputs: [{ name: 'x', dtype: 'float32' as const, shape: [0, 4] }] },
    };
    expect(await outcome(model, { weights })).toBe('UNSUPPORTED');
  });

  test.skipIf(!compiler)(
    'scales that are no numbers, zero or negative end in a coded error or in code that runs clean',
    async () => {
      const odd = [0, -0.1, Number.NaN, Infinity, 1e-45, 3e38];
      const models = odd.flatMap((value) => [
        quantised({ scale: scalar(value) }),
        quantised({ out_scale: scalar(value) }),
        quantised({ weights_scale: tensorOf('float32', [3], [0.1, value, 0.3]) }),
      ]);
      const made = await Promise.all(models.map(async (model, i) => outcome(model, { name: `s${i}`, weights })));
      for (const one of made)
        if (typeof one === 'string') expect(one).toMatch(/^(INVALID_MODEL|UNSUPPORTED|INVALID_DATA)$/);
      const kept = made.filter((one) => typeof one !== 'string');
      if (kept.length === 0) return;
      await using host = await compileForHost(kept, { sanitize: true });
      for (const i of kept.keys())
        expect((await host.run([{ x: Float32Array.of(1, -2, 3, 1e9) }], i))[0]!['y']).toHaveLength(3);
    },
  );

  test('damaged models end in code or in a coded error', async () => {
    const codes = new Set<string>();
    for (let seed = 1; seed <= 60; seed += 1) {
      const model = seed % 3 === 0 ? damagedModel(seed) : await damagedQuantisedModel(seed);
      const found = await outcome(model, { weights, maxBytes: 2 ** 20 });
      codes.add(typeof found === 'string' ? found : 'code');
    }
    expect([...codes].toSorted()).toEqual(['INVALID_MODEL', 'UNSUPPORTED', 'code']);
  });
});

test.skipIf(!compiler)('the model that the refusals are made from is accepted and runs', async () => {
  const model = quantised();
  const made = await Promise.all(
    ways.map((weights) => generateC(model, { name: weights === 'const' ? 'a' : 'b', weights })),
  );
  await using host = await compileForHost(made, { sanitize: true });
  const calls = [randomInputs(model, 3)];
  expect(await host.run(calls, 1)).toEqual(await host.run(calls, 0));
});
