import { createRandom } from '@sanderling/kit';
import type { Reading } from '@sanderling/series';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hasCompiler } from '../host.ts';
import { expectSame } from './expect-same.ts';
import type { GeneratedForecaster } from './generate-forecaster.ts';
import { generatedRelease, settings, troubledReadings, type MadeRelease } from './made-forecasters.ts';
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
