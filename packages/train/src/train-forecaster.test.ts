// What a user of the one-call trainer relies on.
import { openSession } from '@sanderling/onnx';
import { describe, expect, test } from 'vitest';
import { trainForecaster, type TrainedForecaster, type TrainForecasterOptions } from './train-forecaster.ts';

const rows = 600;
const series = Float32Array.from({ length: rows * 2 }, (_, i) => Math.sin(Math.floor(i / 2) / 7 + (i % 2)));
const starts = (from: number, to: number) => Int32Array.from({ length: to - from }, (_, i) => from + i);
const base: TrainForecasterOptions = {
  cell: 'gru',
  window: 8,
  features: 2,
  horizon: 2,
  hidden: 8,
  dropout: 0.1,
  learningRate: 0.01,
  batch: 32,
  epochs: 4,
  seed: 'one',
  data: { series, trainStarts: starts(0, 450), validationStarts: starts(460, 590) },
};

describe('trainForecaster', () => {
  test('beats persistence and its model gives the validation loss that it reports', async () => {
    const result = await trainForecaster({ ...base, epochs: 12, dropout: 0 });
    await using session = await openSession(result.model);
    const at = starts(460, 590);
    const input = Float32Array.from(
      { length: at.length * 16 },
      (_, i) => series[(at[Math.floor(i / 16)] as number) * 2 + (i % 16)] as number,
    );
    const { forecast } = await session.run({ window: { dtype: 'float32', dims: [at.length, 8, 2], data: input } });
    const truth = (i: number) => series[((at[Math.floor(i / 2)] as number) + 8 + (i % 2)) * 2] as number;
    const last = (i: number) => series[((at[Math.floor(i / 2)] as number) + 7) * 2] as number;
    const mean = (error: (i: number) => number) =>
      Array.from({ length: at.length * 2 }, (_, i) => error(i) ** 2).reduce((a, b) => a + b) / (at.length * 2);
    const model = mean((i) => (forecast?.data[i] as number) - truth(i));
    expect(model).toBeCloseTo(result.validationLoss, 6);
    expect(model).toBeLessThan(0.1 * mean((i) => last(i) - truth(i)));
    expect(result.parameters).toBe(8 * 3 * (2 + 8) + 6 * 8 + 2 * 8 + 2);
  });

  test('the same seed gives the same bytes, another seed another model', async () => {
    const [a, b, c] = [
      await trainForecaster(base),
      await trainForecaster(base),
      await trainForecaster({ ...base, seed: 'two' }),
    ];
    expect(Buffer.from(a.model).equals(b.model)).toBe(true);
    const told = ({ history }: TrainedForecaster) => history.map((event) => ({ ...event, seconds: 0 }));
    expect(told(a)).toEqual(told(b));
    expect(Buffer.from(a.model).equals(c.model)).toBe(false);
  });

  test('windows laid out one by one train to the same model as windows cut from the series', async () => {
    const cut = (from: number, to: number) => ({
      count: to - from,
      x: Float32Array.from(
        { length: (to - from) * 16 },
        (_, i) => series[(from + Math.floor(i / 16)) * 2 + (i % 16)] as number,
      ),
      y: Float32Array.from(
        { length: (to - from) * 2 },
        (_, i) => series[(from + Math.floor(i / 2) + 8 + (i % 2)) * 2] as number,
      ),
    });
    const a = await trainForecaster(base);
    const b = await trainForecaster({ ...base, data: { train: cut(0, 450), validation: cut(460, 590) } });
    expect(b.validationLoss).toBe(a.validationLoss);
    expect(Buffer.from(a.model).equals(b.model)).toBe(true);
  });

  test('stops early, keeps the best epoch, and tells of every epoch', async () => {
    const seen: number[] = [];
    const result = await trainForecaster({
      ...base,
      learningRate: 0.2,
      epochs: 200,
      patience: 3,
      onEpoch: ({ epoch }) => seen.push(epoch),
    });
    expect(result.stopped).toBe('patience');
    expect(seen).toEqual(Array.from({ length: result.bestEpoch + 3 }, (_, i) => i + 1));
    const losses = result.history.map(({ validationLoss }) => validationLoss as number);
    expect(result.validationLoss).toBe(Math.min(...losses));
    expect(losses[result.bestEpoch - 1]).toBe(result.validationLoss);
  });

  test('fewer samples than a batch still train', async () => {
    const data = { series, trainStarts: starts(0, 5), validationStarts: starts(10, 12) };
    const result = await trainForecaster({ ...base, data, epochs: 1 });
    expect(result.history[0]?.step).toBe(1);
  });

  test('stops on time', async () => {
    const result = await trainForecaster({ ...base, epochs: 1_000_000, maxSeconds: 0.05 });
    expect(result.stopped).toBe('time');
  });

  test('can be cancelled', async () => {
    const stop = new AbortController();
    const training = trainForecaster({ ...base, epochs: 1_000_000, signal: stop.signal, onEpoch: () => stop.abort() });
    await expect(training).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  test('an exploding training names the step and the tensor', async () => {
    const training = trainForecaster({ ...base, cell: 'dense', learningRate: 1e30, epochs: 5 });
    await expect(training).rejects.toMatchObject({
      code: 'NAN_LOSS',
      details: { step: expect.any(Number), tensor: expect.any(String) },
    });
  });

  test.each([
    [
      { data: { series: series.subarray(1), trainStarts: starts(0, 9), validationStarts: starts(0, 9) } },
      'INVALID_DATA',
      'series',
    ],
    [
      { data: { series, trainStarts: starts(585, 592), validationStarts: starts(0, 9) } },
      'INVALID_DATA',
      'trainStarts',
    ],
    [
      { data: { series, trainStarts: Int32Array.of(-1), validationStarts: starts(0, 9) } },
      'INVALID_DATA',
      'trainStarts',
    ],
    [
      { data: { series: series.with(77, Number.NaN), trainStarts: starts(0, 9), validationStarts: starts(0, 9) } },
      'INVALID_DATA',
      'series',
    ],
    [{ data: { series, trainStarts: starts(0, 0), validationStarts: starts(0, 9) } }, 'TOO_LITTLE_DATA', 'data'],
    [{ data: { series, trainStarts: starts(0, 9), validationStarts: starts(0, 0) } }, 'TOO_LITTLE_DATA', 'data'],
    [{ epochs: 0 }, 'INVALID_ARGUMENT', 'epochs'],
    [{ learningRate: -1 }, 'INVALID_ARGUMENT', 'learningRate'],
    [{ batch: 0 }, 'INVALID_ARGUMENT', 'batch'],
    [{ patience: 0 }, 'INVALID_ARGUMENT', 'patience'],
    [{ loss: 'toString' as 'mse' }, 'INVALID_ARGUMENT', 'loss'],
  ] as const)('refuses bad input %#', async (wrong, code, where) => {
    await expect(trainForecaster({ ...base, ...wrong })).rejects.toMatchObject({ code, where });
  });
});
