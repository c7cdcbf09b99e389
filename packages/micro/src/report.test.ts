// The report: its estimate against exact counts on the emulated board, and what quantisation did beside each layer.
import { readFileSync } from 'node:fs';
import { decodeModel, quantiseWithin, type Model } from '@sanderling/onnx';
import { describe, expect, test } from 'vitest';
import { generateC, hasBoardTools, measure, reportText } from './index.ts';
import { separableNetwork } from './small-networks.ts';
import { networks, quantisedNetwork, randomInputs } from './testing.ts';

const tools = await hasBoardTools();
if (!tools) console.warn('skipped: estimates are not compared with an emulated board, for want of its tools');

const network = (): Model => separableNetwork({ channels: 16, size: 16 });

const samples = (model: Model) =>
  [1, 2, 3].map((seed) => ({
    x: { dtype: 'float32' as const, dims: [1, 2, 16, 16], data: randomInputs(model, seed)['x'] as Float32Array },
  }));

describe.skipIf(!tools)('estimated cycles', () => {
  test.each([
    ['float network', async () => network()],
    [
      'GRU forecaster',
      async () => decodeModel(readFileSync(new URL('./fixtures/forecaster-gru.onnx', import.meta.url))),
    ],
    [
      'int8 network',
      async () =>
        (await quantiseWithin(network(), samples(network()), { kernels: 'micro', budget: { relativeError: 1 } })).model,
    ],
  ])('%s: within a fifth of the instructions that a Cortex-M7 executes', async (_, make) => {
    const model = await make();
    const generated = await generateC(model, { name: 'net' });
    const { instructions } = await measure(generated, { board: 'm7', inputs: [randomInputs(model, 9)] });
    const ratio = generated.report.cycles / instructions[0]!;
    expect(ratio).toBeGreaterThan(0.8);
    expect(ratio).toBeLessThan(1.2);
  });
});

test('constants are all arrays of the code, also those of shared functions', async () => {
  const sizes: Readonly<Record<string, number>> = {
    float: 4,
    double: 8,
    int8_t: 1,
    int16_t: 2,
    uint16_t: 2,
    int32_t: 4,
    int64_t: 8,
  };
  for (const make of Object.values(networks)) {
    const generated = await generateC(await quantisedNetwork(make()), { name: 'net' });
    const arrays = [
      ...generated.files['net.c']!.matchAll(/^(?:SANDERLING_ALIGNED )?static const (\w+) \w+\[(\d+)\] = /gm),
    ];
    const bytes = arrays.reduce((sum, [, type, count]) => sum + sizes[type!]! * Number(count), 0);
    expect(generated.report.constantBytes).toBe(bytes);
  }
});

test('what quantisation did stands beside the layers', async () => {
  const model = network();
  const { model: integer, report: quality } = await quantiseWithin(model, samples(model), {
    kernels: 'micro',
    budget: { relativeError: 1 },
    skip: ['deep'],
  });
  const { report } = await generateC(integer, { name: 'net' });
  const text = reportText(report, quality);
  const stem = quality.layers.find(({ name }) => name === 'stem')!;
  const row = text.split('\n').find((line) => line.includes('| stem'))!;
  expect(row).toContain(` ${stem.aloneDecibels.toFixed(1)} |`);
  expect(text).toContain('SQNR alone (dB)');
  expect(text).toContain(`off by ${(100 * quality.relativeError).toFixed(2)} %`);
  expect(reportText(report)).not.toContain('SQNR');
});
