// Inference of matrix products, convolutions, pooling and normalisation.
import { SanderlingError } from '@sanderling/kit';
import { intAttribute, intsAttribute, stringAttribute } from '../attributes.ts';
import type { DataType } from '../data-types.ts';
import type { Dim, Node, Shape } from '../ir.ts';
import { dimOf, has, input, like, optionalInput, retyped, type Call, type Rule } from './call.ts';
import {
  axisOf,
  broadcast,
  broadcastDim,
  fact,
  mergeDim,
  mismatch,
  multiply,
  unknownDims,
  type Fact,
} from './facts.ts';

/** The shape of a matrix product with NumPy's rules for vectors and batches. */
export function matMulShape(a: Shape | undefined, b: Shape | undefined): Shape | undefined {
  if (!a || !b) return undefined;
  if (a.length === 0 || b.length === 0) mismatch('a matrix product needs at least one dimension');
  const left = a.length === 1 ? [1, ...a] : a;
  const right = b.length === 1 ? [...b, 1] : b;
  mergeDim(left.at(-1), right.at(-2));
  const batch = broadcast(left.slice(0, -2), right.slice(0, -2))!;
  return [...batch, ...(a.length === 1 ? [] : [left.at(-2)]), ...(b.length === 1 ? [] : [right.at(-1)])];
}

const matMul: Rule = (call) => like(input(call, 0), matMulShape(input(call, 0).shape, input(call, 1).shape));

const swapped = (shape: Shape | undefined, swap: boolean): Shape | undefined =>
  shape && swap && shape.length > 1 ? [...shape.slice(0, -2), shape.at(-1), shape.at(-2)] : shape;

/** com.microsoft FusedMatMul: transA and transB swap the last two axes. */
const fusedMatMul: Rule = ({ node, ...call }) => {
  const [a, b] = [input({ node, ...call }, 0), input({ node, ...call }, 1)];
  if (intAttribute(node, 'transBatchA', 0) || intAttribute(node, 'transBatchB', 0)) return like(a, undefined);
  const flag = (name: string): boolean => intAttribute(node, name, 0) === 1;
  return like(a, matMulShape(swapped(a.shape, flag('transA')), swapped(b.shape, flag('transB'))));
};

const gemm: Rule = (call) => {
  const [a, b] = [input(call, 0), input(call, 1)];
  for (const { shape } of [a, b])
    if (shape && shape.length !== 2) mismatch(`Gemm takes matrices and got rank ${shape.length}`);
  const left = swapped(a.shape, intAttribute(call.node, 'transA', 0) === 1);
  const right = swapped(b.shape, intAttribute(call.node, 'transB', 0) === 1);
  if (left && right) mergeDim(left[1], right[0]);
  const shape = [left?.[0], right?.[1]];
  if (has(call, 2) && input(call, 2).shape) broadcast(shape, input(call, 2).shape);
  return like(a, shape);
};

/** The window of a convolution or pooling, per spatial axis. */
interface Window {
  readonly kernel: Shape;
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly begins: readonly number[];
  readonly ends: readonly number[];
  readonly autoPad: string;
}

function windowOf(node: Node, kernel: Shape): Window {
  const axes = kernel.length;
  const ones = kernel.map(() => 1);
  const pads = intsAttribute(
    node,
    'pads',
    Array.from({ length: 2 * axes }, () => 0),
  );
  const lists = { strides: intsAttribute(node, 'strides', ones), dilations: intsAttribute(node, 'dilations', ones) };
  if (pads.length !== 2 * axes || lists.strides.length !== axes || lists.dilations.length !== axes)
    mismatch(`pads, strides or dilations do not fit a kernel of ${axes} axes`);
  if (lists.strides.some((stride) => stride <= 0)) mismatch('a stride is not positive');
  return {
    kernel,
    ...lists,
    begins: pads.slice(0, axes),
    ends: pads.slice(axes),
    autoPad: stringAttribute(node, 'auto_pad', 'NOTSET'),
  };
}

function slid(size: Dim, window: Window, axis: number, ceil = false): Dim {
  const [kernel, stride] = [window.kernel[axis], window.strides[axis]!];
  if (typeof size !== 'number' || typeof kernel !== 'number') return pointwise(size, window, axis);
  if (window.autoPad.startsWith('SAME')) return Math.ceil(size / stride);
  const valid = window.autoPad === 'VALID';
  const [begin, end] = valid ? [0, 0] : [window.begins[axis]!, window.ends[axis]!];
  const reach = window.dilations[axis]! * (kernel - 1) + 1;
  const room = size + begin + end - reach;
  if (room < 0) mismatch(`a window of ${reach} does not fit into ${size + begin + end} along spatial axis ${axis}`);
  if (!ceil) return Math.floor(room / stride) + 1;
  const count = Math.ceil(room / stride) + 1;
  // A last window that would start in the end padding is dropped.
  return (count - 1) * stride >= size + begin ? count - 1 : count;
}

