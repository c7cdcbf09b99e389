// ONNX Runtime's private layout for convolutions: channels in blocks as wide as a vector register, [N, C/b, H, W, b]. A value in blocks
// keeps the shape [N, C, H, W]; only its numbers lie otherwise. The operators of this domain are used while training, never in a model that
// leaves it, and only after a probe has found them on this machine with the same numbers as the standard ones (`compile/block-size.ts`).
import type { AttributeInput, Value } from '@sanderling/onnx';
import { dimsOf, product, type Algebra } from '../algebra.ts';

const domain = 'com.microsoft.nchwc';

function blockedOp(
  m: Algebra,
  type: string,
  given: {
    inputs: readonly (Value | undefined)[];
    attributes: Record<string, AttributeInput>;
    dims: readonly number[];
  },
): Value {
  const outputs = [{ dtype: 'float32' as const, shape: given.dims }];
  return m.scope.op(type, given.inputs, given.attributes, { domain, outputs });
}

/** [N, C, H, W] from its usual order into blocks; C is a multiple of the block. */
export function toBlocks(m: Algebra, value: Value): Value {
  return blockedOp(m, 'ReorderInput', { inputs: [value], attributes: {}, dims: dimsOf(value) });
}

/** [N, C, H, W] from blocks into its usual order. */
export function fromBlocks(m: Algebra, value: Value): Value {
  const dims = dimsOf(value);
  const [, channels = 0] = dims;
  return blockedOp(m, 'ReorderOutput', { inputs: [value], attributes: { channels }, dims });
}

/** A convolution whose input and output lie in blocks. Kernels come from the functions below. */
export interface BlockedConvolution {
  readonly x: Value;
  /** Shaped [O, C/G, kh, kw]. */
  readonly kernels: Value;
  readonly bias?: Value | undefined;
  /** Added to the result. */
  readonly plus?: Value | undefined;
  readonly attributes: Record<string, AttributeInput>;
  /** The shape of the result. */
  readonly dims: readonly number[];
}

/** Runs a convolution in blocks. */
export function convolveBlocked(m: Algebra, { x, kernels, bias, plus, attributes, dims }: BlockedConvolution): Value {
  const inputs = plus === undefined ? [x, kernels, ...(bias === undefined ? [] : [bias])] : [x, kernels, bias, plus];
  return blockedOp(m, 'Conv', { inputs, attributes, dims });
}

/** Kernels [O, C, kh, kw] of a dense convolution in the order [O/b, C/b, kh, kw, b of C, b of O]. */
export function denseKernels(m: Algebra, kernels: Value, block: number): Value {
  const dims = dimsOf(kernels) as [number, number, number, number];
  const [out, channels, ...space] = dims;
  const size = product(space);
  const split = m.reshape(kernels, [out / block, block, channels / block, block, size]);
  return m.reshape(m.transpose(split, [0, 2, 4, 3, 1]), dims);
}

/** Kernels [C, 1, kh, kw] of a depthwise convolution in the order [C/b, kh, kw, b]. */
export function depthwiseKernels(m: Algebra, kernels: Value, block: number): Value {
  const dims = dimsOf(kernels);
  const channels = dims[0] as number;
  const split = m.reshape(kernels, [channels / block, block, product(dims.slice(1))]);
  return m.reshape(m.transpose(split, [0, 2, 1]), dims);
}

/** The gradient of depthwise kernels, given in blocks for every sample [1, N·C, kh, kw], summed over the samples: [C, 1, kh, kw]. */
export function depthwiseSum(
  m: Algebra,
  each: Value,
  { batch, block, weightDims }: { batch: number; block: number; weightDims: readonly number[] },
): Value {
  const [channels, size] = [weightDims[0] as number, product(weightDims.slice(1))];
  const sum = m.sum(m.reshape(each, [batch, channels / block, size, block]), [0]);
  return m.reshape(m.transpose(sum, [0, 2, 1]), weightDims);
}

/** Samples as channels: x [N, C, H, W] in its usual order becomes [C, N, H, W] with the samples in blocks. */
export function samplesToBlocks(m: Algebra, x: Value, block: number): Value {
  const [batch, channels, height, width] = dimsOf(x) as [number, number, number, number];
  const blocks = toBlocks(m, m.reshape(x, [1, batch, channels * height, width]));
  const split = m.reshape(blocks, [batch / block, channels, height * width * block]);
  return m.reshape(m.transpose(split, [1, 0, 2]), [channels, batch, height, width]);
}

/** dy [N, O, H, W] in blocks as the kernels of a convolution over samples: [O/b, N/b, H, W, b of N, b of O], shaped so. */
export function samplesToKernels(m: Algebra, dy: Value, block: number): Value {
  const [batch, out, height, width] = dimsOf(dy) as [number, number, number, number];
  const split = m.reshape(dy, [batch / block, block, out / block, height * width, block]);
  const exchanged = m.transpose(split, [2, 0, 3, 1, 4]);
  return m.reshape(exchanged, [out / block, batch / block, height, width * block * block]);
}

/** [C, O, kh, kw] with O in blocks, as a convolution over samples leaves it, in the order of weights: [O, C, kh, kw]. */
export function fromSamples(m: Algebra, value: Value, block: number): Value {
  const [channels, out, height, width] = dimsOf(value) as [number, number, number, number];
  const split = m.reshape(value, [channels, out / block, height * width, block]);
  return m.reshape(m.transpose(split, [1, 3, 0, 2]), [out, channels, height, width]);
}
