// Feature vectors in a row-major array, their standard, distances, and the little linear algebra of a reference: in the order of operations of
// packages/drift, which keeps what it has fitted to itself.
import type { Random } from '@sanderling/kit';

/** n vectors of d features. */
export interface Table {
  readonly n: number;
  readonly d: number;
  readonly values: Float64Array;
}

/** Mean and deviation of each feature. */
export interface Standard {
  readonly mean: Float64Array;
  readonly deviation: Float64Array;
}

/** Deviations at most that one feature counts. */
export const mostDeviations = 1e3;
const constantFloor = 1e-6;

export const rowOf = ({ d, values }: Table, i: number): Float64Array => values.subarray(i * d, (i + 1) * d);

/** Some of the rows, by index. */
export function take(table: Table, indices: readonly number[]): Table {
  const values = new Float64Array(indices.length * table.d);
  indices.forEach((index, i) => values.set(rowOf(table, index), i * table.d));
  return { n: indices.length, d: table.d, values };
}

/** Mean of each column. */
export function meanOf({ n, d, values }: Table): Float64Array {
  const sums = new Float64Array(d);
  for (let i = 0; i < n; i++) for (let k = 0; k < d; k++) sums[k]! += values[i * d + k]!;
  return sums.map((sum) => sum / n);
}

/** A constant feature has a small deviation of its magnitude, so that any change of it is large. */
export function standardOf(table: Table): Standard {
  const { n, d, values } = table;
  const mean = meanOf(table);
  const deviation = mean.map((centre, j) => {
    let squares = 0;
    for (let i = 0; i < n; i++) squares += (values[i * d + j]! - centre) ** 2;
    return Math.max(Math.sqrt(squares / n), constantFloor * Math.max(1, Math.abs(centre)));
  });
  return { mean, deviation };
}

/** Every row in deviations. */
export function standardised(table: Table, { mean, deviation }: Standard): Table {
  const values = table.values.map((x, i) => {
    const z = (x - mean[i % table.d]!) / deviation[i % table.d]!;
    return z > mostDeviations ? mostDeviations : z < -mostDeviations ? -mostDeviations : z;
  });
  return { ...table, values };
}

export function squaredDistance(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i]! - b[i]!) ** 2;
  return sum;
}

/** Median squared distance of up to 500 random pairs; 1 when all rows are equal. */
export function medianSquaredDistance(table: Table, random: Random): number {
  const distances = Array.from({ length: 500 }, () => {
    const [i, j] = [random.int(0, table.n - 1), random.int(0, table.n - 1)];
    return i === j ? 0 : squaredDistance(rowOf(table, i), rowOf(table, j));
  }).filter((distance) => distance > 0);
  distances.sort((a, b) => a - b);
  return distances[distances.length >> 1] ?? 1;
}

/** Lower Cholesky factor of a symmetric positive definite n × n matrix. */
export function cholesky(matrix: Float64Array, n: number): Float64Array {
  const lower = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = matrix[i * n + j]!;
      for (let k = 0; k < j; k++) sum -= lower[i * n + k]! * lower[j * n + k]!;
      lower[i * n + j] = i === j ? Math.sqrt(Math.max(sum, Number.MIN_VALUE)) : sum / lower[j * n + j]!;
    }
  }
  return lower;
}

/** Solves L·y = b in place, L lower triangular. */
export function solveLower(lower: Float64Array, b: Float64Array): void {
  const n = b.length;
  for (let i = 0; i < n; i++) {
    let sum = b[i]!;
    for (let k = 0; k < i; k++) sum -= lower[i * n + k]! * b[k]!;
    b[i] = sum / lower[i * n + i]!;
  }
}

/** Inverse of a symmetric positive definite n × n matrix. */
export function inverse(matrix: Float64Array, n: number): Float64Array {
  const lower = cholesky(matrix, n);
  const result = new Float64Array(n * n);
  for (let j = 0; j < n; j++) {
    const column = new Float64Array(n);
    column[j] = 1;
    solveLower(lower, column);
    for (let i = n - 1; i >= 0; i--) {
      let sum = column[i]!;
      for (let k = i + 1; k < n; k++) sum -= lower[k * n + i]! * column[k]!;
      column[i] = sum / lower[i * n + i]!;
      result[i * n + j] = column[i]!;
    }
  }
  return result;
}

/** M·N for n × n matrices. */
export function multiply(a: Float64Array, b: Float64Array, n: number): Float64Array {
  const result = new Float64Array(n * n);
  for (let i = 0; i < n; i++)
    for (let k = 0; k < n; k++) for (let j = 0; j < n; j++) result[i * n + j]! += a[i * n + k]! * b[k * n + j]!;
  return result;
}

/** vᵀ·M·v for a symmetric n × n matrix; without one, |v|². */
export function quadraticForm(matrix: Float64Array | undefined, v: Float64Array): number {
  const n = v.length;
  let total = 0;
  for (let i = 0; i < n; i++) {
    let row = 0;
    if (matrix) for (let j = 0; j < n; j++) row += matrix[i * n + j]! * v[j]!;
    else row = v[i]!;
    total += row * v[i]!;
  }
  return total;
}
