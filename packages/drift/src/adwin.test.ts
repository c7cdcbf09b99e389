import { readFileSync } from 'node:fs';
import { createRandom } from '@sanderling/kit';
import { describe, expect, it } from 'vitest';
import { Adwin } from './adwin.ts';

/**
 * The paper's window with every sample kept: rows of buckets are lists of samples, and every bucket's edge is a cut.
 * `skipLast` leaves the newest bucket of each row out of the older part, as several public implementations do.
 */
class PlainAdwin {
  rows: number[][][] = [[]];
  skipLast: boolean;
  seen = 0;

  constructor(skipLast: boolean) {
    this.skipLast = skipLast;
  }

  update(x: number): boolean {
    (this.rows[0] as number[][]).push([x]);
    for (let row = 0; (this.rows[row] as number[][]).length > 5; row++) {
      const [first, second] = (this.rows[row] as number[][]).splice(0, 2) as [number[], number[]];
      (this.rows[row + 1] ??= []).push([...first, ...second]);
    }
    this.seen += 1;
    let drift = false;
    while (this.seen % 32 === 0 && this.window().length > 10 && this.cutPasses()) {
      drift = true;
      const oldest = this.rows.findLast((buckets) => buckets.length > 0) as number[][];
      oldest.shift();
    }
    return drift;
  }

  window(): number[] {
    return this.rows.toReversed().flat(2);
  }

  cutPasses(): boolean {
    const all = this.window();
    const mean = (part: number[]): number => part.reduce((sum, x) => sum + x, 0) / part.length;
    const variance = mean(all.map((x) => (x - mean(all)) ** 2));
    const confidence = Math.log((2 * Math.log(all.length)) / 0.002);
    const total = mean(all) * all.length;
    let n0 = 0;
    let sum0 = 0;
    return this.rows.toReversed().some((buckets) =>
      buckets.slice(0, this.skipLast ? -1 : undefined).some((bucket) => {
        n0 += bucket.length;
        sum0 += mean(bucket) * bucket.length;
        const n1 = all.length - n0;
        if (n0 < 5 || n1 < 5) return false;
        const m = 1 / (n0 - 4) + 1 / (n1 - 4);
        const bound = Math.sqrt(2 * m * variance * confidence) + (2 / 3) * m * confidence;
        return Math.abs(sum0 / n0 - (total - sum0) / n1) > bound;
      }),
    );
  }
}

function steps(seed: number): number[] {
  const random = createRandom(seed, 'adwin');
  const level = [0, 2, 1, 1.6];
  return Array.from({ length: 1600 }, (_, i) => random.normal() + (level[Math.floor(i / 400)] as number));
}

function firstAlarms(samples: readonly number[]): { every: number; skipping: number } {
  const ours = new Adwin();
  const plain = new PlainAdwin(true);
  const every = samples.findIndex((x) => {
    ours.update(x);
    return ours.driftDetected;
  });
  return { every, skipping: samples.findIndex((x) => plain.update(x)) };
}

describe('ADWIN', () => {
  it('drops and keeps what the paper’s window does, sample by sample', () => {
    for (const seed of [1, 2, 3]) {
      const ours = new Adwin();
      const plain = new PlainAdwin(false);
      for (const x of steps(seed)) {
        ours.update(x);
        expect(ours.driftDetected).toBe(plain.update(x));
      }
      const window = plain.window();
      const mean = window.reduce((sum, x) => sum + x, 0) / window.length;
      const variance = window.reduce((sum, x) => sum + (x - mean) ** 2, 0) / window.length;
      expect(ours.width).toBe(window.length);
      expect(ours.mean).toBeCloseTo(mean, 10);
      expect(ours.variance).toBeCloseTo(variance, 8);
    }
  });

  it('alarms at 1023 on a known stream, where a scan that skips the newest bucket of each row alarms at 1055', () => {
    const text = readFileSync(new URL('fixtures/scalar.json', import.meta.url), 'utf8');
    const { streams } = JSON.parse(text) as { streams: Record<string, number[]> };
    expect(firstAlarms(streams['numpy-steps'] as number[])).toEqual({ every: 1023, skipping: 1055 });
  });

  it('alarms on steady streams no more often than delta allows', () => {
    const random = createRandom(5, 'steady');
    const detector = new Adwin({ delta: 0.05 });
    let alarms = 0;
    const checks = 200_000 / 32;
    for (let i = 0; i < 200_000; i++) {
      detector.update(random.next());
      if (detector.driftDetected) alarms += 1;
    }
    expect(alarms / checks).toBeLessThanOrEqual(0.05);
  });

  it('keeps its statistics right over a large offset', () => {
    const random = createRandom(6, 'offset');
    const detector = new Adwin();
    for (let i = 0; i < 100_000; i++) detector.update(1e9 + random.normal());
    expect(detector.variance).toBeGreaterThan(0.9);
    expect(detector.variance).toBeLessThan(1.1);
  });
});
