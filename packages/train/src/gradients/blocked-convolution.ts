// Convolutions forward and backward in blocks of channels. What makes the layout fast the way back, too: the weights' gradient is itself a
// convolution, of x with dy as the kernel. Depthwise it needs no change of layout at all; dense, the samples take the place of the channels.
import type { Value } from '@sanderling/onnx';
import { dimsOf, product, type Algebra } from '../algebra.ts';
import {
  convolveBlocked,
  denseKernels,
  depthwiseKernels,
  depthwiseSum,
  fromBlocks,
  fromSamples,
  samplesToBlocks,
  samplesToKernels,
} from './blocked.ts';
import { attributesOf, padding, spatial, type Convolution } from './geometry.ts';
import { turned } from './turned.ts';
import { convolveByPoints, type DenseConvolution } from './winograd.ts';

/** How a convolution goes through blocks; undefined where it does not. */
export type BlockedForm = 'depthwise' | 'dense' | undefined;

/** Kernels of dy that are worked on together, in bytes: a part of the second-level cache. */
const kernelBytes = 512 * 1024;
/** Kernels that the runtime works on together, in blocks. */
const blocksTogether = 4;

/** Whether a two-dimensional convolution of [N, C, H, W] with weights [O, C/G, kh, kw] can go through blocks. */
export function blockedForm(
  block: number,
  channels: number,
  of: { weightDims: readonly number[]; groups: number },
): BlockedForm {
  const [out, inGroup, ...kernel] = of.weightDims as [number, number, ...number[]];
  if (block === 0 || kernel.length !== 2 || out % block !== 0) return undefined;
  if (of.groups > 1) return of.groups === out && inGroup === 1 ? 'depthwise' : undefined;
  return channels % block === 0 && product(kernel) > 1 ? 'dense' : undefined;
}

/** Everything about one convolution in blocks. */
export interface Blocked extends Convolution {
  readonly block: number;
  readonly form: 'depthwise' | 'dense';
  readonly xBlocks: Value;
}

/** A convolution of either form in blocks, its kernels in their usual order: the plain sums. */
function convolved(m: Algebra, form: 'depthwise' | 'dense', of: DenseConvolution): Value {
  const order = form === 'depthwise' ? depthwiseKernels : denseKernels;
  return convolveBlocked(m, {
    x: of.xBlocks,
    kernels: order(m, of.w, of.block),
    bias: of.bias,
    attributes: attributesOf(of.geometry),
    dims: of.dims,
  });
}

/** y in its usual order, by fewer products where that is faster. */
export function blockedForward(m: Algebra, form: 'depthwise' | 'dense', of: DenseConvolution): Value {
  const fewer = form === 'dense' ? convolveByPoints(m, of) : undefined;
  return fromBlocks(m, fewer ?? convolved(m, form, of));
}

/** dx: dy, with zeros between its numbers where the convolution strode, convolved with the turned kernels; undefined where another way is better. */
export function blockedInputGradient(m: Algebra, w: Value, of: Blocked & { dyBlocks: Value }): Value | undefined {
  const { x, geometry, form, block } = of;
  const { kernel, strides, dilations, padsBefore, groups } = geometry;
  const strided = strides.some((s) => s > 1);
  if (form === 'dense' && strided) return undefined;
  const reach = kernel.map((k, i) => (k - 1) * (dilations[i] as number));
  const before = reach.map((r, i) => r - (padsBefore[i] as number));
  const dy = strided ? spreadOut(m, of.dyBlocks, { strides, block }) : of.dyBlocks;
  const after = spatial(x).map(
    (size, i) => size - (spatial(dy)[i] as number) - (before[i] as number) + (reach[i] as number),
  );
  if ([...before, ...after].some((pad) => pad < 0)) return undefined;
  const dx = {
    xBlocks: dy,
    w: turned(m, w, groups),
    geometry: { ...geometry, strides: strides.map(() => 1), padsBefore: before, padsAfter: after },
    block,
    dims: dimsOf(x),
  };
  // Fewer products only where they make two outputs at a time (kernels 5 wide), not four: Adam takes steps of one size for large gradients and for
  // small ones, so that more rounding shows in the curve of the loss, and there is hardly time to gain.
  const fewer = form === 'dense' && kernel[1] === 5 ? convolveByPoints(m, dx) : undefined;
  return fromBlocks(m, fewer ?? convolved(m, form, dx));
}

