// Inference of operators that pick elements: slice, gather, scatter, top-k, one-hot.
import { intAttribute, intsAttribute } from '../attributes.ts';
import type { Dim } from '../ir.ts';
import { has, input, knownValues, like, listOf, type Call, type Rule } from './call.ts';
import { picked } from './elements.ts';
import { axisOf, fact, maxFollowed, mismatch, unknownDims } from './facts.ts';

/** Slice, by attributes (before opset 10) or inputs. */
const slice: Rule = (call) => {
  const of = input(call, 0);
  if (!of.shape) return like(of, undefined);
  const [starts, ends] = [bounds(call, 'starts', 1), bounds(call, 'ends', 2)];
  const count = starts?.length ?? ends?.length;
  const axes =
    listOf(call, 'axes', 3) ??
    (has(call, 3) || count === undefined ? undefined : Array.from({ length: count }, (_, i) => i));
  if (!axes || !starts || !ends) return like(of, unknownDims(of.shape.length));
  const steps = has(call, 4) ? (knownValues(input(call, 4)) ?? axes.map(() => undefined)) : axes.map(() => 1);
  const shape = [...of.shape];
  const places: (readonly number[] | undefined)[] = shape.map(() => undefined);
  let known = true;
  for (const [i, axis] of axes.entries()) {
    const at = axisOf(axis, shape.length);
    const part = sliceDim({ dim: of.shape[at], start: starts[i], end: ends[i], step: steps[i] });
    shape[at] = part.size;
    places[at] = part.indices;
    known &&= part.indices !== undefined || part.size === of.shape[at];
  }
  return like(of, shape, known ? picked(of, places) : undefined);
};

function bounds(call: Call, attribute: string, index: number): readonly Dim[] | undefined {
  return intsAttribute(call.node, attribute) ?? call.inputs[index]?.values;
}

interface Cut {
  readonly dim: Dim;
  readonly start: Dim;
  readonly end: Dim;
  readonly step: number | undefined;
}

function sliceDim({ dim, start, end, step }: Cut): { size: Dim; indices?: number[] } {
  if (step === 0) mismatch('a slice has step 0');
  if (
    step === 1 &&
    start === 0 &&
    end !== undefined &&
    (end === dim || (typeof end === 'number' && end >= 2 ** 31 - 1))
  )
    return { size: dim };
  if (typeof start !== 'number' || typeof end !== 'number' || step === undefined) return { size: undefined };
  if (typeof dim !== 'number') return { size: undefined };
  const clamp = (at: number): number =>
    step > 0 ? Math.min(Math.max(at, 0), dim) : Math.min(Math.max(at, -1), dim - 1);
  const from = Math.max(clamp(start < 0 ? start + dim : start), step < 0 ? Math.min(0, dim - 1) : 0);
  const to = clamp(end < 0 ? end + dim : end);
  const size = Math.max(0, Math.ceil((to - from) / step));
  return size <= maxFollowed ? { size, indices: Array.from({ length: size }, (_, i) => from + i * step) } : { size };
}

const gather: Rule = (call) => {
  const [of, indices] = [input(call, 0), input(call, 1)];
  if (!of.shape || !indices.shape) return like(of, undefined);
  const axis = axisOf(intAttribute(call.node, 'axis', 0), of.shape.length);
  const shape = [...of.shape.slice(0, axis), ...indices.shape, ...of.shape.slice(axis + 1)];
  const picks = knownValues(indices);
  const size = of.shape[axis];
  const places = typeof size === 'number' && picks?.map((index) => (index < 0 ? index + size : index));
  return like(
    of,
    shape,
    places
      ? picked(
          of,
          of.shape.map((_, i) => (i === axis ? places : undefined)),
        )
      : undefined,
  );
};

const gatherElements: Rule = (call) => like(input(call, 0), input(call, 1).shape);

const gatherNd: Rule = (call) => {
  const [of, indices] = [input(call, 0), input(call, 1)];
  const depth = indices.shape?.at(-1);
  if (!of.shape || !indices.shape || typeof depth !== 'number') return like(of, undefined);
  const batch = intAttribute(call.node, 'batch_dims', 0);
  return like(of, [...indices.shape.slice(0, -1), ...of.shape.slice(batch + depth)]);
};

const compress: Rule = (call) => {
  const of = input(call, 0);
  const axis = intAttribute(call.node, 'axis');
  if (axis === undefined) return like(of, [undefined]);
  if (!of.shape) return like(of, undefined);
  const at = axisOf(axis, of.shape.length);
  return like(
    of,
    of.shape.map((dim, i) => (i === at ? undefined : dim)),
  );
};

const topK: Rule = (call) => {
  const of = input(call, 0);
  const k = intAttribute(call.node, 'k') ?? call.inputs[1]?.values?.[0];
  if (!of.shape) return [like(of, undefined), fact('int64', undefined)];
  const axis = axisOf(intAttribute(call.node, 'axis', -1), of.shape.length);
  const size = of.shape[axis];
  if (typeof k === 'number' && typeof size === 'number' && k > size) mismatch(`k is ${k} and the axis has ${size}`);
  const shape = of.shape.map((dim, i) => (i === axis ? k : dim));
  return [like(of, shape), fact('int64', shape)];
};

const unique: Rule = (call) => {
  const of = input(call, 0);
  const axis = intAttribute(call.node, 'axis');
  const shape =
    axis === undefined
      ? [undefined]
      : of.shape?.map((dim, i) => (i === axisOf(axis, of.shape!.length) ? undefined : dim));
  const list = fact('int64', [undefined]);
  return [like(of, shape), list, list, list];
};

const nonZero: Rule = (call) => fact('int64', [input(call, 0).shape?.length, undefined]);

const oneHot: Rule = (call) => {
  const [indices, depth, values] = [input(call, 0), input(call, 1), input(call, 2)];
  if (!indices.shape) return fact(values.dtype, undefined);
  const axis = axisOf(intAttribute(call.node, 'axis', -1), indices.shape.length + 1);
  const size = depth.values?.[0];
  return fact(values.dtype, [...indices.shape.slice(0, axis), size, ...indices.shape.slice(axis)]);
};

export const selectRules: Readonly<Record<string, Rule>> = {
  Slice: slice,
  Gather: gather,
  GatherElements: gatherElements,
  GatherND: gatherNd,
  OneHot: oneHot,
  Compress: compress,
  TopK: topK,
  Unique: unique,
  NonZero: nonZero,
};
