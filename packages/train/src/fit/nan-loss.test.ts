// A loss that is no number: which step, which tensor, and what is left of the training.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { rowReader } from '../compile/reader.ts';
import { meanSquaredError } from '../losses/regression.ts';
import { denseAutoencoder } from '../networks/autoencoders.ts';
import { adam } from '../optimisers/optimisers.ts';
import { fit, type FitOptions } from './fit.ts';
import { epochOrder } from './order.ts';
import { TrainingRuntime } from './runtime.ts';

const [rows, batch, seed] = [64, 8, 5];
const stepsAnEpoch = rows / batch;
const column = { dtype: 'float32' as const, dims: [6] };
const plan = {
  network: denseAutoencoder({ inputs: 6, units: [4] }),
  reader: rowReader({ x: column, target: column }),
  loss: meanSquaredError,
  optimiser: adam(),
  batch,
};

/** A wave, with a number that is none in some row of some tensor. */
function dataWith(broken?: { readonly in: 'x' | 'target'; readonly row: number; readonly number: number }) {
  const tensor = (name: string) => {
    const data = Float32Array.from({ length: rows * 6 }, (_, i) => Math.sin(i));
    if (broken?.in === name) data[broken.row * 6 + 2] = broken.number;
    return { dtype: 'float32' as const, dims: [rows, 6], data };
  };
  return { x: tensor('x'), target: tensor('target') };
}

const all = Int32Array.from({ length: rows }, (_, i) => i);
const options: FitOptions = { plan, data: dataWith(), train: all, epochs: 6, learningRate: 0.01, seed };

test.each([
  ['x', Number.NaN],
  ['target', Number.POSITIVE_INFINITY],
] as const)('a number that is none in %s: the step that meets it and the tensor are named', async (name, number) => {
  const row = 19;
  const at = epochOrder(all, batch, { seed, epoch: 1 }).indexOf(row);
  await expect(fit({ ...options, data: dataWith({ in: name, row, number }) })).rejects.toMatchObject({
    code: 'NAN_LOSS',
    where: name,
    details: { step: Math.floor(at / batch) + 1, tensor: name },
    fix: expect.stringMatching(/learning rate/),
  });
});

test('a rate that is far too high: the step after it, and the parameter that went first; the last good checkpoint stays, byte for byte', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'train-nan-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const path = join(folder, 'training.checkpoint');
  await fit({ ...options, epochs: 3, checkpoint: { path } });
  const good = await readFile(path);
  const last = 3 * stepsAnEpoch + 2;
  const exploding = fit({
    ...options,
    learningRate: (step) => (step === last ? 1e38 : 0.01),
    checkpoint: { path },
  });
  await expect(exploding).rejects.toMatchObject({
    code: 'NAN_LOSS',
    details: { step: last + 2, tensor: expect.stringMatching(/^(dense\d\.(weight|bias)|loss)$/) },
  });
  expect((await readFile(path)).equals(good)).toBe(true);
  const resumed = await fit({ ...options, checkpoint: { path } });
  expect(resumed.history.map(({ trainLoss }) => trainLoss)).toEqual(
    (await fit(options)).history.map(({ trainLoss }) => trainLoss),
  );
});

test('only a validation sample is broken: the validation is named', async () => {
  const row = 63;
  const data = dataWith({ in: 'x', row, number: Number.NaN });
  const training = fit({ ...options, data, train: all.subarray(0, row), validation: Int32Array.of(row) });
  await expect(training).rejects.toMatchObject({ code: 'NAN_LOSS', where: 'validation', details: { step: 8 } });
});

test('the state of a runtime stays as it was before the run that failed', async () => {
  await using runtime = await TrainingRuntime.open({ plan, data: dataWith(), seed });
  await runtime.train(all.subarray(0, 2 * batch), Float32Array.of(0.01, 0.01));
  const before = runtime.state;
  await expect(runtime.train(all, new Float32Array(stepsAnEpoch).fill(1e38))).rejects.toMatchObject({
    code: 'NAN_LOSS',
    details: { step: 4 },
  });
  expect(runtime.state).toBe(before);
});
