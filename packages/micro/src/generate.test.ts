// Generated code against ONNX Runtime: whole models, random models, state, self-test, several instances, C++.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRandom } from '@sanderling/kit';
import { decodeModel, GraphBuilder, tensorOf, type Model } from '@sanderling/onnx';
import { describe, expect, test } from 'vitest';
import { compatibilityPage, compileForHost, generateC, hasCompiler, reportText, type Elements } from './index.ts';
import { randomFloats, randomInputs, randomModel, referenceOutputs, worstDifference } from './testing.ts';

const [cc, cxx] = ['gcc', 'g++'] as const;
const compiler = (await hasCompiler(cc)) && (await hasCompiler(cxx));
if (!compiler) console.warn('packages/micro: no gcc on PATH, so no generated code is compiled or run here');

const fixture = (name: string): Model => decodeModel(readFileSync(new URL(`./fixtures/${name}.onnx`, import.meta.url)));

function weight(b: GraphBuilder, dims: readonly number[], seed: number) {
  const random = createRandom(seed, 'weights');
  const count = dims.reduce((a, c) => a * c, 1);
  const scale = Math.sqrt(3 / (count / dims[0]!));
  return b.constant(
    tensorOf(
      'float32',
      dims,
      randomFloats(random, count).map((x) => x * scale),
    ),
  );
}

/** Residual block with batch normalisation, depthwise-separable block, pooling, classifier. */
function smallCnn(): Model {
  const b = new GraphBuilder('cnn', { opset: 21 });
  const norm = (x: ReturnType<GraphBuilder['input']>, channels: number, seed: number) => {
    const random = createRandom(seed, 'norm');
    const vector = () =>
      b.constant(
        tensorOf(
          'float32',
          [channels],
          Float32Array.from({ length: channels }, () => random.uniform(0.5, 1.5)),
        ),
      );
    return b.op('BatchNormalization', [x, vector(), vector(), vector(), vector()]);
  };
  const x = b.input('image', 'float32', ['batch', 3, 16, 16]);
  const stem = b.op('Relu', [norm(b.op('Conv', [x, weight(b, [8, 3, 3, 3], 1)], { pads: [1, 1, 1, 1] }), 8, 2)]);
  const side = norm(b.op('Conv', [stem, weight(b, [8, 8, 3, 3], 3)], { pads: [1, 1, 1, 1] }), 8, 4);
  const joined = b.op('Relu', [b.op('Add', [side, stem])]);
  const depthwise = b.op('Conv', [joined, weight(b, [8, 1, 3, 3], 5)], {
    pads: [1, 1, 1, 1],
    group: 8,
    strides: [2, 2],
  });
  const point = b.op('Clip', [b.op('Conv', [depthwise, weight(b, [16, 8, 1, 1], 6)]), b.scalar(0), b.scalar(6)]);
  const pooled = b.op('Flatten', [b.op('GlobalAveragePool', [point])]);
  b.output(
    'classes',
    b.op('Softmax', [b.op('Gemm', [pooled, weight(b, [5, 16], 7), weight(b, [5], 8)], { transB: 1 })]),
  );
  return b.model();
}

/** One-dimensional convolutional autoencoder with a transposed convolution. */
function autoencoder(): Model {
  const b = new GraphBuilder('autoencoder');
  const x = b.input('signal', 'float32', ['n', 2, 32]);
  const down = b.op('Tanh', [b.op('Conv', [x, weight(b, [6, 2, 4], 1)], { strides: [2], pads: [1, 1] })]);
  const code = b.op('LayerNormalization', [down, weight(b, [16], 2), weight(b, [16], 3)], { axis: -1 });
  const up = b.op('ConvTranspose', [code, weight(b, [6, 2, 4], 4), weight(b, [2], 5)], { strides: [2], pads: [1, 1] });
  b.output('restored', up);
  b.output('error', b.op('ReduceMean', [b.op('Abs', [b.op('Sub', [up, x])]), b.int64([1, 2])], { keepdims: 0 }));
  return b.model();
}

async function expectSame(model: Model, tolerance = 1e-5): Promise<void> {
  const calls = [randomInputs(model, 1), randomInputs(model, 2)];
  await using host = await compileForHost(await generateC(model, { name: 'net' }));
  const [got, wanted] = [await host.run(calls), await referenceOutputs(model, calls)];
  for (const [i, one] of got.entries()) expect(worstDifference(one, wanted[i]!)).toBeLessThan(tolerance);
}

describe.skipIf(!compiler)('whole models give the answer of ONNX Runtime', () => {
  test.each(['gru', 'lstm', 'dense'])('the %s forecaster that packages/train exports', async (cell) => {
    await expectSame(fixture(`forecaster-${cell}`));
  });
  test('a residual, depthwise-separable image classifier', async () => {
    await expectSame(smallCnn());
  });
  test('a one-dimensional autoencoder with two outputs', async () => {
    await expectSame(autoencoder());
  });
});

