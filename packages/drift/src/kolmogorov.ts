// Two-sample Kolmogorov–Smirnov: distance and p-values. Exact for equal sizes by Gnedenko and Korolyuk (1951); for unequal sizes by
// counting lattice paths (Hodges 1957); for large samples by Smirnov's limit.

/** Largest gap between the empirical distributions of two ascending, non-empty lists; ties count once. 0…1. */
export function ksDistance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const n = a.length;
  const m = b.length;
  let i = 0;
  let j = 0;
  let worst = 0;
  while (i < n && j < m) {
    const x = Math.min(a[i] as number, b[j] as number);
    while (i < n && (a[i] as number) <= x) i++;
    while (j < m && (b[j] as number) <= x) j++;
    const gap = Math.abs(i / n - j / m);
    if (gap > worst) worst = gap;
  }
  return worst;
}

/** P(distance ≥ steps/n) for two samples of n each from one continuous distribution. */
export function ksEqualSizes(n: number, steps: number): number {
  if (steps <= 0) return 1;
  let total = 0;
  let term = 1;
  let at = 0;
  for (let i = 1; i * steps <= n; i++) {
    for (; at < i * steps; at++) term *= (n - at) / (n + at + 1);
    total += i % 2 === 1 ? term : -term;
    if (term < 1e-300) break;
  }
  return Math.min(1, Math.max(0, 2 * total));
}

/** Samples up to whose product of sizes the exact p-value is computed. */
const exactLimit = 1_000_000;

/** P(distance ≥ d) for samples of n and m from one continuous distribution: exact up to n·m of a million, Smirnov's limit above. */
export function ksPValue(distance: number, n: number, m: number): number {
  if (distance <= 0) return 1;
  if (n === m && n <= 100_000) return ksEqualSizes(n, Math.round(distance * n));
  if (n * m <= exactLimit) return pathsOutside(distance, n, m);
  return kolmogorovTail(distance * Math.sqrt((n / (n + m)) * m));
}

/** P(K ≥ x) of Kolmogorov's distribution. */
export function kolmogorovTail(x: number): number {
  if (x <= 0) return 1;
  if (x < 1.18) {
    const t = Math.exp(-(Math.PI ** 2) / (8 * x * x));
    return 1 - (Math.sqrt(2 * Math.PI) / x) * (t + t ** 9 + t ** 25 + t ** 49);
  }
  const v = Math.exp(-2 * x * x);
  return 2 * (v - v ** 4 + v ** 9 - v ** 16);
}

/** Share of the monotone paths from (0, 0) to (n, m) that touch |i/n − j/m| ≥ d, by the recurrence of probabilities. */
function pathsOutside(distance: number, n: number, m: number): number {
  const edge = Math.round(distance * n * m) - 0.5;
  // inside[j]: chance that the walk reaches (i, j) and has stayed inside, drawing without replacement.
  const inside = new Float64Array(m + 1);
  inside[0] = 1;
  for (let i = 0; i <= n; i++) {
    for (let j = 0; j <= m; j++) {
      if (i === 0 && j === 0) continue;
      const left = n + m - i - j + 1;
      const fromA = i === 0 ? 0 : ((inside[j] as number) * (n - i + 1)) / left;
      const fromB = j === 0 ? 0 : ((inside[j - 1] as number) * (m - j + 1)) / left;
      inside[j] = Math.abs(i * m - j * n) >= edge ? 0 : fromA + fromB;
    }
  }
  return Math.min(1, Math.max(0, 1 - (inside[m] as number)));
}
