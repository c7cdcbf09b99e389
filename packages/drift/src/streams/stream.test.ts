import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { conceptNames, concepts } from './concepts.ts';
import { NaiveBayes } from './learner.ts';
import { createStream, driftKinds, type DriftStream, type StreamOptions } from './stream.ts';

function rowsOf(stream: DriftStream): { x: number[]; label: number }[] {
  return Array.from(stream.samples(), ({ x, label }) => ({ x: [...x], label }));
}

/** Share of labels that a model learnt on the samples before the first drift gets wrong, before and after a sample. */
function errorsAround(options: StreamOptions, at: number): { readonly before: number; readonly after: number } {
  const rows = rowsOf(createStream(options)).map(({ x, label }) => ({ x: Float64Array.from(x), label }));
  const model = new NaiveBayes((rows[0] as { x: Float64Array }).x.length);
  const learnt = rows.slice(0, at / 2);
  for (const row of learnt) model.learn(row);
  const rate = (part: typeof rows): number =>
    part.filter(({ x, label }) => model.predict(x) !== label).length / part.length;
  return { before: rate(rows.slice(at / 2, at)), after: rate(rows.slice(at)) };
}

describe('streams with known drift points', () => {
  it('are the same each time they are read, and others with another seed', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...conceptNames),
        fc.constantFrom(...driftKinds),
        fc.nat(99),
        (concept, kind, seed) => {
          const options = { concept, kind, seed, length: 120, drifts: 2, features: 4 };
          const rows = rowsOf(createStream(options));
          expect(rows).toEqual(rowsOf(createStream(options)));
          expect(rows).not.toEqual(rowsOf(createStream({ ...options, seed: seed + 1 })));
          expect(rows.length).toBe(120);
          expect(rows.every(({ x, label }) => x.every(Number.isFinite) && (label === 0 || label === 1))).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('say where their drifts lie', () => {
    expect(createStream({ concept: 'sea', seed: 1, length: 400, drifts: 3 }).drifts).toEqual([
      { start: 100, end: 101 },
      { start: 200, end: 201 },
      { start: 300, end: 301 },
    ]);
    const gradual = createStream({ concept: 'mean', kind: 'gradual', seed: 1, length: 3000, drifts: 1, width: 500 });
    expect(gradual.drifts).toEqual([{ start: 1500, end: 2000 }]);
    expect(createStream({ concept: 'mean', seed: 1, drifts: 0 }).drifts).toEqual([]);
  });

  it.each(conceptNames.filter((name) => concepts[name].labelled))(
    '%s: a model of the old concept fails on the new',
    (concept) => {
      const { before, after } = errorsAround(
        { concept, seed: 3, length: 4000, drifts: 1, features: 5, magnitude: 3 },
        2000,
      );
      expect(after).toBeGreaterThan(before + 0.05);
    },
  );

  it('move the mean by the magnitude, over the width, and not before', () => {
    const rows = rowsOf(
      createStream({
        concept: 'mean',
        kind: 'incremental',
        seed: 5,
        length: 9000,
        drifts: 1,
        width: 3000,
        features: 1,
        magnitude: 4,
      }),
    );
    const mean = (from: number, to: number): number =>
      rows.slice(from, to).reduce((sum, { x }) => sum + (x[0] as number), 0) / (to - from);
    expect(mean(0, 4500)).toBeCloseTo(0, 1);
    expect(mean(5900, 6100)).toBeCloseTo(2, 0);
    expect(mean(7500, 9000)).toBeCloseTo(4, 0);
  });

  it('turn the correlation and leave the variances alone', () => {
    const rows = rowsOf(createStream({ concept: 'correlation', seed: 6, length: 8000, drifts: 1, features: 2 }));
    const product = (part: typeof rows): number =>
      part.reduce((sum, { x }) => sum + (x[0] as number) * (x[1] as number), 0) / part.length;
    const square = (part: typeof rows): number =>
      part.reduce((sum, { x }) => sum + (x[1] as number) ** 2, 0) / part.length;
    expect(product(rows.slice(0, 4000))).toBeCloseTo(0.8, 0);
    expect(product(rows.slice(4000))).toBeCloseTo(-0.8, 0);
    expect(square(rows.slice(0, 4000)) / square(rows.slice(4000))).toBeCloseTo(1, 0);
  });

  it('come back to the first concept when recurring', () => {
    const rows = rowsOf(
      createStream({ concept: 'mean', kind: 'recurring', seed: 7, length: 4000, drifts: 3, features: 1, magnitude: 5 }),
    );
    const means = [0, 1, 2, 3].map(
      (k) => rows.slice(k * 1000, k * 1000 + 1000).reduce((sum, { x }) => sum + (x[0] as number), 0) / 1000,
    );
    expect(means.map((mean) => mean > 2.5)).toEqual([false, true, false, true]);
  });

  it('refuse settings that make no sense', () => {
    const bad: object[] = [
      { concept: 'none' },
      { kind: 'sudden' },
      { length: 0 },
      { drifts: -1 },
      { noise: 0.7 },
      { features: 0 },
      { kind: 'gradual', width: 1e6 },
    ];
    for (const change of bad) expect(() => createStream({ concept: 'sea', seed: 1, ...change })).toThrow(/of a stream/);
  });
});