/** A symbolic size survives a window that keeps sizes as they are. */
function pointwise(size: Dim, window: Window, axis: number): Dim {
  const [kernel, stride, dilation] = [window.kernel[axis], window.strides[axis], window.dilations[axis]!];
  if (typeof kernel !== 'number' || stride !== 1) return undefined;
  if (window.autoPad.startsWith('SAME')) return size;
  const pads = window.autoPad === 'VALID' ? 0 : window.begins[axis]! + window.ends[axis]!;
  return pads === dilation * (kernel - 1) ? size : undefined;
}

function kernelOf(node: Node, weights: Shape | undefined): Shape | undefined {
  return intsAttribute(node, 'kernel_shape') ?? weights?.slice(2);
}

function convShape(call: Call, x: Fact, w: Fact): Shape | undefined {
  const kernel = kernelOf(call.node, w.shape);
  if (!x.shape || !kernel) return x.shape && unknownDims(x.shape.length);
  if (x.shape.length !== kernel.length + 2)
    mismatch(`an input of rank ${x.shape.length} and a kernel of ${kernel.length} axes`);
  const group = intAttribute(call.node, 'group', 1);
  if (w.shape) mergeDim(x.shape[1], multiply(w.shape[1], group));
  const window = windowOf(call.node, kernel);
  return [x.shape[0], w.shape?.[0], ...kernel.map((_, i) => slid(x.shape![i + 2], window, i))];
}

const conv =
  (weights: number, dtype?: DataType): Rule =>
  (call) => {
    const [x, w] = [input(call, 0), input(call, weights)];
    return fact(dtype ?? x.dtype, convShape(call, x, w));
  };

const convTranspose: Rule = (call) => {
  const [x, w] = [input(call, 0), input(call, 1)];
  const kernel = kernelOf(call.node, w.shape);
  if (!x.shape || !kernel) return like(x, x.shape && unknownDims(x.shape.length));
  if (w.shape) mergeDim(x.shape[1], w.shape[0]);
  const window = windowOf(call.node, kernel);
  const extra = intsAttribute(call.node, 'output_padding') ?? [];
  const stated = intsAttribute(call.node, 'output_shape')?.slice(-kernel.length);
  const group = intAttribute(call.node, 'group', 1);
  const spatial = kernel.map((_, i) => stated?.[i] ?? spread(x.shape![i + 2], window, i, extra[i] ?? 0));
  return like(x, [x.shape[0], multiply(w.shape?.[1], group), ...spatial]);
};

function spread(size: Dim, window: Window, axis: number, extra: number): Dim {
  const [kernel, stride] = [window.kernel[axis], window.strides[axis]!];
  if (typeof size !== 'number' || typeof kernel !== 'number') return undefined;
  if (window.autoPad.startsWith('SAME')) return size * stride;
  const reach = window.dilations[axis]! * (kernel - 1) + 1;
  const pads = window.autoPad === 'VALID' ? 0 : window.begins[axis]! + window.ends[axis]!;
  return (size - 1) * stride + extra + reach - pads;
}

const pool: Rule = (call) => {
  const x = input(call, 0);
  const kernel = intsAttribute(call.node, 'kernel_shape');
  if (!x.shape || !kernel) return [like(x, x.shape && unknownDims(x.shape.length)), fact('int64', undefined)];
  if (x.shape.length !== kernel.length + 2)
    mismatch(`an input of rank ${x.shape.length} and a window of ${kernel.length} axes`);
  const window = windowOf(call.node, kernel);
  const ceil = intAttribute(call.node, 'ceil_mode', 0) === 1;
  const shape = [x.shape[0], x.shape[1], ...kernel.map((_, i) => slid(x.shape![i + 2], window, i, ceil))];
  return [like(x, shape), fact('int64', shape)];
};

const globalPool: Rule = (call) => {
  const x = input(call, 0);
  return like(x, x.shape && x.shape.map((dim, i) => (i < 2 ? dim : 1)));
};

const maxUnpool: Rule = (call) => {
  const x = input(call, 0);
  if (has(call, 2)) return like(x, input(call, 2).values);
  const kernel = intsAttribute(call.node, 'kernel_shape');
  if (!x.shape || !kernel) return like(x, x.shape);
  const window = windowOf(call.node, kernel);
  return like(x, [x.shape[0], x.shape[1], ...kernel.map((_, i) => spread(x.shape![i + 2], window, i, 0))]);
};

const batchNormalization: Rule = (call) => {
  const [x, mean] = [input(call, 0), optionalInput(call, 3)];
  const channels = [dimOf(x, 1) ?? mean.shape?.[0]];
  const statistics = fact(mean.dtype, x.shape && channels);
  return [retyped(x, x.dtype), statistics, statistics, statistics, statistics];
};

