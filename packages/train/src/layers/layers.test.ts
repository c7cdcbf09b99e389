// Every layer against PyTorch in float64 (fixtures/make.py): with the same weights and numbers the same losses over some steps of SGD; and settings that
// cannot be are named where they are given.
import { readFileSync } from 'node:fs';
import { tensorOf, type RunTensor, type Value } from '@sanderling/onnx';
import { describe, expect, test } from 'vitest';
import { product } from '../algebra.ts';
import { rowReader } from '../compile/reader.ts';
import { TrainingRuntime } from '../fit/runtime.ts';
import { meanSquaredError } from '../losses/regression.ts';
import { withInitializers, type Network } from '../network.ts';
import { sgd } from '../optimisers/optimisers.ts';
import { Layers } from './layers.ts';

type Write = (layers: Layers, x: Value) => Value;
const pointwise = (layers: Layers, x: Value) => layers.convolution(x, { filters: 3, kernel: 1 });

const written: Readonly<Record<string, Write>> = {
  dense: (l, x) => l.dense(x, 3),
  'dense of steps': (l, x) => l.dense(x, 3),
  'convolution 1-D, dilated, grouped': (l, x) => l.convolution(x, { filters: 6, kernel: 3, dilation: 2, groups: 2 }),
  'convolution, same size': (l, x) => l.convolution(x, { filters: 3, kernel: 3 }),
  'convolution, each axis its own': (l, x) =>
    l.convolution(x, { filters: 3, kernel: [3, 5], stride: [2, 1], padding: [0, 2] }),
  'convolution, depthwise': (l, x) => l.convolution(x, { filters: 4, kernel: 3, stride: 2, groups: 4 }),
  'transposed convolution 1-D': (l, x) => l.transposedConvolution(x, { filters: 3, kernel: 4, stride: 2, padding: 1 }),
  'transposed convolution, grouped': (l, x) =>
    l.transposedConvolution(x, { filters: 6, kernel: 3, stride: 2, padding: 1, outputPadding: 1, groups: 2 }),
  'transposed convolution, dilated': (l, x) => l.transposedConvolution(x, { filters: 3, kernel: 3, dilation: 2 }),
  enlargement: (l, x) => l.enlargement(x, { filters: 3, stride: 2 }),
  'batch norm': (l, x) => l.batchNorm(pointwise(l, x)),
  'layer norm': (l, x) => l.layerNorm(l.dense(x, 6)),
  'group norm': (l, x) => l.groupNorm(l.convolution(x, { filters: 6, kernel: 1 }), 2),
  'max pool': (l, x) => l.maxPool(pointwise(l, x), 2),
  'max pool, overlapping': (l, x) => l.maxPool(pointwise(l, x), { kernel: 3, stride: 2, padding: 1 }),
  'average pool': (l, x) => l.averagePool(pointwise(l, x), 2),
  'average pool, overlapping': (l, x) => l.averagePool(pointwise(l, x), { kernel: 3, stride: [2, 1], padding: 1 }),
  'global average': (l, x) => l.globalAverage(pointwise(l, x)),
  'global maximum': (l, x) => l.globalMaximum(pointwise(l, x)),
  upsample: (l, x) => l.upsample(pointwise(l, x), 2),
  embedding: (l, x) => l.dense(l.embedding(x, { rows: 7, width: 4 }), 3),
  gru: (l, x) => l.recurrent(x, 'gru', { hidden: 4 }),
  'gru, both ways, sequence': (l, x) => l.recurrent(x, 'gru', { hidden: 4, sequence: true, bidirectional: true }),
  'lstm, sequence': (l, x) => l.recurrent(x, 'lstm', { hidden: 4, sequence: true }),
  'lstm, both ways': (l, x) => l.recurrent(x, 'lstm', { hidden: 4, bidirectional: true }),
  rnn: (l, x) => l.recurrent(x, 'rnn', { hidden: 4 }),
  attention: (l, x) => l.attention(x, 2),
  'attention, causal': (l, x) => l.attention(x, 2, { causal: true }),
  'attention to a context': (l, x) => l.attention(l.m.slice(x, 1, [0, 5]), 2, { context: x }),
};

interface Case {
  readonly input: readonly number[];
  readonly parameters: readonly (readonly number[])[];
  readonly output: readonly number[];
  readonly losses: readonly number[];
}

const {
  batch,
  rate,
  ids,
  layers: cases,
} = JSON.parse(readFileSync(new URL('fixtures/layers.json', import.meta.url), 'utf8')) as {
  readonly batch: number;
  readonly rate: number;
  readonly ids: readonly number[];
  readonly layers: Readonly<Record<string, Case>>;
};

const filled = (dims: readonly number[], each: (i: number) => number): Float32Array =>
  Float32Array.from({ length: product(dims) }, (_, i) => each(i));
const wave = (dims: readonly number[], pace: number): RunTensor => ({
  dtype: 'float32',
  dims,
  data: filled(dims, (i) => Math.sin(pace * i + 0.11 * ((i * i) % 97))),
});

