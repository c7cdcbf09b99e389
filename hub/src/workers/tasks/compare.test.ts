// Candidate and champion are judged at the same target times, each through its own preprocessing; the expected errors are worked out by hand.
import { encodeModel, GraphBuilder, modelOf, tensorOf } from '@sanderling/onnx';
import type { Preprocessing } from '@sanderling/series';
import { expect, test } from 'vitest';
import { compare } from './compare.ts';
import { prepare } from './prepare.ts';
import type { ModelInput } from './run-model.ts';

const minute = 60_000;
const rows = 400;
/** The value of reading k, five minutes after the one before, is k. */
const columns = {
  times: Float64Array.from({ length: rows }, (_, k) => k * 5 * minute),
  values: Float64Array.from({ length: rows }, (_, k) => k),
};
const context = { columns: () => columns, tell: () => undefined };
const task = {
  data: 'ramp',
  stepMs: 5 * minute,
  horizon: 4,
  largestWindow: 4,
  features: ['value'] as const,
  unit: '',
  minimum: 100,
  split: { train: 0.6, validation: 0.2, test: 0.2 },
  freshFrom: null,
  freshShare: 0,
};

/** “As now, plus an offset”, for a preprocessing; the offset in the unit of the data. */
function persistence(shape: Partial<Preprocessing>, offset = 0): ModelInput {
  const preprocessing: Preprocessing = {
    version: 1,
    stepMs: 5 * minute,
    offsetMs: 0,
    window: 4,
    horizon: 4,
    features: ['value'],
    mean: 200,
    std: 100,
    differenceStd: 1,
    clampSigma: 8,
    maxInterpolateSteps: 1,
    unit: '',
    ...shape,
  };
  const { window, horizon, std } = preprocessing;
  const b = new GraphBuilder('persistence');
  const input = b.input('window', 'float32', ['batch', window, 1]);
  const last = b.op('Gather', [input, b.constant(tensorOf('int64', [], [BigInt(window - 1)]))], { axis: 1 });
  const added = b.constant(
    tensorOf(
      'float32',
      [1, horizon],
      Array.from({ length: horizon }, () => offset / std),
    ),
  );
  b.output('forecast', b.op('Add', [last, added]));
  return { model: encodeModel(modelOf(b.build())), preprocessing };
}

test('the same model twice is neither better nor worse, for sure', async () => {
  const model = persistence({});
  const prepared = await prepare(task, context);
  const result = await compare({ prepared, candidate: model, champion: model, confidence: 0.95 }, context);
  // Errors 1, 2, 3, 4 for the four steps.
  expect(result.candidateMae).toBeCloseTo(2.5, 4);
  expect(result).toMatchObject({ relative: 0, low: 0, high: 0 });
});

test('a champion with a constant offset is worse by exactly that', async () => {
  const prepared = await prepare(task, context);
  const input = { prepared, candidate: persistence({}), champion: persistence({}, -1), confidence: 0.95 };
  const result = await compare(input, context);
  expect(result.championMae).toBeCloseTo(3.5, 4);
  expect(result.high).toBeLessThan(0);
});

test('a champion with a step twice as long and a shorter reach is judged at the targets that both can reach', async () => {
  const prepared = await prepare(task, context);
  const champion = persistence({ stepMs: 10 * minute, window: 3, horizon: 2 });
  const result = await compare({ prepared, candidate: persistence({}), champion, confidence: 0.95 }, context);
  // At reading k the champion's newest whole cell is k − 1 (k odd) or k − 2 (k even) with the value half a reading lower, and it reaches
  // 4 readings beyond: targets 1…3 with errors h + 1.5, or 1…2 with errors h + 2.5. The candidate's errors there are h.
  expect(result.candidateMae).toBeCloseTo((2 + 1.5) / 2, 1);
  expect(result.championMae).toBeCloseTo((3.5 + 4) / 2, 1);
});

test('fresh windows make up their share of an epoch, and judging parts lie behind the alarm', async () => {
  const freshFrom = 200 * 5 * minute;
  const prepared = await prepare({ ...task, freshFrom, freshShare: 0.5 }, context);
  const { cutWindows } = await import('./cut-windows.ts');
  const { gridOf } = await import('./columns.ts');
  const { train, validation, test: judged } = cutWindows(gridOf(columns, prepared.preprocessing), prepared, 4);
  const fresh = train.filter((start) => start + 4 >= 200).length;
  expect(fresh / train.length).toBeCloseTo(0.5, 1);
  expect(Math.min(...validation) + 4).toBeGreaterThan(200);
  expect(Math.min(...judged)).toBeGreaterThan(Math.max(...validation));
});
