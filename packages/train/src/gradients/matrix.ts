// Gradients of matrix products.
import { dimsOf, product } from '../algebra.ts';
import { inputOf, single, type Call, type GradientRule } from './rule.ts';
import { floatAttribute, intAttribute, type Value } from '@sanderling/onnx';

/** The last two axes exchanged. */
function transposed(call: Call, value: Value): Value {
  const axes = dimsOf(value).map((_, i) => i);
  return call.m.transpose(value, [...axes.slice(0, -2), axes.length - 1, axes.length - 2]);
}

/** dA = dY Bᵀ and dB = Aᵀ dY, summed over broadcast batch axes; vectors are treated as one-row or one-column matrices. */
function matmulPull(call: Call, dy: Value): (Value | undefined)[] {
  const { m } = call;
  const [a, b] = [inputOf(call, 0), inputOf(call, 1)];
  const [da, db] = [dimsOf(a), dimsOf(b)];
  const [rowA, columnB] = [da.length === 1, db.length === 1];
  const a2 = rowA ? m.reshape(a, [1, ...da]) : a;
  const b2 = columnB ? m.reshape(b, [...db, 1]) : b;
  const dy2 = m.reshape(dy, matrixDims(dimsOf(dy), rowA, columnB));
  if (dimsOf(a2).length === 2 && dimsOf(b2).length === 2) {
    return [
      call.wants(0) ? m.reshape(m.gemm(dy2, b2, { transB: true }), da) : undefined,
      call.wants(1) ? m.reshape(m.gemm(a2, dy2, { transA: true }), db) : undefined,
    ];
  }
  if (dimsOf(b2).length === 2) return foldedPull(call, { a: a2, b: b2, dy: dy2 });
  return [
    call.wants(0) ? m.reshape(m.unbroadcast(m.matmul(dy2, transposed(call, b2)), a2), da) : undefined,
    call.wants(1) ? m.reshape(m.unbroadcast(m.matmul(transposed(call, a2), dy2), b2), db) : undefined,
  ];
}

/** The shape of a product before its row or column of one was dropped. */
function matrixDims(dims: readonly number[], rowA: boolean, columnB: boolean): number[] {
  const withColumn = columnB ? [...dims, 1] : [...dims];
  if (!rowA) return withColumn;
  return [...withColumn.slice(0, -1), 1, ...withColumn.slice(-1)];
}

/** A batch of matrices times one matrix: the batch is folded into the rows, so that dB is one product. */
function foldedPull(call: Call, { a, b, dy }: { a: Value; b: Value; dy: Value }): (Value | undefined)[] {
  const { m } = call;
  const fold = (value: Value) => {
    const dims = dimsOf(value);
    return m.reshape(value, [product(dims.slice(0, -1)), dims.at(-1) as number]);
  };
  return [
    call.wants(0) ? m.reshape(m.gemm(fold(dy), b, { transB: true }), dimsOf(inputOf(call, 0))) : undefined,
    call.wants(1) ? m.reshape(m.gemm(fold(a), fold(dy), { transA: true }), dimsOf(inputOf(call, 1))) : undefined,
  ];
}

/** Y = α op(A) op(B) + β C: dA = α dY op(B)ᵀ, dB = α op(A)ᵀ dY, each transposed where its operand was, dC = β dY summed. */
function gemmPull(call: Call, dy: Value): (Value | undefined)[] {
  const { m, node } = call;
  const [a, b, c] = [inputOf(call, 0), inputOf(call, 1), call.inputs[2]];
  const [transA, transB] = [intAttribute(node, 'transA', 0) === 1, intAttribute(node, 'transB', 0) === 1];
  const scaled = m.mul(dy, floatAttribute(node, 'alpha', 1));
  const da = () =>
    transA ? m.gemm(b, scaled, { transA: transB, transB: true }) : m.gemm(scaled, b, { transB: !transB });
  const db = () =>
    transB ? m.gemm(scaled, a, { transA: true, transB: transA }) : m.gemm(a, scaled, { transA: !transA });
  return [
    call.wants(0) ? da() : undefined,
    call.wants(1) ? db() : undefined,
    c !== undefined && call.wants(2) ? m.unbroadcast(m.mul(dy, floatAttribute(node, 'beta', 1)), c) : undefined,
  ];
}

export const matrix = {
  MatMul: single(matmulPull),
  Gemm: single(gemmPull),
} as const satisfies Record<string, GradientRule>;
