// Gradients of convolutions. Which formulation of the weights' gradient is fastest depends on the shape; the choice follows measurements
// on AVX-512 processors. Dimensions below: N batch, C/O channels in/out, G groups, k kernel, s stride, d dilation.
import { intAttribute, stringAttribute, type Value } from '@sanderling/onnx';
import { dimsOf, product, type Algebra } from '../algebra.ts';
import { blockedForm, blockedForward, blockedInputGradient, blockedWeightGradient } from './blocked-convolution.ts';
import { toBlocks } from './blocked.ts';
import { depthwiseWeights } from './depthwise.ts';
import {
  attributesOf,
  geometryOf,
  offsetsOf,
  padding,
  reached,
  spatial,
  type Convolution,
  type Geometry,
} from './geometry.ts';
import {
  inputOf,
  outputOf,
  single,
  unsupported,
  type Call,
  type GradientRule,
  type Gradients,
  type Trained,
} from './rule.ts';
import { turned } from './turned.ts';

/** dx: at stride 1 a convolution of dy with turned weights (fast); otherwise a transposed convolution. */
export function inputGradient(m: Algebra, w: Value, { x, dy, geometry }: Convolution): Value {
  const { kernel, strides, dilations, padsBefore, padsAfter, groups } = geometry;
  const reach = kernel.map((k, i) => (k - 1) * (dilations[i] as number));
  const complement = (pads: readonly number[]) => reach.map((r, i) => r - (pads[i] as number));
  const back = { ...geometry, padsBefore: complement(padsBefore), padsAfter: complement(padsAfter) };
  if (strides.every((s) => s === 1) && [...back.padsBefore, ...back.padsAfter].every((p) => p >= 0)) {
    return m.op('Conv', [dy, turned(m, w, groups)], attributesOf(back));
  }
  const extra = spatial(x).map((size, i) => {
    const reached = ((spatial(dy)[i] as number) - 1) * (strides[i] as number) + (reach[i] as number) + 1;
    return size - (reached - (padsBefore[i] as number) - (padsAfter[i] as number));
  });
  return m.op('ConvTranspose', [dy, w], { ...attributesOf(geometry), output_padding: extra });
}

/** dw, in the formulation that suits the shape. */
export function weightGradient(m: Algebra, convolution: Convolution): Value {
  const { x, weightDims, geometry } = convolution;
  const [, inGroup] = weightDims as [number, number];
  const size = product(geometry.kernel);
  if (inGroup === 1 && geometry.groups === weightDims[0] && geometry.groups > 1)
    return depthwiseWeights(m, convolution);
  const pointwise =
    size === 1 &&
    [...geometry.strides, ...geometry.padsBefore, ...geometry.padsAfter].every(
      (n, i) => n === (i < geometry.strides.length ? 1 : 0),
    );
  if (geometry.groups === 1 && pointwise) return pointwiseWeights(m, convolution);
  return geometry.groups === 1 && (dimsOf(x)[1] as number) <= 4
    ? columnWeights(m, convolution)
    : shiftedWeights(m, convolution);
}

/** 1×1: dw = Σₙ dyₙ xₙᵀ; with small planes the batch is folded into one product. */
function pointwiseWeights(m: Algebra, { x, dy, weightDims }: Convolution): Value {
  const [batch, channels, ...space] = dimsOf(x) as [number, number, ...number[]];
  const [out, plane] = [weightDims[0] as number, product(space)];
  if (2 * out * channels > plane * (out + channels)) {
    const rows = (value: Value, count: number) =>
      m.reshape(m.transpose(m.reshape(value, [batch, count, plane]), [1, 0, 2]), [count, batch * plane]);
    return m.reshape(m.gemm(rows(dy, out), rows(x, channels), { transB: true }), weightDims);
  }
  const products = m.matmul(
    m.reshape(dy, [batch, out, plane]),
    m.transpose(m.reshape(x, [batch, channels, plane]), [0, 2, 1]),
  );
  return m.reshape(m.sum(products, [0]), weightDims);
}

/** The part of padded x that an offset of the kernel sees, along the axes of space. */
function seenBy(offset: readonly number[], { dy, geometry }: Convolution): (readonly [number, number, number])[] {
  return offset.map((o, i) => {
    const [step, begin] = [geometry.strides[i] as number, o * (geometry.dilations[i] as number)];
    return [begin, begin + ((spatial(dy)[i] as number) - 1) * step + 1, step] as const;
  });
}

/** Few input channels: the columns of all offsets side by side, one batched product, sum over the batch. */
function columnWeights(m: Algebra, convolution: Convolution): Value {
  const { x, dy, weightDims, geometry } = convolution;
  const [batch, channels] = dimsOf(x) as [number, number];
  const [out, plane, size] = [weightDims[0] as number, product(spatial(dy)), product(geometry.kernel)];
  const { before, after } = padding(convolution);
  const padded = m.pad(x, [0, 0, ...before], [0, 0, ...after]);
  const axes = before.map((_, i) => i + 2);
  const columns = offsetsOf(geometry.kernel).map((offset) => m.slices(padded, axes, seenBy(offset, convolution)));
  const column = m.reshape(m.concat(columns, 1), [batch, size * channels, plane]);
  const products = m.matmul(m.reshape(dy, [batch, out, plane]), m.transpose(column, [0, 2, 1]));
  return m.reshape(m.transpose(m.reshape(m.sum(products, [0]), [out, size, channels]), [0, 2, 1]), weightDims);
}

