// Whole networks in int8 against ONNX Runtime, and the same bytes on every machine.
import { readFileSync } from 'node:fs';
import { createRandom } from '@sanderling/kit';
import { decodeModel, GraphBuilder, tensorOf } from '@sanderling/onnx';
import { describe, expect, test } from 'vitest';
import { hasBoardTools, measure } from '../boards/index.ts';
import { compileForHost, generateC, hasCompiler, type Elements } from '../index.ts';
import { referenceOutputs, worstDifference } from '../testing.ts';
import { inputsFor, networks, quantisedNetwork } from './networks.ts';
import { distance, plainReference } from './random-models.ts';

const compiler = await hasCompiler();
if (!compiler) console.warn('skipped: no gcc on PATH, so int8 networks are not run');
const [crossCompiler, user] = ['arm-linux-gnueabihf-gcc', 'qemu-arm-static'];
const neon = compiler && (await hasCompiler(crossCompiler)) && (await hasCompiler(user));
if (!neon) console.warn(`skipped: ${crossCompiler} or ${user} missing, so NEON is not run`);
const boards = compiler && (await hasBoardTools());
if (!boards) console.warn('skipped: no arm-none-eabi-gcc or qemu-system-arm, so int8 networks are not run on boards');

const made = await Promise.all(
  Object.entries(networks).map(async ([name, maker], i) => {
    const model = maker();
    const quantised = await quantisedNetwork(model);
    const generated = await generateC(quantised, { name: `q${i}` });
    return { name, model, quantised, generated, calls: inputsFor(model, 24, 99) };
  }),
);

const bytes = (results: readonly Elements[]): string =>
  results.map((one) => Buffer.from(one['y']!.buffer).toString('hex')).join();

describe.skipIf(!compiler)('networks', () => {
  test('float and int8 code answers as ONNX Runtime does', async () => {
    const floats = await Promise.all(made.map(({ model }, i) => generateC(model, { name: `f${i}` })));
    await using host = await compileForHost(
      made.map(({ generated }) => generated),
      { sanitize: true, optimise: '-O0' },
    );
    await using plain = await compileForHost(floats, { optimise: '-O0' });
    for (const [i, { name, model, quantised, calls }] of made.entries()) {
      const [got, wanted] = [await host.run(calls, i), await plainReference(quantised, calls)];
      const { equal, values, worst } = distance(quantised, got, wanted);
      const float = await plain.run(calls, i);
      const reference = await referenceOutputs(model, calls);
      const furthest = Math.max(...float.map((one, k) => worstDifference(one, reference[k]!)));
      const verdict = { name, oneStep: worst <= 1, mostlyEqual: equal / values >= 0.98, float: furthest < 1e-4 };
      expect(verdict).toEqual({ name, oneStep: true, mostlyEqual: true, float: true });
    }
  });

  test('every layer of the networks is an integer layer', () => {
    const operators = new Set(made.flatMap(({ generated }) => generated.report.layers.map(({ operator }) => operator)));
    const moving = ['Reshape', 'Flatten', 'Squeeze', 'Transpose', 'Slice'];
    expect([...operators].filter((name) => !name.startsWith('Int8') && !moving.includes(name))).toEqual([]);
    for (const { generated } of made)
      expect(generated.report.arenaBytes).toBeLessThanOrEqual(1.1 * generated.report.boundBytes);
  });

  test.skipIf(!neon)('NEON gives the same bytes', async () => {
    const generated = made.map((one) => one.generated);
    await using host = await compileForHost(generated);
    const flags = ['-mcpu=cortex-a9', '-mfpu=neon', '-mfloat-abi=hard', '-static', '-ffp-contract=off'];
    await using arm = await compileForHost(generated, {
      compiler: crossCompiler,
      optimise: '-O2',
      flags,
      runner: [user],
    });
    const differ: string[] = [];
    for (const [i, { name, calls }] of made.entries())
      if (bytes(await arm.run(calls, i)) !== bytes(await host.run(calls, i))) differ.push(name);
    expect(differ).toEqual([]);
  });

  test.skipIf(!boards)(
    'both boards give the same bytes, with and without optimisation',
    { timeout: 180_000 },
    async () => {
      await using host = await compileForHost(made.map(({ generated }) => generated));
      const differ: string[] = [];
      for (const [i, { name, generated, calls }] of made.entries()) {
        const inputs = calls.slice(0, 6);
        const wanted = bytes(await host.run(inputs, i));
        for (const [board, optimise] of [
          ['m4', '-O2'],
          ['m7', i % 2 === 0 ? '-O2' : '-Os'],
        ] as const)
          if (bytes((await measure(generated, { board, optimise, inputs })).outputs) !== wanted)
            differ.push(`${name} ${board}`);
      }
      expect(differ).toEqual([]);
    },
  );
});

describe.skipIf(!compiler)('recurrent layers', () => {
  test('a carried state is int16 and goes on where it was', async () => {
    const { quantised, calls } = made.find(({ name }) => name === 'GRU and dense layer')!;
    const whole = await generateC(quantised, { name: 'whole', carry: true });
    expect(whole.report.stateBytes).toBe(12 * 2);
    await using host = await compileForHost(whole);
    const [twice, once] = [await host.run([calls[0]!, calls[0]!]), await host.run([calls[0]!])];
    expect(bytes([twice[0]!])).toBe(bytes(once));
    expect(bytes([twice[1]!])).not.toBe(bytes(once));
  });
});

test.skipIf(!compiler)("models of ONNX Runtime's quantiser, in both of its forms", async () => {
  for (const name of ['runtime-qdq', 'runtime-operators']) {
    const model = decodeModel(readFileSync(new URL(`./fixtures/${name}.onnx`, import.meta.url)));
    const generated = await generateC(model);
    const operators = generated.report.layers.map(({ operator }) => operator);
    expect(operators).toEqual(expect.arrayContaining(['Int8Conv', 'Int8DepthwiseConv', 'Int8MaxPool', 'Int8Dense']));
    const random = createRandom(8, name);
    const calls = Array.from({ length: 12 }, () => ({
      x: Float32Array.from({ length: 432 }, () => random.uniform(-1, 1)),
    }));
    await using host = await compileForHost(generated);
    const [got, wanted] = [await host.run(calls), await plainReference(model, calls)];
    for (const [i, one] of got.entries()) expect(worstDifference(one, wanted[i]!)).toBeLessThan(0.03);
  }
});

test('weights that are no int8 after their zero point, and activations of 16 bits, stay in float', async () => {
  const b = new GraphBuilder('odd', { opset: 21 });
  const x = b.input('x', 'float32', [1, 2]);
  const zero = b.constant(tensorOf('uint8', [], [7]));
  const w = b.op('DequantizeLinear', [b.constant(tensorOf('uint8', [2, 2], [0, 255, 7, 9])), b.scalar(0.01), zero]);
  const through = (value: typeof x) => {
    const q = b.op('QuantizeLinear', [value, b.scalar(0.01), zero]);
    return b.op('DequantizeLinear', [q, b.scalar(0.01), zero]);
  };
  b.output('y', through(b.op('MatMul', [through(x), w])));
  const { report } = await generateC(b.model());
  expect(report.layers.map(({ operator }) => operator)).toContain('MatMul');
  if (!compiler) return;
  await using host = await compileForHost(await generateC(b.model()));
  const calls = [{ x: Float32Array.of(0.5, -0.06) }];
  const [got, wanted] = [await host.run(calls), await plainReference(b.model(), calls)];
  expect(distance(b.model(), got, wanted)).toMatchObject({ equal: 2, worst: 0 });
});
