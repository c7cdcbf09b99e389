import { createRandom, SanderlingError, type Random } from '@sanderling/kit';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { detectorNames, type DetectorName } from './detectors.ts';
import {
  ResidualMonitor,
  restoreResidualMonitor,
  type ResidualMonitorConfig,
  type ResidualMonitorState,
} from './residual-monitor.ts';
import { residualReference } from './residual-reference.ts';
import { alertScore } from './score.ts';

/** Student's t with 4 degrees of freedom, variance 1: one in 200 beyond 3.3 deviations. */
function heavy(random: Random): number {
  let square = 0;
  for (let i = 0; i < 4; i++) square += random.normal() ** 2;
  return random.normal() / Math.sqrt(square / 4) / Math.SQRT2;
}

/** Hourly residuals: heavy tails, autocorrelation φ, 40 % larger by day than at night. */
function hourly(seed: number, length: number, phi: number): number[] {
  const random = createRandom(seed, 'residuals');
  let level = 0;
  return Array.from({ length }, (_, hour) => {
    level = phi * level + Math.sqrt(1 - phi * phi) * heavy(random);
    return level * (1 + 0.4 * Math.sin((2 * Math.PI * hour) / 24));
  });
}

const year = 8760;
const validation = 1500;

function monitorFor(detector: DetectorName, residuals: readonly number[]): ResidualMonitor {
  return new ResidualMonitor({ detector, reference: residualReference(residuals) });
}

/** Alarms in a year without drift, and updates until the alarm after the scale has doubled; Infinity beyond 300. */
function trial(detector: DetectorName, seed: number, phi: number): { readonly raised: number; readonly delay: number } {
  const all = hourly(seed, validation + year + 500, phi);
  const monitor = monitorFor(detector, all.slice(0, validation));
  const raised = all.slice(validation, validation + year).filter((residual) => monitor.update(residual).raised).length;
  monitor.reset();
  for (const residual of all.slice(0, 200)) monitor.update(residual);
  const doubled = all.slice(validation + year, validation + year + 300).map((residual) => 2 * residual);
  const at = doubled.findIndex((residual) => monitor.update(residual).alarm);
  return { raised, delay: at < 0 ? Infinity : at + 1 };
}

function codeOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    return error instanceof SanderlingError ? error.code : `not coded: ${String(error)}`;
  }
  return 'nothing thrown';
}