/** The general form: for every offset one product of dy's rows with the shifted, channels-last x. */
function shiftedWeights(m: Algebra, convolution: Convolution): Value {
  const { x, dy, weightDims, geometry } = convolution;
  const { groups, kernel } = geometry;
  const [batch, channels] = dimsOf(x) as [number, number];
  const [out, inGroup] = weightDims as [number, number];
  const rows = batch * product(spatial(dy));
  const space = kernel.map((_, i) => i + 2);
  const left = m.reshape(m.transpose(dy, [1, 0, ...space]), groups === 1 ? [out, rows] : [groups, out / groups, rows]);
  const { before, after } = padding(convolution);
  const last = m.transpose(m.pad(x, [0, 0, ...before], [0, 0, ...after]), [0, ...space, 1]);
  const products = offsetsOf(kernel).map((offset) => {
    const seen = m.slices(
      last,
      space.map((axis) => axis - 1),
      seenBy(offset, convolution),
    );
    const right =
      groups === 1
        ? m.reshape(seen, [rows, channels])
        : m.transpose(m.reshape(seen, [rows, groups, inGroup]), [1, 0, 2]);
    return m.reshape(m.matmul(left, right), [1, out, inGroup]);
  });
  return m.reshape(m.transpose(m.concat(products, 0), [1, 2, 0]), weightDims);
}

/** The bias gathers everything but its channel. */
function biasGradient(call: Call, dy: Value): Value | undefined {
  if (call.inputs[2] === undefined || !call.wants(2)) return undefined;
  return call.m.sum(
    dy,
    dimsOf(dy).flatMap((_, axis) => (axis === 1 ? [] : [axis])),
  );
}

/** In training a convolution keeps its input in blocks of channels where it runs in these. */
function convTrain(call: Call): Trained {
  const { m, node, block } = call;
  const [x, w] = [inputOf(call, 0), inputOf(call, 1)];
  const [weightDims, size] = [dimsOf(w), spatial(x)];
  const form = blockedForm(block, dimsOf(x)[1] as number, { weightDims, groups: intAttribute(node, 'group', 1) });
  if (form === undefined || stringAttribute(node, 'auto_pad', 'NOTSET') !== 'NOTSET')
    return { outputs: m.scope.ops('Conv', call.inputs, node.attributes, 1) };
  const geometry = geometryOf(call, { kernel: weightDims.slice(2), large: size, small: size });
  const xBlocks = toBlocks(m, x);
  const dims = [dimsOf(x)[0] as number, weightDims[0] as number, ...reached(size, geometry)];
  const y = blockedForward(m, form, { xBlocks, w, bias: call.inputs[2], geometry, block, dims });
  return { outputs: [y], saved: { xBlocks } };
}

function convPull(call: Call, dy: Value): Gradients {
  const { m, block } = call;
  const [x, w] = [inputOf(call, 0), inputOf(call, 1)];
  const weightDims = dimsOf(w);
  const geometry = geometryOf(call, { kernel: weightDims.slice(2), large: spatial(x), small: spatial(dy) });
  const all = { x, dy, weightDims, geometry };
  const xBlocks = call.saved['xBlocks'];
  const form = blockedForm(block, dimsOf(x)[1] as number, { weightDims, groups: geometry.groups });
  const blocked =
    xBlocks === undefined || form === undefined
      ? undefined
      : { ...all, block, form, xBlocks, dyBlocks: toBlocks(m, dy) };
  const dx = () => (blocked && blockedInputGradient(m, w, blocked)) ?? inputGradient(m, w, all);
  const dw = () => (blocked && blockedWeightGradient(m, blocked)) ?? weightGradient(m, all);
  return [call.wants(0) ? dx() : undefined, call.wants(1) ? dw() : undefined, biasGradient(call, dy)];
}

export const convolution = {
  // y = x ⋆ w + b: dx = dy ⋆ turned w; dw = x ⋆ dy; db = Σ dy
  Conv: { train: convTrain, pull: (call, [dy]) => (dy === undefined ? [] : convPull(call, dy)) },
  // the transpose of a convolution: dx = dy ⋆ w; dw with the two sides exchanged
  ConvTranspose: single((call, dy) => {
    const [x, w] = [inputOf(call, 0), inputOf(call, 1)];
    const weightDims = dimsOf(w);
    if (call.node.attributes['output_shape'] !== undefined)
      throw unsupported(call.node, 'output_shape has no gradient rule');
    if (stringAttribute(call.node, 'auto_pad', 'NOTSET') !== 'NOTSET')
      throw unsupported(call.node, 'auto_pad has no gradient rule');
    const geometry = geometryOf(call, {
      kernel: weightDims.slice(2),
      large: spatial(outputOf(call)),
      small: spatial(x),
    });
    return [
      call.wants(0) ? convolved(call.m, dy, { w, geometry, like: x }) : undefined,
      call.wants(1) ? weightGradient(call.m, { x: dy, dy: x, weightDims, geometry }) : undefined,
      biasGradient(call, dy),
    ];
  }),
} as const satisfies Record<string, GradientRule>;

/** dy ⋆ w, cut to the size of x where the output padding made it longer. */
function convolved(m: Algebra, dy: Value, by: { w: Value; geometry: Geometry; like: Value }): Value {
  const gradient = m.op('Conv', [dy, by.w], attributesOf(by.geometry));
  const [have, want] = [spatial(gradient), spatial(by.like)];
  const axes = have.flatMap((size, i) => (size === want[i] ? [] : [i]));
  if (axes.length === 0) return gradient;
  return m.slices(
    gradient,
    axes.map((i) => i + 2),
    axes.map((i) => [0, want[i] as number] as const),
  );
}
