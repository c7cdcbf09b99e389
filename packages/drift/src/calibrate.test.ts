import { createRandom, SanderlingError } from '@sanderling/kit';
import { describe, expect, it } from 'vitest';
import { calibrate, type CalibrationOptions } from './calibrate.ts';
import { createDetector, detectorNames, detectors } from './detectors.ts';

function codeOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    return error instanceof SanderlingError ? error.code : `not coded: ${String(error)}`;
  }
  return 'nothing thrown';
}

function steady(input: 'real' | 'unit' | 'binary', n: number, phi = 0): Float64Array {
  const random = createRandom(3, 'steady');
  let level = 0;
  return Float64Array.from({ length: n }, () => {
    if (input === 'binary') return Number(random.next() < 0.3);
    if (input === 'unit') return random.next();
    level = phi * level + Math.sqrt(1 - phi * phi) * random.normal();
    return level;
  });
}

describe('calibration by expected run time', () => {
  it('finds the published threshold of the CUSUM: run length 465 at h = 5, 168 at h = 4', () => {
    for (const [runTime, h] of [
      [465, 5],
      [168, 4],
    ] as const) {
      const options = { deviation: 1, k: 0.5 };
      const found = calibrate({ detector: 'cusum', options, reference: steady('real', 60_000), runTime, block: 1 });
      expect(Math.abs((found.options['h'] as number) - h)).toBeLessThan(0.25);
    }
  });

  it.each([...detectorNames])(
    '%s then alarms about as seldom as asked, or more seldom, and still finds a change',
    (detector) => {
      const { input } = detectors[detector];
      const runTime = detector === 'kswin' ? 100 : 400;
      const { options, runTime: measured } = calibrate({ detector, reference: steady(input, 5000), runTime });
      expect(measured).toBeGreaterThan(runTime / 3);
      const calibrated = createDetector(detector, options);
      const random = createRandom(8, 'change');
      const shifted = Array.from({ length: 2000 }, (_, i) => {
        const moved = i >= 800;
        if (input === 'binary') return Number(random.next() < (moved ? 0.85 : 0.3));
        if (input === 'unit') return moved ? 0.5 + random.next() / 2 : random.next();
        return random.normal() + (moved ? 3 : 0);
      });
      const after = shifted.findIndex((x, i) => {
        calibrated.update(x);
        return i >= 800 && calibrated.driftDetected;
      });
      expect(after).toBeGreaterThanOrEqual(800);
    },
  );

  it('asks for a higher threshold where samples remember', () => {
    const lambda = (phi: number): number =>
      calibrate({
        detector: 'page-hinkley',
        options: { delta: 0.25 },
        reference: steady('real', 8000, phi),
        runTime: 500,
      }).options['lambda'] as number;
    expect(lambda(0.8)).toBeGreaterThan(2 * lambda(0));
  });

  it('refuses what cannot be', () => {
    const reference = steady('real', 1000);
    const base: CalibrationOptions = { detector: 'cusum', reference, runTime: 500 };
    expect(codeOf(() => calibrate({ ...base, runTime: 5 }))).toBe('INVALID_CONFIG');
    expect(codeOf(() => calibrate({ ...base, block: 0 }))).toBe('INVALID_CONFIG');
    expect(codeOf(() => calibrate({ ...base, detector: 'none' as 'cusum' }))).toBe('INVALID_CONFIG');
    expect(codeOf(() => calibrate({ ...base, reference: [1, 2, 3] }))).toBe('TOO_LITTLE_DATA');
    expect(codeOf(() => calibrate({ ...base, detector: 'ddm' }))).toBe('INVALID_DATA');
    const wandering = Float64Array.from({ length: 1000 }, (_, i) => Math.floor(i / 100) * 50);
    expect(codeOf(() => calibrate({ detector: 'page-hinkley', reference: wandering, runTime: 2000 }))).toBe(
      'LIMIT_REACHED',
    );
  });
});