describe('residual monitor', () => {
  it('hands out the numbers that it works with', () => {
    const reference = { mean: 1, std: 0.02, n: 400, inflation: 4, peak: 1.5 };
    const mean = 1 + 0.02 * Math.sqrt(4 / 400);
    const numbers = new ResidualMonitor({ reference }).numbers();
    expect(numbers).toEqual({
      detector: 'page-hinkley',
      options: { delta: 0.3, lambda: 8, alpha: 1, minSamples: 1, direction: 1 },
      scoreWindow: 96,
      alertAt: 0.7,
      confirm: 3,
      alertRatio: 1.5 * 1.1,
      mean,
      std: 0.1 * mean,
      block: 4,
      ceiling: 4 * mean,
      primedSamples: 400,
    });
    expect([numbers, numbers.options].every(Object.isFrozen)).toBe(true);
    const given = { detector: 'adwin', alertRatio: 3, confirm: 5, scoreWindow: 12, alertAt: 0.8 } as const;
    const other = new ResidualMonitor({ ...given, reference: { mean: 1, std: 2, n: 100 } }).numbers();
    expect(other).toMatchObject({ ...given, std: 2, block: 3, primedSamples: 0, options: { clock: 4 } });
    expect(other.ceiling).toBeCloseTo(other.mean + 8, 12);
  });

  it.each([
    ['page-hinkley', 0, 0],
    ['page-hinkley', 0.5, 5],
    ['adwin', 0.5, 5],
    ['kswin', 0.5, 5],
  ] as const)('%s at φ = %d: at most %i false alarms in 10 years of hours, and a doubled error is found', (...row) => {
    const [detector, phi, allowed] = row;
    const trials = Array.from({ length: 10 }, (_, seed) => trial(detector, seed, phi));
    expect(trials.reduce((sum, { raised }) => sum + raised, 0)).toBeLessThanOrEqual(allowed);
    const delays = trials.map(({ delay }) => delay).toSorted((a, b) => a - b);
    expect(delays[4]).toBeLessThanOrEqual(75);
    expect(delays[8]).toBeLessThanOrEqual(detector === 'page-hinkley' ? 100 : 250);
  });

  it('sounds the alarm exactly when the score has been at alertAt for `confirm` updates', () => {
    fc.assert(
      fc.property(
        fc.nat(1000),
        fc.constantFrom(0.5, 0.7, 0.9),
        fc.integer({ min: 1, max: 6 }),
        (seed, alertAt, confirm) => {
          const residuals = hourly(seed, 900, 0.3);
          const reference = residualReference(residuals.slice(0, 300));
          const monitor = new ResidualMonitor({ reference, alertAt, confirm });
          let above = 0;
          let sounding = 0;
          for (const [i, residual] of residuals.slice(300).entries()) {
            const { score, alarm, warning } = monitor.update(i > 150 && i < 350 ? 4 * residual : residual);
            above = score >= alertAt ? above + 1 : 0;
            expect(alarm).toBe(above >= confirm);
            expect(alarm && warning).toBe(false);
            if (alarm) sounding += 1;
          }
          expect(sounding).toBeGreaterThan(0);
        },
      ),
      { numRuns: 30 },
    );
  });

  it('raises once an episode, and again in the next', () => {
    const residuals = hourly(8, 2000, 0);
    const monitor = monitorFor('page-hinkley', residuals.slice(0, 500));
    const raised = residuals.slice(500).flatMap((residual, i) => {
      const drifted = (i > 200 && i < 400) || i > 1000;
      return monitor.update(drifted ? 3 * residual : residual).raised ? [i] : [];
    });
    expect(raised.length).toBe(2);
    expect(raised[0]).toBeLessThan(300);
    expect(raised[1]).toBeGreaterThan(1000);
    expect(raised[1]).toBeLessThan(1100);
  });

  it('scores more drift higher, and the same drift alike whatever the window', () => {
    const residuals = hourly(9, 3000, 0.2);
    const settled = (factor: number, scoreWindow: number): number => {
      const monitor = new ResidualMonitor({ reference: residualReference(residuals.slice(0, 1000)), scoreWindow });
      let score = 0;
      for (const residual of residuals.slice(1000)) score = monitor.update(factor * residual).score;
      return score;
    };
    const scores = [1, 1.3, 1.6, 2, 3, 5].map((factor) => settled(factor, 400));
    expect(scores.toSorted((a, b) => a - b)).toEqual(scores);
    expect(scores[0]).toBeLessThan(0.3);
    expect(scores[3]).toBeGreaterThan(alertScore);
    expect(Math.abs(settled(2, 1000) - settled(2, 400))).toBeLessThan(0.08);
  });

  it.each([...detectorNames])(
    '%s does not stay silent when the model is wrong from the first residual on',
    (detector) => {
      const residuals = hourly(10, 900, 0.3);
      const monitor = monitorFor(detector, residuals.slice(0, 500));
      const alarms = residuals.slice(500).filter((residual) => monitor.update(3 * residual).alarm);
      expect(alarms.length).toBeGreaterThan(100);
    },
  );

  it.each([...detectorNames])('%s goes on from a state through JSON text as if never stopped', (detector) => {
    const residuals = hourly(11, 1200, 0.3).map((residual, i) => (i > 800 ? 2.5 * residual : residual));
    const through = monitorFor(detector, residuals.slice(0, 400));
    for (const cut of [401, 430, 700, 850, 950]) {
      const first = monitorFor(detector, residuals.slice(0, 400));
      for (const residual of residuals.slice(400, cut)) first.update(residual);
      const second = restoreResidualMonitor(JSON.parse(JSON.stringify(first.state())) as ResidualMonitorState);
      through.reset();
      const verdicts = residuals.slice(400).map((residual) => through.update(residual));
      expect(residuals.slice(cut).map((residual) => second.update(residual))).toEqual(verdicts.slice(cut - 400));
    }
  });

  it('counts a forecast that is not a number as a failed one, and leaves it out of the rolling error', () => {
    const residuals = hourly(12, 600, 0);
    const monitor = monitorFor('page-hinkley', residuals.slice(0, 500));
    expect(monitor.update(Number.NaN).rollingError).toBeNull();
    expect(monitor.update(-2).rollingError).toBe(2);
    expect(monitor.update(4).rollingError).toBe(3);
    const verdicts = Array.from({ length: 60 }, () => monitor.update(Number.NaN));
    expect(verdicts.at(-1)).toMatchObject({ alarm: true, rollingError: 3 });
  });

  it('alarms on the first errors of a model that had none', () => {
    const monitor = new ResidualMonitor({ reference: { mean: 0, std: 0, n: 500 } });
    expect(monitor.update(0).score).toBe(0);
    const alarms = Array.from({ length: 200 }, () => monitor.update(0.5)).filter(({ alarm }) => alarm);
    expect(alarms.length).toBeGreaterThan(100);
  });

  it.each([
    [0.99, 1.5],
    [0.7, 20],
    [0.3, 1.05],
  ])('can sound at every setting it takes: alertAt %d, alertRatio %d', (alertAt, alertRatio) => {
    const monitor = new ResidualMonitor({ reference: { mean: 1, std: 0.1, n: 500 }, alertAt, alertRatio });
    const verdicts = Array.from({ length: 400 }, () => monitor.update(1e6));
    expect(verdicts.at(-1)?.alarm).toBe(true);
    expect(verdicts.every(({ score }) => score >= 0 && score <= 1)).toBe(true);
    expect(monitor.update(1e308).rollingError).toBeCloseTo(1e6, 3);
  });

  it('stays small and bounded', () => {
    const monitor = new ResidualMonitor({ reference: { mean: 1, std: 1, n: 500 } });
    expect(monitor.maxBytes).toBeLessThan(2048);
    for (let i = 0; i < 200_000; i++) monitor.update(Math.sin(i) * 1.5);
    expect(JSON.stringify(monitor.state()).length).toBeLessThan(8192);
  });

  it('refuses settings that make no sense, naming them', () => {
    const reference = { mean: 1, std: 0.5, n: 100 };
    const bad: unknown[] = [
      null,
      {},
      { reference: { mean: 1 } },
      { reference: { ...reference, mean: -1 } },
      { reference: { ...reference, std: Number.NaN } },
      { reference, alertAt: 1 },
      { reference, alertAt: 0 },
      { reference, alertRatio: 1 },
      { reference, confirm: 0 },
      { reference, scoreWindow: 2.5 },
      { reference, detector: 'magic' },
      { reference, options: { lambda: -1 } },
      { reference, unknown: 1 },
    ];
    for (const config of bad)
      expect(codeOf(() => new ResidualMonitor(config as ResidualMonitorConfig))).toBe('INVALID_CONFIG');
  });

  it('calls a damaged state corrupt', () => {
    const state = new ResidualMonitor({ reference: { mean: 1, std: 0.5, n: 100 } }).state();
    const junk = fc.oneof(fc.string(), fc.constant(Number.NaN), fc.constant(null), fc.object());
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(state.memory)), junk, (key, value) => {
        const damaged = { ...state, memory: { ...state.memory, [key]: value } } as unknown as ResidualMonitorState;
        expect(codeOf(() => restoreResidualMonitor(damaged))).toBe('CORRUPT');
      }),
    );
    for (const other of [null, 5, {}, { ...state, monitor: 'x' }, { ...state, detector: null }]) {
      expect(codeOf(() => restoreResidualMonitor(other as unknown as ResidualMonitorState))).toMatch(
        /CORRUPT|INVALID_CONFIG/,
      );
    }
  });
});

describe('residual reference', () => {
  it('finds how autocorrelated the errors are', () => {
    const independent = residualReference(
      hourly(1, 4000, 0).map((x, i) => x / (1 + 0.4 * Math.sin((2 * Math.PI * i) / 24))),
    );
    expect(independent.inflation).toBeLessThan(1.4);
    expect(residualReference(hourly(1, 4000, 0.9)).inflation).toBeGreaterThan(3);
  });

  it('has mean and deviation of the absolute residuals', () => {
    const { mean, std, n } = residualReference(Array.from({ length: 100 }, (_, i) => (i % 2 === 0 ? 1 : -3)));
    expect({ mean, std, n }).toEqual({ mean: 2, std: 1, n: 100 });
  });

  it('refuses too few residuals and what is no number', () => {
    expect(codeOf(() => residualReference([1, 2, 3]))).toBe('TOO_LITTLE_DATA');
    expect(codeOf(() => residualReference([...hourly(1, 50, 0), Number.NaN]))).toBe('INVALID_DATA');
  });
});
