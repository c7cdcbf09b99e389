// A list of feature vectors of one length, row after row in one Float64Array.
import { SanderlingError, type Random } from '@sanderling/kit';
import { maxMagnitude } from '../detector.ts';
import { shown } from '../options.ts';

/** n vectors of d features. */
export interface Rows {
  readonly n: number;
  readonly d: number;
  readonly values: Float64Array;
}

/** Row i as a view. */
export function rowOf(rows: Rows, i: number): Float64Array {
  return rows.values.subarray(i * rows.d, (i + 1) * rows.d);
}

/** Vectors as rows. @throws INVALID_DATA when one has another length or holds what is not a number; TOO_LITTLE_DATA when there is none. */
export function rowsFrom(vectors: readonly ArrayLike<number>[], where = 'rows'): Rows {
  const d = vectors[0]?.length ?? 0;
  if (d === 0) throw new SanderlingError('TOO_LITTLE_DATA', 'there are no feature vectors', { where });
  const values = new Float64Array(vectors.length * d);
  vectors.forEach((vector, i) => {
    checkVector(vector, d, `${where}[${i}]`);
    values.set(vector, i * d);
  });
  return { n: vectors.length, d, values };
}

/** @throws INVALID_DATA unless the vector has d finite features. */
export function checkVector(vector: ArrayLike<number>, d: number, where: string): void {
  const given = (vector as ArrayLike<number> | null | undefined)?.length;
  if (given !== d) {
    throw new SanderlingError('INVALID_DATA', `a vector of ${shown(given)} features, where ${d} are expected`, {
      where,
    });
  }
  for (let i = 0; i < d; i++) {
    const x = vector[i];
    if (typeof x === 'number' && Math.abs(x) <= maxMagnitude) continue;
    throw new SanderlingError('INVALID_DATA', `feature ${i} is ${shown(x)}, not a finite number`, {
      where,
      fix: 'leave the vector out, or fill its gaps first',
    });
  }
}

/** Some of the rows, by index. */
export function take(rows: Rows, indices: readonly number[]): Rows {
  const values = new Float64Array(indices.length * rows.d);
  indices.forEach((index, i) => values.set(rowOf(rows, index), i * rows.d));
  return { n: indices.length, d: rows.d, values };
}

/** Mean and deviation of each feature; a constant feature has deviation `floor` of its magnitude, so that any change of it is large. */
export interface Standard {
  readonly mean: Float64Array;
  readonly deviation: Float64Array;
}

const constantFloor = 1e-6;

/** Mean and deviation of each feature. */
export function standardOf(rows: Rows): Standard {
  const mean = new Float64Array(rows.d);
  const deviation = new Float64Array(rows.d);
  for (let j = 0; j < rows.d; j++) {
    let sum = 0;
    for (let i = 0; i < rows.n; i++) sum += rows.values[i * rows.d + j] as number;
    mean[j] = sum / rows.n;
    let squares = 0;
    for (let i = 0; i < rows.n; i++) squares += ((rows.values[i * rows.d + j] as number) - (mean[j] as number)) ** 2;
    deviation[j] = Math.max(Math.sqrt(squares / rows.n), constantFloor * Math.max(1, Math.abs(mean[j] as number)));
  }
  return { mean, deviation };
}

/** Deviations at most that one feature of a standardised vector counts. */
export const mostDeviations = 1e3;

/** Writes a vector in units of the standard's deviation to `out`. */
export function standardise(vector: ArrayLike<number>, standard: Standard, out: Float64Array): void {
  for (let j = 0; j < out.length; j++) {
    const z = ((vector[j] as number) - (standard.mean[j] as number)) / (standard.deviation[j] as number);
    out[j] = z > mostDeviations ? mostDeviations : z < -mostDeviations ? -mostDeviations : z;
  }
}

/** Every row standardised. */
export function standardised(rows: Rows, standard: Standard): Rows {
  const values = new Float64Array(rows.values.length);
  for (let i = 0; i < rows.n; i++) standardise(rowOf(rows, i), standard, values.subarray(i * rows.d, (i + 1) * rows.d));
  return { n: rows.n, d: rows.d, values };
}

/** Squared Euclidean distance. */
export function squaredDistance(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += ((a[i] as number) - (b[i] as number)) ** 2;
  return sum;
}

/** Median squared distance of up to 500 random pairs; 1 when all rows are equal. */
export function medianSquaredDistance(rows: Rows, random: Random): number {
  const distances = Array.from({ length: 500 }, () => {
    const i = random.int(0, rows.n - 1);
    const j = random.int(0, rows.n - 1);
    return i === j ? 0 : squaredDistance(rowOf(rows, i), rowOf(rows, j));
  }).filter((distance) => distance > 0);
  distances.sort((a, b) => a - b);
  return distances[distances.length >> 1] ?? 1;
}
