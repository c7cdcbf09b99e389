// Weights outside the code: one C file for all models of a structure, and refusals of everything else.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRandom } from '@sanderling/kit';
import { calibrate, decodeModel, GraphBuilder, quantise, tensorOf, toNumbers, type Model } from '@sanderling/onnx';
import { describe, expect, test } from 'vitest';
import { compileForHost, generateC, hasCompiler, strictFlags, type GenerateOptions } from './index.ts';
import { separableNetwork } from './small-networks.ts';
import { randomInputs, randomModel, referenceOutputs, worstDifference } from './testing.ts';

const [cc, cxx] = ['gcc', 'g++'] as const;
const compiler = (await hasCompiler(cc)) && (await hasCompiler(cxx));
if (!compiler) console.warn('packages/micro: no gcc on PATH, so no weights are loaded by generated code here');

const blob = { weights: 'blob' } as const;
const fixture = (name: string): Model => decodeModel(readFileSync(new URL(`./fixtures/${name}.onnx`, import.meta.url)));

/** The same structure after other training: every float constant is changed. */
function retrained(model: Model, seed: number): Model {
  const random = createRandom(seed, 'retrained');
  const initializers = new Map(
    Array.from(model.graph.initializers, ([name, tensor]) =>
      tensor.dtype === 'float32'
        ? ([
            name,
            tensorOf(
              'float32',
              tensor.dims,
              toNumbers(tensor).map((x) => x * random.uniform(0.5, 1.5) + random.uniform(-0.1, 0.1)),
            ),
          ] as const)
        : ([name, tensor] as const),
    ),
  );
  return { ...model, graph: { ...model.graph, initializers } };
}

const made = async (model: Model, options: GenerateOptions = {}) =>
  generateC(model, { name: 'net', ...blob, ...options });

