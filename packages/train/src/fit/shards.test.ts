// Training from parts of a data set.
import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { rowReader } from '../compile/reader.ts';
import { meanSquaredError } from '../losses/regression.ts';
import { denseAutoencoder } from '../networks/autoencoders.ts';
import { adam } from '../optimisers/optimisers.ts';
import { fit, type FitOptions } from './fit.ts';
import { prefetched, type Shard } from './shards.ts';

const tensor = (from: number, rows: number) => ({
  dtype: 'float32' as const,
  dims: [rows, 4],
  data: Float32Array.from({ length: rows * 4 }, (_, i) => Math.sin((from * 4 + i) * 0.7)),
});
const shard = (from: number, rows: number): Shard => ({
  data: { x: tensor(from, rows), target: tensor(from, rows) },
  train: Int32Array.from({ length: rows }, (_, i) => i),
});
const column = { dtype: 'float32' as const, dims: [4] };
const options: FitOptions = {
  plan: {
    network: denseAutoencoder({ inputs: 4, units: [3] }),
    reader: rowReader({ x: column, target: column }),
    loss: meanSquaredError,
    optimiser: adam(),
    batch: 8,
  },
  data: shard(0, 16).data,
  train: new Int32Array(),
  validation: Int32Array.of(0, 1, 2, 3),
  epochs: 3,
  learningRate: 0.01,
};

describe('shards', () => {
  test('one shard trains as the same data in memory', async () => {
    const inMemory = await fit({ ...options, train: shard(0, 16).train });
    const sharded = await fit({ ...options, shards: () => [shard(0, 16)] });
    expect(sharded.history.map(({ trainLoss }) => trainLoss)).toEqual(
      inMemory.history.map(({ trainLoss }) => trainLoss),
    );
  });

  test('every shard is learnt, one after another, from an asynchronous source', async () => {
    const seen: number[] = [];
    const result = await fit({
      ...options,
      shards: async function* (epoch) {
        for (const from of [0, 16, 32]) {
          await wait(1);
          seen.push(epoch);
          yield shard(from, 16);
        }
      },
    });
    expect(result.history.map(({ step }) => step)).toEqual([6, 12, 18]);
    expect(seen).toEqual([1, 1, 1, 2, 2, 2, 3, 3, 3]);
  });

  test('a source that fails, has nothing or gives the wrong shape ends the training with its error', async () => {
    const failing = function* (): Generator<Shard> {
      yield shard(0, 16);
      throw new RangeError('the file has ended');
    };
    await expect(fit({ ...options, shards: failing })).rejects.toThrow('the file has ended');
    await expect(fit({ ...options, shards: () => [] })).rejects.toMatchObject({ code: 'TOO_LITTLE_DATA' });
    const odd = { ...shard(0, 16), data: { x: tensor(0, 16) } };
    await expect(fit({ ...options, shards: () => [odd] })).rejects.toMatchObject({
      code: 'INVALID_DATA',
      where: 'target',
    });
  });

  test('the next item is fetched while the present one is in use, and a source that is left is closed', async () => {
    const log: string[] = [];
    const source = async function* () {
      try {
        for (const item of [1, 2, 3]) {
          log.push(`made ${item}`);
          yield item;
        }
      } finally {
        log.push('closed');
      }
    };
    for await (const item of prefetched(source())) {
      await wait(1);
      log.push(`used ${item}`);
      if (item === 2) break;
    }
    expect(log).toEqual(['made 1', 'made 2', 'used 1', 'made 3', 'used 2', 'closed']);
  });
});
