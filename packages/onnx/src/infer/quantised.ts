// Inference of quantisation operators, the machine-learning domain and ONNX Runtime's own domain.
import { dataTypeOfCode, type DataType } from '../data-types.ts';
import { intAttribute } from '../attributes.ts';
import { flag, has, input, like, retyped, type Call, type Rule } from './call.ts';
import { fact, unknownFact, type Fact } from './facts.ts';
import { same } from './elementwise.ts';
import { microsoftLinearRules, quantisedLinearRules } from './linear.ts';

const stated = (call: Call, name: string): DataType | undefined => {
  const dtype = dataTypeOfCode(flag(call, name));
  return dtype === 'undefined' ? undefined : dtype;
};

const quantize: Rule = (call) =>
  retyped(input(call, 0), has(call, 2) ? input(call, 2).dtype : (stated(call, 'output_dtype') ?? 'uint8'));

const dequantize: Rule = (call) => retyped(input(call, 0), stated(call, 'output_dtype') ?? input(call, 1).dtype);

const dynamicQuantize: Rule = (call) => [retyped(input(call, 0), 'uint8'), fact('float32', []), fact('uint8', [])];

export const quantisedRules: Readonly<Record<string, Rule>> = {
  ...quantisedLinearRules,
  QuantizeLinear: quantize,
  DequantizeLinear: dequantize,
  DynamicQuantizeLinear: dynamicQuantize,
};

/** LabelEncoder gives the type of its values. */
const labelEncoder: Rule = (call) => {
  const attributes = call.node.attributes;
  const tensor = attributes['values_tensor'];
  if (tensor?.type === 'tensor') return retyped(input(call, 0), tensor.value.dtype);
  const swap = attributes['classes_strings'] && input(call, 0).dtype === 'string';
  const dtype: DataType = attributes['values_strings']
    ? 'string'
    : attributes['values_floats']
      ? 'float32'
      : attributes['values_int64s'] || swap
        ? 'int64'
        : 'string';
  return retyped(input(call, 0), dtype);
};

const scores = (call: Call, width: number | undefined): Fact => fact('float32', [input(call, 0).shape?.[0], width]);

const classCount = (call: Call): number | undefined => {
  const list =
    call.node.attributes['classlabels_int64s'] ??
    call.node.attributes['classlabels_strings'] ??
    call.node.attributes['classlabels_ints'];
  return list?.type === 'ints' || list?.type === 'strings' ? list.value.length : undefined;
};

/** Classifiers give a label per row and a score per class. */
const classifier: Rule = (call) => {
  const textual = call.node.attributes['classlabels_strings'] !== undefined;
  const rows = input(call, 0).shape?.[0];
  return [fact(textual ? 'string' : 'int64', [rows]), scores(call, classCount(call))];
};

const regressor: Rule = (call) =>
  scores(call, intAttribute(call.node, 'n_targets') ?? intAttribute(call.node, 'targets', 1));

const arrayFeature: Rule = (call) => {
  const [of, indices] = [input(call, 0), input(call, 1)];
  if (!of.shape) return like(of, undefined);
  const count = indices.shape?.at(-1);
  return like(of, of.shape.length === 1 ? [1, count] : [...of.shape.slice(0, -1), count]);
};

const toFloat: Rule = (call) => retyped(input(call, 0), 'float32');

export const mlRules: Readonly<Record<string, Rule>> = {
  ArrayFeatureExtractor: arrayFeature,
  Binarizer: same,
  Imputer: same,
  LabelEncoder: labelEncoder,
  LinearClassifier: classifier,
  LinearRegressor: regressor,
  Normalizer: toFloat,
  Scaler: toFloat,
  SVMClassifier: classifier,
  SVMRegressor: regressor,
  TreeEnsemble: (call) =>
    fact(input(call, 0).dtype, [input(call, 0).shape?.[0], intAttribute(call.node, 'n_targets', 1)]),
  TreeEnsembleClassifier: classifier,
  TreeEnsembleRegressor: regressor,
};

/** Optimisers of the preview domain: rate, step, then tensors, gradients and states in groups; out come tensors and states in that order. */
const optimiser: Rule = (call) => {
  const facts = call.inputs.slice(2).map((of = unknownFact) => retyped(of, of.dtype));
  const group = facts.length - call.node.outputs.length;
  return [...facts.slice(0, group), ...facts.slice(2 * group)];
};

export const trainingRules: Readonly<Record<string, Rule>> = {
  Adagrad: optimiser,
  Adam: optimiser,
  Momentum: optimiser,
};

export const microsoftRules: Readonly<Record<string, Rule>> = {
  ...microsoftLinearRules,
  BiasGelu: same,
  FastGelu: same,
  Gelu: same,
  QuickGelu: same,
  BiasSoftmax: same,
  DequantizeLinear: dequantize,
  QuantizeLinear: quantize,
  QLinearAdd: (call) => fact(input(call, 0).dtype, input(call, 0).shape),
  QLinearMul: (call) => fact(input(call, 0).dtype, input(call, 0).shape),
  QLinearSigmoid: same,
  QLinearLeakyRelu: same,
  QLinearSoftmax: same,
  SkipLayerNormalization: same,
  Inverse: same,
};
