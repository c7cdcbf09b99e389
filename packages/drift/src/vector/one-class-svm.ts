// ν-one-class SVM with a Gaussian kernel, solved by SMO. B. Schölkopf et al., “Estimating the support of a high-dimensional
// distribution”, Neural Computation 13 (2001).
//
//   min ½ αᵀKα, 0 ≤ α_i ≤ 1/(νn), Σα = 1      f(x) = Σ α_i·k(x_i, x)      an outlier has f(x) below the offset
import { rowOf, squaredDistance, type Rows } from './rows.ts';

/** The support vectors and their weights. */
export interface OneClass {
  readonly support: Rows;
  readonly weights: Float64Array;
  /** k(a, b) = exp(−γ|a − b|²). */
  readonly gamma: number;
}

const tolerance = 1e-4;

/** Fits the support of the rows. @param nu share of the rows that may be outside, 0 < ν ≤ 1. */
export function fitOneClass(rows: Rows, nu: number, gamma: number): OneClass {
  const { n } = rows;
  const kernel = Float64Array.from({ length: n * n }, (_, at) =>
    Math.exp(-gamma * squaredDistance(rowOf(rows, Math.floor(at / n)), rowOf(rows, at % n))),
  );
  const top = 1 / (nu * n);
  const alpha = startingWeights(n, top);
  const gradient = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++)
      gradient[i] = (gradient[i] as number) + (kernel[i * n + j] as number) * (alpha[j] as number);
  }
  for (let round = 0; round < 50 * n; round++) if (!improve(alpha, gradient, kernel, top)) break;
  const kept = Array.from(alpha, (_, i) => i).filter((i) => (alpha[i] as number) > 1e-9);
  const values = new Float64Array(kept.length * rows.d);
  kept.forEach((i, k) => values.set(rowOf(rows, i), k * rows.d));
  return {
    support: { n: kept.length, d: rows.d, values },
    weights: Float64Array.from(kept, (i) => alpha[i] as number),
    gamma,
  };
}

/** f(x): large inside the support. */
export function supportAt(model: OneClass, vector: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < model.support.n; i++) {
    sum += (model.weights[i] as number) * Math.exp(-model.gamma * squaredDistance(rowOf(model.support, i), vector));
  }
  return sum;
}

/** Feasible weights: the first ⌊νn⌋ at the top, the next takes the rest. */
function startingWeights(n: number, top: number): Float64Array {
  const alpha = new Float64Array(n);
  let left = 1;
  for (let i = 0; i < n && left > 0; i++) {
    alpha[i] = Math.min(top, left);
    left -= alpha[i] as number;
  }
  return alpha;
}

/** One step on the pair that violates most. @returns whether there was one. */
function improve(alpha: Float64Array, gradient: Float64Array, kernel: Float64Array, top: number): boolean {
  const n = alpha.length;
  let up = -1;
  let down = -1;
  for (let i = 0; i < n; i++) {
    if ((alpha[i] as number) < top - 1e-12 && (up < 0 || (gradient[i] as number) < (gradient[up] as number))) up = i;
    if ((alpha[i] as number) > 1e-12 && (down < 0 || (gradient[i] as number) > (gradient[down] as number))) down = i;
  }
  if (up < 0 || down < 0) return false;
  const gap = (gradient[down] as number) - (gradient[up] as number);
  if (gap < tolerance) return false;
  const curvature = Math.max(1e-12, 2 - 2 * (kernel[up * n + down] as number));
  const step = Math.min(gap / curvature, top - (alpha[up] as number), alpha[down] as number);
  alpha[up] = (alpha[up] as number) + step;
  alpha[down] = (alpha[down] as number) - step;
  for (let i = 0; i < n; i++) {
    gradient[i] = (gradient[i] as number) + step * ((kernel[up * n + i] as number) - (kernel[down * n + i] as number));
  }
  return true;
}
