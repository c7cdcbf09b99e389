// How often vector detectors alarm on streams that do not drift, against the chance that each comparison may take; and how calibration sets it.
import { createRandom, SanderlingError } from '@sanderling/kit';
import { describe, expect, it } from 'vitest';
import { calibrateVector, type VectorCalibrationOptions } from './calibrate-vector.ts';
import { createVectorDetector, twoSampleTest, vectorDetectorNames } from './vector-detectors.ts';

function vectors(seed: number, n: number, d: number, law: 'normal' | 'skewed' = 'normal'): number[][] {
  const random = createRandom(seed, 'steady');
  return Array.from({ length: n }, () =>
    Array.from({ length: d }, () => (law === 'normal' ? random.normal() : -Math.log(1 - random.next()))),
  );
}

/** Most alarms in n comparisons of chance p that are no surprise: the mean and four deviations. */
function mostAlarms(n: number, p: number): number {
  return n * p + 4 * Math.sqrt(n * p * (1 - p));
}

describe('false alarms of vector detectors on steady streams', () => {
  it.each([
    ['ks', {}],
    ['mmd', {}],
    ['lsdd', {}],
    ['spll', {}],
    ['spll', { symmetric: 1 }],
  ] as const)('%s %o: comparisons of independent samples alarm no more often than alpha', (name, options) => {
    const [tests, alpha] = [120, 0.02];
    const alarms = Array.from({ length: tests }, (_, seed) => {
      const law = seed % 2 === 0 ? 'normal' : 'skewed';
      const [reference, sample] = [vectors(seed, 100, 3, law), vectors(seed + 1000, 50, 3, law)];
      return twoSampleTest(name, reference, sample, { alpha, ...options });
    }).filter(({ drift }) => drift);
    expect(alarms.length).toBeLessThanOrEqual(mostAlarms(tests, alpha));
  });

  it.each([...vectorDetectorNames])('%s with its defaults: seldom in a long stream', (name) => {
    const detector = createVectorDetector(name, 3, { referenceSize: 200, windowSize: 60 });
    const alarms = vectors(5, 6000, 3).filter((vector) => {
      detector.update(vector);
      return detector.driftDetected;
    });
    expect(alarms.length).toBeLessThanOrEqual(6);
  });
});

describe('SPLL from both sides', () => {
  it('sees that a cluster went away, which the reference’s clusters alone cannot show', () => {
    const random = createRandom(3, 'clusters');
    const draw = (n: number, both: boolean): number[][] =>
      Array.from({ length: n }, () => {
        const centre = both && random.next() < 0.5 ? 6 : 0;
        return [centre + random.normal(), centre + random.normal()];
      });
    const [reference, window] = [draw(200, true), draw(60, false)];
    const options = { clusters: 2 };
    expect(twoSampleTest('spll', reference, window, options).drift).toBe(false);
    expect(twoSampleTest('spll', reference, window, { ...options, symmetric: 1 }).drift).toBe(true);
    expect(twoSampleTest('spll', reference, draw(60, true), { ...options, symmetric: 1 }).drift).toBe(false);
  });
});

describe('calibration of vector detectors', () => {
  const small = { referenceSize: 60, windowSize: 30, every: 10 };

  it.each([...vectorDetectorNames])(
    '%s then alarms about as seldom as asked, or more seldom, and still finds a change',
    (detector) => {
      const options = detector === 'd3' ? { ...small, every: 30 } : small;
      const { options: found, runTime } = calibrateVector({
        detector,
        options,
        reference: vectors(1, 600, 2),
        runTime: 500,
      });
      expect(runTime).toBeGreaterThan(500 / 3);
      const calibrated = createVectorDetector(detector, 2, found);
      const moved = vectors(2, 260, 2).map((vector, i) => (i < 200 ? vector : vector.map((x) => x + 4)));
      const alarms = moved.flatMap((vector, i) => {
        calibrated.update(vector);
        return calibrated.driftDetected ? [i] : [];
      });
      expect(alarms.some((at) => at >= 200)).toBe(true);
    },
  );

  it('refuses what cannot be', () => {
    const base: VectorCalibrationOptions = {
      detector: 'ks',
      options: small,
      reference: vectors(1, 200, 2),
      runTime: 300,
    };
    const codeOf = (change: object): string => {
      try {
        calibrateVector({ ...base, ...change });
      } catch (error) {
        return error instanceof SanderlingError ? error.code : `not coded: ${String(error)}`;
      }
      return 'nothing thrown';
    };
    expect(codeOf({ runTime: 90 })).toBe('INVALID_CONFIG');
    expect(codeOf({ runTime: 50_000 })).toBe('INVALID_CONFIG');
    expect(codeOf({ block: 0 })).toBe('INVALID_CONFIG');
    expect(codeOf({ detector: 'none' })).toBe('INVALID_CONFIG');
    expect(codeOf({ reference: vectors(1, 50, 2) })).toBe('TOO_LITTLE_DATA');
    expect(codeOf({ reference: [[1, Number.NaN]] })).toBe('INVALID_DATA');
    const wandering = Array.from({ length: 2000 }, (_, i) => [Math.floor(i / 100) * 50, 0]);
    expect(codeOf({ reference: wandering, block: 400, runTime: 2000 })).toBe('LIMIT_REACHED');
  });
});
