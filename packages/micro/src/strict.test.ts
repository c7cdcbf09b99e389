// Warnings that only show when the optimiser looks closely: generated code of many shapes, by the ARM compiler and the host's, all warnings being errors.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRandom } from '@sanderling/kit';
import { GraphBuilder, tensorOf, type Model, type Value } from '@sanderling/onnx';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { boards } from './boards/table.ts';
import { compilerCommand, execute } from './boards/toolchain.ts';
import { generateC, hasCompiler, strictFlags, type Generated } from './index.ts';
import { quantisedNetwork } from './testing.ts';

const [host, cxx, arm] = await Promise.all(['gcc', 'g++', compilerCommand].map(hasCompiler));
if (!host) console.log('skipped: strict compilation of generated code, for want of gcc');
if (!arm) console.log(`skipped: strict compilation of generated code for boards, for want of ${compilerCommand}`);

/** A model of x [dims] to y, and its weights. */
function made(dims: readonly number[], build: (b: GraphBuilder, x: Value, weights: Weights) => Value): Model {
  const b = new GraphBuilder('strict', { opset: 21 });
  const random = createRandom(dims.length, 'strict');
  const weights: Weights = (...shape) => {
    const length = shape.reduce((a, c) => a * c, 1);
    return b.constant(
      tensorOf(
        'float32',
        shape,
        Float32Array.from({ length }, () => random.uniform(-0.4, 0.4)),
      ),
    );
  };
  b.output('y', build(b, b.input('x', 'float32', dims), weights));
  return b.model();
}

type Weights = (...dims: readonly number[]) => Value;

const recurrent = (kind: 'GRU' | 'LSTM', hidden: number): Model =>
  made([7, 1, 3], (b, x, weights) => {
    const gates = kind === 'GRU' ? 3 : 4;
    const inputs = [x, weights(1, gates * hidden, 3), weights(1, gates * hidden, hidden)];
    const [, last] = b.ops(kind, [...inputs, weights(1, 2 * gates * hidden)], { hidden_size: hidden }, 2);
    return b.op('MatMul', [b.op('Reshape', [last!, b.int64([1, hidden])]), weights(hidden, 5)]);
  });

/** Sizes that no block of rows, channels or places divides. */
const shapes: Readonly<Record<string, Model>> = {
  row: made([1, 48], (b, x, weights) => b.op('MatMul', [x, weights(48, 5)])),
  rows: made([3, 7], (b, x, weights) => b.op('Gemm', [x, weights(9, 7), weights(9)], { transB: 1 })),
  single: made([1, 1], (b, x, weights) => b.op('Relu', [b.op('MatMul', [x, weights(1, 3)])])),
  gru: recurrent('GRU', 5),
  lstm: recurrent('LSTM', 7),
  convolution: made([1, 3, 7, 5], (b, x, weights) =>
    b.op('Conv', [b.op('Relu', [b.op('Conv', [x, weights(5, 3, 3, 3)], { pads: [1, 1, 1, 1] })]), weights(7, 5, 2, 3)]),
  ),
  spectrum: made([1, 3, 29], (b, x, weights) => b.op('Conv', [x, weights(5, 3, 5), weights(5)], { strides: [2] })),
  depthwise: made([1, 7, 9, 5], (b, x, weights) =>
    b.op('GlobalAveragePool', [
      b.op('Conv', [x, weights(7, 1, 3, 3), weights(7)], { group: 7, pads: [1, 1, 1, 1], strides: [2, 1] }),
    ]),
  ),
};

const folder = await mkdtemp(join(tmpdir(), 'strict-'));
const written: Generated[] = [];

async function compiles(compiler: string, flags: readonly string[]): Promise<string> {
  const sources = written.map(({ face }) => `${face.prefix}.c`);
  const { status, words } = await execute(compiler, [...strictFlags, ...flags, '-c', ...sources], { cwd: folder });
  return status === 0 ? '' : words;
}

describe.skipIf(!host)('generated code without a warning', () => {
  beforeAll(async () => {
    for (const [name, model] of Object.entries(shapes)) {
      const quantised = await quantisedNetwork(model);
      written.push(await generateC(model, { name }), await generateC(quantised, { name: `${name}_int8` }));
    }
    for (const { files } of written)
      for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test('the quantised ones have integer layers', () => {
    const layers = written.flatMap(({ report }) => report.layers.map(({ operator }) => operator));
    for (const layer of ['Int8Dense', 'Int8Conv', 'Int8DepthwiseConv', 'Int8GRU', 'Int8LSTM'])
      expect(layers).toContain(layer);
  });

  test.each(['-O2', '-O3'])('by gcc %s', async (optimise) => {
    expect(await compiles('gcc', [optimise])).toBe('');
  });

  test.skipIf(!arm).each([
    ['m7', '-O2'],
    ['m7', '-O3'],
    ['m4', '-O2'],
  ] as const)('by the compiler for %s %s', async (board, optimise) => {
    expect(await compiles(compilerCommand, [...boards[board].cpu, optimise])).toBe('');
  });

  test.skipIf(!cxx)('every header as C++', async () => {
    await writeFile(join(folder, 'all.cpp'), written.map(({ face }) => `#include "${face.prefix}.h"\n`).join(''));
    const flags = ['-std=c++11', '-Wall', '-Wextra', '-Wpedantic', '-Wconversion', '-Werror', '-fsyntax-only'];
    expect((await execute('g++', [...flags, 'all.cpp'], { cwd: folder })).words).toBe('');
  });
});
