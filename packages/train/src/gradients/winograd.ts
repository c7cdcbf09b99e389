// Convolutions with fewer products (Winograd 1980; Lavin & Gray 2016), along rows, in blocks of channels: from six neighbouring inputs of a row
// come m outputs of a kernel m + k − 1 = 6 wide with six products instead of m k: 0.6 of the work for k = 5, half for k = 3. The points 0, ±1, ±2, ∞
// keep rounding within about ten times that of the plain sum.
import { tensorOf, type Value } from '@sanderling/onnx';
import { dimsOf, type Algebra } from '../algebra.ts';
import { convolveBlocked, type BlockedConvolution } from './blocked.ts';
import { attributesOf, type Geometry } from './geometry.ts';

const taken = 6;
const points = [0, 1, -1, 2, -2];
/** From six inputs to the six factors of the products, one row each. */
const ofInputs = [
  [4, 0, -5, 0, 1, 0],
  [0, -4, -4, 1, 1, 0],
  [0, 4, -4, -1, 1, 0],
  [0, -2, -1, 2, 1, 0],
  [0, 2, -1, -2, 1, 0],
  [0, 4, 0, -5, 0, 1],
];
const scales = [1 / 4, -1 / 6, -1 / 6, 1 / 24, 1 / 24];
/** Products saved for an output, times channels, below which the changes back and forth cost more. */
const worthwhile = 500;

/** A dense convolution in blocks whose kernels are still in their usual order. */
export interface DenseConvolution {
  readonly xBlocks: Value;
  /** [O, C, kh, kw] */
  readonly w: Value;
  readonly bias?: Value | undefined;
  readonly geometry: Geometry;
  readonly block: number;
  /** The shape of the result. */
  readonly dims: readonly number[];
}

/** How many outputs come of six inputs; undefined where the convolution does not allow it or gains nothing. */
function outputsTogether({ xBlocks, geometry, dims }: DenseConvolution): number | undefined {
  const { kernel, strides, dilations, padsBefore } = geometry;
  const [high, wide] = kernel as [number, number];
  const together = taken - wide + 1;
  const [, channels, , width] = dimsOf(xBlocks) as [number, number, number, number];
  const plain = [...strides, ...dilations].every((n) => n === 1) && (wide === 3 || wide === 5);
  const reach = (dims[3] as number) - together + taken - (padsBefore[1] as number);
  const saved = high * wide * channels * (1 - taken / (together * wide));
  return plain && (dims[3] as number) % together === 0 && reach >= width && saved >= worthwhile ? together : undefined;
}

/** The convolution in blocks; undefined where another way is better. */
export function convolveByPoints(m: Algebra, of: DenseConvolution): Value | undefined {
  const together = outputsTogether(of);
  if (together === undefined) return undefined;
  const { geometry, block, dims, bias } = of;
  const factors = inputFactors(m, of, together);
  const kernels = kernelFactors(m, of.w, block);
  const [batch, out, height, width] = dims as [number, number, number, number];
  const few = [batch, out, height, width / together];
  const { padsBefore, padsAfter, kernel } = geometry;
  const down = { padsBefore: [padsBefore[0] as number, 0], padsAfter: [padsAfter[0] as number, 0] };
  const attributes = attributesOf({ ...geometry, ...down, kernel: [kernel[0] as number, 1] });
  // at the point 1 a number counts once for every output: the place for the bias
  const products = factors.map((x, p) =>
    convolveBlocked(m, {
      x,
      kernels: kernels[p] as Value,
      bias: p === 1 ? bias : undefined,
      attributes,
      dims: few,
    } satisfies BlockedConvolution),
  );
  const rows = (batch * out * height * width) / together / block;
  const parts = outputsOf(m, products, together).map((y) => m.reshape(y, [rows, block]));
  return m.reshape(m.concat(parts, 1), dims);
}

/** For every product its factor of the inputs [N, C, H, W / m]: depthwise convolutions with constant taps. */
function inputFactors(m: Algebra, { xBlocks, geometry, block, dims }: DenseConvolution, together: number): Value[] {
  const [batch, channels, height, width] = dimsOf(xBlocks) as [number, number, number, number];
  const [before, few] = [geometry.padsBefore[1] as number, (dims[3] as number) / together];
  const attributes = attributesOf({
    kernel: [1, taken],
    strides: [1, together],
    dilations: [1, 1],
    padsBefore: [0, before],
    padsAfter: [0, (few - 1) * together + taken - width - before],
    groups: channels,
  });
  return ofInputs.map((row) => {
    const taps = Float32Array.from(
      { length: channels * taken },
      (_, i) => row[Math.floor(i / block) % taken] as number,
    );
    const kernels = m.scope.constant(tensorOf('float32', [channels, 1, 1, taken], taps));
    return convolveBlocked(m, { x: xBlocks, kernels, attributes, dims: [batch, channels, height, few] });
  });
}

/** For every product its factor of the kernels, [O, C, kh, 1] in the order of blocks. */
function kernelFactors(m: Algebra, w: Value, block: number): Value[] {
  const [out, channels, high, wide] = dimsOf(w) as [number, number, number, number];
  const powers = Array.from({ length: wide }, (_, k) =>
    Array.from({ length: taken }, (__, p) =>
      p < points.length ? (scales[p] as number) * (points[p] as number) ** k : Number(k === wide - 1),
    ),
  );
  const factors = m.matmul(
    m.reshape(w, [out * channels * high, wide]),
    m.scope.constant(tensorOf('float32', [wide, taken], powers.flat())),
  );
  const split = m.reshape(factors, [out / block, block, channels / block, block, high, taken]);
  const ones = Array.from({ length: taken }, () => 1);
  return m
    .split(m.transpose(split, [5, 0, 2, 4, 3, 1]), 0, ones)
    .map((one) => m.reshape(one, [out, channels, high, 1]));
}

/** Outputs j = 0 … m − 1 of a row: Σ point^j product; the product at ∞ counts for the last. */
function outputsOf(m: Algebra, products: readonly Value[], together: number): Value[] {
  const [zero, one, minusOne, two, minusTwo, infinity] = products as [Value, Value, Value, Value, Value, Value];
  const even = [m.add(one, minusOne), m.add(two, minusTwo)] as const;
  const odd = [m.sub(one, minusOne), m.sub(two, minusTwo)] as const;
  return Array.from({ length: together }, (_, j) => {
    const [near, far] = j % 2 === 0 ? even : odd;
    const sum = m.add(near, m.mul(far, 2 ** j));
    const first = j === 0 ? m.add(sum, zero) : sum;
    return j === together - 1 ? m.add(first, infinity) : first;
  });
}
