// Distances and tests between two distributions, checked against SciPy: Kolmogorov–Smirnov, Wasserstein, Jensen–Shannon, population
// stability index, chi-square.
import type { Distribution } from './quantile-sketch.ts';

/** Walks the merged values of two distributions: calls back with the shares below and the distance to the next value. */
function walk(a: Distribution, b: Distribution, visit: (belowA: number, belowB: number, width: number) => void): void {
  let i = 0;
  let j = 0;
  while (i < a.values.length || j < b.values.length) {
    const x = Math.min(a.values[i] ?? Infinity, b.values[j] ?? Infinity);
    while (i < a.values.length && (a.values[i] as number) <= x) i++;
    while (j < b.values.length && (b.values[j] as number) <= x) j++;
    const next = Math.min(a.values[i] ?? Infinity, b.values[j] ?? Infinity);
    visit(i === 0 ? 0 : (a.cumulative[i - 1] as number), j === 0 ? 0 : (b.cumulative[j - 1] as number), next - x);
  }
}

/** Largest difference of the cumulative shares, 0…1. */
export function kolmogorovDistance(a: Distribution, b: Distribution): number {
  let worst = 0;
  walk(a, b, (belowA, belowB) => {
    worst = Math.max(worst, Math.abs(belowA - belowB));
  });
  return worst;
}

/** Wasserstein-1: the mean distance that the mass has to move, unit of the values. */
export function wassersteinDistance(a: Distribution, b: Distribution): number {
  let total = 0;
  walk(a, b, (belowA, belowB, width) => {
    if (Number.isFinite(width)) total += Math.abs(belowA - belowB) * width;
  });
  return total;
}

/** Jensen–Shannon distance with base 2 of two lists of counts, 0…1. */
export function jensenShannonDistance(a: readonly number[], b: readonly number[]): number {
  const [p, q] = [sharesOf(a), sharesOf(b)];
  const part = (x: number, middle: number): number => (x > 0 ? x * Math.log2(x / middle) : 0);
  const divergence = p.reduce((sum, x, i) => {
    const y = q[i] as number;
    const middle = (x + y) / 2;
    return sum + part(x, middle) / 2 + part(y, middle) / 2;
  }, 0);
  return Math.sqrt(Math.max(0, divergence));
}

/** Share that an empty bin counts as. */
const emptyShare = 1e-4;

/** Population stability index of two lists of counts: Σ(q − p)·ln(q/p), empty bins as 0.0001. */
export function populationStability(reference: readonly number[], window: readonly number[]): number {
  const filled = (counts: readonly number[]): number[] => sharesOf(counts).map((share) => Math.max(share, emptyShare));
  const q = filled(window);
  return filled(reference).reduce((sum, p, i) => sum + ((q[i] as number) - p) * Math.log((q[i] as number) / p), 0);
}

/** Pearson's chi-square of a 2 × bins table without continuity correction; empty bins are left out. */
export function chiSquareTest(
  a: readonly number[],
  b: readonly number[],
): { readonly statistic: number; readonly freedom: number; readonly p: number } {
  const [totalA, totalB] = [sum(a), sum(b)];
  const total = totalA + totalB;
  let statistic = 0;
  let bins = 0;
  a.forEach((x, i) => {
    const y = b[i] as number;
    if (x + y === 0) return;
    bins += 1;
    const expectedA = ((x + y) * totalA) / total;
    const expectedB = ((x + y) * totalB) / total;
    statistic += (x - expectedA) ** 2 / expectedA + (y - expectedB) ** 2 / expectedB;
  });
  const freedom = Math.max(0, bins - 1);
  return { statistic, freedom, p: freedom === 0 ? 1 : chiSquareTail(statistic, freedom) };
}

/** P(χ² ≥ x) with k degrees of freedom. */
export function chiSquareTail(x: number, k: number): number {
  return x <= 0 ? 1 : upperGamma(k / 2, x / 2);
}

/** Regularised upper incomplete gamma: series below a + 1, Lentz's continued fraction above. */
function upperGamma(a: number, x: number): number {
  const front = Math.exp(a * Math.log(x) - x - logGamma(a));
  if (x < a + 1) {
    let term = 1 / a;
    let total = term;
    for (let k = 1; k < 10_000 && term > total * 1e-17; k++) {
      term *= x / (a + k);
      total += term;
    }
    return Math.max(0, 1 - front * total);
  }
  let b = x + 1 - a;
  let c = 1e300;
  let d = 1 / b;
  let value = d;
  for (let i = 1; i < 10_000; i++) {
    const factor = -i * (i - a);
    b += 2;
    d = 1 / (factor * d + b);
    c = b + factor / c;
    const step = c * d;
    value *= step;
    if (Math.abs(step - 1) < 1e-16) break;
  }
  return front * value;
}

/** ln Γ(x) by Stirling's series after shifting x above 15. */
function logGamma(x: number): number {
  let shift = 0;
  let y = x;
  while (y < 15) {
    shift += Math.log(y);
    y += 1;
  }
  const inverse = 1 / (y * y);
  const series = (1 / 12 - inverse * (1 / 360 - inverse * (1 / 1260 - inverse * (1 / 1680 - inverse / 1188)))) / y;
  return (y - 0.5) * Math.log(y) - y + 0.5 * Math.log(2 * Math.PI) + series - shift;
}

/** p-values corrected for their number: Benjamini–Hochberg (false discovery rate) or Bonferroni (any false alarm). */
export function corrected(ps: readonly number[], method: 'benjamini-hochberg' | 'bonferroni' | 'none'): number[] {
  const m = ps.length;
  if (method === 'none') return [...ps];
  if (method === 'bonferroni') return ps.map((p) => Math.min(1, p * m));
  const order = ps.map((_, i) => i).sort((a, b) => (ps[b] as number) - (ps[a] as number));
  const result = ps.map(() => 1);
  let least = 1;
  order.forEach((index, i) => {
    least = Math.min(least, ((ps[index] as number) * m) / (m - i));
    result[index] = least;
  });
  return result;
}

function sharesOf(counts: readonly number[]): number[] {
  const total = sum(counts);
  return counts.map((count) => (total > 0 ? count / total : 0));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
