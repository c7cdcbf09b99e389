import { readFileSync } from 'node:fs';
import { createRandom, SanderlingError } from '@sanderling/kit';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { areaUnderRoc } from './classifier.ts';
import { Lsdd } from './lsdd.ts';
import { Mmd } from './mmd.ts';
import { fitOneClass, supportAt } from './one-class-svm.ts';
import { rowOf, rowsFrom } from './rows.ts';
import type { VectorDetectorState } from './vector-detector.ts';
import {
  createVectorDetector,
  restoreVectorDetector,
  twoSampleTest,
  vectorDetectorNames,
  vectorDetectors,
  type VectorDetectorName,
} from './vector-detectors.ts';

/** Correlated normal vectors; the first half of the features moves by `shift`. */
function vectors(seed: number, n: number, d: number, shift = 0): number[][] {
  const random = createRandom(seed, 'vectors');
  return Array.from({ length: n }, () => {
    const common = random.normal();
    return Array.from({ length: d }, (_, j) => 0.5 * common + random.normal() + (j < d / 2 ? shift : 0));
  });
}

function codeOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    return error instanceof SanderlingError ? error.code : `not coded: ${String(error)}`;
  }
  return 'nothing thrown';
}

/** Small windows, so that the tests are quick. */
const small: Readonly<Record<VectorDetectorName, Record<string, number>>> = {
  bndm: { referenceSize: 120, windowSize: 60 },
  d3: { referenceSize: 120, windowSize: 60, every: 60 },
  ks: { referenceSize: 120, windowSize: 60 },
  lsdd: { referenceSize: 120, windowSize: 60 },
  mmd: { referenceSize: 120, windowSize: 60 },
  ocdd: { referenceSize: 120, windowSize: 60 },
  spll: { referenceSize: 120, windowSize: 60 },
};