/** The network with the fixture's weights. */
function seeded(network: Network): Network {
  const weights = network.parameters.map((name, k) => {
    const dims = network.graph.initializers.get(name)?.dims ?? [];
    const data = filled(dims, (i) => 0.4 * Math.sin(12.9898 * (i + 1) + 78.233 * (k + 1)));
    return [name, tensorOf('float32', dims, data)] as const;
  });
  return { ...network, graph: withInitializers(network.graph, new Map(weights)) };
}

describe('layers', () => {
  test('every case has its layer', () => {
    expect(Object.keys(written)).toEqual(Object.keys(cases));
  });

  test.each(Object.entries(cases))('%s: the losses of PyTorch', async (name, one) => {
    const layers = new Layers('one');
    const dtype = name === 'embedding' ? 'int64' : 'float32';
    const y = written[name]?.(layers, layers.input('x', one.input, dtype)) as Value;
    expect(y.shape).toEqual(['batch', ...one.output.slice(1)]);
    const network = layers.network({ y });
    expect(network.parameters.map((parameter) => network.graph.initializers.get(parameter)?.dims)).toEqual(
      one.parameters,
    );
    const dims = [batch, ...one.input];
    const x: RunTensor =
      dtype === 'int64' ? { dtype, dims, data: BigInt64Array.from(ids, BigInt) } : wave(dims, 0.7391);
    const column = { dtype: 'float32' as const, dims: one.output.slice(1) };
    const plan = {
      network: seeded(network),
      reader: rowReader({ x: { dtype, dims: one.input }, target: column }),
      loss: meanSquaredError,
      optimiser: sgd(),
      batch,
    };
    await using runtime = await TrainingRuntime.open({ plan, data: { x, target: wave(one.output, 1.3) }, seed: 0 });
    const steps = one.losses.length;
    const index = Int32Array.from({ length: steps * batch }, (_, i) => i % batch);
    const got = await runtime.train(index, new Float32Array(steps).fill(rate));
    const errors = one.losses.map((want, i) => Math.abs(want - (got[i] as number)) / want);
    expect(Math.max(...errors)).toBeLessThan(1e-5);
  });
});

describe('settings that cannot be', () => {
  const picture = (l: Layers) => l.input('x', [4, 8, 8]);
  const steps = (l: Layers) => l.input('x', [5, 8]);
  const wrong: readonly (readonly [name: string, where: string, write: (l: Layers) => unknown])[] = [
    ['an input without size', 'x', (l) => l.input('x', [0])],
    ['no units', 'units', (l) => l.dense(steps(l), 0)],
    ['half a unit', 'units', (l) => l.dense(steps(l), 2.5)],
    [
      'groups that do not divide the channels',
      'groups',
      (l) => l.convolution(picture(l), { filters: 6, kernel: 3, groups: 3 }),
    ],
    [
      'groups that do not divide the filters',
      'groups',
      (l) => l.convolution(picture(l), { filters: 3, kernel: 3, groups: 2 }),
    ],
    ['no filters', 'filters', (l) => l.convolution(picture(l), { filters: 0, kernel: 3 })],
    ['padding below zero', 'padding', (l) => l.convolution(picture(l), { filters: 2, kernel: 3, padding: -1 })],
    ['kernels for three axes of two', 'x', (l) => l.convolution(picture(l), { filters: 2, kernel: [3, 3, 3] })],
    ['a convolution of what has no space', 'x', (l) => l.convolution(l.input('x', [4]), { filters: 2, kernel: 3 })],
    ['a stride of zero', 'stride', (l) => l.transposedConvolution(picture(l), { filters: 2, kernel: 3, stride: 0 })],
    ['a group norm of uneven groups', 'groups', (l) => l.groupNorm(picture(l), 3)],
    ['a dropout of everything', 'ratio', (l) => l.dropout(picture(l), 1)],
    ['a dropout of NaN', 'ratio', (l) => l.dropout(picture(l), Number.NaN)],
    ['an empty pool', 'kernel', (l) => l.maxPool(picture(l), 0)],
    ['an upsampling by nothing', 'factor', (l) => l.upsample(picture(l), 0)],
    ['ids that are no whole numbers', 'x', (l) => l.embedding(l.input('x', [4]), { rows: 3, width: 2 })],
    ['no hidden units', 'hidden', (l) => l.recurrent(steps(l), 'gru', { hidden: 0 })],
    ['an unknown cell', 'cell', (l) => l.recurrent(steps(l), 'tru' as 'gru', { hidden: 2 })],
    ['heads that do not divide the width', 'heads', (l) => l.attention(steps(l), 3)],
    [
      'causal attention to another sequence',
      'causal',
      (l) => l.attention(steps(l), 2, { causal: true, context: l.input('y', [3, 8]) }),
    ],
    ['a network without outputs', 'outputs', (l) => l.network({})],
  ];
  test.each(wrong)('%s', (_, where, write) => {
    expect(() => write(new Layers('wrong'))).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', where }));
  });
});