/** Strides − 1 zeros after every row and every column. */
function spreadOut(m: Algebra, value: Value, { strides, block }: { strides: readonly number[]; block: number }): Value {
  const [batch, channels, height, width] = dimsOf(value) as [number, number, number, number];
  const [down, across] = strides as [number, number];
  const rows = m.reshape(value, [(batch * channels * height) / block, 1, width, block]);
  const padded = m.pad(rows, [0, 0, 0, 0], [0, down - 1, 0, (across - 1) * block]);
  return m.reshape(padded, [batch, channels, height * down, width * across]);
}

/** dw as a convolution of x with dy; undefined where another way is better. */
export function blockedWeightGradient(m: Algebra, of: Blocked & { dyBlocks: Value }): Value | undefined {
  return of.form === 'depthwise' ? depthwiseGradient(m, of) : denseGradient(m, of);
}

/** Every channel of every sample is a channel of its own, with dy as its kernel; then the sum over the samples. */
function depthwiseGradient(m: Algebra, of: Blocked & { dyBlocks: Value }): Value | undefined {
  const { x, dy, dyBlocks, xBlocks, weightDims, geometry, block } = of;
  const { kernel, strides, dilations, padsBefore } = geometry;
  const [batch, channels] = dimsOf(x) as [number, number];
  const all = batch * channels;
  const after = kernel.map((k, i) => {
    const reach = ((spatial(dy)[i] as number) - 1) * (strides[i] as number) + (k - 1) * (dilations[i] as number) + 1;
    return reach - (spatial(x)[i] as number) - (padsBefore[i] as number);
  });
  if (after.some((pad) => pad < 0)) return undefined;
  const exchanged = {
    kernel: spatial(dy),
    strides: dilations,
    dilations: strides,
    padsBefore,
    padsAfter: after,
    groups: all,
  };
  const each = convolveBlocked(m, {
    x: m.reshape(xBlocks, [1, all, ...spatial(x)]),
    kernels: m.reshape(dyBlocks, [all, 1, ...spatial(dy)]),
    attributes: attributesOf(exchanged),
    dims: [1, all, ...kernel],
  });
  return depthwiseSum(m, each, { batch, block, weightDims });
}

/** Samples in place of channels: [C, N, …] ⋆ [O, N, …], a few rows of dy at a time so that they stay in the cache, one adding to the other. */
function denseGradient(m: Algebra, of: Blocked & { dyBlocks: Value }): Value | undefined {
  const { x, dy, dyBlocks, weightDims, geometry, block } = of;
  const [batch, channels] = dimsOf(x) as [number, number];
  if (batch % block !== 0) return undefined;
  const { strides, dilations, kernel } = geometry;
  const [height, width] = spatial(dy) as [number, number];
  const { before, after } = padding(of);
  const samples = samplesToBlocks(m, m.pad(x, [0, 0, ...before], [0, 0, ...after]), block);
  const kernels = samplesToKernels(m, dyBlocks, block);
  const rows = rowsTogether(height, Math.min(weightDims[0] as number, blocksTogether * block) * batch * width * 4);
  const wide = spatial(samples)[1] as number;
  const [blocks, stepDown] = [batch / block, strides[0] as number];
  const byRow = m.reshape(samples, [channels, blocks, spatial(samples)[0] as number, wide * block]);
  const attributes = {
    kernel: [rows, width],
    strides: dilations,
    dilations: strides,
    padsBefore: [0, 0],
    padsAfter: [0, 0],
    groups: 1,
  };
  let sum: Value | undefined;
  for (let row = 0; row < height; row += rows) {
    const reach = (rows - 1) * stepDown + ((kernel[0] as number) - 1) * (dilations[0] as number) + 1;
    const part = m.slice(byRow, 2, [row * stepDown, row * stepDown + reach]);
    sum = convolveBlocked(m, {
      x: m.reshape(part, [channels, batch, reach, wide]),
      kernels: m.reshape(m.slice(kernels, 2, [row, row + rows]), [weightDims[0] as number, batch, rows, width]),
      plus: sum,
      attributes: attributesOf(attributes),
      dims: [channels, weightDims[0] as number, ...kernel],
    });
  }
  return fromSamples(m, sum as Value, block);
}

/** The largest divisor of the height whose rows still fit. */
function rowsTogether(height: number, bytesOfRow: number): number {
  const fitting = Array.from({ length: height }, (_, i) => i + 1).filter(
    (rows) => height % rows === 0 && rows * bytesOfRow <= kernelBytes,
  );
  return Math.max(1, ...fitting);
}
