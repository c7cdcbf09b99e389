// Inference of reductions, arg-reductions and tensors made from nothing (constants, shapes, random).
import { dataTypeOfCode } from '../data-types.ts';
import {
  floatAttribute,
  floatsAttribute,
  intAttribute,
  intsAttribute,
  stringAttribute,
  tensorAttribute,
} from '../attributes.ts';
import { elementCount, type Dim } from '../ir.ts';
import { flag, has, input, like, listOf, shapeFrom, type Call, type Rule } from './call.ts';
import {
  axisOf,
  fact,
  factOfTensor,
  isStatic,
  maxFollowed,
  mismatch,
  productOf,
  unknownDims,
  unknownFact,
  type Fact,
} from './facts.ts';

type Fold = (values: readonly number[]) => number;

const reduce =
  (fold?: Fold): Rule =>
  (call) => {
    const of = input(call, 0);
    const keep = intAttribute(call.node, 'keepdims', 1) === 1;
    const axes = listOf(call, 'axes', 1);
    const everything = axes === undefined ? !has(call, 1) : axes.length === 0;
    if (everything && noop(call)) return of;
    if (!of.shape || (axes === undefined && !everything))
      return like(of, keep ? of.shape && unknownDims(of.shape.length) : undefined);
    const rank = of.shape.length;
    const gone = new Set(everything ? of.shape.map((_, i) => i) : axes!.map((axis) => axisOf(axis, rank)));
    const shape = of.shape.flatMap((dim, i): Dim[] => (!gone.has(i) ? [dim] : keep ? [1] : []));
    const total = gone.size === rank && fold && of.values?.every((value) => typeof value === 'number');
    return like(of, shape, total ? [fold(of.values)] : undefined);
  };

const noop = (call: Call): boolean => intAttribute(call.node, 'noop_with_empty_axes', 0) === 1;

const arg: Rule = (call) => {
  const of = input(call, 0);
  if (!of.shape) return fact('int64', undefined);
  const axis = axisOf(intAttribute(call.node, 'axis', 0), of.shape.length);
  const keep = intAttribute(call.node, 'keepdims', 1) === 1;
  return fact(
    'int64',
    of.shape.flatMap((dim, i): Dim[] => (i !== axis ? [dim] : keep ? [1] : [])),
  );
};

const shapeOf: Rule = (call) => {
  const { shape } = input(call, 0);
  if (!shape) return fact('int64', [undefined]);
  const part = shape.slice(intAttribute(call.node, 'start', 0), intAttribute(call.node, 'end', shape.length));
  return fact('int64', [part.length], part);
};

const size: Rule = (call) => {
  const { shape } = input(call, 0);
  return fact('int64', [], [shape && productOf(shape)]);
};

const constant: Rule = ({ node }) => {
  const tensor = tensorAttribute(node, 'value');
  if (tensor) return factOfTensor(tensor);
  const [int, ints] = [intAttribute(node, 'value_int'), intsAttribute(node, 'value_ints')];
  if (int !== undefined) return fact('int64', [], [int]);
  if (ints) return fact('int64', [ints.length], ints);
  const [float, floats] = [floatAttribute(node, 'value_float'), floatsAttribute(node, 'value_floats')];
  if (float !== undefined) return fact('float32', [], [float]);
  if (floats) return fact('float32', [floats.length], floats);
  if (stringAttribute(node, 'value_string') !== undefined) return fact('string', []);
  const strings = node.attributes['value_strings'];
  if (strings?.type === 'strings') return fact('string', [strings.value.length]);
  const sparse = node.attributes['sparse_value'];
  return sparse?.type === 'sparse' ? fact(sparse.value.values.dtype, sparse.value.dims) : unknownFact;
};

const constantOfShape: Rule = (call) => {
  const shape = shapeFrom(input(call, 0));
  const value = tensorAttribute(call.node, 'value');
  const fill = value ? factOfTensor(value).values?.[0] : 0;
  const small = isStatic(shape) && elementCount(shape) <= maxFollowed;
  return fact(
    value?.dtype ?? 'float32',
    shape,
    small ? Array.from({ length: elementCount(shape) }, () => fill) : undefined,
  );
};

/** Random tensors of a shape given by an attribute. */
const random: Rule = (call) =>
  fact(dataTypeOfCode(flag(call, 'dtype', 1)) ?? 'float32', intsAttribute(call.node, 'shape'));

const multinomial: Rule = (call) =>
  fact(dataTypeOfCode(flag(call, 'dtype', 6)) ?? 'int32', [
    input(call, 0).shape?.[0],
    intAttribute(call.node, 'sample_size', 1),
  ]);

/** Window functions of a known or unknown length. */
const window: Rule = (call) =>
  fact(dataTypeOfCode(flag(call, 'output_datatype', 1)) ?? 'float32', [input(call, 0).values?.[0]]);

const mel: Rule = (call) => {
  const [bins, length] = [input(call, 0).values?.[0], input(call, 1).values?.[0]];
  const rows = typeof length === 'number' ? Math.floor(length / 2) + 1 : undefined;
  return fact(dataTypeOfCode(flag(call, 'output_datatype', 1)) ?? 'float32', [rows, bins]);
};

/** Negative log-likelihood: one number, or one per sample without reduction. */
const loss: Rule = (call): readonly Fact[] => {
  const [scores, labels] = [input(call, 0), input(call, 1)];
  const each = stringAttribute(call.node, 'reduction', 'mean') === 'none';
  if (scores.shape && scores.shape.length < 2) mismatch('the scores need at least 2 dimensions');
  return [like(scores, each ? labels.shape : []), like(scores, scores.shape)];
};

const sum: Fold = (values) => values.reduce((a, b) => a + b, 0);
const product: Fold = (values) => values.reduce((a, b) => a * b, 1);

export const reduceRules: Readonly<Record<string, Rule>> = {
  ReduceL1: reduce(),
  ReduceL2: reduce(),
  ReduceLogSum: reduce(),
  ReduceLogSumExp: reduce(),
  ReduceMax: reduce((values) => Math.max(...values)),
  ReduceMean: reduce(),
  ReduceMin: reduce((values) => Math.min(...values)),
  ReduceProd: reduce(product),
  ReduceSum: reduce(sum),
  ReduceSumSquare: reduce(),
  ArgMax: arg,
  ArgMin: arg,
  Shape: shapeOf,
  Size: size,
  Constant: constant,
  ConstantOfShape: constantOfShape,
  RandomNormal: random,
  RandomUniform: random,
  Multinomial: multinomial,
  BlackmanWindow: window,
  HammingWindow: window,
  HannWindow: window,
  MelWeightMatrix: mel,
  NegativeLogLikelihoodLoss: loss,
  SoftmaxCrossEntropyLoss: loss,
};
