import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { SanderlingError } from '@sanderling/kit';
import { describe, expect, test } from 'vitest';
import { fromNarrow, narrowFloats, toNarrow, type NarrowFloat } from '../half.ts';
import {
  checkModel,
  decodeModel,
  decodeTensor,
  encodeModel,
  inferGraph,
  inspectModel,
  int64Data,
  openSession,
  printModel,
  shapeText,
  tensorOf,
  toNumbers,
  typedData,
  type Model,
  type RunTensor,
  type Tensor,
} from '../index.ts';

const fixture = (name: string): Uint8Array => readFileSync(new URL(`../fixtures/${name}`, import.meta.url));
const shared = process.env['SANDERLING_SHARED'] ?? '../shared';

/** The folder of conformance models, or undefined with the reason printed. */
function vectorsFolder(): string | undefined {
  if (!existsSync(`${shared}/tools/data`)) {
    console.warn(`skipped: no ${shared}/tools/data, so no conformance models`);
    return undefined;
  }
  return `${execFileSync(`${shared}/tools/data`, ['onnx-node-vectors'], { encoding: 'utf8' }).trim()}/onnx-conformance/node`;
}

const vectors = vectorsFolder();
const names = vectors ? readdirSync(vectors).sort() : [];
const modelBytes = (name: string): Uint8Array => readFileSync(`${vectors}/${name}/model.onnx`);

describe.skipIf(!vectors)('conformance models', () => {
  test('all 1,765 are the same after decode, encode, decode', () => {
    expect(names.length).toBe(1765);
    const changed = names.filter((name) => {
      const model = decodeModel(modelBytes(name));
      return !isDeepStrictEqual(decodeModel(encodeModel(model)), model);
    });
    expect(changed).toEqual([]);
  });

  test('inference never contradicts a declared output, and finds at least 96 % of all outputs exactly', () => {
    const wrong: string[] = [];
    let exact = 0;
    for (const name of names) {
      const [right, contradiction] = compareShapes(name);
      if (right) exact += 1;
      if (contradiction) wrong.push(contradiction);
    }
    expect(wrong).toEqual([]);
    expect(exact / names.length).toBeGreaterThan(0.96);
  });

  test('the checker finds fault with none but those beyond opset 26 or before 7', () => {
    const faults = names.flatMap((name) => checkModel(decodeModel(modelBytes(name))));
    expect(new Set(faults.map(({ code }) => code))).toEqual(new Set(['OPSET_OUT_OF_RANGE']));
  });

  test('every model prints and is inspected', () => {
    for (const name of names) {
      const model = decodeModel(modelBytes(name));
      expect(printModel(model)).toContain(model.graph.outputs[0]!.name);
      expect(inspectModel(model).nodes).toBeGreaterThan(0);
    }
  });

  test('a sample runs to the same numbers before and after', async () => {
    const sample = names.filter((_, i) => i % 25 === 0);
    let ran = 0;
    for (const name of sample) {
      const bytes = modelBytes(name);
      const model = decodeModel(bytes);
      const feeds = feedsOf(name, model);
      const before = await tryRun(bytes, feeds);
      if (before === undefined) continue;
      expect({ name, out: await tryRun(encodeModel(model), feeds) }).toEqual({ name, out: before });
      ran += 1;
    }
    expect(ran).toBeGreaterThan(45);
  });
});

function inputTensor(name: string, index: number): Tensor | undefined {
  const path = `${vectors}/${name}/test_data_set_0/input_${index}.pb`;
  try {
    return existsSync(path) ? decodeTensor(readFileSync(path)) : undefined;
  } catch {
    return undefined; // a sequence or optional
  }
}

/** Compares inferred with declared outputs, the declarations being withheld and the elements of the inputs given. */
function compareShapes(name: string): [exact: boolean, contradiction: string | undefined] {
  const { graph, opsets, functions } = decodeModel(modelBytes(name));
  const open = {
    ...graph,
    outputs: graph.outputs.map((info) => ({ name: info.name, dtype: 'undefined' as const, shape: undefined })),
    valueInfo: new Map(),
  };
  const inputs = graph.inputs.map(({ dtype, shape, type }, i) => {
    const tensor = type ? undefined : inputTensor(name, i);
    const follow = tensor && tensor.dtype === dtype && dtype !== 'string' && tensor.data.length <= 4096;
    return { dtype, shape, ...(type ? { type } : {}), ...(follow ? { values: toNumbers(tensor) } : {}) };
  });
  const facts = inferGraph(open, inputs, { opsets, functions, outer: () => undefined });
  let exact = true;
  for (const declared of graph.outputs) {
    const found = facts.get(declared.name)!;
    if (declared.type) {
      if (!isDeepStrictEqual(declared.type, found.type)) exact = false;
      continue;
    }
    const shapes = declared.shape && found.shape;
    const clash =
      declared.dtype !== found.dtype ||
      (shapes &&
        (shapes.length !== found.shape.length ||
          declared.shape.some(
            (dim, i) => typeof dim === 'number' && typeof found.shape![i] === 'number' && dim !== found.shape![i],
          )));
    if (clash)
      return [
        false,
        `${name}: declared ${declared.dtype}${shapeText(declared.shape)}, inferred ${found.dtype}${shapeText(found.shape)}`,
      ];
    if (declared.shape && shapeText(declared.shape) !== shapeText(found.shape)) exact = false;
  }
  return [exact, undefined];
}

