import { expect, test } from 'vitest';
import { SanderlingError } from '@sanderling/kit';
import { createSigningKey } from '@sanderling/wire/device';
import type { Prediction } from '../inference/predictor.ts';
import { makeRelease } from '../testing/test-releases.ts';
import { Probation, type ProbationVerdict } from './probation.ts';

const { manifest } = makeRelease(
  { probation: { predictions: 20, minutes: 5, maxErrorRatio: 5 } },
  createSigningKey().privateKey,
);
const drift = { score: 0, alarm: false, raised: false, warning: false, rollingError: null };

/** What a model sees that forecasts one step ahead with this error, in a world that moves by `move` a step; test MAE is 0.1. */
function* predictions(error: number, move: number, latencyMs = 1): Generator<Prediction> {
  for (let i = 0; ; i++) {
    const time = i * 1000;
    const actual = i * move;
    const settled = i === 0 ? [] : [{ step: 1, time, forecast: actual - error, actual, residual: error }];
    const forecast = [{ time: time + 1000, value: actual + move - error }];
    yield {
      release: 'r',
      reading: { time, value: actual },
      window: 'ready',
      forecast,
      latencyMs,
      settled,
      drift,
      alarm: undefined,
    };
  }
}

function run(
  source: Iterable<Prediction>,
  startedAt = 0,
): { readonly verdict: ProbationVerdict; readonly after: number } {
  const probation = new Probation(manifest, { startedAt, maxForecastMs: 250 });
  let after = 0;
  for (const prediction of source) {
    const verdict = probation.observe(prediction);
    if (++after > 100 || verdict.state !== 'going') return { verdict, after };
  }
  throw new Error('the predictions ended');
}

test('a release as good as on the test part passes after its predictions', () => {
  const { verdict, after } = run(predictions(0.1, 0.05));
  expect(verdict).toMatchObject({ state: 'passed', numbers: { predictions: 20 } });
  expect(after).toBe(20);
});

test('one that errs by more than allowed fails at the end, flagrant errors sooner', () => {
  expect(run(predictions(0.6, 0.05))).toMatchObject({
    verdict: { state: 'failed', shortcoming: { code: 'GATE_FAILED' } },
    after: 20,
  });
  expect(run(predictions(9, 0.05)).after).toBeLessThan(6);
});

test('one that errs in a world too rough for any model, but less than repeating the last value, stays', () => {
  expect(run(predictions(0.6, 3)).verdict.state).toBe('passed');
});

test('slow forecasts and failures end it', () => {
  expect(run(predictions(0.1, 0.05, 400)).verdict).toMatchObject({ state: 'failed', shortcoming: { code: 'TIMEOUT' } });
  const [first] = predictions(0.1, 0.05);
  const failure = new SanderlingError('INVALID_MODEL', 'NaN');
  expect(run([{ ...first!, failure }]).verdict).toMatchObject({
    state: 'failed',
    shortcoming: { code: 'INVALID_MODEL' },
  });
});

test('time ends it, whichever way the clock was moved', () => {
  const probation = new Probation(manifest, { startedAt: 1_000_000, maxForecastMs: 250 });
  expect(probation.atTime(1_000_000 + 60_000).state).toBe('going');
  expect(probation.atTime(1_000_000 + 300_000).state).toBe('passed');
  expect(probation.atTime(1_000_000 - 600_000).state).toBe('passed');
});
