import { readFileSync } from 'node:fs';
import { createRandom, SanderlingError } from '@sanderling/kit';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  chiSquareTail,
  chiSquareTest,
  corrected,
  jensenShannonDistance,
  kolmogorovDistance,
  populationStability,
  wassersteinDistance,
} from './distances.ts';
import { driftReport } from './drift-report.ts';
import { Profile, type Cell, type Column, type ProfileState } from './profile.ts';
import { quantile, QuantileSketch, rankError, shareBelow, type QuantileSketchState } from './quantile-sketch.ts';
import { reportHtml } from './report-html.ts';

interface Fixture {
  readonly pairs: readonly { a: number[]; b: number[]; ks: [number, number]; wasserstein: number }[];
  readonly counts: readonly { a: number[]; b: number[]; chi: [number, number]; js: number; psi: number }[];
  readonly ps: number[];
  readonly fdr: number[];
  readonly chi2: readonly [number, number, number][];
}
const fixture = JSON.parse(readFileSync(new URL('fixtures/report.json', import.meta.url), 'utf8')) as Fixture;

function sketchOf(values: Iterable<number>, k = 1024, seed = 1): QuantileSketch {
  const sketch = new QuantileSketch(k, seed);
  for (const value of values) sketch.add(value);
  return sketch;
}

function codeOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    return error instanceof SanderlingError ? error.code : `not coded: ${String(error)}`;
  }
  return 'nothing thrown';
}

/** Largest difference between the sketch's shares and the true ones. */
function worstRank(sketch: QuantileSketch, sorted: Float64Array): number {
  const known = sketch.distribution();
  let worst = 0;
  for (let i = 0; i < sorted.length; i += 97) {
    let upper = i + 1;
    while (upper < sorted.length && sorted[upper] === sorted[i]) upper++;
    worst = Math.max(worst, Math.abs(shareBelow(known, sorted[i] as number) - upper / sorted.length));
  }
  return worst;
}

describe('distances against SciPy', () => {
  it('Kolmogorov–Smirnov and Wasserstein', () => {
    for (const { a, b, ks, wasserstein } of fixture.pairs) {
      const [x, y] = [sketchOf(a).distribution(), sketchOf(b).distribution()];
      expect(kolmogorovDistance(x, y)).toBeCloseTo(ks[0], 12);
      expect(wassersteinDistance(x, y)).toBeCloseTo(wasserstein, 10);
    }
  });

  it('chi-square, Jensen–Shannon, population stability', () => {
    for (const { a, b, chi, js, psi } of fixture.counts) {
      const found = chiSquareTest(a, b);
      expect(found.statistic).toBeCloseTo(chi[0], 9);
      expect(Math.abs(found.p / chi[1] - 1)).toBeLessThan(1e-9);
      expect(jensenShannonDistance(a, b)).toBeCloseTo(js, 12);
      expect(populationStability(a, b)).toBeCloseTo(psi, 12);
    }
    for (const [x, k, tail] of fixture.chi2) expect(Math.abs(chiSquareTail(x, k) / tail - 1)).toBeLessThan(1e-9);
  });

  it('Benjamini–Hochberg', () => {
    corrected(fixture.ps, 'benjamini-hochberg').forEach((p, i) => expect(p).toBeCloseTo(fixture.fdr[i] as number, 12));
    expect(corrected([0.01, 0.5], 'bonferroni')).toEqual([0.02, 1]);
  });
});

describe('quantile sketch', () => {
  it('is exact while small', () => {
    const random = createRandom(1, 'sketch');
    const values = Float64Array.from({ length: 1000 }, () => random.normal());
    const sketch = sketchOf(values);
    values.sort();
    expect(quantile(sketch.distribution(), 0.5)).toBe(values[499]);
    expect(sketch.distribution().values).toEqual(values);
  });

  it.each(['random', 'ascending', 'descending', 'few values'])(
    'keeps its rank error on %s input, whole and merged',
    (kind) => {
      const random = createRandom(2, kind);
      const values = Float64Array.from({ length: 30_000 }, (_, i) => {
        if (kind === 'random') return random.normal();
        return kind === 'ascending' ? i : kind === 'descending' ? -i : random.int(0, 50);
      });
      const sorted = values.slice().sort();
      for (const k of [64, 256]) {
        const whole = sketchOf(values, k);
        const merged = new QuantileSketch(k);
        for (let part = 0; part < 12; part++)
          merged.merge(sketchOf(values.subarray(part * 2500, (part + 1) * 2500), k, part));
        for (const sketch of [whole, merged]) {
          expect(sketch.n).toBe(30_000);
          expect(sketch.kept).toBeLessThan(4 * k + 200);
          expect(worstRank(sketch, sorted)).toBeLessThan(rankError(k));
        }
      }
    },
  );

  it('goes through JSON, and calls anything else corrupt', () => {
    const sketch = sketchOf(
      Array.from({ length: 5000 }, (_, i) => Math.sin(i)),
      64,
    );
    const state = JSON.parse(JSON.stringify(sketch.state())) as QuantileSketchState;
    const other = QuantileSketch.fromState(state);
    for (let i = 0; i < 500; i++) {
      sketch.add(i);
      other.add(i);
    }
    expect(other.state()).toEqual(sketch.state());
    fc.assert(
      fc.property(
        fc.constantFrom('k', 'n', 'levels', 'random', 'min'),
        fc.oneof(fc.string(), fc.constant(Number.NaN), fc.object(), fc.constant(-3)),
        (key, junk) => {
          if (key === 'min' && typeof junk === 'number' && Number.isFinite(junk)) return;
          expect(codeOf(() => QuantileSketch.fromState({ ...state, [key]: junk }))).toBe('CORRUPT');
        },
      ),
    );
    expect(codeOf(() => QuantileSketch.fromState(null as unknown as QuantileSketchState))).toBe('CORRUPT');
  });
});

