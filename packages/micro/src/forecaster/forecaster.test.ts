import type { DetectorName, ResidualMonitorConfig } from '@sanderling/drift';
import { createRandom } from '@sanderling/kit';
import { readModel, type Model } from '@sanderling/onnx';
import type { Preprocessing, Reading } from '@sanderling/series';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { generateC } from '../generate.ts';
import { hasCompiler } from '../host.ts';
import { generateForecasterC, type GeneratedForecaster } from './generate-forecaster.ts';
import { linearModel, madeRelease, preprocessingOf, troubledReadings, type MadeRelease } from './made-forecasters.ts';
import { referenceOutcomes, type Outcome } from './reference-forecaster.ts';
import { answerFlags, hostForecasters, type Answer } from './run-forecasters.ts';

const everything: Preprocessing['features'] = [
  'value',
  'difference',
  'hour-sin',
  'hour-cos',
  'weekday-sin',
  'weekday-cos',
  'year-sin',
  'year-cos',
];

interface Setting {
  readonly preprocessing: Preprocessing;
  readonly monitor: Omit<ResidualMonitorConfig, 'reference'> & { readonly detector?: DetectorName };
  readonly readingsPerCell?: number;
  readonly fixture?: string;
}

/** Releases that differ in all that can differ. */
const settings: readonly Setting[] = [
  { preprocessing: preprocessingOf({}), monitor: {} },
  {
    preprocessing: preprocessingOf({ window: 24, horizon: 3, features: ['value', 'difference'] }),
    monitor: { scoreWindow: 24 },
    fixture: 'forecaster-gru.onnx',
  },
  {
    preprocessing: preprocessingOf({ features: everything, maxInterpolateSteps: 3, offsetMs: 61_000, horizon: 5 }),
    monitor: { detector: 'adwin', scoreWindow: 20, confirm: 1 },
  },
  {
    preprocessing: preprocessingOf({ window: 1, horizon: 1, features: ['value'], maxInterpolateSteps: 0 }),
    monitor: { detector: 'kswin', scoreWindow: 12, alertAt: 0.6 },
    readingsPerCell: 128,
  },
  {
    preprocessing: preprocessingOf({ window: 3, horizon: 7, stepMs: 3_600_000, clampSigma: 1.5 }),
    monitor: { detector: 'hddm-w', alertRatio: 1.2, scoreWindow: 30 },
  },
  {
    preprocessing: preprocessingOf({ window: 5, horizon: 96, features: ['value', 'difference', 'weekday-cos'] }),
    monitor: { detector: 'ddm', scoreWindow: 40 },
    readingsPerCell: 32,
  },
];

const statusesSeen = new Set<string>();

/** What an answer must say exactly. */
function decisionsOf(want: Outcome): Pick<Answer, 'status' | 'flags' | 'forecastTime'> {
  const flags =
    (want.forecast.length > 0 ? answerFlags.forecast : 0) |
    (want.residuals.length > 0 ? answerFlags.residual : 0) |
    (want.verdict.alarm ? answerFlags.drift : 0) |
    (want.alarm === 'raised' ? answerFlags.raised : 0) |
    (want.alarm === 'over' ? answerFlags.ended : 0) |
    (want.notFinite ? answerFlags.notFinite : 0);
  return { status: want.status, flags, forecastTime: want.forecast.length > 0 ? want.from : 0 };
}

/** What it must say nearly. */
const numbersOf = (want: Outcome): readonly number[] => [
  want.residuals.at(-1) ?? 0,
  want.verdict.score,
  want.verdict.rollingError ?? -1,
  ...want.forecast,
];

const near = (a: number, b: number): boolean => Math.abs(a - b) <= 1e-4 + 1e-5 * Math.abs(b);

/** Holds answers against what the parts of the predictor gave. */
function expectSame(answers: readonly Answer[], outcomes: readonly Outcome[]): void {
  expect(answers.map(({ status, flags, forecastTime }) => ({ status, flags, forecastTime }))).toEqual(
    outcomes.map(decisionsOf),
  );
  const far = answers.flatMap(({ residual, driftScore, rollingError, forecast }, at) => {
    const [got, want] = [[residual, driftScore, rollingError, ...forecast], numbersOf(outcomes[at]!)];
    return got.length === want.length && got.every((x, i) => near(x, want[i]!)) ? [] : [{ at, got, want }];
  });
  expect(far).toEqual([]);
  for (const { status } of outcomes) statusesSeen.add(status);
}

const compiler = await hasCompiler();
if (!compiler) console.log('skipped: forecasters in C, there is no gcc here');

describe.runIf(compiler)('a forecaster in C on this machine', () => {
  const releases: MadeRelease[] = [];
  const generated: GeneratedForecaster[] = [];
  let host: Awaited<ReturnType<typeof hostForecasters>>;

  beforeAll(async () => {
    for (const [i, { preprocessing, monitor, readingsPerCell, fixture }] of settings.entries()) {
      const model: Model = fixture
        ? await readModel(new URL(`../fixtures/${fixture}`, import.meta.url).pathname)
        : linearModel(preprocessing, i);
      const release = await madeRelease(model, preprocessing, monitor);
      const code = await generateC(model, { name: `model${i}` });
      releases.push(release);
      generated.push(
        generateForecasterC({
          ...release,
          model: code,
          name: `release${i}`,
          ...(readingsPerCell ? { readingsPerCell } : {}),
        }),
      );
    }
    host = await hostForecasters(generated);
  });
  afterAll(() => host?.[Symbol.asyncDispose]());

  for (const [i, { preprocessing, monitor }] of settings.entries()) {
    const { window, horizon } = preprocessing;
    test(`window ${window}, horizon ${horizon}, ${monitor.detector ?? 'page-hinkley'}: decides as the parts of the predictor`, async () => {
      const { model, monitor } = releases[i]!;
      let [alarms, ends, forecasts] = [0, 0, 0];
      for (const seed of [1, 2, 3]) {
        const readings = troubledReadings(preprocessing, 1500, createRandom(seed, `troubled${i}`), seed > 1);
        const want = await referenceOutcomes(model, preprocessing, monitor, readings);
        const { tested, answers } = await host.run(i, readings);
        expect(tested).toBe(0);
        expectSame(answers, want);
        alarms += want.filter(({ alarm }) => alarm === 'raised').length;
        ends += want.filter(({ alarm }) => alarm === 'over').length;
        forecasts += want.filter(({ forecast }) => forecast.length > 0).length;
      }
      // Readings on which nothing ever happens would prove nothing.
      expect([alarms > 0, ends > 0, forecasts > 300]).toEqual([true, true, true]);
    });
  }

  test('everything that can become of a reading has been seen', () => {
    expect([...statusesSeen].toSorted()).toEqual(
      ['duplicate', 'filling', 'gap', 'invalid', 'late', 'ready', 'restarted', 'stale'].toSorted(),
    );
  });

  test('more readings a cell than are kept apart are folded as packages/series folds them', async () => {
    const random = createRandom('fold');
    const { preprocessing, model, monitor } = releases[3]!;
    const { stepMs } = preprocessing;
    const start = 1.6e12 - (1.6e12 % stepMs);
    const readings = Array.from({ length: 900 }, (_, i): Reading => {
      const back = random.next() < 0.3 ? random.int(0, 30) : 0;
      return { time: start + Math.max(0, i - back) * 3000, value: Math.fround(20 + random.normal()) };
    });
    const want = await referenceOutcomes(model, preprocessing, monitor, readings);
    const { answers } = await host.run(3, readings);
    expectSame(answers, want);
  });
});
