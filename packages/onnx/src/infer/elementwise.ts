// Inference of operators that work element by element, with NumPy broadcasting. Small integer results are computed, so that shapes derived in the graph are known.
import { dataTypeOfCode, dataTypes, isFloat, type DataType } from '../data-types.ts';
import { intAttribute } from '../attributes.ts';
import type { Dim } from '../ir.ts';
import { flag, input, retyped, type Call, type Rule } from './call.ts';
import { broadcast, exactQuotient, fact, maxFollowed, mismatch, multiply, plus, type Fact } from './facts.ts';

type Numeric = (a: number, b: number) => number;

/** Same shape and type as the first input. */
export const same: Rule = (call) => ({ ...input(call, 0), values: undefined });

/** Same as the first input, element values included. */
export const identity: Rule = (call) => input(call, 0);

const unary =
  (compute: (value: number) => number): Rule =>
  (call) => {
    const of = input(call, 0);
    return retyped(
      of,
      of.dtype,
      of.values?.map((value) => (typeof value === 'number' ? compute(value) : undefined)),
    );
  };

/** Same shape as the first input, of a given type. */
export const asType =
  (dtype: DataType): Rule =>
  (call) =>
    retyped(input(call, 0), dtype);

function elementwise(call: Call, combine: (a: Dim, b: Dim) => Dim, result?: DataType): Fact {
  const [a, b] = [input(call, 0), input(call, 1)];
  if (a.dtype !== b.dtype && a.dtype !== 'undefined' && b.dtype !== 'undefined')
    mismatch(`the inputs are of types ${a.dtype} and ${b.dtype}`);
  return fact(
    result ?? (a.dtype === 'undefined' ? b.dtype : a.dtype),
    legacyBroadcast(call, a, b),
    combined(a, b, combine),
  );
}

/** Before opset 7 broadcasting was one-sided and asked for by an attribute; the result has the first input's shape. */
function legacyBroadcast(call: Call, a: Fact, b: Fact) {
  return intAttribute(call.node, 'broadcast') === 1 ? a.shape : broadcast(a.shape, b.shape);
}

function combined(a: Fact, b: Fact, combine: (a: Dim, b: Dim) => Dim): readonly Dim[] | undefined {
  const [left, right] = [a.values, b.values];
  if (!left || !right) return undefined;
  const count = Math.max(left.length, right.length);
  const simple = left.length === right.length || left.length === 1 || right.length === 1;
  if (!simple || count > maxFollowed || left.length === 0 || right.length === 0) return undefined;
  const at = (list: readonly Dim[], i: number): Dim => list[list.length === 1 ? 0 : i];
  return Array.from({ length: count }, (_, i) => combine(at(left, i), at(right, i)));
}

const onNumbers =
  (compute: Numeric) =>
  (a: Dim, b: Dim): Dim =>
    typeof a === 'number' && typeof b === 'number' ? compute(a, b) : undefined;

/** Broadcast, type of the inputs. */
const binary =
  (combine: (a: Dim, b: Dim) => Dim): Rule =>
  (call) =>
    elementwise(call, combine);

/** Broadcast, boolean result. */
const comparison =
  (compute: (a: number, b: number) => boolean): Rule =>
  (call) =>
    elementwise(
      call,
      onNumbers((a, b) => Number(compute(a, b))),
      'bool',
    );

const divide: Rule = (call) => {
  const whole = !isFloat(input(call, 0).dtype);
  const numbers = onNumbers((x, y) => (whole ? Math.trunc(x / y) : x / y));
  return elementwise(call, (a, b) => (typeof a === 'string' ? exactQuotient(a, b) : numbers(a, b)));
};

const modulo: Numeric = (a, b) => a - b * Math.floor(a / b);

/** Broadcast of the first two; the second may be of another type. */
const loose: Rule = (call) => fact(input(call, 0).dtype, broadcast(input(call, 0).shape, input(call, 1).shape));

/** Broadcast of any number of inputs. */
const variadic =
  (compute?: Numeric): Rule =>
  (call) => {
    const facts = call.inputs.filter((of) => of !== undefined);
    const first = facts[0] ?? mismatch('there are no inputs');
    const shape = broadcast(...facts.map((of) => of.shape));
    if (!compute || facts.length > 2) return fact(first.dtype, shape);
    const values = facts.length === 1 ? first.values : combined(first, facts[1]!, onNumbers(compute));
    return fact(first.dtype, shape, values);
  };

