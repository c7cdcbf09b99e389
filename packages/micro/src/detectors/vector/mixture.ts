// The reference of SPLL: clusters in whitened space, and the cube roots of the distances of its held-out third.
import { createRandom, type Random } from '@sanderling/kit';
import { studentQuantile } from './quantiles.ts';
import {
  cholesky,
  rowOf,
  solveLower,
  squaredDistance,
  standardised,
  standardOf,
  take,
  type Standard,
  type Table,
} from './rows.ts';

/** What a device needs of a reference: a window's mean cube root `mean` alarms when |mean − heldMean| reaches `reach`. */
export interface MixtureFit {
  readonly standard: Standard;
  readonly factor: Float64Array;
  readonly centres: Table;
  readonly heldMean: number;
  readonly reach: number;
}

export function fitSpll(reference: Table, options: Readonly<Record<string, number>>): MixtureFit {
  const random = createRandom(options['seed']!, 'spll');
  const order = random.shuffle(Array.from({ length: reference.n }, (_, i) => i));
  const held = order.slice(0, Math.floor(reference.n / 3));
  const fitted = take(reference, order.slice(held.length));
  const standard = standardOf(fitted);
  const scaled = standardised(fitted, standard);
  const { centres, labels } = kMeans(scaled, Math.min(options['clusters']!, fitted.n), random);
  const factor = cholesky(pooledCovariance(scaled, centres, labels), reference.d);
  for (let k = 0; k < centres.n; k++) solveLower(factor, rowOf(centres, k));
  const roots = held.map((i) => {
    const { values } = standardised(take(reference, [i]), standard);
    solveLower(factor, values);
    return Math.cbrt(
      Math.min(...Array.from({ length: centres.n }, (_, k) => squaredDistance(values, rowOf(centres, k)))),
    );
  });
  const { mean, squares } = momentsOf(roots);
  const deviation = Math.max(Math.sqrt(squares / (roots.length - 1)), 1e-9);
  const error = deviation * Math.sqrt(1 / roots.length + 1 / options['windowSize']!);
  const reach = studentQuantile(options['alpha']! / 2, roots.length - 1) * error;
  return { standard, factor, centres, heldMean: mean, reach };
}

function momentsOf(values: readonly number[]): { readonly mean: number; readonly squares: number } {
  let mean = 0;
  for (const value of values) mean += value / values.length;
  let squares = 0;
  for (const value of values) squares += (value - mean) ** 2;
  return { mean, squares };
}

/** Lloyd's k-means from random rows, 20 rounds. */
function kMeans(rows: Table, k: number, random: Random): { readonly centres: Table; readonly labels: Int32Array } {
  const order = random.shuffle(Array.from({ length: rows.n }, (_, i) => i));
  const centres = take(rows, order.slice(0, k));
  const labels = new Int32Array(rows.n);
  for (let round = 0; round < 20; round++) {
    const sums = new Float64Array(k * rows.d);
    const counts = new Int32Array(k);
    for (let i = 0; i < rows.n; i++) {
      const label = nearest(rowOf(rows, i), centres);
      labels[i] = label;
      counts[label]! += 1;
      for (let j = 0; j < rows.d; j++) sums[label * rows.d + j]! += rows.values[i * rows.d + j]!;
    }
    sums.forEach((sum, at) => {
      const count = counts[Math.floor(at / rows.d)]!;
      if (count > 0) centres.values[at] = sum / count;
    });
  }
  return { centres, labels };
}

function nearest(row: Float64Array, centres: Table): number {
  let [best, least] = [0, Infinity];
  for (let k = 0; k < centres.n; k++) {
    const distance = squaredDistance(row, rowOf(centres, k));
    if (distance < least) [best, least] = [k, distance];
  }
  return best;
}

/** Covariance around each row's own centre, shrunk to its diagonal by d/(d + n). */
function pooledCovariance({ n, d, values }: Table, centres: Table, labels: Int32Array): Float64Array {
  const covariance = new Float64Array(d * d);
  for (let i = 0; i < n; i++) {
    const centre = rowOf(centres, labels[i]!);
    const gap = centre.map((x, j) => values[i * d + j]! - x);
    for (let a = 0; a < d; a++) for (let b = 0; b < d; b++) covariance[a * d + b]! += (gap[a]! * gap[b]!) / n;
  }
  const shrink = d / (d + n);
  return covariance.map((x, i) => (i % (d + 1) === 0 ? x + 1e-6 : x * (1 - shrink)));
}
