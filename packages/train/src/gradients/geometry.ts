// The geometry of convolutions and pools: kernel, strides, dilations, pads.
import { intAttribute, intsAttribute, stringAttribute, type Value } from '@sanderling/onnx';
import { dimsOf } from '../algebra.ts';
import type { Call } from './rule.ts';

/** A convolution's geometry, one entry an axis of space. */
export interface Geometry {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly padsBefore: readonly number[];
  readonly padsAfter: readonly number[];
  readonly groups: number;
}

/** A convolution seen from its larger side `x` [N, C, …] and its smaller side `dy` [N, O, …], with weights [O, C/G, …k]. */
export interface Convolution {
  readonly x: Value;
  readonly dy: Value;
  readonly weightDims: readonly number[];
  readonly geometry: Geometry;
}

/** The geometry that a node's attributes mean. */
export function geometryOf(
  call: Call,
  sides: { kernel: readonly number[]; large: readonly number[]; small: readonly number[] },
): Geometry {
  const { node } = call;
  const rank = sides.kernel.length;
  const ones = Array.from({ length: rank }, () => 1);
  const strides = intsAttribute(node, 'strides') ?? ones;
  const dilations = intsAttribute(node, 'dilations') ?? ones;
  const common = { kernel: sides.kernel, strides, dilations, groups: intAttribute(node, 'group', 1) };
  const auto = stringAttribute(node, 'auto_pad', 'NOTSET');
  if (auto === 'NOTSET' || auto === 'VALID') {
    const pads = auto === 'VALID' ? undefined : intsAttribute(node, 'pads');
    const given = pads ?? Array.from({ length: 2 * rank }, () => 0);
    return { ...common, padsBefore: given.slice(0, rank), padsAfter: given.slice(rank) };
  }
  const total = sides.kernel.map((k, i) => {
    const reach = ((sides.small[i] as number) - 1) * (strides[i] as number) + (dilations[i] as number) * (k - 1) + 1;
    return Math.max(0, reach - (sides.large[i] as number));
  });
  const half = (odd: (x: number) => number) => total.map((all) => odd(all / 2));
  const [less, more] = [half(Math.floor), half(Math.ceil)];
  return auto === 'SAME_UPPER'
    ? { ...common, padsBefore: less, padsAfter: more }
    : { ...common, padsBefore: more, padsAfter: less };
}

/** Sizes of the axes of space. */
export const spatial = (value: Value): number[] => dimsOf(value).slice(2);

/** The sizes that a convolution makes of others. */
export function reached(sizes: readonly number[], geometry: Geometry): number[] {
  const { kernel, strides, dilations, padsBefore, padsAfter } = geometry;
  return sizes.map((size, i) => {
    const reach = (dilations[i] as number) * ((kernel[i] as number) - 1) + 1;
    const room = size + (padsBefore[i] as number) + (padsAfter[i] as number) - reach;
    return Math.floor(room / (strides[i] as number)) + 1;
  });
}

/** The attributes that say a geometry again. */
export function attributesOf(geometry: Geometry): Record<string, number | number[]> {
  const { kernel, strides, dilations, padsBefore, padsAfter, groups } = geometry;
  return {
    kernel_shape: [...kernel],
    strides: [...strides],
    dilations: [...dilations],
    pads: [...padsBefore, ...padsAfter],
    group: groups,
  };
}

/** All offsets of a kernel, in row-major order. */
export function offsetsOf(kernel: readonly number[]): number[][] {
  return kernel.reduce<number[][]>(
    (all, k) => all.flatMap((offset) => Array.from({ length: k }, (_, i) => [...offset, i])),
    [[]],
  );
}

/** Zeros that let every offset of the kernel be cut out of x in full. */
export function padding({ x, dy, geometry }: Convolution): { before: readonly number[]; after: number[] } {
  const { kernel, strides, dilations, padsBefore } = geometry;
  const after = spatial(x).map((size, i) => {
    const reach =
      ((spatial(dy)[i] as number) - 1) * (strides[i] as number) +
      (dilations[i] as number) * ((kernel[i] as number) - 1) +
      1;
    return Math.max(0, reach - size - (padsBefore[i] as number));
  });
  return { before: padsBefore, after };
}
