// Instructions for each multiply-accumulate of single layers, float and int8, counted exactly on emulated boards (not cycles: no wait states, no dual issue).
// Run: node bench/src/micro/instructions.ts
import { writeFile } from 'node:fs/promises';
import { boardNames, generateC, measure, quantiseForDevice, type BoardName, type Generated } from '@sanderling/micro';
import type { Model, TensorArray } from '@sanderling/onnx';
import { randomFeeds, singleLayers, type Network } from './networks.ts';

/** Instructions of the layer, and of the whole call, for each multiply-accumulate. */
interface Cost {
  readonly layer: number;
  readonly whole: number;
}

async function costOf(generated: Generated, model: Model, board: BoardName): Promise<Cost> {
  const [feeds] = randomFeeds(model, 1, 3);
  const inputs = [Object.fromEntries(Object.entries(feeds!).map(([name, { data }]) => [name, data as TensorArray]))];
  const { instructions, layers } = await measure(generated, { board, inputs, perLayer: true });
  const { macs, layers: reported } = generated.report;
  // All work is in one layer; beside it are the conversions of inputs and outputs.
  const main = reported.toSorted((a, b) => b.macs - a.macs)[0]!;
  return {
    layer: layers!.find(({ index }) => index === main.index)!.instructions / macs,
    whole: instructions[0]! / macs,
  };
}

async function row({ name, model: make }: Network): Promise<string> {
  const float = make();
  const { model: int8 } = await quantiseForDevice(float, randomFeeds(float, 16, 2), { budget: 1 });
  const cells: string[] = [];
  let macs = 0;
  for (const model of [float, int8]) {
    const generated = await generateC(model, { name: 'net' });
    ({ macs } = generated.report);
    for (const board of boardNames) {
      const { layer, whole } = await costOf(generated, model, board);
      cells.push(model === int8 ? `${layer.toFixed(2)} (${whole.toFixed(2)})` : layer.toFixed(2));
    }
  }
  return `| ${name} | ${macs} | ${cells.join(' | ')} |`;
}

const rows: string[] = [];
for (const layer of singleLayers) {
  const line = await row(layer);
  console.log(line);
  rows.push(line);
}
const text = [
  '# Instructions for each multiply-accumulate',
  '',
  'Generated C, `-O2`, one layer with a bias, random weights and inputs; counted exactly on emulated boards (`-icount shift=10`): the same on every machine and in every run. Instructions are not cycles: the M7 issues two at a time, and flash has wait states. In brackets: the whole call with the conversion of its float input and output.',
  '',
  '| layer | multiply-accumulates | float, M7 | float, M4 | int8, M7 | int8, M4 |',
  '|---|---|---|---|---|---|',
  ...rows,
  '',
  'Float: nothing is fused, since fused operations round otherwise than the host does, so that every product and every sum is an instruction: 2 for each multiply-accumulate. Products of a constant matrix and a vector (dense, recurrent) take eight rows at once; on cores of the M profile with a floating-point unit a few instructions of assembler load sixteen weights at a time (one instruction, seventeen cycles on an M4); in C alone each weight is a load of its own, and dense takes 3.4. Convolutions sum four channels at four places, depthwise ones eight places. A gate of a recurrent layer takes some 35 instructions more for its sigmoid or tanh (micro-curves.md), so small layers cost more for each multiply-accumulate.',
  '',
  'Int8: an output costs some eight instructions beside its products (its share of loading bias and multiplier, scaling, rounding, saturating, storing), so layers with few products for each output cost more for each of them: 1.8 or less from some 25 products on where the input is unpacked once for all channels, or from nine on in depthwise convolutions, whose rows of taps are written out for the shape (24 instructions for 18 products of 3×3 taps; the rest is gathering bytes into planes). With a stride, or in one dimension, gathering weighs more.',
  '',
].join('\n');
await writeFile(new URL('../../results/micro-instructions.md', import.meta.url), text);