describe.each([...vectorDetectorNames])('vector detector %s', (name) => {
  const create = (d: number): ReturnType<typeof createVectorDetector> => createVectorDetector(name, d, small[name]);

  it('alarms soon after a clear change and seldom before', () => {
    let early = 0;
    let found = 0;
    for (let seed = 0; seed < 6; seed++) {
      const detector = create(8);
      const steady = vectors(seed, 620, 8).filter((vector) => {
        detector.update(vector);
        return detector.driftDetected;
      });
      early += steady.length;
      const moved = vectors(seed + 100, 250, 8, 2.5).some((vector) => {
        detector.update(vector);
        return detector.driftDetected;
      });
      if (moved) found += 1;
    }
    expect(early).toBeLessThanOrEqual(2);
    expect(found).toBe(6);
  });

  it('goes on from a state through JSON text as if never stopped', () => {
    const stream = [...vectors(1, 260, 3), ...vectors(2, 160, 3, 3)];
    for (const cut of [60, 150, 290, 410]) {
      const through = create(3);
      const first = create(3);
      for (const vector of stream.slice(0, cut)) {
        through.update(vector);
        first.update(vector);
      }
      const second = restoreVectorDetector(JSON.parse(JSON.stringify(first.state())) as VectorDetectorState);
      for (const vector of stream.slice(cut)) {
        through.update(vector);
        second.update(vector);
        expect(second.driftDetected).toBe(through.driftDetected);
      }
      expect(second.state().memory['window']).toEqual(through.state().memory['window']);
    }
  });

  it('keeps flags, evidence and score in step, and is as new after reset', () => {
    const detector = create(3);
    for (const vector of [...vectors(1, 300, 3), ...vectors(2, 200, 3, 3)]) {
      detector.update(vector);
      expect(detector.evidence >= 1).toBe(detector.driftDetected);
      expect(detector.score >= 0.7).toBe(detector.driftDetected);
      expect(detector.driftDetected && detector.warningDetected).toBe(false);
    }
    detector.reset();
    expect(detector.state()).toEqual(create(3).state());
  });

  it('refuses vectors of another length or with gaps, and forgets nothing by it', () => {
    const detector = create(3);
    for (const vector of vectors(3, 150, 3)) detector.update(vector);
    const before = detector.state();
    const bad: unknown[] = [
      [1, 2],
      [1, 2, 3, 4],
      [1, Number.NaN, 3],
      [1, Infinity, 3],
      [1, 1e200, 2],
      ['1', 2, 3],
      null,
      5,
    ];
    for (const vector of bad) expect(codeOf(() => detector.update(vector as number[]))).toBe('INVALID_DATA');
    expect(detector.state()).toEqual(before);
  });

  it('notices when a feature that was constant begins to move, and lives with constant ones', () => {
    const random = createRandom(5, 'constant');
    const detector = create(3);
    const alarms = Array.from({ length: 900 }, (_, i) => {
      detector.update([random.normal(), i < 500 ? 7 : 10 + random.normal(), 0]);
      return detector.driftDetected ? i : -1;
    }).filter((i) => i >= 0);
    expect(alarms.filter((i) => i < 500).length).toBeLessThanOrEqual(1);
    expect(alarms.some((i) => i >= 500)).toBe(true);
  });

  it('keeps its reference when told to, and the alarm with the drift', () => {
    const detector = createVectorDetector(name, 4, {
      ...small[name],
      refit: 0,
      ...(name === 'd3' ? { sliding: 0 } : {}),
    });
    detector.setReference(rowsFrom(vectors(1, 500, 4)));
    const sounding = (shift: number): number =>
      vectors(7, 300, 4, shift).filter((vector) => {
        detector.update(vector);
        return detector.driftDetected;
      }).length;
    expect(sounding(3)).toBeGreaterThan(200);
    sounding(0);
    expect(sounding(0)).toBeLessThan(100);
  });

  it('tests two samples', () => {
    const alike = Array.from({ length: 10 }, (_, seed) =>
      twoSampleTest(name, vectors(seed, 150, 5), vectors(seed + 50, 100, 5)),
    );
    expect(alike.filter(({ drift }) => drift).length).toBeLessThanOrEqual(1);
    const other = twoSampleTest(name, vectors(1, 150, 5), vectors(51, 100, 5, 3));
    expect(other).toMatchObject({ drift: true });
    const slight = twoSampleTest(name, vectors(1, 150, 5), vectors(51, 100, 5, 0.2));
    expect(other.score).toBeGreaterThan(slight.score);
    expect(codeOf(() => twoSampleTest(name, [], vectors(1, 50, 5)))).toBe('TOO_LITTLE_DATA');
    expect(codeOf(() => twoSampleTest(name, vectors(1, 50, 5), vectors(1, 3, 5)))).toBe('TOO_LITTLE_DATA');
    expect(codeOf(() => twoSampleTest(name, vectors(1, 50, 5), vectors(1, 50, 4)))).toMatch(/INVALID_DATA/);
  });

  it('refuses options out of bounds and damaged states', () => {
    for (const [key, rule] of Object.entries(vectorDetectors[name].options)) {
      expect(codeOf(() => createVectorDetector(name, 2, { [key]: rule.max * 2 + 1 }))).toBe('INVALID_CONFIG');
      expect(codeOf(() => createVectorDetector(name, 2, { [key]: Number.NaN }))).toBe('INVALID_CONFIG');
    }
    for (const d of [0, -1, 1.5, 5000, Number.NaN]) expect(codeOf(() => create(d))).toBe('INVALID_CONFIG');
    const detector = create(2);
    for (const vector of vectors(4, 200, 2)) detector.update(vector);
    const whole = detector.state();
    fc.assert(
      fc.property(
        fc.constantFrom(...Object.keys(whole.memory)),
        fc.oneof(fc.string(), fc.constant([1]), fc.constant(-1.5), fc.object()),
        (key, junk) => {
          const damaged = { ...whole, memory: { ...whole.memory, [key]: junk } } as unknown as VectorDetectorState;
          if (key === 'ratio' && typeof junk === 'number') return;
          expect(codeOf(() => restoreVectorDetector(damaged))).toBe('CORRUPT');
        },
      ),
      { numRuns: 25 },
    );
  });
});

