// What a training refuses before it begins, each by the name of what is wrong; and that an evaluation can be ended between its runs.
import { tensorOf, type RunTensor } from '@sanderling/onnx';
import { describe, expect, test } from 'vitest';
import { rowReader } from '../compile/reader.ts';
import { Layers } from '../layers/layers.ts';
import { crossEntropy } from '../losses/classification.ts';
import { meanAbsoluteError, meanSquaredError } from '../losses/regression.ts';
import { pictureClassifier } from '../networks/picture.ts';
import { adam, adamW } from '../optimisers/optimisers.ts';
import { fingerprintOf } from './checkpoint.ts';
import { fit, type FitOptions } from './fit.ts';
import { kFold } from './folds.ts';
import { prunedState } from './pruning.ts';
import { TrainingRuntime } from './runtime.ts';

const rows = 12;
const layers = new Layers('ids', 1);
const ids = layers.input('ids', [3], 'int64');
const table = layers.embedding(ids, { rows: 5, width: 4 });
const network = layers.network({ y: layers.dense(layers.m.reshape(table, [0, 12]), 1, 'head') });
const float = (dims: number[], of: (i: number) => number): RunTensor => ({
  dtype: 'float32',
  dims,
  data: Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => of(i)),
});
const idsOf = (of: (i: number) => number): RunTensor => ({
  dtype: 'int64',
  dims: [rows, 3],
  data: BigInt64Array.from({ length: rows * 3 }, (_, i) => BigInt(of(i))),
});
const data = { ids: idsOf((i) => i % 5), target: float([rows, 1], Math.sin), weight: float([rows], () => 1) };
const plan = {
  network,
  reader: rowReader({
    ids: { dtype: 'int64', dims: [3] },
    target: { dtype: 'float32', dims: [1] },
    weight: { dtype: 'float32', dims: [] },
  }),
  loss: meanSquaredError,
  optimiser: adam(),
  batch: 4,
};
const options: FitOptions = {
  plan,
  data,
  train: Int32Array.from({ length: rows }, (_, i) => i),
  epochs: 1,
  learningRate: 0.01,
};

describe('a training', () => {
  test('that is as it should be runs', async () => {
    expect((await fit({ ...options, plan: { ...plan, weights: 'weight' } })).history).toHaveLength(1);
  });

  test.each([
    ['weights of an unknown input', { plan: { ...plan, weights: 'nope' } }, 'weights'],
    ['a negative norm', { plan: { ...plan, clipNorm: -1 } }, 'clipNorm'],
    ['a norm that is no number', { plan: { ...plan, clipNorm: Number.NaN } }, 'clipNorm'],
    ['half a thread', { threads: 0.5 }, 'threads'],
    ['a checkpoint after no epoch', { checkpoint: { path: '/nowhere/x', every: 0 } }, 'every'],
    ['a schedule without a rate', { learningRate: () => Number.NaN }, 'learningRate'],
    ['more pruned than there is', { pruning: { share: 2, epochs: 1, structure: 'weights' } }, 'share'],
    ['pruning in no epoch', { pruning: { share: 0.5, epochs: 0, structure: 'filters' } }, 'epochs'],
  ] as const)('refuses %s', async (_, change, where) => {
    const changed = fit({ ...options, ...change });
    await expect(changed).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', where });
  });

  test.each([
    ['ids beyond the table', { ids: idsOf((i) => (i === 7 ? 5 : 0)) }, 'ids'],
    ['negative ids', { ids: idsOf((i) => (i === 7 ? -1 : 0)) }, 'ids'],
    ['a negative weight', { weight: float([rows], (i) => (i === 3 ? -1 : 1)) }, 'weight'],
  ] as const)('refuses %s', async (_, change, where) => {
    const changed = fit({ ...options, plan: { ...plan, weights: 'weight' }, data: { ...data, ...change } });
    await expect(changed).rejects.toMatchObject({ code: 'INVALID_DATA', where });
  });
});

test('another optimiser, loss or network has another fingerprint', async () => {
  await using runtime = await TrainingRuntime.open({ plan, data, seed: 0 });
  const print = (of: Partial<typeof plan>): string =>
    fingerprintOf({ ...runtime.step, plan: { ...plan, ...of }, seed: 0 });
  const others = [
    print({ optimiser: adamW() }),
    print({ loss: meanAbsoluteError }),
    print({ network: { ...network, graph: { ...network.graph, nodes: network.graph.nodes.slice(1) } } }),
  ];
  expect(new Set([print({}), ...others]).size).toBe(4);
});

test('no steps leave everything as it is', async () => {
  await using runtime = await TrainingRuntime.open({ plan, data, seed: 0 });
  const before = runtime.state;
  expect(await runtime.train(new Int32Array(0), new Float32Array(0))).toEqual(new Float32Array(0));
  expect(runtime.state).toBe(before);
});

test('folds and filters of any size are split', () => {
  const folds = kFold(300_000, { folds: 2, groups: Int32Array.from({ length: 300_000 }, (_, i) => i % 2) });
  expect(folds.map(({ train }) => train.length)).toEqual([150_000, 150_000]);
  const wide = tensorOf('float32', [2, 200_000], new Float32Array(400_000).fill(1).fill(2, 200_000));
  const state = new Map([
    ['w', { dtype: 'float32' as const, dims: [2, 200_000], data: new Float32Array(wide.data.buffer) }],
  ]);
  const masked = { ...plan, masked: ['w'] };
  const pruned = prunedState(state, masked, { pruning: { share: 0.5, epochs: 1, structure: 'filters' }, epoch: 1 });
  expect([pruned.get('w')!.data[0], pruned.get('w')!.data[399_999]]).toEqual([0, 2]);
});

test('an evaluation of much computed numbers is cut into runs, between which it can be ended', async () => {
  const count = 24;
  const pictures = {
    image: float([count, 3, 64, 64], Math.sin),
    target: {
      dtype: 'int64' as const,
      dims: [count],
      data: BigInt64Array.from({ length: count }, (_, i) => BigInt(i % 2)),
    },
  };
  const reader = rowReader({ image: { dtype: 'float32', dims: [3, 64, 64] }, target: { dtype: 'int64', dims: [] } });
  const heavy = pictureClassifier({ side: 64, classes: 2, filters: [128, 8, 8], units: 4 });
  const of = { network: heavy, reader, loss: crossEntropy(), optimiser: adam(), batch: 2 };
  await using runtime = await TrainingRuntime.open({ plan: of, data: pictures, seed: 0 });
  const index = Int32Array.from({ length: count }, (_, i) => i);
  let runs = 0;
  await runtime.evaluate(index, () => void (runs += 1));
  expect(runs).toBeGreaterThan(2);
  const ended = runtime.evaluate(index, () => {
    throw new Error('enough');
  });
  await expect(ended).rejects.toThrow('enough');
});
