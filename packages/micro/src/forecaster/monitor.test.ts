import type { ResidualMonitorConfig } from '@sanderling/drift';
import { createRandom, type Random } from '@sanderling/kit';
import type { Reading } from '@sanderling/series';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { generateC } from '../generate.ts';
import { hasCompiler } from '../host.ts';
import { expectSame } from './same-answers.suite.ts';
import { generateForecasterC } from './generate-forecaster.ts';
import { linearModel, madeRelease, preprocessingOf, withRuntime, type MadeRelease } from './made-forecasters.ts';
import { referenceOutcomes } from './reference-forecaster.ts';
import { hostForecasters } from './run-forecasters.ts';

/** One reading forecasts the next: the residuals are what the readings make them. */
const preprocessing = preprocessingOf({ window: 1, horizon: 1, features: ['value'] });

const never = { lambda: 1e8, delta: 0.3, alpha: 1, minSamples: 1 };
const monitors: Readonly<Record<string, Omit<ResidualMonitorConfig, 'reference'>>> = {
  'as it comes': {},
  'a detector that never alarms': { options: never, scoreWindow: 12, alertRatio: 1.1, confirm: 1 },
  'a patient alarm': { options: never, scoreWindow: 30, alertRatio: 1.3, confirm: 20, alertAt: 0.5 },
  'a nervous detector': { options: { lambda: 2, delta: 0.05, alpha: 1, minSamples: 1 }, scoreWindow: 10, confirm: 2 },
  'a slow detector of blocks': { options: { ...never, lambda: 60 }, scoreWindow: 12, alertRatio: 1.1 },
  'ADWIN, often near its threshold': { detector: 'adwin', scoreWindow: 20, options: { delta: 0.3, clock: 1 } },
  'a detector of errors': { detector: 'eddm', scoreWindow: 25 },
  'a detector of shares': { detector: 'hddm-a', scoreWindow: 25, options: { alphaDrift: 0.01, alphaWarning: 0.05 } },
  'a detector of proportions': { detector: 'stepd', scoreWindow: 40, alertRatio: 2 },
  'a cumulative sum': { detector: 'cusum', scoreWindow: 15, alertRatio: 1.2 },
};
/** Residuals in one sample of the detector, where it is not what the reference has. */
const blocks: Readonly<Record<string, number>> = {
  'a slow detector of blocks': 4,
  'a detector that never alarms': 2.6,
  'a detector of shares': 3,
};
const scales = [0.1, 0.2, 0.25, 0.3, 0.4, 0.6, 1.5, 40];

/** Readings on time whose noise changes every now and then. */
function restlessReadings(count: number, random: Random): readonly Reading[] {
  let scale = 0.2;
  return Array.from({ length: count }, (_, i): Reading => {
    if (random.next() < 1 / 40) scale = random.pick(scales);
    const value = random.next() < 0.002 ? 3e38 : Math.fround(20 + scale * random.normal());
    return { time: 1.6e12 + i * preprocessing.stepMs, value };
  });
}

const compiler = await hasCompiler();
if (!compiler) console.log('skipped: the residual monitor in C, there is no gcc here');

describe.runIf(compiler)('the residual monitor in C', () => {
  const names = Object.keys(monitors);
  const releases: MadeRelease[] = [];
  let host: Awaited<ReturnType<typeof hostForecasters>>;
  beforeAll(async () => {
    const model = linearModel(preprocessing, 1);
    const code = await generateC(model, { name: 'model' });
    for (const name of names) {
      const made = await madeRelease(withRuntime(model), preprocessing, monitors[name]!);
      const { reference } = made.monitor;
      const inflation = blocks[name] ?? reference.inflation!;
      releases.push({ ...made, monitor: { ...made.monitor, reference: { ...reference, inflation } } });
    }
    host = await hostForecasters(
      releases.map((release, i) => generateForecasterC({ ...release, model: code, name: `monitor${i}` })),
    );
  });
  afterAll(() => host?.[Symbol.asyncDispose]());

  test.each(names)('%s: verdicts as those of packages/drift on 8000 residuals', async (name) => {
    const at = names.indexOf(name);
    const readings = restlessReadings(8000, createRandom(name));
    const want = await referenceOutcomes(releases[at]!, readings);
    const { answers } = await host.run(at, readings);
    expectSame(answers, want);
    const raised = want.filter(({ alarm }) => alarm === 'raised').length;
    const ended = want.filter(({ alarm }) => alarm === 'over').length;
    expect(Math.min(raised, ended)).toBeGreaterThan(1);
  });
});
