// Two threads share a batch: the same training as with one, reproducible, and gone on with bit for bit.
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { float32Data, type Tensor, type Value } from '@sanderling/onnx';
import { expect, onTestFinished, test } from 'vitest';
import type { TrainingPlan } from '../compile/plan.ts';
import { rowReader } from '../compile/reader.ts';
import { Layers } from '../layers/layers.ts';
import { crossEntropy } from '../losses/classification.ts';
import { tripletLoss } from '../losses/margin.ts';
import { meanSquaredError } from '../losses/regression.ts';
import { convolutionalAutoencoder } from '../networks/autoencoders.ts';
import { forecasterNetwork } from '../networks/forecaster.ts';
import { adam, sgd } from '../optimisers/optimisers.ts';
import { fit, type FitOptions, type FitResult } from './fit.ts';
import { resultDigest, smallTraining } from './fixtures/training.ts';
import { TrainingRuntime } from './runtime.ts';

const rows = 40;
const batch = 8;

function wave(dims: readonly number[]) {
  const count = dims.reduce((all, dim) => all * dim, 1);
  return { dtype: 'float32' as const, dims, data: Float32Array.from({ length: count }, (_, i) => Math.sin(i * 1.7)) };
}

const column = (...dims: number[]) => ({ dtype: 'float32' as const, dims });
const common = { loss: meanSquaredError, optimiser: adam(), batch };
const recurrent = (cell: 'gru' | 'lstm'): Pick<FitOptions, 'plan' | 'data'> => ({
  plan: {
    ...common,
    network: forecasterNetwork({ cell, window: 6, features: 2, horizon: 2, hidden: 8 }),
    reader: rowReader({ window: column(6, 2), target: column(2) }),
    clipNorm: 0.5,
    averageDecay: 0.9,
  },
  data: { window: wave([rows, 6, 2]), target: wave([rows, 2]) },
});
const convolutional: Pick<FitOptions, 'plan' | 'data'> = {
  plan: {
    ...common,
    network: convolutionalAutoencoder({ length: 64 }),
    reader: rowReader({ x: column(1, 64), target: column(1, 64) }),
  },
  data: { x: wave([rows, 1, 64]), target: wave([rows, 1, 64]) },
};

const labels = BigInt64Array.from({ length: rows }, (_, i) => BigInt(i % 3));
const all = Int32Array.from({ length: rows }, (_, i) => i);
const settings = { train: all, epochs: 5, learningRate: 0.01, seed: 3 };

/** How many threads share a batch. */
async function lanesOf(plan: TrainingPlan, data: FitOptions['data'], threads = 2): Promise<number> {
  await using runtime = await TrainingRuntime.open({ plan, data, seed: 0, threads });
  return runtime.lanes;
}

test.each([
  ['GRU, clipped, averaged', recurrent('gru'), 2],
  ['LSTM, clipped, averaged', recurrent('lstm'), 4],
  ['convolutional autoencoder', convolutional, 2],
])('%s: the losses of one thread, up to rounding', async (_, { plan, data }, threads) => {
  expect(await lanesOf(plan, data, threads)).toBe(threads);
  const one = await fit({ plan, data, ...settings });
  const many = await fit({ plan, data, ...settings, threads });
  const losses = ({ history }: FitResult) => history.map(({ trainLoss }) => trainLoss);
  losses(one).forEach((loss, i) => expect(losses(many)[i]).toBeCloseTo(loss, 5));
  for (const [name, tensor] of one.tensors) {
    const numbers = float32Data(many.tensors.get(name) as Tensor);
    float32Data(tensor).forEach((x, i) => expect(numbers[i]).toBeCloseTo(x, 3));
  }
});

test('a batch is not shared where its parts are not enough: statistics of a batch, samples compared, weights, sizes', async () => {
  const data = { x: wave([rows, 4]), target: { dtype: 'int64' as const, dims: [rows], data: labels } };
  const dense = new Layers('dense');
  const logits = (layers: Layers, x: Value) => layers.network({ logits: layers.dense(x, 3) });
  const plain = logits(dense, dense.input('x', [4]));
  const normed = new Layers('normed');
  const statistics = logits(normed, normed.batchNorm(normed.input('x', [4])));
  const mixing = new Layers('mixing');
  const x = mixing.input('x', [4]);
  const compared = logits(mixing, mixing.m.sub(x, mixing.m.mean(x, [0], true)));
  const plan = {
    network: plain,
    reader: rowReader({ x: column(4), target: { dtype: 'int64', dims: [] } }),
    loss: crossEntropy(),
    optimiser: adam(),
    batch,
  };
  expect(await lanesOf(plan, data)).toBe(2);
  expect(await lanesOf({ ...plan, network: statistics }, data)).toBe(1);
  expect(await lanesOf({ ...plan, network: compared }, data)).toBe(1);
  expect(await lanesOf({ ...plan, loss: tripletLoss() }, data)).toBe(1);
  expect(await lanesOf({ ...plan, loss: crossEntropy({ classWeights: [1, 2, 3] }) }, data)).toBe(1);
  expect(await lanesOf({ ...plan, parts: 2 }, data)).toBe(1);
  expect(await lanesOf(plan, data, 3)).toBe(1);
  const large = new Layers('large');
  const wide = logits(large, large.dense(large.input('x', [4]), 50_000));
  expect(await lanesOf({ ...plan, network: wide }, data)).toBe(1);
});