const where: Rule = (call) => {
  const [condition, a, b] = [input(call, 0), input(call, 1), input(call, 2)];
  const shape = broadcast(condition.shape, a.shape, b.shape);
  const count = Math.max(condition.values?.length ?? 0, a.values?.length ?? 0, b.values?.length ?? 0);
  const at = (of: Fact, i: number): Dim => (of.values?.length === 1 ? of.values[0] : of.values?.[i]);
  const followed = [condition, a, b].every(({ values }) => values && (values.length === 1 || values.length === count));
  const pick = (i: number): Dim => {
    const test = at(condition, i);
    return test === undefined ? undefined : at(test ? a : b, i);
  };
  return fact(a.dtype, shape, followed ? Array.from({ length: count }, (_, i) => pick(i)) : undefined);
};

const cast: Rule = (call) => {
  const of = input(call, 0);
  const dtype = dataTypeOfCode(flag(call, 'to')) ?? 'undefined';
  const whole = !isFloat(dtype) && isFloat(of.dtype);
  const values = of.values?.map((value) => (whole && typeof value === 'number' ? Math.trunc(value) : value));
  return retyped(of, dtype, followable(dtype) ? values! : undefined);
};

const followable = (dtype: DataType): boolean => isFloat(dtype) || /^u?int(32|64)$/.test(dtype);

const castLike: Rule = (call) => retyped(input(call, 0), input(call, 1).dtype);

/** Boolean test of each element that keeps the shape. */
const test = asType('bool');

const bitCast: Rule = (call) => retyped(input(call, 0), dataTypeOfCode(flag(call, 'to')) ?? 'undefined');

/** A random tensor shaped as the input; `dtype` may name another type. */
const randomLike: Rule = (call) => {
  const of = input(call, 0);
  return retyped(of, dataTypeOfCode(flag(call, 'dtype', dataTypes[of.dtype].code)) ?? 'undefined');
};

const swiGlu: Rule = (call) => {
  const of = input(call, 0);
  const last = of.shape?.at(-1);
  return fact(of.dtype, of.shape && [...of.shape.slice(0, -1), typeof last === 'number' ? last / 2 : undefined]);
};

const sameNames =
  'Acos Acosh Asin Asinh Atan Atanh Celu Cos Cosh CumProd CumSum Elu Erf Exp Gelu HardSigmoid HardSwish Hardmax ' +
  'LRN LayerNormalization LeakyRelu Log LogSoftmax LpNormalization MeanVarianceNormalization Mish ReverseSequence Selu ' +
  'Shrink Sigmoid Sin Sinh Softmax Softplus Softsign Swish Tan Tanh ThresholdedRelu Trilu InstanceNormalization ' +
  'GroupNormalization RMSNormalization ImageScaler ParametricSoftplus ScaledTanh Affine Crop RotaryEmbedding ' +
  'ScatterElements Scatter ScatterND TensorScatter StringConcat BitwiseNot Clip';

export const elementwiseRules: Readonly<Record<string, Rule>> = {
  ...Object.fromEntries(sameNames.split(' ').map((name) => [name, same])),
  Abs: unary(Math.abs),
  Ceil: unary(Math.ceil),
  Floor: unary(Math.floor),
  Neg: unary((x) => -x),
  Reciprocal: unary((x) => 1 / x),
  Relu: unary((x) => Math.max(x, 0)),
  Round: same,
  Sign: unary(Math.sign),
  Sqrt: unary(Math.sqrt),
  Identity: identity,
  Not: test,
  IsInf: test,
  IsNaN: test,
  Add: binary(plus),
  Sub: binary((a, b) => (b === 0 ? a : a !== undefined && a === b ? 0 : onNumbers((x, y) => x - y)(a, b))),
  Mul: binary(multiply),
  Div: divide,
  Mod: binary(onNumbers(modulo)),
  Pow: loose,
  PRelu: same,
  BitShift: loose,
  BitwiseAnd: binary(() => undefined),
  BitwiseOr: binary(() => undefined),
  BitwiseXor: binary(() => undefined),
  And: comparison((a, b) => a !== 0 && b !== 0),
  Or: comparison((a, b) => a !== 0 || b !== 0),
  Xor: comparison((a, b) => (a !== 0) !== (b !== 0)),
  Equal: comparison((a, b) => a === b),
  Greater: comparison((a, b) => a > b),
  GreaterOrEqual: comparison((a, b) => a >= b),
  Less: comparison((a, b) => a < b),
  LessOrEqual: comparison((a, b) => a <= b),
  Max: variadic(Math.max),
  Min: variadic(Math.min),
  Mean: variadic(),
  Sum: variadic((a, b) => a + b),
  Where: where,
  Cast: cast,
  CastLike: castLike,
  BitCast: bitCast,
  Bernoulli: randomLike,
  RandomNormalLike: randomLike,
  RandomUniformLike: randomLike,
  EyeLike: randomLike,
  SwiGLU: swiGlu,
  RegexFullMatch: test,
};