function feedsOf(name: string, model: Model): Record<string, RunTensor> {
  const feeds: Record<string, RunTensor> = {};
  for (const [i, { name: input }] of model.graph.inputs.entries()) {
    const tensor = inputTensor(name, i);
    if (tensor)
      feeds[input] = {
        dtype: tensor.dtype,
        dims: tensor.dims,
        data: tensor.strings ? tensor.strings.map(String) : typedData(tensor),
      };
  }
  return feeds;
}

async function tryRun(bytes: Uint8Array, feeds: Record<string, RunTensor>) {
  try {
    await using session = await openSession(bytes);
    return await session.run(feeds);
  } catch {
    return undefined;
  }
}

describe('decoding', () => {
  const everything = decodeModel(fixture('everything.onnx'));
  const tensor = (name: string): Tensor => everything.graph.initializers.get(name)!;

  test('tensors of every storage form have the values that Python wrote', () => {
    for (const dtype of ['float', 'double', 'int8', 'uint8', 'int16', 'uint16', 'int32', 'int64', 'uint32', 'uint64'])
      expect([dtype, toNumbers(tensor(`typed_${dtype}`))]).toEqual([dtype, [1, 2, 3, 100]]);
    expect(toNumbers(tensor('typed_bool'))).toEqual([0, 1, 1, 0]);
    expect(Array.from(int64Data(tensor('typed_negative')))).toEqual([-1n, -(2n ** 63n), 2n ** 63n - 1n]);
    expect(toNumbers(tensor('typed_float16'))).toEqual([1.5, -2, 65504]);
    expect(toNumbers(tensor('typed_bfloat16'))).toEqual([1.5, -2, 3]);
    expect(toNumbers(tensor('typed_complex64'))).toEqual([1, 2, 3, -4]);
    expect(toNumbers(tensor('typed_int4'))).toEqual([-8, 7, 1]);
    expect(toNumbers(tensor('typed_uint4'))).toEqual([15, 0, 9]);
    expect(tensor('typed_string').strings).toEqual(['café', Uint8Array.of(255, 254)]);
    expect(toNumbers(tensor('raw_float'))).toEqual([0, 1, 2, 3, 4, 5]);
  });

  test('functions, references and branches survive and give the numbers that Python computed', async () => {
    const expected = JSON.parse(Buffer.from(fixture('everything.json')).toString()) as Record<
      'x' | 'true' | 'false',
      number[]
    >;
    expect(decodeModel(encodeModel(everything))).toEqual(everything);
    expect(checkModel(everything)).toEqual([]);
    await using session = await openSession(everything);
    const x = { dtype: 'float32' as const, dims: [2, 3], data: Float32Array.from(expected.x) };
    for (const flag of ['true', 'false'] as const) {
      const out = await session.run({
        x,
        flag: { dtype: 'bool', dims: [], data: Uint8Array.of(flag === 'true' ? 1 : 0) },
      });
      expect(Array.from(out['y']!.data as Float32Array)).toEqual(expected[flag]);
    }
  });

  test('narrow floats decode and round as in ml_dtypes', () => {
    type Row = { codes: number[]; values: (number | string)[]; numbers: string[]; rounded: number[] };
    const table = JSON.parse(Buffer.from(fixture('narrow-floats.json')).toString()) as Record<NarrowFloat, Row>;
    for (const name of Object.keys(narrowFloats) as NarrowFloat[]) {
      const { codes, values, numbers, rounded } = table[name];
      const given = numbers.map((hex) => Buffer.from(hex, 'hex').readDoubleBE());
      const decoded = codes.map((code) => fromNarrow(name, code));
      const again = given.map((value) => fromNarrow(name, toNarrow(name, value)));
      expect({ name, decoded, again }).toEqual({
        name,
        decoded: values.map(Number),
        again: rounded.map((code) => fromNarrow(name, code)),
      });
    }
  });

  test('fields come in any order, and lists packed or not', () => {
    const raw = '4a180100000000000000fbffffffffffffff0000000000000040';
    const wanted = tensorOf('int64', [3, 1], [1n, -5n, 2n ** 62n]);
    for (const hex of [`080308011007${raw}`, `${raw}10070a020301`])
      expect(decodeTensor(Buffer.from(hex, 'hex'))).toEqual(wanted);
  });
});