test('with dropout and two threads the same seed gives the same bytes, also when the training stops and goes on', async () => {
  const options = { ...smallTraining, epochs: 8, threads: 2 };
  expect(await lanesOf(options.plan, options.data)).toBe(2);
  const folder = await mkdtemp(join(tmpdir(), 'train-lanes-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const checkpoint = { path: join(folder, 'training.checkpoint') };
  const whole = resultDigest(await fit(options));
  await fit({ ...options, epochs: 3, checkpoint });
  expect(resultDigest(await fit({ ...options, checkpoint }))).toBe(whole);
  expect(resultDigest(await fit({ ...options, threads: 1 }))).not.toBe(whole);
});

test('parts of a batch do not drop the same units', async () => {
  const layers = new Layers('dropping');
  const hidden = layers.dropout(layers.dense(layers.input('x', [4]), 1000), 0.5);
  const plan = {
    network: layers.network({ y: layers.dense(hidden, 1, 'head') }),
    reader: rowReader({ x: column(4), target: column(1) }),
    loss: meanSquaredError,
    optimiser: sgd(),
    batch: 2,
  };
  await using runtime = await TrainingRuntime.open({
    plan,
    data: { x: wave([2, 4]), target: wave([2, 1]) },
    seed: 0,
    threads: 2,
  });
  expect(runtime.lanes).toBe(2);
  const weights = () => float32Data(runtime.tensors().get('head.weight') as Tensor);
  const before = weights();
  await runtime.train(Int32Array.of(0, 1), Float32Array.of(0.1));
  const still = weights().filter((weight, i) => weight === before[i]).length;
  // dropped by both: a quarter of them, and half of them if both dropped the same
  expect(still).toBeGreaterThan(200);
  expect(still).toBeLessThan(300);
});

test('data in parts, a number that is none, and the state after it, as with one thread', async () => {
  const { plan, data } = convolutional;
  const other = { x: { ...wave([rows, 1, 64]), data: new Float32Array(rows * 64).fill(0.5) }, target: data['target']! };
  const shards = () => [data, other, data].map((part) => ({ data: part, train: all }));
  const [one, two] = [1, 2].map((threads) => fit({ plan, data, ...settings, shards, threads }));
  expect((await two)?.history.at(-1)?.trainLoss).toBeCloseTo((await one)?.history.at(-1)?.trainLoss as number, 5);
  await using runtime = await TrainingRuntime.open({ plan, data, seed: 0, threads: 2 });
  const before = runtime.state;
  await expect(runtime.train(all, new Float32Array(5).fill(1e38))).rejects.toMatchObject({ code: 'NAN_LOSS' });
  expect(runtime.state).toBe(before);
});

test.each([
  ['while lanes compute', 'setTimeout(() => process.exit(7), 20); for (;;) await runtime.train(index, rates);', 7],
  ['while they wait, and nobody has closed them', 'await runtime.train(index, rates);', 0],
])('the program ends %s', (_, last, status) => {
  const result = spawnSync(process.execPath, ['--input-type=module-typescript', '--eval', program(last)], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  expect([result.status, result.signal, result.stderr]).toEqual([status, null, '']);
});

/** A program that trains in two lanes. */
const program = (last: string): string => `
  import { TrainingRuntime } from ${JSON.stringify(join(import.meta.dirname, 'runtime.ts'))};
  import { smallTraining } from ${JSON.stringify(join(import.meta.dirname, 'fixtures', 'training.ts'))};
  const { plan, data } = smallTraining;
  const runtime = await TrainingRuntime.open({ plan, data, seed: 0, threads: 2 });
  const index = Int32Array.from({ length: 50 * plan.batch }, (_, i) => i % 280);
  const rates = new Float32Array(50).fill(1e-3);
  ${last}
`;
