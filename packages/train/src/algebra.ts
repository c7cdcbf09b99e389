// Arithmetic on graph values: the words in which gradient rules, losses, optimisers and networks are written.
// Every word emits one ONNX node (or none, when the result is already there); plain numbers become scalars of the operand's type.
import { SanderlingError } from '@sanderling/kit';
import { dataTypes, zeros, type AttributeInput, type DataType, type GraphBuilder, type Value } from '@sanderling/onnx';

/** A value of the graph, or a number that becomes a scalar of the other operand's type. */
export type Operand = Value | number;

/** The sizes of a value whose shape is fully known. @throws UNSUPPORTED when a dimension is symbolic or unknown. */
export function dimsOf(value: Value): number[] {
  const { shape } = value;
  if (shape === undefined || shape.some((dim) => typeof dim !== 'number')) {
    throw new SanderlingError('UNSUPPORTED', `the shape of ${value.name} is not known when compiling`, {
      where: value.name,
      fix: 'bind every symbolic dimension to a number for training; only the batch may stay open for inference',
      details: { shape: shape?.map((dim) => dim ?? null) ?? null },
    });
  }
  return shape as number[];
}

/** The product of sizes; 1 for none. */
export const product = (dims: readonly number[]): number => dims.reduce((all, dim) => all * dim, 1);

/** Whether two lists of sizes are equal. */
export const sameDims = (a: readonly unknown[], b: readonly unknown[]): boolean =>
  a.length === b.length && a.every((dim, i) => dim === b[i]);

/** The words, bound to the graph (or subgraph) that they write into. */
export class Algebra {
  readonly scope: GraphBuilder;

  constructor(scope: GraphBuilder) {
    this.scope = scope;
  }

  /** One node with one output. */
  op(type: string, inputs: readonly (Value | undefined)[], attributes: Record<string, AttributeInput> = {}): Value {
    return this.scope.op(type, inputs, attributes);
  }

  /** A number as a scalar of a data type. */
  number(x: number, dtype: DataType = 'float32'): Value {
    return this.scope.scalar(x, dtype);
  }

  /** A list of whole numbers, as shapes, axes and indices are given. */
  int64(numbers: readonly number[]): Value {
    return this.scope.int64(numbers);
  }

  /** Zeros of a shape. */
  zeros(dims: readonly number[], dtype: DataType = 'float32'): Value {
    return this.scope.constant(zeros(dtype, dims));
  }

  /** a + b; the two broadcast, here and below. */
  add(a: Operand, b: Operand): Value {
    return this.#binary('Add', a, b);
  }

  /** a − b. */
  sub(a: Operand, b: Operand): Value {
    return this.#binary('Sub', a, b);
  }

  /** a · b, element by element. */
  mul(a: Operand, b: Operand): Value {
    if (b === 1 && typeof a !== 'number') return a;
    return this.#binary('Mul', a, b);
  }

  /** a / b. */
  div(a: Operand, b: Operand): Value {
    return this.#binary('Div', a, b);
  }

  /** a to the power b. */
  pow(a: Operand, b: Operand): Value {
    return this.#binary('Pow', a, b);
  }

  /** The larger of two. */
  max(a: Operand, b: Operand): Value {
    return this.#binary('Max', a, b);
  }

  /** The smaller of two. */
  min(a: Operand, b: Operand): Value {
    return this.#binary('Min', a, b);
  }

  /** −a. */
  neg(a: Value): Value {
    return this.op('Neg', [a]);
  }

  /** e to the power a. */
  exp(a: Value): Value {
    return this.op('Exp', [a]);
  }

  /** The natural logarithm. */
  log(a: Value): Value {
    return this.op('Log', [a]);
  }

  /** The square root. */
  sqrt(a: Value): Value {
    return this.op('Sqrt', [a]);
  }

  /** a². */
  square(a: Value): Value {
    return this.mul(a, a);
  }

  /** 1 / (1 + e^−a). */
  sigmoid(a: Value): Value {
    return this.op('Sigmoid', [a]);
  }

  /** The hyperbolic tangent. */
  tanh(a: Value): Value {
    return this.op('Tanh', [a]);
  }

  /** a where it is positive, else 0. */
  relu(a: Value): Value {
    return this.op('Relu', [a]);
  }

  /** |a|. */
  abs(a: Value): Value {
    return this.op('Abs', [a]);
  }

  /** −1, 0 or 1. */
  sign(a: Value): Value {
    return this.op('Sign', [a]);
  }

  /** Limited to [low, high]. */
  clip(a: Value, [low, high]: readonly [number, number]): Value {
    return this.op('Clip', [a, this.number(low, a.dtype), this.number(high, a.dtype)]);
  }

  /** 1 − a. */
  oneMinus(a: Value): Value {
    return this.sub(1, a);
  }

  /** a · (1 − a), the slope of the sigmoid at a = σ(x). */
  timesOneMinus(a: Value): Value {
    return this.mul(a, this.oneMinus(a));
  }

  /** The value in another element type. */
  cast(a: Value, dtype: DataType): Value {
    return a.dtype === dtype ? a : this.op('Cast', [a], { to: dataTypes[dtype].code });
  }