describe.skipIf(!compiler)('random models give the answer of ONNX Runtime', () => {
  test('forty models in one program', async () => {
    const seeds = Array.from({ length: 40 }, (_, i) => 5000 + i);
    const models = seeds.map(randomModel);
    const generated = await Promise.all(models.map((model, i) => generateC(model, { name: `r${i}` })));
    await using host = await compileForHost(generated, { optimise: '-O0' });
    for (const [i, model] of models.entries()) {
      const calls = [randomInputs(model, seeds[i]!)];
      const [[got], [wanted]] = [await host.run(calls, i), await referenceOutputs(model, calls)];
      expect(worstDifference(got!, wanted!), `seed ${seeds[i]}`).toBeLessThan(1e-3);
    }
  });
});

describe.skipIf(!compiler)('state', () => {
  const steps = (count: number): Elements[] =>
    Array.from({ length: count }, (_, i) => ({ x: randomFloats(createRandom(i, 'step'), 3) }));

  function oneStep(kind: 'GRU' | 'LSTM' | 'RNN', length: number): Model {
    const b = new GraphBuilder('step');
    const gates = { GRU: 3, LSTM: 4, RNN: 1 }[kind];
    const x = b.input('x', 'float32', [length, 1, 3]);
    const [y] = b.ops(
      kind,
      [x, weight(b, [1, gates * 4, 3], 1), weight(b, [1, gates * 4, 4], 2), weight(b, [1, 2 * gates * 4], 3)],
      { hidden_size: 4 },
      { count: 1, name: 'memory' },
    );
    b.output('y', y!);
    return b.model();
  }

  test.each(['GRU', 'LSTM', 'RNN'] as const)(
    'a %s that carries its state gives step by step what it gives at once',
    async (kind) => {
      const calls = steps(6);
      const whole = { x: Float32Array.from(calls.flatMap((call) => [...(call['x'] as Float32Array)])) };
      const [wanted] = await referenceOutputs(oneStep(kind, 6), [whole]);
      const generated = await generateC(oneStep(kind, 1), { name: 'step', carry: ['memory'] });
      expect(generated.report.stateBytes).toBe(kind === 'LSTM' ? 32 : 16);
      expect(generated.face.outputs.map(({ name }) => name)).toEqual(['y']);
      await using host = await compileForHost(generated, { sanitize: true });
      const got = await host.run(calls);
      const joined = { y: Float32Array.from(got.flatMap((out) => [...(out['y'] as Float32Array)])) };
      expect(worstDifference(joined, wanted!)).toBeLessThan(1e-6);
      expect(await host.run(calls)).toEqual(got); // a fresh run starts from the reset state
    },
  );

  test('an output bound to an input lives from call to call, from its initial value', async () => {
    const b = new GraphBuilder('sum');
    const [x, before] = [b.input('x', 'float32', [1]), b.input('before', 'float32', [1])];
    const sum = b.op('Add', [x, before]);
    b.output('after', sum);
    b.output('double', b.op('Mul', [sum, b.scalar(2)]));
    const initial = tensorOf('float32', [1], [10]);
    const generated = await generateC(b.model(), {
      name: 'sum',
      state: [{ input: 'before', output: 'after', initial }],
    });
    await using host = await compileForHost(generated);
    const out = await host.run([1, 2, 3].map((value) => ({ x: Float32Array.of(value) })));
    expect(out.map((one) => one['double']![0])).toEqual([22, 26, 32]);
  });
});

describe.skipIf(!compiler)('a delay line', () => {
  test('hands states on in step, and shows an input as it is', async () => {
    const b = new GraphBuilder('delay');
    const [x, one, two] = ['x', 'one', 'two'].map((name) => b.input(name, 'float32', [2]));
    b.output('one_next', x!);
    b.output('two_next', one!);
    b.output('delayed', two!);
    b.output('sum', b.op('Add', [b.op('Reshape', [two!, b.int64([2, 1])]), b.scalar(1)]));
    const state = [
      { input: 'one', output: 'one_next' },
      { input: 'two', output: 'two_next' },
    ];
    await using host = await compileForHost(await generateC(b.model(), { name: 'delay', state }), { sanitize: true });
    const out = await host.run([1, 2, 3, 4].map((value) => ({ x: Float32Array.of(value, -value) })));
    expect(out.map(({ delayed }) => delayed![0])).toEqual([0, 0, 1, 2]);
    expect(out.map(({ sum }) => sum![1])).toEqual([1, 1, 0, -1]);
  });
});

