import { execFileSync } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createRandom } from '@sanderling/kit';
import type { Reading } from '@sanderling/series';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { generateC } from '../generate.ts';
import { hasCompiler } from '../host.ts';
import { expectSame } from './same-answers.suite.ts';
import { generateForecasterC, type GeneratedForecaster } from './generate-forecaster.ts';
import {
  generatedRelease,
  linearModel,
  madeRelease,
  preprocessingOf,
  settings,
  steadyReadings,
  troubledReadings,
  withRuntime,
  type MadeRelease,
} from './made-forecasters.ts';
import { referenceOutcomes } from './reference-forecaster.ts';
import { hostForecasters } from './run-forecasters.ts';

const statusesSeen = new Set<string>();

const compiler = await hasCompiler();
if (!compiler) console.log('skipped: forecasters in C, there is no gcc here');

describe.runIf(compiler)('a forecaster in C on this machine', () => {
  const releases: MadeRelease[] = [];
  const generated: GeneratedForecaster[] = [];
  let host: Awaited<ReturnType<typeof hostForecasters>>;

  beforeAll(async () => {
    for (const at of settings.keys()) {
      const made = await generatedRelease(at);
      releases.push(made.release);
      generated.push(made.generated);
    }
    host = await hostForecasters(generated);
  });
  afterAll(() => host?.[Symbol.asyncDispose]());

  for (const [i, { preprocessing, monitor, int8 }] of settings.entries()) {
    const { window, horizon } = preprocessing;
    const what = `window ${window}, horizon ${horizon}, ${monitor.detector ?? 'page-hinkley'}${int8 ? ', int8' : ''}`;
    test(`${what}: decides as the parts of the predictor`, async () => {
      let [alarms, ends, forecasts] = [0, 0, 0];
      for (const seed of [1, 2, 3]) {
        const readings = troubledReadings(preprocessing, 1500, createRandom(seed, `troubled${i}`), seed > 1);
        const want = await referenceOutcomes(releases[i]!, readings);
        const { tested, answers } = await host.run(i, readings);
        expect(tested).toBe(0);
        expectSame(answers, want);
        for (const { status } of want) statusesSeen.add(status);
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

  test('the drift monitor goes on after the clock has jumped ahead and come back', async () => {
    for (const [i, { preprocessing, monitor }] of releases.entries()) {
      const { stepMs } = preprocessing;
      const steady = steadyReadings(preprocessing, 420, createRandom(i, 'clock'));
      // Long enough ahead for its forecasts to be noted, further than the window keeps; what follows is a sensor gone noisy.
      const readings = steady.map(({ time, value }, at): Reading => {
        const noisy = at >= 200 ? Math.fround(value + (at % 2 === 0 ? 15 : -15)) : value;
        return { time: at >= 120 && at < 160 ? time + 90_000 * stepMs : time, value: noisy };
      });
      const want = await referenceOutcomes(releases[i]!, readings);
      const { answers } = await host.run(i, readings);
      expectSame(answers, want);
      const restarted = want.findIndex(({ status }) => status === 'restarted');
      expect(restarted).toBeGreaterThan(160);
      const settled = want.slice(restarted).filter(({ residuals }) => residuals.length > 0);
      expect(settled.length, `release ${i}, ${monitor.detector ?? 'page-hinkley'}`).toBeGreaterThan(100);
      expect(settled.some(({ verdict }) => verdict.rollingError !== null && verdict.rollingError > 5)).toBe(true);
    }
  });

  test('more readings a cell than are kept apart are folded as packages/series folds them', async () => {
    const random = createRandom('fold');
    const { stepMs } = releases[3]!.preprocessing;
    const start = 1.6e12 - (1.6e12 % stepMs);
    const readings = Array.from({ length: 900 }, (_, i): Reading => {
      const back = random.next() < 0.3 ? random.int(0, 30) : 0;
      return { time: start + Math.max(0, i - back) * 3000, value: Math.fround(20 + random.normal()) };
    });
    const want = await referenceOutcomes(releases[3]!, readings);
    const { answers } = await host.run(3, readings);
    expectSame(answers, want);
  });
});

const shared = process.env['SANDERLING_SHARED'] ?? resolve(import.meta.dirname, '../../../../../shared');
const present = existsSync(join(shared, 'tools', 'data'));
if (!present) console.log(`skipped: a forecaster in C on real data, none at ${shared}; set SANDERLING_SHARED`);

test.runIf(compiler && present)(
  'a real room: hourly temperature with two labelled failures (Numenta Anomaly Benchmark)',
  async () => {
    const folder = execFileSync(join(shared, 'tools', 'data'), ['temperature-nab'], { encoding: 'utf8' }).trim();
    const file = globSync('**/ambient_temperature_system_failure.csv', { cwd: folder })[0]!;
    const lines = readFileSync(join(folder, file), 'utf8').trim().split('\n').slice(1);
    const readings = lines.map((line): Reading => {
      const [time, value] = line.split(',') as [string, string];
      return { time: Date.parse(`${time.replace(' ', 'T')}Z`), value: Math.fround(Number(value)) };
    });
    const preprocessing = preprocessingOf({
      stepMs: 3_600_000,
      window: 24,
      horizon: 6,
      features: ['value', 'difference', 'hour-sin', 'hour-cos', 'weekday-sin', 'weekday-cos'],
      mean: 71.2,
      std: 4.2,
      differenceStd: 0.9,
      unit: '°F',
    });
    const model = linearModel(preprocessing, 1);
    const release = await madeRelease(withRuntime(model), preprocessing, {}, readings.slice(0, 2000));
    const code = await generateC(model, { name: 'linear' });
    await using host = await hostForecasters([generateForecasterC({ ...release, model: code, name: 'room' })]);
    const want = await referenceOutcomes(release, readings);
    const { tested, answers } = await host.run(0, readings);
    expect(tested).toBe(0);
    expectSame(answers, want);
    expect(want.filter(({ forecast }) => forecast.length > 0).length).toBeGreaterThan(6000);
    expect(want.some(({ status }) => status === 'gap')).toBe(true);
  },
);