  /** Compares and gives 1 where true, 0 where false, in the type of `like`. */
  mask(comparison: 'Less' | 'LessOrEqual' | 'Greater' | 'GreaterOrEqual' | 'Equal', a: Value, b: Operand): Value {
    return this.cast(this.#binary(comparison, a, b), a.dtype);
  }

  /** A matrix product; batch dimensions broadcast. */
  matmul(a: Value, b: Value): Value {
    return this.op('MatMul', [a, b]);
  }

  /** op(a) · op(b) + c for matrices; `c` broadcasts and is free. */
  gemm(a: Value, b: Value, options: { transA?: boolean; transB?: boolean; plus?: Value } = {}): Value {
    const { transA = false, transB = false, plus } = options;
    if (!transA && !transB && plus === undefined) return this.matmul(a, b);
    return this.op('Gemm', plus === undefined ? [a, b] : [a, b, plus], {
      ...(transA ? { transA: 1 } : {}),
      ...(transB ? { transB: 1 } : {}),
    });
  }

  /** The numbers in another shape; 0 keeps an axis, one −1 takes the rest. */
  reshape(a: Value, dims: readonly number[]): Value {
    if (a.shape !== undefined && sameDims(a.shape, dims)) return a;
    return this.op('Reshape', [a, this.int64(dims)]);
  }

  /** The axes in another order: axis i of the result is axis perm[i]. */
  transpose(a: Value, perm: readonly number[]): Value {
    return perm.every((axis, i) => axis === i) ? a : this.op('Transpose', [a], { perm: [...perm] });
  }

  /** The sum over axes; all axes and a scalar when none are named. */
  sum(a: Value, axes?: readonly number[], keep = false): Value {
    if (axes?.length === 0) return a;
    return this.op('ReduceSum', axes === undefined ? [a] : [a, this.int64(axes)], { keepdims: keep ? 1 : 0 });
  }

  /** The mean over axes; all axes and a scalar when none are named. */
  mean(a: Value, axes?: readonly number[], keep = false): Value {
    if (axes?.length === 0) return a;
    return this.op('ReduceMean', axes === undefined ? [a] : [a, this.int64(axes)], { keepdims: keep ? 1 : 0 });
  }

  /** Values side by side along an axis. */
  concat(parts: readonly Value[], axis: number): Value {
    return parts.length === 1 ? (parts[0] as Value) : this.op('Concat', parts, { axis });
  }

  /** A value cut along an axis into pieces of these sizes. */
  split(a: Value, axis: number, sizes: readonly number[]): Value[] {
    if (sizes.length === 1) return [a];
    return [...this.scope.ops('Split', [a, this.int64(sizes)], { axis }, sizes.length)];
  }

  /** Part of one axis, from `begin` up to but without `end`. */
  slice(a: Value, axis: number, range: readonly [begin: number, end: number, step?: number]): Value {
    return this.slices(a, [axis], [range]);
  }

  /** Part of several axes. */
  slices(a: Value, axes: readonly number[], ranges: readonly (readonly [number, number, number?])[]): Value {
    const steps = ranges.map((range) => range[2] ?? 1);
    const bounds = [ranges.map((range) => range[0]), ranges.map((range) => range[1]), axes];
    const stepped = steps.every((step) => step === 1) ? bounds : [...bounds, steps];
    return this.op('Slice', [a, ...stepped.map((numbers) => this.int64(numbers))]);
  }

  /** Zeros around: `before` and `after` give one count an axis. */
  pad(a: Value, before: readonly number[], after: readonly number[]): Value {
    if ([...before, ...after].every((count) => count === 0)) return a;
    return this.op('Pad', [a, this.int64([...before, ...after])]);
  }

  /** The entries of an axis that indices name. */
  gather(a: Value, indices: Value, axis: number): Value {
    return this.op('Gather', [a, indices], { axis });
  }

  /** The value repeated to a larger shape that it broadcasts to. */
  expand(a: Value, dims: readonly number[]): Value {
    if (a.shape !== undefined && sameDims(a.shape, dims)) return a;
    return this.op('Expand', [a, this.int64(dims)]);
  }

  /** Sums a gradient over the axes along which an operand was broadcast, back to the operand's shape. */
  unbroadcast(gradient: Value, like: Value): Value {
    if (gradient.shape !== undefined && like.shape !== undefined && sameDims(gradient.shape, like.shape))
      return gradient;
    const [from, to] = [dimsOf(gradient), dimsOf(like)];
    const extra = from.length - to.length;
    const axes = from.flatMap((dim, i) => (i < extra || (to[i - extra] === 1 && dim !== 1) ? [i] : []));
    return this.reshape(this.sum(gradient, axes), to);
  }

  /** The value repeated to the shape of another. */
  expandLike(a: Value, like: Value): Value {
    return this.expand(a, dimsOf(like));
  }

  #binary(type: string, a: Operand, b: Operand): Value {
    const like = typeof a === 'number' ? b : a;
    const dtype = typeof like === 'number' ? 'float32' : like.dtype;
    const value = (operand: Operand): Value => (typeof operand === 'number' ? this.number(operand, dtype) : operand);
    return this.op(type, [this.#ranked(value(a), b), this.#ranked(value(b), a)]);
  }

  /**
   * A scalar of the rank of what it meets when that ends in sizes of one (weights of 1×1 convolutions): the runtime then works through all
   * numbers at once; with a scalar of rank 0 it starts anew at every number, thirty times slower.
   */
  #ranked(scalar: Value, other: Operand): Value {
    if (scalar.shape?.length !== 0 || typeof other === 'number' || other.shape?.at(-1) !== 1) return scalar;
    return this.reshape(
      scalar,
      other.shape.map(() => 1),
    );
  }
}
