// A logistic regression and the area under its ROC curve: how well old and new vectors can be told apart.
import type { Rows } from './rows.ts';

/** Steps of full-batch gradient descent with momentum; enough for a separating direction, few enough for a device. */
const steps = 20;
const rate = 1;
const momentum = 0.6;
const decay = 1e-3;

/** Weights (d features, then the bias) for labels 0 and 1; classes count alike however many vectors each has. */
export function logisticFit(rows: Rows, labels: Uint8Array): Float64Array {
  const { n, d, values } = rows;
  const weights = new Float64Array(d + 1);
  const velocity = new Float64Array(d + 1);
  const ones = labels.reduce((sum, label) => sum + label, 0);
  const share = [0.5 / Math.max(1, n - ones), 0.5 / Math.max(1, ones)] as const;
  const gradient = new Float64Array(d + 1);
  for (let step = 0; step < steps; step++) {
    gradient.fill(0);
    for (let i = 0; i < n; i++) {
      const label = labels[i] as 0 | 1;
      const error = (1 / (1 + Math.exp(-scoreOf(weights, rows, i))) - label) * share[label];
      const at = i * d;
      for (let j = 0; j < d; j++) gradient[j] = (gradient[j] as number) + error * (values[at + j] as number);
      gradient[d] = (gradient[d] as number) + error;
    }
    for (let j = 0; j <= d; j++) {
      const slope = (gradient[j] as number) + decay * (weights[j] as number);
      velocity[j] = momentum * (velocity[j] as number) - rate * slope;
      weights[j] = (weights[j] as number) + (velocity[j] as number);
    }
  }
  return weights;
}

/** The linear score of row i. */
export function scoreOf(weights: Float64Array, rows: Rows, i: number): number {
  const { d, values } = rows;
  const at = i * d;
  let score = weights[d] as number;
  for (let j = 0; j < d; j++) score += (weights[j] as number) * (values[at + j] as number);
  return score;
}

/** Area under the ROC curve by ranks, ties counted half. 0.5 when a class is missing. */
export function areaUnderRoc(scores: Float64Array, labels: Uint8Array): number {
  const order = Array.from(scores, (_, i) => i).sort((a, b) => (scores[a] as number) - (scores[b] as number));
  let rankSum = 0;
  let ones = 0;
  for (let from = 0; from < order.length; ) {
    let to = from;
    while (to < order.length && scores[order[to] as number] === scores[order[from] as number]) to++;
    const rank = (from + 1 + to) / 2;
    for (let k = from; k < to; k++) {
      if (labels[order[k] as number] !== 1) continue;
      rankSum += rank;
      ones += 1;
    }
    from = to;
  }
  const zeros = order.length - ones;
  return ones === 0 || zeros === 0 ? 0.5 : (rankSum - (ones * (ones + 1)) / 2) / (ones * zeros);
}