/** LayerNormalization also gives mean and inverse deviation, with the normalised axes reduced to 1. */
const layerNormalization: Rule = (call) => {
  const x = input(call, 0);
  const axis = x.shape && axisOf(intAttribute(call.node, 'axis', -1), x.shape.length);
  const statistics = fact(
    'float32',
    x.shape?.map((dim, i) => (i < axis! ? dim : 1)),
  );
  return [retyped(x, x.dtype), statistics, statistics];
};

const dropout: Rule = (call) => {
  const x = input(call, 0);
  return [retyped(x, x.dtype), fact(call.opset < 10 ? x.dtype : 'bool', x.shape)];
};

/** Einsum: letters name axes; `...` stands for broadcast axes in front. */
const einsum: Rule = (call) => {
  const equation = stringAttribute(call.node, 'equation', '').replaceAll(/\s/g, '');
  const [left, right] = equation.split('->');
  const terms = left!.split(',');
  if (terms.length !== call.inputs.length) mismatch(`the equation "${equation}" has ${terms.length} terms`);
  const sizes = new Map<string, Dim>();
  let batch: Shape | undefined = [];
  for (const [i, term] of terms.entries()) {
    const { shape } = input(call, i);
    if (!shape) return like(input(call, 0), undefined);
    const bound = bindTerm(term, shape, sizes);
    batch = broadcast(batch, bound);
  }
  const out = right ?? implicitOutput(left!);
  return like(
    input(call, 0),
    [...out.matchAll(/\.\.\.|[A-Za-z]/g)].flatMap(([part]): Dim[] =>
      part === '...' ? [...batch!] : [sizes.get(part)],
    ),
  );
};

function bindTerm(term: string, shape: Shape, sizes: Map<string, Dim>): Shape {
  const parts = [...term.matchAll(/\.\.\.|[A-Za-z]/g)].map(([part]) => part);
  const spare = shape.length - parts.filter((part) => part !== '...').length;
  if (spare < 0 || (spare > 0 && !parts.includes('...')))
    throw new SanderlingError('INVALID_MODEL', `the term "${term}" does not fit rank ${shape.length}`);
  let at = 0;
  let batch: Shape = [];
  for (const part of parts) {
    if (part === '...') {
      batch = shape.slice(at, at + spare);
      at += spare;
      continue;
    }
    const known = sizes.get(part);
    sizes.set(
      part,
      sizes.has(part) ? (known ?? shape[at]) && broadcastDim(known ?? shape[at], shape[at] ?? known) : shape[at],
    );
    at += 1;
  }
  return batch;
}

function implicitOutput(left: string): string {
  const letters = Array.from(left.matchAll(/[A-Za-z]/g), ([letter]) => letter);
  const once = letters.filter((letter) => letters.filter((other) => other === letter).length === 1).sort();
  return (left.includes('...') ? '...' : '') + once.join('');
}

const det: Rule = (call) => like(input(call, 0), input(call, 0).shape?.slice(0, -2));

const gridSample: Rule = (call) => {
  const [x, grid] = [input(call, 0), input(call, 1)];
  return like(x, x.shape && grid.shape && [x.shape[0], x.shape[1], ...grid.shape.slice(1, -1)]);
};

const affineGrid: Rule = (call) => {
  const size = input(call, 1);
  const dims = size.values;
  return like(input(call, 0), dims && [dims[0], ...dims.slice(2), dims.length - 2]);
};

const integerMatMul: Rule = (call) => fact('int32', matMulShape(input(call, 0).shape, input(call, 1).shape));

export const linearRules: Readonly<Record<string, Rule>> = {
  MatMul: matMul,
  MatMulInteger: integerMatMul,
  Gemm: gemm,
  Einsum: einsum,
  Det: det,
  Conv: conv(1),
  ConvInteger: conv(1, 'int32'),
  DeformConv: conv(1),
  ConvTranspose: convTranspose,
  AveragePool: pool,
  MaxPool: pool,
  LpPool: pool,
  GlobalAveragePool: globalPool,
  GlobalMaxPool: globalPool,
  GlobalLpPool: globalPool,
  MaxUnpool: maxUnpool,
  BatchNormalization: batchNormalization,
  LayerNormalization: layerNormalization,
  Dropout: dropout,
  GridSample: gridSample,
  AffineGrid: affineGrid,
};

/** QLinearConv: weights are input 3, the output type is that of the output zero point. */
export const quantisedLinearRules: Readonly<Record<string, Rule>> = {
  QLinearConv: (call) => fact(optionalInput(call, 7).dtype, convShape(call, input(call, 0), input(call, 3))),
  QLinearMatMul: (call) => fact(optionalInput(call, 7).dtype, matMulShape(input(call, 0).shape, input(call, 3).shape)),
};

/** Operators of the domain com.microsoft that ONNX Runtime's CPU build has and that graphs here use. */
export const microsoftLinearRules: Readonly<Record<string, Rule>> = {
  FusedMatMul: fusedMatMul,
  FusedGemm: gemm,
  FusedConv: conv(1),
  NhwcMaxPool: (call) => like(input(call, 0), undefined),
};
