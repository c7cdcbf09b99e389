// One file for each layer: compiled one by one, they are the same library.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRandom } from '@sanderling/kit';
import { GraphBuilder, tensorOf, type Feeds, type Model } from '@sanderling/onnx';
import { expect, test } from 'vitest';
import { boardNames, measure, quantiseForDevice } from '../boards/index.ts';
import { compilerCommand, execute } from '../boards/toolchain.ts';
import { compileForHost, generateC, hasCompiler, strictFlags, type Elements } from '../index.ts';

const compiler = await hasCompiler('gcc');
const boards = await hasCompiler(compilerCommand);
if (!compiler) console.warn('skipped: no gcc on PATH, so layers in files of their own are not compiled');
if (!boards) console.warn(`skipped: layers in files of their own on boards, for want of ${compilerCommand}`);

const random = createRandom(3, 'split');
const numbers = (count: number): Float32Array => Float32Array.from({ length: count }, () => random.uniform(-1, 1));

/** Two convolutions, a depthwise one, one array that two layers read, a GRU whose state is carried. */
function model(): Model {
  const b = new GraphBuilder('net');
  const constant = (dims: readonly number[]) =>
    b.constant(tensorOf('float32', dims, numbers(dims.reduce((x, y) => x * y, 1))));
  const x = b.input('x', 'float32', [1, 4, 6, 6]);
  const one = b.op('Relu', [b.op('Conv', [x, constant([4, 4, 3, 3])], { pads: [1, 1, 1, 1] })]);
  const two = b.op('Conv', [one, constant([4, 1, 3, 3])], { group: 4, pads: [1, 1, 1, 1] });
  const shift = constant([6, 6]);
  const both = b.op('Mul', [b.op('Add', [two, shift]), shift]);
  const steps = b.op('Reshape', [b.op('Sigmoid', [both]), b.int64([4, 1, 36])]);
  const weights = [constant([1, 15, 36]), constant([1, 15, 5]), constant([1, 30])];
  b.output('y', b.ops('GRU', [steps, ...weights], { hidden_size: 5 }, 2)[1]!);
  return b.model();
}

const given = (): Elements => ({ x: numbers(144) });

test.skipIf(!compiler)('files compiled one by one pass the self-test that one file passes', async () => {
  const float = model();
  const samples = Array.from(
    { length: 8 },
    (): Feeds => ({ x: { dtype: 'float32', dims: [1, 4, 6, 6], data: numbers(144) } }),
  );
  const { model: int8 } = await quantiseForDevice(float, samples, { budget: 1 });
  for (const [one, weights] of [
    [float, 'const'],
    [int8, 'const'],
    [int8, 'blob'],
  ] as const) {
    const inputs = [given(), given()];
    const whole = await generateC(one, { name: 'net', carry: true, weights });
    await using host = await compileForHost(whole);
    const outputs = await host.run(inputs);
    const vectors = inputs.map((each, i) => ({ inputs: each, outputs: outputs[i]! }));
    const { files, blob, face } = await generateC(one, {
      name: 'net',
      carry: true,
      weights,
      split: true,
      selfTest: { vectors, absolute: 0, relative: 0 },
    });
    const sources = Object.keys(files).filter((name) => name.endsWith('.c'));
    expect(sources.length).toBeGreaterThan(5);
    const folder = await mkdtemp(join(tmpdir(), 'split-'));
    try {
      for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
      const list = Array.from(blob ?? [0]).join(',');
      const places = ['&state', ...(face.arenaBytes > 0 ? ['&arena'] : []), ...(blob ? ['weights'] : []), '&room'];
      const main = `#include "net.h"
static const unsigned char weights[] __attribute__((aligned(8), unused)) = {${list}};
int main(void) { static net_state state; static net_arena arena; static net_self_test_room room; return net_self_test(${places.join(', ')}); }`;
      await writeFile(join(folder, 'main.c'), main);
      const succeed = async (command: string, ...args: readonly string[]): Promise<void> =>
        expect(await execute(command, args, { cwd: folder })).toEqual({ status: 0, out: '', words: '' });
      for (const name of [...sources, 'main.c']) await succeed('gcc', ...strictFlags, '-O1', '-c', name);
      const objects = [...sources, 'main.c'].map((name) => name.replace(/c$/, 'o'));
      await succeed('gcc', ...objects, '-o', 'test', '-lm');
      await succeed(join(folder, 'test'));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
});

test.skipIf(!boards)('on a board too, and equal models give equal files', async () => {
  const float = model();
  const inputs = [given()];
  for (const board of boardNames) {
    const [whole, split] = await Promise.all([
      generateC(float, { name: 'net' }),
      generateC(float, { name: 'net', split: true }),
    ]);
    expect(split.files['net.h']).toBe(whole.files['net.h']);
    const answers = await Promise.all([whole, split].map((one) => measure(one, { board, inputs })));
    expect(answers[1]!.outputs).toEqual(answers[0]!.outputs);
  }
  const again = await generateC(float, { name: 'net', split: true });
  expect(again.files).toEqual((await generateC(float, { name: 'net', split: true })).files);
});