function codeOf(act: () => unknown): string {
  try {
    act();
    return 'none';
  } catch (error) {
    if (!(error instanceof SanderlingError)) throw error;
    return error.code;
  }
}

describe('hostile bytes', () => {
  const seed = Buffer.from(fixture('everything.onnx'));

  const coded = /^(none|CORRUPT|INVALID_MODEL|TOO_LARGE|UNSUPPORTED)$/;

  /** Decodes, checks, prints, infers and encodes; the code of what it fails with. Anything without a code is thrown on. */
  function outcome(bytes: Uint8Array): string {
    return codeOf(() => {
      const model = decodeModel(bytes);
      checkModel(model);
      printModel(model);
      inspectModel(model);
      encodeModel(model);
    });
  }

  test('random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(outcome(bytes)).toMatch(coded);
      }),
      { numRuns: 2000 },
    );
  });

  test('mutations of a real model: bytes changed, cut, doubled', () => {
    const change = fc.record({ at: fc.nat(seed.length - 1), byte: fc.nat(255) });
    fc.assert(
      fc.property(
        fc.array(change, { minLength: 1, maxLength: 8 }),
        fc.nat(seed.length),
        fc.boolean(),
        (changes, cut, double) => {
          const bytes = Buffer.from(seed);
          for (const { at, byte } of changes) bytes[at] = byte;
          expect(outcome(double ? Buffer.concat([bytes.subarray(0, cut), bytes]) : bytes.subarray(0, cut))).toMatch(
            coded,
          );
          expect(outcome(bytes)).toMatch(coded);
        },
      ),
      { numRuns: 1000 },
    );
  });

  const varint = (value: number): number[] =>
    value < 128 ? [value] : [(value % 128) | 128, ...varint(Math.floor(value / 128))];
  const field = (number: number, bytes: readonly number[] | Buffer): Buffer =>
    Buffer.concat([Buffer.from([...varint(number * 8 + 2), ...varint(bytes.length)]), Buffer.from(bytes)]);
  const modelWith = (graph: Buffer): Buffer => Buffer.concat([Buffer.from([8, 10]), field(7, graph)]);
  test('a length that claims more than there is', () => {
    const bomb = Buffer.concat([Buffer.from([8, 10, 7 * 8 + 2]), Buffer.from(varint(2 ** 40))]);
    expect(codeOf(() => decodeModel(bomb))).toBe('CORRUPT');
  });

  test('a tensor whose dimensions claim petabytes', () => {
    const tensor = Buffer.from([8, ...varint(2 ** 40), 8, ...varint(2 ** 10), 16, 1, 66, 1, 119]);
    expect(codeOf(() => decodeModel(modelWith(field(5, tensor))))).toBe('INVALID_MODEL');
    const endless = Buffer.from([8, ...varint(2 ** 50), 8, ...varint(2 ** 50), 16, 1, 66, 1, 119]);
    expect(codeOf(() => decodeModel(modelWith(field(5, endless))))).toBe('INVALID_MODEL');
  });

  test('graphs in graphs without end', () => {
    let graph = field(2, Buffer.from('deepest'));
    for (let i = 0; i < 2000; i += 1)
      graph = field(
        1,
        field(5, Buffer.concat([field(1, Buffer.from('g')), field(6, graph), Buffer.from([0xa0, 1, 5])])),
      );
    expect(codeOf(() => decodeModel(modelWith(graph)))).toBe('TOO_LARGE');
  });

  test('millions of empty nodes', () => {
    const nodes = Buffer.alloc(2 * 2_500_000);
    for (let i = 0; i < nodes.length; i += 2) nodes[i] = 10;
    expect(codeOf(() => decodeModel(modelWith(nodes)))).toBe('TOO_LARGE');
  });

  test('functions that unfold exponentially are stopped', () => {
    const call = (domain: string, opType: string, name: string) => ({
      name,
      opType,
      domain,
      inputs: ['a'],
      outputs: [name],
      attributes: {},
    });
    const base = decodeModel(fixture('everything.onnx'));
    const functions = Array.from({ length: 50 }, (_, i) => ({
      ...base.functions[0]!,
      name: `F${i}`,
      inputs: ['a'],
      outputs: ['p'],
      nodes: [call('local', `F${i + 1}`, 'p'), call('local', `F${i + 1}`, 'q')],
      opsets: base.opsets,
    }));
    const graph = {
      ...base.graph,
      initializers: new Map(),
      inputs: [{ name: 'a', dtype: 'float32' as const, shape: [1] }],
      nodes: [call('local', 'F0', 'y')],
    };
    expect(codeOf(() => checkModel({ ...base, graph, functions }))).toBe('TOO_LARGE');
  });
});