describe('weights in a blob', () => {
  test('models of one structure have one code and blobs of one size; the code holds no array', async () => {
    const [a, b] = [await made(separableNetwork()), await made(retrained(separableNetwork(), 1))];
    expect(a.files).toEqual(b.files);
    expect(a.blob).not.toEqual(b.blob);
    expect(a.blob!.length).toBe(b.blob!.length);
    expect(a.files['net.c']).not.toMatch(/static const float/);
    expect(a.blob!.length).toBeGreaterThanOrEqual(64 + a.report.constantBytes);
    expect((await generateC(separableNetwork(), { name: 'net' })).blob).toBeUndefined();
  });

  test('what is no array is structure', async () => {
    const structure = async (model: Model, options: GenerateOptions = {}): Promise<string> =>
      Buffer.from((await made(model, options)).blob!.subarray(20, 52)).toString('hex');
    const one = await structure(separableNetwork());
    expect(await structure(retrained(separableNetwork(), 2))).toBe(one);
    expect(await structure(separableNetwork({ channels: 7 }))).not.toBe(one);
    expect(await structure(separableNetwork({ slope: 0.2 }))).not.toBe(one);
    expect(await structure(separableNetwork(), { batch: 2 })).toBe(one);
    const small = { blobFrom: 40 };
    expect(await structure(separableNetwork(), small)).not.toBe(
      await structure(retrained(separableNetwork(), 3), small),
    );
  });

  test('options that make no sense are refused', async () => {
    await expect(made(separableNetwork(), { weights: 'file' as 'blob' })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    for (const blobFrom of [-1, Number.NaN])
      await expect(made(separableNetwork(), { blobFrom })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});

describe.skipIf(!compiler)('code that takes its weights', () => {
  test.each([
    ['a network of convolutions', separableNetwork()],
    ['the GRU forecaster', fixture('forecaster-gru')],
    ['the LSTM forecaster', fixture('forecaster-lstm')],
  ])('%s: the code of one model runs another', async (_, model) => {
    const other = retrained(model, 5);
    const [one, two] = [await made(model), await made(other)];
    await using host = await compileForHost(one, { sanitize: true });
    const calls = [randomInputs(model, 1), randomInputs(model, 2)];
    const tell = async (from: Model) => referenceOutputs(from, calls);
    for (const [got, wanted] of [
      [await host.run(calls), await tell(model)],
      [await host.run(calls, 0, two.blob), await tell(other)],
    ] as const)
      for (const [i, row] of got.entries()) expect(worstDifference(row, wanted[i]!)).toBeLessThan(1e-5);
  });

  test('refuses what is not its own, in whichever way', async () => {
    const own = await made(separableNetwork());
    const bytes = own.blob!;
    await using host = await compileForHost(own, { sanitize: true });
    const says = async (given: Uint8Array): Promise<number> => host.checkWeights(given);
    expect(await says(bytes)).toBe(0);
    expect(await says((await made(retrained(separableNetwork(), 8))).blob!)).toBe(0);
    expect(await says((await made(separableNetwork({ channels: 7 }))).blob!)).toBe(3);
    expect(await says((await made(separableNetwork({ slope: 0.2 }))).blob!)).toBe(3);
    for (const length of [0, 1, 63]) expect(await says(bytes.subarray(0, length))).toBe(2);
    for (const length of [64, 65, bytes.length - 1]) expect(await says(bytes.subarray(0, length))).toBe(4);
    expect(await says(Buffer.concat([bytes, Buffer.of(0)]))).toBe(4);
    const random = createRandom(6, 'flips');
    const places = [
      ...Array.from({ length: 64 }, (_, i) => i),
      ...Array.from({ length: 24 }, () => random.int(64, bytes.length - 1)),
    ];
    for (const at of places) {
      const flipped = Uint8Array.from(bytes);
      flipped[at]! ^= 1 << random.int(0, 7);
      expect(await says(flipped), `byte ${at}`).toBe(at < 12 ? 2 : at < 16 ? 5 : at < 20 ? 4 : at < 52 ? 3 : 5);
    }
    await expect(host.run([randomInputs(separableNetwork(), 1)], 0, bytes.subarray(0, 200))).rejects.toMatchObject({
      code: 'INTERNAL',
    });
  });

  test('refuses weights that are not aligned, and is included from C++', async () => {
    const { files, blob: bytes } = await made(separableNetwork());
    const folder = mkdtempSync(join(tmpdir(), 'micro-weights-'));
    try {
      for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
      const list = Array.from(bytes!).join(',');
      const main = `#include "net.h"
alignas(8) static const unsigned char blob[] = {${list}, 0};
alignas(8) static unsigned char moved[sizeof blob + 8];
int main() {
  for (unsigned i = 0; i < sizeof blob; i++) { moved[i + 4] = blob[i]; }
  if (net_weights_check(blob, NET_WEIGHTS_BYTES) != NET_WEIGHTS_FIT) { return 1; }
  return net_weights_check(moved + 4, NET_WEIGHTS_BYTES) == NET_WEIGHTS_NOT_ALIGNED ? 0 : 2; }`;
      writeFileSync(join(folder, 'main.cc'), main);
      execFileSync(cc, [...strictFlags, '-c', 'net.c'], { cwd: folder });
      execFileSync(cxx, ['-Wall', '-Wextra', '-Werror', 'main.cc', 'net.o', '-o', 'main', '-lm'], { cwd: folder });
      expect(execFileSync(join(folder, 'main')).length).toBe(0);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test('self-test vectors, and states that do not begin with zeros, travel with the weights', async () => {
    const sum = (start: number, factor: number): readonly [Model, GenerateOptions] => {
      const b = new GraphBuilder('sum');
      const [x, before] = [b.input('x', 'float32', [1]), b.input('before', 'float32', [1])];
      b.output('after', b.op('Add', [b.op('Mul', [x, b.scalar(factor)]), before]));
      b.output('y', b.op('Add', [b.op('Mul', [x, b.scalar(factor)]), before]));
      const vectors = [{ inputs: { x: Float32Array.of(2) }, outputs: { y: Float32Array.of(start + 2 * factor) } }];
      const state = [{ input: 'before', output: 'after', initial: tensorOf('float32', [1], [start]) }];
      return [b.model(), { state, selfTest: { vectors } }];
    };
    const [one, two] = [await made(...sum(10, 3)), await made(...sum(-4, 7))];
    expect(one.files).toEqual(two.files);
    await using host = await compileForHost(one, { sanitize: true });
    expect([await host.selfTest(), await host.selfTest(0, two.blob)]).toEqual([0, 0]);
    const calls = [1, 1].map((x) => ({ x: Float32Array.of(x) }));
    const ys = async (bytes?: Uint8Array) => (await host.run(calls, 0, bytes)).map((out) => out['y']![0]);
    expect([await ys(), await ys(two.blob)]).toEqual([
      [13, 16],
      [3, 10],
    ]);
  });

  test('an int8 model gives the same from a blob; other zero points are another structure', async () => {
    const model = separableNetwork();
    const samples = (scale: number) =>
      [1, 2, 3].map((seed) => ({
        x: {
          dtype: 'float32' as const,
          dims: [1, 2, 9, 9],
          data: (randomInputs(model, seed)['x'] as Float32Array).map((v) => Math.max(v, -scale)),
        },
      }));
    const micro = { kernels: 'micro' } as const;
    const integer = async (scale: number) => quantise(model, await calibrate(model, samples(scale), micro), micro);
    const [plain, taken] = [await generateC(await integer(9), { name: 'code' }), await made(await integer(9))];
    await using host = await compileForHost([plain, taken], { sanitize: true });
    const calls = [randomInputs(model, 7), randomInputs(model, 8)];
    expect(await host.run(calls, 1)).toEqual(await host.run(calls, 0));
    expect(await host.checkWeights((await made(await integer(0.3))).blob!, 1)).toBe(3);
  });

  test('random models give the answer of ONNX Runtime from blobs too', async () => {
    const seeds = Array.from({ length: 12 }, (_, i) => 7000 + i);
    const models = seeds.map(randomModel);
    const generated = await Promise.all(models.map((model, i) => generateC(model, { name: `r${i}`, ...blob })));
    await using host = await compileForHost(generated, { sanitize: true, optimise: '-O0' });
    for (const [i, model] of models.entries()) {
      const calls = [randomInputs(model, seeds[i]!)];
      const [[got], [wanted]] = [await host.run(calls, i), await referenceOutputs(model, calls)];
      expect(worstDifference(got!, wanted!), `seed ${seeds[i]}`).toBeLessThan(1e-3);
    }
  });
});
