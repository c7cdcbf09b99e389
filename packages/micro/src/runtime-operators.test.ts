// Quantised operators of ONNX Runtime's own domain against ONNX Runtime, one by one and in a model that its quantiser wrote.
import { readFileSync } from 'node:fs';
import { decodeModel, GraphBuilder, tensorOf, type AttributeInput, type Model, type Value } from '@sanderling/onnx';
import { describe, expect, test } from 'vitest';
import { compileForHost, generateC, hasCompiler } from './index.ts';
import { randomInputs, referenceOutputs } from './testing.ts';

const compiler = await hasCompiler();
if (!compiler) console.warn("packages/micro: no gcc on PATH, so ONNX Runtime's quantised operators are not run here");

interface Parts {
  readonly b: GraphBuilder;
  /** Codes of x (or of minus x) with their scale and zero point. */
  readonly x: readonly Value[];
  readonly minus: readonly Value[];
  /** Scale and zero point of the result. */
  readonly result: readonly Value[];
}

type Write = (parts: Parts) => {
  inputs: readonly Value[];
  attributes?: Record<string, AttributeInput>;
  dims?: number[];
};

const dims = [1, 4, 6, 6];
const columns = [0.01, 0.02, 0.005];

const operators: Readonly<Record<string, Write>> = {
  QLinearAdd: ({ x, minus, result }) => ({ inputs: [...x, ...minus, ...result] }),
  QLinearMul: ({ x, minus, result }) => ({ inputs: [...x, ...minus, ...result] }),
  QLinearSigmoid: ({ x, result }) => ({ inputs: [...x, ...result] }),
  QLinearLeakyRelu: ({ x, result }) => ({ inputs: [...x, ...result], attributes: { alpha: 0.2 } }),
  QLinearSoftmax: ({ b, x }) => ({
    inputs: [...x, b.scalar(1 / 256), byte(b, 0)],
    attributes: { axis: -1, opset: 13 },
  }),
  QLinearAveragePool: ({ x, result }) => ({
    inputs: [...x, ...result],
    attributes: { kernel_shape: [2, 2], strides: [2, 2] },
    dims: [1, 4, 3, 3],
  }),
  QLinearGlobalAveragePool: ({ x, result }) => ({
    inputs: [...x, ...result],
    attributes: { channels_last: 0 },
    dims: [1, 4, 1, 1],
  }),
  QLinearConcat: ({ x, minus, result }) => ({
    inputs: [...result, ...x, ...minus],
    attributes: { axis: 1 },
    dims: [1, 8, 6, 6],
  }),
  QLinearWhere: ({ b, x, minus, result }) => ({
    inputs: [b.op('Greater', [x[0]!, minus[0]!]), ...x, ...minus, ...result],
  }),
  QGemm: ({ b, x: [codes, ...rest], result }) => ({
    inputs: [
      b.op('Reshape', [codes!, b.int64([4, 36])]),
      ...rest,
      b.constant(
        tensorOf(
          'int8',
          [3, 36],
          Int8Array.from({ length: 108 }, (_, i) => ((i * 37) % 255) - 127),
        ),
      ),
      b.constant(tensorOf('float32', [3], columns)),
      b.constant(tensorOf('int8', [3], [0, 0, 0])),
      b.constant(tensorOf('int32', [3], [100, -2000, 7])),
      ...result,
    ],
    attributes: { transB: 1, alpha: 1 },
    dims: [4, 3],
  }),
};

const byte = (b: GraphBuilder, value: number): Value => b.constant(tensorOf('uint8', [], [value]));

/** x → codes → the operator → real numbers. */
function model(name: string): Model {
  const b = new GraphBuilder(name, { opset: 17 });
  const real = b.input('x', 'float32', dims);
  const codes = (of: Value, scale: number, zero: number): readonly Value[] => {
    const pair = [b.scalar(scale), byte(b, zero)];
    return [b.op('QuantizeLinear', [of, ...pair]), ...pair];
  };
  const result = [b.scalar(0.03), byte(b, 120)];
  const made = operators[name]!({
    b,
    x: codes(real, 0.012, 128),
    minus: codes(b.op('Neg', [real]), 0.02, 100),
    result,
  });
  const outputs = [{ dtype: 'uint8' as const, shape: made.dims ?? dims }];
  b.output('y', b.op(name, made.inputs, made.attributes ?? {}, { domain: 'com.microsoft', outputs }));
  return b.model();
}

describe.skipIf(!compiler)("ONNX Runtime's quantised operators", () => {
  // Where chooses between real numbers.
  const integer = /^(Int8(?!Quantise|Dequantise|Move)|Where$)/;

  test('one by one: integer layers, codes at most one step from ONNX Runtime’s', async () => {
    const names = Object.keys(operators);
    const generated = await Promise.all(names.map((name) => generateC(model(name), { name })));
    await using host = await compileForHost(generated, { sanitize: true });
    for (const [i, name] of names.entries()) {
      const layers = generated[i]!.report.layers.map(({ operator }) => operator);
      expect(
        layers.some((layer) => integer.test(layer)),
        `${name}: integer layers`,
      ).toBe(true);
      const calls = [1, 2].map((seed) => randomInputs(model(name), seed));
      const wanted = await referenceOutputs(model(name), calls);
      for (const [k, { y }] of (await host.run(calls, i)).entries()) {
        const steps = Array.from(y as Uint8Array, (code, j) => Math.abs(code - Number(wanted[k]!['y']![j])));
        expect(Math.max(...steps), `${name}, steps`).toBeLessThanOrEqual(1);
        expect(steps.filter((step) => step > 0).length, `${name}, codes apart`).toBeLessThanOrEqual(
          0.06 * steps.length + 1,
        );
      }
    }
  });

  test('a model that its quantiser wrote in operator form runs in integers alone, with its answers', async () => {
    const given = decodeModel(readFileSync(new URL('./fixtures/runtime-domain.onnx', import.meta.url)));
    const generated = await generateC(given, { name: 'net' });
    const coded = generated.report.layers.filter(({ free }) => !free).map(({ operator }) => operator);
    expect(coded.filter((operator) => !operator.startsWith('Int8'))).toEqual([]);
    await using host = await compileForHost(generated, { sanitize: true });
    const calls = [1, 2, 3, 4].map((seed) => randomInputs(given, seed));
    const wanted = await referenceOutputs(given, calls);
    for (const [k, { y }] of (await host.run(calls)).entries())
      for (const [j, value] of (y as Float32Array).entries())
        expect(Math.abs(value - Number(wanted[k]!['y']![j])) * 256).toBeLessThan(1.01);
  });
});

test('channels last, and operators of the domain that are not quantised, are refused by name', async () => {
  const last = (name: string): Model => {
    const given = model(name);
    const nodes = given.graph.nodes.map((node) =>
      node.opType === name
        ? { ...node, attributes: { ...node.attributes, channels_last: { type: 'int' as const, value: 1 } } }
        : node,
    );
    return { ...given, graph: { ...given.graph, nodes } };
  };
  await expect(generateC(last('QLinearGlobalAveragePool'))).rejects.toMatchObject({
    code: 'UNSUPPORTED',
    message: expect.stringContaining('QLinearGlobalAveragePool') as string,
  });
});