describe.skipIf(!compiler)('the generated code', () => {
  test('tests itself: passes with the right outputs, names the vector that is wrong', async () => {
    const model = fixture('forecaster-gru');
    const inputs = [randomInputs(model, 1), randomInputs(model, 2)];
    const outputs = await referenceOutputs(model, inputs);
    const vectors = inputs.map((one, i) => ({ inputs: one, outputs: outputs[i]! }));
    const broken = [
      vectors[0]!,
      {
        inputs: inputs[1]!,
        outputs: { forecast: Float32Array.from(outputs[1]!['forecast'] as Float32Array, (x) => x + 0.1) },
      },
    ];
    const [good, bad] = [
      await generateC(model, { name: 'good', selfTest: { vectors } }),
      await generateC(model, { name: 'bad', selfTest: { vectors: broken } }),
    ];
    await using host = await compileForHost([good, bad]);
    expect([await host.selfTest(0), await host.selfTest(1)]).toEqual([0, 2]);
  });

  test('is usable from C++ with two instances at once and links with every strict warning on', async () => {
    const { files } = await generateC(fixture('forecaster-gru'), { name: 'forecaster', carry: true });
    const folder = mkdtempSync(join(tmpdir(), 'micro-cxx-'));
    try {
      for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
      const main = `#include "forecaster.h"
int main() {
  static forecaster_arena arena; forecaster_state a, b;
  float window[FORECASTER_IN_WINDOW_COUNT] = {0.5f}, one[3], two[3];
  forecaster_reset(&a); forecaster_reset(&b);
  forecaster_run(&a, &arena, window, one); forecaster_run(&b, &arena, window, two);
  return one[0] == two[0] && one[2] == two[2] ? 0 : 1; }`;
      writeFileSync(join(folder, 'main.cc'), main);
      execFileSync(
        cc,
        ['-std=c99', '-Wall', '-Wextra', '-Wpedantic', '-Wconversion', '-Werror', '-c', 'forecaster.c'],
        { cwd: folder },
      );
      execFileSync(cxx, ['-Wall', '-Wextra', '-Wpedantic', '-Werror', 'main.cc', 'forecaster.o', '-o', 'main', '-lm'], {
        cwd: folder,
      });
      expect(execFileSync(join(folder, 'main')).length).toBe(0);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test('keeps apart names that differ only in case', async () => {
    const b = new GraphBuilder('case');
    for (const [from, to, count] of [
      ['x', 'y', 3],
      ['X', 'Y', 4],
    ] as const)
      b.output(to, b.op('Neg', [b.input(from, 'float32', [count])]));
    await using host = await compileForHost(await generateC(b.model(), { name: 'net' }));
    const [out] = await host.run([{ x: Float32Array.of(1, 2, 3), X: Float32Array.of(4, 5, 6, 7) }]);
    expect([out!['y'], out!['Y']]).toEqual([Float32Array.of(-1, -2, -3), Float32Array.of(-4, -5, -6, -7)]);
  });

  test('hides no NaN: a broken sensor does not look like a whole one', async () => {
    const b = new GraphBuilder('nan');
    const x = b.input('x', 'float32', [3]);
    for (const operator of ['HardSigmoid', 'HardSwish', 'Sign', 'Relu', 'Clip'])
      b.output(operator, b.op(operator, operator === 'Clip' ? [x, b.scalar(-1), b.scalar(1)] : [x]));
    await using host = await compileForHost(await generateC(b.model(), { name: 'net' }));
    const [out] = await host.run([{ x: Float32Array.of(NaN, -9, 9) }]);
    const wanted = { HardSigmoid: [0, 1], HardSwish: [-0, 9], Sign: [-1, 1], Relu: [0, 9], Clip: [-1, 1] };
    for (const [operator, rest] of Object.entries(wanted))
      expect({ [operator]: Array.from(out![operator] as Float32Array) }).toEqual({ [operator]: [NaN, ...rest] });
  });

  test('survives indices from outside', async () => {
    const b = new GraphBuilder('gather');
    const [x, at] = [b.input('x', 'float32', [4]), b.input('at', 'int64', [3])];
    b.output('y', b.op('Gather', [x, at]));
    await using host = await compileForHost(await generateC(b.model(), { name: 'gather' }), { sanitize: true });
    const [out] = await host.run([
      { x: Float32Array.of(1, 2, 3, 4), at: BigInt64Array.of(-1n, 1n << 40n, -(1n << 62n)) },
    ]);
    expect([...(out!['y'] as Float32Array)]).toEqual([4, 4, 1]);
  });
});

describe('what is written', () => {
  test('equal models give equal bytes; the arena of the forecaster is the least possible; nothing is allocated', async () => {
    const [a, b] = [await generateC(fixture('forecaster-gru')), await generateC(fixture('forecaster-gru'))];
    expect(a.files).toEqual(b.files);
    expect(a.report.arenaBytes).toBe(a.report.boundBytes);
    expect(a.report.macs).toBe(24 * 3 * 16 * (2 + 16) + 16 * 3);
    expect(a.report.constantBytes).toBe(4 * (48 * 18 + 64 + 51));
    expect(a.files['model.c']).not.toMatch(/\b(malloc|calloc|free|alloca)\b/);
    const rows = reportText(a.report).split('\n');
    expect(rows[3]).toMatch(/^\| +1 \| gru +\| GRU +\| 1×1×16 +\| +20736 \| +\d+ \| +3712 \| /);
    expect(new Set(rows.slice(0, 2 + a.report.layers.length).map((row) => row.length)).size).toBe(1);
  });

  test('OPERATORS.md is fresh', () => {
    const page = readFileSync(new URL('../OPERATORS.md', import.meta.url), 'utf8');
    expect(page, 'run: node packages/micro/src/write-operators.ts').toBe(compatibilityPage());
  });
});
