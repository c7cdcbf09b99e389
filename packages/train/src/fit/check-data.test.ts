// Data that cannot be trained on are named before any training.
import { describe, expect, test } from 'vitest';
import { rowReader, seriesReader } from '../compile/reader.ts';
import { crossEntropy } from '../losses/classification.ts';
import { meanSquaredError } from '../losses/regression.ts';
import { Layers } from '../layers/layers.ts';
import { forecasterNetwork } from '../networks/forecaster.ts';
import { adam } from '../optimisers/optimisers.ts';
import { fit, type FitOptions } from './fit.ts';

const layers = new Layers('small');
const network = layers.network({ logits: layers.dense(layers.input('x', [2]), 3) });
const column = { dtype: 'float32' as const, dims: [2] };
const labels = (...numbers: number[]) => ({
  dtype: 'int64' as const,
  dims: [numbers.length],
  data: BigInt64Array.from(numbers, BigInt),
});
const base: FitOptions = {
  plan: {
    network,
    reader: rowReader({ x: column, target: { dtype: 'int64', dims: [] } }),
    loss: crossEntropy(),
    optimiser: adam(),
    batch: 2,
  },
  data: { x: { dtype: 'float32', dims: [4, 2], data: new Float32Array(8) }, target: labels(0, 1, 2, 0) },
  train: Int32Array.of(0, 1, 2, 3),
  epochs: 1,
  learningRate: 0.01,
};

describe('data', () => {
  test('good data train', async () => {
    await expect(fit(base)).resolves.toMatchObject({ stopped: 'epochs' });
  });

  test.each([
    ['a label beyond the classes', { data: { ...base.data, target: labels(0, 1, 3, 0) } }, 'INVALID_DATA', 'target'],
    ['a negative label', { data: { ...base.data, target: labels(0, 1, -1, 0) } }, 'INVALID_DATA', 'target'],
    ['one class only', { data: { ...base.data, target: labels(1, 1, 1, 1) } }, 'INVALID_DATA', 'target'],
    ['one class only among the samples to learn from', { train: Int32Array.of(0, 3) }, 'INVALID_DATA', 'target'],
    ['fewer labels than samples', { data: { ...base.data, target: labels(0, 1, 2) } }, 'INVALID_DATA', 'target'],
    ['a missing column', { data: { target: labels(0, 1, 2, 0) } }, 'INVALID_DATA', 'x'],
    ['an index beyond the rows', { train: Int32Array.of(0, 4) }, 'INVALID_DATA', 'train'],
    ['a negative index', { validation: Int32Array.of(-1) }, 'INVALID_DATA', 'validation'],
    ['no samples', { train: new Int32Array() }, 'TOO_LITTLE_DATA', 'train'],
    [
      'targets of another type than the loss takes',
      { plan: { ...base.plan, loss: meanSquaredError } },
      'INVALID_ARGUMENT',
      'target',
    ],
  ] as const)('%s', async (_, wrong, code, where) => {
    await expect(fit({ ...base, ...wrong })).rejects.toMatchObject({ code, where });
  });

  test('a part of sharded data may be of one class, but not of a class that does not exist', async () => {
    const part = (label: number) => ({
      data: { ...base.data, target: labels(label, label, label, label) },
      train: base.train,
    });
    await expect(fit({ ...base, shards: () => [part(0), part(2)] })).resolves.toMatchObject({ stopped: 'epochs' });
    await expect(fit({ ...base, shards: () => [part(0), part(3)] })).rejects.toMatchObject({
      code: 'INVALID_DATA',
      where: 'target',
    });
  });

  test('a target of another shape than the prediction is not silently broadcast', async () => {
    const plan = {
      ...base.plan,
      reader: rowReader({ x: column, target: { dtype: 'float32', dims: [1] } }),
      loss: meanSquaredError,
    };
    const data = { ...base.data, target: { dtype: 'float32' as const, dims: [4, 1], data: new Float32Array(4) } };
    await expect(fit({ ...base, plan, data })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', where: 'target' });
  });

  test('a window that reaches over the end of its series', async () => {
    const series = { dtype: 'float32' as const, dims: [20, 1], data: new Float32Array(20) };
    const plan = {
      network: forecasterNetwork({ cell: 'dense', window: 4, features: 1, horizon: 2, hidden: 2 }),
      reader: seriesReader({ window: 4, horizon: 2, features: 1 }),
      loss: meanSquaredError,
      optimiser: adam(),
      batch: 2,
    };
    const options = { plan, data: { series }, epochs: 1, learningRate: 0.01 };
    await expect(fit({ ...options, train: Int32Array.of(0, 14) })).resolves.toBeDefined();
    await expect(fit({ ...options, train: Int32Array.of(0, 15) })).rejects.toMatchObject({
      code: 'INVALID_DATA',
      where: 'train',
    });
  });
});