const columns: readonly Column[] = [
  { name: 'temperature', type: 'numeric' },
  { name: 'load', type: 'numeric' },
  { name: 'step', type: 'numeric' },
  { name: 'room', type: 'categorical' },
];

function table(seed: number, n: number, moved = false): Cell[][] {
  const random = createRandom(seed, 'table');
  return Array.from({ length: n }, () => [
    20 + random.normal() + (moved ? 1 : 0),
    random.normal(),
    random.int(0, 3),
    random.pick(moved ? ['kitchen', 'hall', 'hall'] : ['kitchen', 'kitchen', 'hall']),
  ]);
}

function profileOf(rows: readonly Cell[][]): Profile {
  const profile = new Profile(columns);
  for (const row of rows) profile.addRow(row);
  return profile;
}

describe('drift report', () => {
  it.each([400, 5000])('finds the columns that moved and no other, with %i rows', (n) => {
    const report = driftReport(profileOf(table(1, n)), profileOf(table(2, n, true)));
    expect(report.columns.map(({ drift }) => drift)).toEqual([true, false, false, true]);
    const many = n > 1000;
    expect(report.columns.map(({ method }) => method)).toEqual(
      many
        ? ['wasserstein', 'wasserstein', 'jensen-shannon', 'jensen-shannon']
        : ['ks', 'ks', 'chi-square', 'chi-square'],
    );
    expect(report.drift).toBe(true);
    for (const { score, drift } of report.columns) expect(score >= 0.7).toBe(drift);
    expect(driftReport(profileOf(table(1, n)), profileOf(table(3, n))).drifted).toBe(0);
  });

  it('seldom cries wolf over many steady columns', () => {
    const wide = Array.from({ length: 100 }, (_, i): Column => ({ name: `c${i}`, type: 'numeric' }));
    let drifted = 0;
    for (let seed = 0; seed < 5; seed++) {
      const random = createRandom(seed, 'wide');
      const make = (): Profile => {
        const profile = new Profile(wide);
        for (let i = 0; i < 200; i++) profile.addRow(wide.map(() => random.normal()));
        return profile;
      };
      drifted += driftReport(make(), make()).drifted;
    }
    // 500 steady columns; uncorrected, 25 would be significant.
    expect(drifted).toBeLessThanOrEqual(1);
  });

  it('finds the same from merged parts that went through JSON, as from the whole', () => {
    const rows = table(4, 6000);
    const merged = new Profile(columns);
    for (let part = 0; part < 6; part++) {
      const state = JSON.parse(
        JSON.stringify(profileOf(rows.slice(part * 1000, (part + 1) * 1000)).state()),
      ) as ProfileState;
      merged.merge(Profile.fromState(state));
    }
    const whole = profileOf(rows);
    expect(merged.rows).toBe(6000);
    merged.columns.forEach((column, i) => {
      const other = whole.columns[i];
      expect(column.n).toBe(other?.n);
      expect(column.mean).toBeCloseTo(other?.mean ?? Number.NaN, 9);
      expect(column.deviation).toBeCloseTo(other?.deviation ?? Number.NaN, 9);
      expect(new Map(column.counts)).toEqual(new Map(other?.counts));
    });
    const window = profileOf(table(5, 3000, true));
    const [a, b] = [driftReport(merged, window), driftReport(whole, window)];
    a.columns.forEach((column, i) =>
      expect(Math.abs(column.statistic - (b.columns[i]?.statistic ?? 0))).toBeLessThan(0.02),
    );
  });

  it('scores more drift higher, and the same drift alike whatever the rows', () => {
    const at = (shift: number, n: number): number => {
      const random = createRandom(7, 'shift');
      const make = (by: number): Profile => {
        const profile = new Profile([{ name: 'x', type: 'numeric' }]);
        for (let i = 0; i < n; i++) profile.addRow([random.normal() + by]);
        return profile;
      };
      return driftReport(make(0), make(shift)).columns[0]?.score ?? 0;
    };
    const scores = [0, 0.05, 0.1, 0.2, 0.5].map((shift) => at(shift, 40_000));
    expect(scores.toSorted((a, b) => a - b)).toEqual(scores);
    expect(Math.abs((scores[2] ?? 0) - 0.7)).toBeLessThan(0.08);
    expect(Math.abs(at(0.2, 10_000) - at(0.2, 80_000))).toBeLessThan(0.06);
  });

  it('copes with empty, constant and missing columns, and with new categories', () => {
    const odd: readonly Column[] = [
      { name: 'empty', type: 'numeric' },
      { name: 'constant', type: 'numeric' },
      { name: 'gone', type: 'numeric' },
      { name: 'kind', type: 'categorical' },
    ];
    const make = (row: readonly Cell[]): Profile => {
      const profile = new Profile(odd);
      for (let i = 0; i < 100; i++) profile.addRow(row);
      return profile;
    };
    const report = driftReport(make([null, 5, 1, 'a']), make([Number.NaN, 5, undefined, 'b']));
    expect(report.columns.map(({ drift }) => drift)).toEqual([false, false, true, true]);
    expect(report.columns[2]?.missing).toEqual({ reference: 0, window: 1 });
    const moved = driftReport(make([1, 5, 1, 'a']), make([1, 6, 1, 'a']), { methods: { constant: 'wasserstein' } });
    expect(moved.columns[1]).toMatchObject({ drift: true, method: 'wasserstein' });
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);
  });

  it('counts at most so many categories, and loses none in the sum', () => {
    const profile = new Profile([{ name: 'id', type: 'categorical' }], { maxCategories: 10 });
    for (let i = 0; i < 500; i++) profile.addRow([`id ${i}`]);
    expect(profile.columns[0]?.counts?.size).toBe(10);
    expect(profile.columns[0]?.other).toBe(490);
    profile.merge(profile);
    expect(profile.columns[0]?.n).toBe(1000);
  });

  it('refuses other columns, cells of the wrong type and bad settings', () => {
    const a = profileOf(table(1, 50));
    expect(codeOf(() => a.addRow([1, 2, 3]))).toBe('INVALID_DATA');
    expect(codeOf(() => a.addRow(['hot', 2, 3, 'x']))).toBe('INVALID_DATA');
    expect(codeOf(() => a.addRow([Infinity, 2, 3, 'x']))).toBe('INVALID_DATA');
    expect(a.rows).toBe(50);
    expect(a.columns.every(({ n }) => n === 50)).toBe(true);
    const other = new Profile([{ name: 'x', type: 'numeric' }]);
    expect(codeOf(() => driftReport(a, other))).toBe('INVALID_ARGUMENT');
    expect(codeOf(() => a.merge(other))).toBe('INVALID_ARGUMENT');
    expect(codeOf(() => driftReport(a, new Profile(columns)))).toBe('TOO_LITTLE_DATA');
    expect(codeOf(() => driftReport(a, a, { alpha: 2 }))).toBe('INVALID_CONFIG');
    expect(codeOf(() => driftReport(a, a, { methods: { nobody: 'ks' } }))).toBe('INVALID_CONFIG');
    expect(codeOf(() => driftReport(a, a, { methods: { room: 'ks' } }))).toBe('INVALID_CONFIG');
    expect(codeOf(() => new Profile([]))).toBe('INVALID_CONFIG');
    expect(codeOf(() => Profile.fromState({} as ProfileState))).toBe('CORRUPT');
    const state = a.state();
    expect(
      codeOf(() => Profile.fromState({ ...state, columns: [{ ...state.columns[0], n: -1 }] } as ProfileState)),
    ).toBe('CORRUPT');
  });
});

describe('report page', () => {
  it('shows every column with bars, and escapes what the data says', () => {
    const hostile = [{ name: '<script>alert(1)</script>', type: 'categorical' }] as const;
    const make = (value: string): Profile => {
      const profile = new Profile(hostile);
      for (let i = 0; i < 30; i++) profile.addRow([value]);
      return profile;
    };
    const page = reportHtml(driftReport(make('"a" & <b>'), make('c')), 'Line 7 <today>');
    expect(page).not.toMatch(/<script|<b>|<today>/);
    expect(page).toContain('&lt;script&gt;');
    expect(page).toContain('Line 7 &lt;today&gt;');
    expect(page).not.toMatch(/https?:|src=|href=/);
    const full = reportHtml(driftReport(profileOf(table(1, 400)), profileOf(table(2, 400, true))));
    expect(full.match(/<svg/g)?.length).toBe(4);
    expect(full).toContain('2 of 4 columns drifted');
  });
});