describe('the statistics', () => {
  interface Case {
    readonly reference: number[];
    readonly window: number[];
    readonly bndm: number;
    readonly ks: number;
    readonly auc: number;
  }
  const { cases } = JSON.parse(readFileSync(new URL('fixtures/vector.json', import.meta.url), 'utf8')) as {
    cases: Case[];
  };
  const column = (values: readonly number[]): number[][] => values.map((x) => [x]);

  it('BNDM has the chance of drift that SciPy’s Beta functions give', () => {
    for (const { reference, window, bndm } of cases) {
      const { evidence, drift } = twoSampleTest('bndm', column(reference), column(window), { threshold: 0.999999 });
      if (!drift) expect(evidence * 0.999999).toBeCloseTo(bndm, 8);
      else expect(bndm).toBeGreaterThan(0.9999);
    }
  });

  it('KS per feature has SciPy’s distance', () => {
    const ratios = cases.map(({ reference, window, ks }) => {
      const { evidence } = twoSampleTest('ks', column(reference), column(window), { alpha: 1e-12 });
      return evidence / ks;
    });
    for (const ratio of ratios) expect(ratio).toBeCloseTo(ratios[0] as number, 8);
  });

  it('the area under the ROC curve is SciPy’s U statistic', () => {
    for (const { reference, window, auc } of cases) {
      const labels = Uint8Array.from([...reference.map(() => 0), ...window.map(() => 1)]);
      expect(areaUnderRoc(Float64Array.from([...reference, ...window]), labels)).toBeCloseTo(auc, 12);
    }
  });

  it('MMD with many random features nears the kernel’s closed form for normals', () => {
    // Standard normal against N(m, 1), kernel exp(−|x − y|²/2s²): MMD² = 2c(1 − exp(−m²/(2(s² + 2)))), c = s/√(s² + 2).
    const shift = 1.5;
    const reference = vectors(1, 1200, 1);
    const detector = new Mmd(1, { referenceSize: 1200, windowSize: 1200, every: 1200, features: 256, refit: 0 });
    for (const vector of [...reference, ...vectors(2, 1200, 1, shift)]) detector.update(vector);
    // The data's deviation is √1.25; standardised, the median squared distance of two normals is 2 · 0.4549.
    const squared = 0.4549;
    const moved = shift / Math.sqrt(1.25);
    const expected = 2 * Math.sqrt(squared / (squared + 2)) * (1 - Math.exp((-moved * moved) / (2 * (squared + 2))));
    expect(detector.statistic / expected).toBeGreaterThan(0.85);
    expect(detector.statistic / expected).toBeLessThan(1.15);
  });

  it('LSDD nears the integral of the squared difference of densities', () => {
    // ∫(p − q)² for N(0, 1) and N(m, 1) is (1 − exp(−m²/4))/√π; the constant √(πσ²) was left out of H.
    const detector = new Lsdd(1, { referenceSize: 3000, windowSize: 3000, every: 3000, centres: 60, refit: 0 });
    const shift = 1.5;
    for (const vector of [...vectors(1, 3000, 1), ...vectors(2, 3000, 1, shift)]) detector.update(vector);
    const moved = shift / Math.sqrt(1.25);
    const expected = (1 - Math.exp((-moved * moved) / 4)) / Math.sqrt(Math.PI);
    const estimate = detector.statistic / Math.sqrt(Math.PI * 0.4549);
    expect(estimate / expected).toBeGreaterThan(0.85);
    expect(estimate / expected).toBeLessThan(1.15);
  });

  it('the one-class SVM leaves at most ν outside and has at least ν support vectors', () => {
    for (const nu of [0.05, 0.2, 0.5]) {
      const rows = rowsFrom(vectors(6, 200, 4));
      const model = fitOneClass(rows, nu, 0.1);
      const support = Array.from({ length: rows.n }, (_, i) => supportAt(model, rowOf(rows, i)));
      const bounded = model.weights.filter((weight) => weight > 1 / (nu * rows.n) - 1e-9).length;
      expect(model.weights.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 9);
      expect(bounded / rows.n).toBeLessThanOrEqual(nu + 1e-9);
      expect(model.support.n / rows.n).toBeGreaterThanOrEqual(nu - 1e-9);
      // Vectors at the bound are the outliers: none inside has less support than any of them.
      const margin = support.toSorted((a, b) => a - b)[bounded] as number;
      expect(support.filter((value) => value < margin - 1e-3).length / rows.n).toBeLessThanOrEqual(nu + 0.01);
    }
  });
});
