// The work of a node in multiply-accumulates, from its inferred shapes. Only operators that dominate are counted; the rest are 0.
import { intAttribute } from '../attributes.ts';
import type { Fact } from '../infer/facts.ts';
import { elementCount, type Node } from '../ir.ts';

type Count = (node: Node, inputs: readonly (Fact | undefined)[], outputs: readonly Fact[]) => number | undefined;

const sizeOf = (of: Fact | undefined): number | undefined =>
  of?.shape?.every((dim) => typeof dim === 'number') ? elementCount(of.shape) : undefined;

const product = (...factors: readonly (number | undefined)[]): number | undefined =>
  factors.every((factor) => factor !== undefined) ? factors.reduce((a, b) => a * b, 1) : undefined;

const dim = (of: Fact | undefined, index: number): number | undefined => {
  const size = of?.shape?.at(index);
  return typeof size === 'number' ? size : undefined;
};

/** Every output element takes one pass over the weights that feed it: W [M, C/g, k…]. */
const conv =
  (weights: number): Count =>
  (_, inputs, [out]) => {
    const rows = dim(inputs[weights], 0);
    const size = sizeOf(inputs[weights]);
    return rows === undefined || size === undefined ? undefined : product(sizeOf(out), size / Math.max(rows, 1));
  };

const convTranspose: Count = (_, inputs) => {
  const [rows, size] = [dim(inputs[1], 0), sizeOf(inputs[1])];
  return rows === undefined || size === undefined ? undefined : product(sizeOf(inputs[0]), size / Math.max(rows, 1));
};

const matMul: Count = (node, [a], [out]) =>
  product(sizeOf(out), dim(a, intAttribute(node, 'transA', 0) === 1 ? -2 : -1));

/** gates × (input + hidden) × hidden per step, direction and sample. */
const recurrent: Count = (_, [x, w, r]) => {
  const steps = product(dim(x, 0), dim(x, 1));
  const [input, hidden] = [sizeOf(w), sizeOf(r)];
  return input === undefined || hidden === undefined ? undefined : product(steps, input + hidden);
};

const counts: Readonly<Record<string, Count>> = {
  Conv: conv(1),
  ConvInteger: conv(1),
  FusedConv: conv(1),
  QLinearConv: conv(3),
  ConvTranspose: convTranspose,
  Gemm: matMul,
  FusedGemm: matMul,
  MatMul: matMul,
  FusedMatMul: matMul,
  MatMulInteger: matMul,
  QLinearMatMul: matMul,
  GRU: recurrent,
  LSTM: recurrent,
  RNN: recurrent,
};

/** Multiply-accumulates of one call; undefined where a shape is not known. */
export function nodeWork(
  node: Node,
  inputs: readonly (Fact | undefined)[],
  outputs: readonly Fact[],
): number | undefined {
  return Object.hasOwn(counts, node.opType) ? counts[node.opType]!(node, inputs, outputs) : 0;
}
