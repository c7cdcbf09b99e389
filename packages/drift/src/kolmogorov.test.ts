import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { kolmogorovTail, ksDistance, ksPValue } from './kolmogorov.ts';
import { normalQuantile, normalTail } from './normal.ts';

interface Fixture {
  readonly ks: readonly { readonly a: number[]; readonly b: number[]; readonly distance: number; readonly p: number }[];
  readonly normal: readonly (readonly [number, number])[];
  readonly quantile: readonly (readonly [number, number])[];
  readonly kolmogorov: readonly (readonly [number, number])[];
}

const fixture = JSON.parse(readFileSync(new URL('fixtures/scalar.json', import.meta.url), 'utf8')) as Fixture;

describe('distributions against SciPy', () => {
  it('two-sample Kolmogorov–Smirnov', () => {
    for (const { a, b, distance, p } of fixture.ks) {
      const up = (x: number, y: number): number => x - y;
      const ours = ksDistance(a.toSorted(up), b.toSorted(up));
      expect(ours).toBeCloseTo(distance, 12);
      const value = ksPValue(ours, a.length, b.length);
      if (a.length * b.length <= 1e6) expect(Math.abs(value / p - 1)).toBeLessThan(1e-9);
      // SciPy corrects its large-sample value for the sizes, Smirnov's limit does not: the exponents agree to a hundredth.
      else expect(Math.abs(Math.log(value) / Math.log(p) - 1)).toBeLessThan(0.01);
    }
  });

  it('normal tail and quantile', () => {
    for (const [z, tail] of fixture.normal) expect(Math.abs(normalTail(z) / tail - 1)).toBeLessThan(1e-12);
    for (const [p, z] of fixture.quantile)
      expect(Math.abs(normalQuantile(p) - z)).toBeLessThan(1e-12 * Math.max(1, Math.abs(z)));
  });

  it('Kolmogorov’s distribution', () => {
    for (const [x, tail] of fixture.kolmogorov) expect(Math.abs(kolmogorovTail(x) / tail - 1)).toBeLessThan(1e-9);
  });
});
