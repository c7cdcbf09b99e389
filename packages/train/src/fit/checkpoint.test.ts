// A training that is stopped and goes on must not differ from one that never stopped; damaged files must say so.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SanderlingError } from '@sanderling/kit';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { seriesReader } from '../compile/reader.ts';
import { exportModel } from '../export.ts';
import { meanSquaredError } from '../losses/regression.ts';
import { forecasterNetwork } from '../networks/forecaster.ts';
import { adam } from '../optimisers/optimisers.ts';
import { plateau } from '../optimisers/schedules.ts';
import { decodeCheckpoint } from './checkpoint.ts';
import { fit, type FitOptions } from './fit.ts';

const rows = 300;
const starts = (from: number, to: number) => Int32Array.from({ length: to - from }, (_, i) => from + i);
const network = forecasterNetwork({ cell: 'gru', window: 6, features: 1, horizon: 1, hidden: 4, dropout: 0.3 });
const options: FitOptions = {
  plan: {
    network,
    reader: seriesReader({ window: 6, horizon: 1, features: 1 }),
    loss: meanSquaredError,
    optimiser: adam(),
    batch: 16,
  },
  data: {
    series: { dtype: 'float32', dims: [rows, 1], data: Float32Array.from({ length: rows }, (_, i) => Math.sin(i / 5)) },
  },
  train: starts(0, 200),
  validation: starts(210, 290),
  epochs: 6,
  learningRate: plateau(0.02, { patience: 0, factor: 0.5 }),
  seed: 9,
};

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'train-'));
  path = join(folder, 'training.checkpoint');
});
afterEach(() => rm(folder, { recursive: true }));

const told = ({ history, bestEpoch, bestLoss }: Awaited<ReturnType<typeof fit>>) => ({
  bestEpoch,
  bestLoss,
  history: history.map((event) => ({ ...event, seconds: 0 })),
});

describe('checkpoints', () => {
  test('a resumed training equals one that never stopped, bit for bit', async () => {
    const whole = await fit(options);
    const stop = new AbortController();
    const cut = fit({
      ...options,
      checkpoint: { path },
      signal: stop.signal,
      onEpoch: ({ epoch }) => epoch === 3 && stop.abort(),
    });
    await expect(cut).rejects.toMatchObject({ code: 'CANCELLED' });
    const resumed = await fit({ ...options, checkpoint: { path } });
    expect(told(resumed)).toEqual(told(whole));
    expect(Buffer.from(exportModel(network, resumed.tensors)).equals(exportModel(network, whole.tensors))).toBe(true);
  });

  test('a finished training does nothing more', async () => {
    const first = await fit({ ...options, checkpoint: { path } });
    const seen: number[] = [];
    const again = await fit({ ...options, checkpoint: { path }, onEpoch: ({ epoch }) => seen.push(epoch) });
    expect(seen).toEqual([]);
    expect(told(again)).toEqual(told(first));
  });

  test('another training does not take it over', async () => {
    await fit({ ...options, epochs: 1, checkpoint: { path } });
    await expect(fit({ ...options, seed: 10, checkpoint: { path } })).rejects.toMatchObject({ code: 'CONFLICT' });
  });

  test('a loss that explodes leaves the last good checkpoint', async () => {
    const exploding = (step: number) => (step < 30 ? 0.01 : 1e38);
    const broken = fit({ ...options, learningRate: exploding, checkpoint: { path } });
    await expect(broken).rejects.toMatchObject({ code: 'NAN_LOSS' });
    const resumed = await fit({ ...options, epochs: 3, checkpoint: { path } });
    expect(resumed.history.length).toBe(3);
    expect(Number.isFinite(resumed.bestLoss)).toBe(true);
  });

  test('damaged bytes are called damaged', async () => {
    await fit({ ...options, epochs: 1, checkpoint: { path } });
    const good = await readFile(path);
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), fc.boolean(), (at, flip, cut) => {
        const bad = cut ? good.subarray(0, at) : Buffer.from(good);
        if (!cut) bad[at] = (bad[at] as number) ^ flip;
        expect(() => decodeCheckpoint(bad, 'any')).toThrow(expect.objectContaining({ code: 'CORRUPT' }));
      }),
    );
    await writeFile(path, 'SNDTRAIN');
    await expect(fit({ ...options, checkpoint: { path } })).rejects.toMatchObject({ code: 'CORRUPT' });
  });

  test('a path that cannot be used is a coded error before any training', async () => {
    await writeFile(path, '');
    const seen: number[] = [];
    const training = fit({
      ...options,
      checkpoint: { path: join(path, 'below') },
      onEpoch: ({ epoch }) => seen.push(epoch),
    });
    await expect(training).rejects.toBeInstanceOf(SanderlingError);
    expect(seen).toEqual([]);
  });
});
