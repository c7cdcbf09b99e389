// How often each detector alarms on a steady stream, against what its paper promises.
import { createRandom } from '@sanderling/kit';
import { describe, expect, it } from 'vitest';
import { createDetector } from './detectors.ts';

function alarms(name: string, options: Record<string, number>, samples: Iterable<number>): number {
  const detector = createDetector(name, options);
  let count = 0;
  for (const x of samples) {
    detector.update(x);
    if (detector.driftDetected) count += 1;
  }
  return count;
}

function* coin(seed: number, rate: number, length: number): Generator<number> {
  const random = createRandom(seed, 'coin');
  for (let i = 0; i < length; i++) yield Number(random.next() < rate);
}

function* normal(seed: number, length: number, mean = 0): Generator<number> {
  const random = createRandom(seed, 'normal');
  for (let i = 0; i < length; i++) yield mean + random.normal();
}

describe('false alarms on steady streams', () => {
  it.each([0, 1])('HDDM-A, two-sided %i, below alpha a sample', (twoSided) => {
    expect(alarms('hddm-a', { twoSided }, coin(1, 0.5, 200_000)) / 200_000).toBeLessThan(0.001);
  });

  it.each([0, 1])('HDDM-W, two-sided %i, below alpha a sample and side', (twoSided) => {
    const rate = alarms('hddm-w', { twoSided }, coin(2, 0.5, 200_000)) / 200_000;
    expect(rate).toBeLessThan(0.001 * (1 + twoSided));
  });

  it('STEPD below alpha a sample', () => {
    expect(alarms('stepd', {}, coin(3, 0.3, 200_000)) / 200_000).toBeLessThan(0.003);
  });

  it('KSWIN below alpha a sample', () => {
    expect(alarms('kswin', {}, normal(4, 50_000)) / 50_000).toBeLessThan(0.005);
  });

  it('DDM at 3 deviations seldom', () => {
    expect(alarms('ddm', {}, coin(5, 0.3, 200_000))).toBeLessThan(200);
  });

  it('Page–Hinkley with lambda 50 never in 100,000 standard normal samples with delta 0.25', () => {
    expect(alarms('page-hinkley', { delta: 0.25, lambda: 50 }, normal(6, 100_000))).toBe(0);
  });

  // Average run lengths of the two-sided tabular CUSUM with k = 0.5, h = 5: 465 without a shift, 10.4 after one deviation
  // (D. C. Montgomery, “Introduction to Statistical Quality Control”, table 9.3).
  it.each([
    [0, 465, 400_000],
    [1, 10.4, 50_000],
  ])('CUSUM after a shift of %d has the published run length %d', (shift, published, length) => {
    const runs = alarms('cusum', { deviation: 1 }, normal(7, length, shift));
    expect(Math.abs(length / runs / published - 1)).toBeLessThan(0.05);
  });
});

describe('a fall, seen from two sides', () => {
  it.each(['hddm-a', 'hddm-w'])(
    '%s reports both changes of 0.2 → 0.8 → 0.2, and with one side only the rise',
    (name) => {
      const samples = [...coin(1, 0.2, 500), ...coin(2, 0.8, 500), ...coin(3, 0.2, 500)];
      const both = createDetector(name, { twoSided: 1 });
      const at = samples.flatMap((x, i) => {
        both.update(x);
        return both.driftDetected ? [Math.floor(i / 500)] : [];
      });
      expect(at).toEqual([1, 2]);
      expect(alarms(name, {}, samples)).toBe(1);
    },
  );
});
