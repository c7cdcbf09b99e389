// What operators that move elements are checked for before code is written: nothing may read or write outside its tensor.
import { intAttribute, intsAttribute, stringAttribute } from '@sanderling/onnx';
import type { Layer, Value } from '../ir.ts';
import { invalid, unsupported } from '../problems.ts';
import { axisOf, constantOf, inputOf, outputOf } from './rule.ts';

/** The order of axes of a Transpose. */
export const orderOf = (layer: Layer): readonly number[] => {
  const { dims } = inputOf(layer, 0);
  return intsAttribute(layer.node, 'perm') ?? dims.map((_, axis) => dims.length - 1 - axis);
};

/** Whether only axes of size 1 move. */
export function movesNothing(layer: Layer): boolean {
  const { dims } = inputOf(layer, 0);
  const order = orderOf(layer).filter((axis) => dims[axis] !== 1);
  return order.every((axis, i) => i === 0 || order[i - 1]! < axis);
}

/** Refuses an order that is none. */
export function checkTranspose(layer: Layer): void {
  const order = orderOf(layer);
  const { dims } = inputOf(layer, 0);
  const whole = order.length === dims.length && new Set(order).size === dims.length;
  if (!whole || order.some((axis) => axis < 0 || axis >= dims.length))
    invalid(layer.node, `perm [${order.join(', ')}] is no order of its axes`);
}

/** All inputs (or outputs) have the sizes of the whole but along the axis, where they add up. */
export function checkParts(layer: Layer, whole: Value, parts: readonly (Value | undefined)[]): void {
  const axis = axisOf(layer, intAttribute(layer.node, 'axis', layer.operator === 'Concat' ? 1 : 0), whole.dims.length);
  const sum = parts.reduce((total, part) => total + (part?.dims[axis] ?? 0), 0);
  const others = (value: Value | undefined): string => String(value?.dims.map((size, at) => (at === axis ? '' : size)));
  if (sum !== whole.dims[axis] || parts.some((part) => others(part) !== others(whole)))
    invalid(layer.node, 'its parts do not make the whole');
}

/** Reads within its input: every slice starts and ends inside. */
export function checkSlice(layer: Layer): void {
  const [x, out] = [inputOf(layer, 0), outputOf(layer)];
  const starts = constantOf(layer, 1) ?? intsAttribute(layer.node, 'starts', []);
  const axes = constantOf(layer, 3) ?? intsAttribute(layer.node, 'axes') ?? starts.map((_, i) => i);
  const steps = constantOf(layer, 4) ?? starts.map(() => 1);
  if (axes.length !== starts.length || steps.length !== starts.length || steps.includes(0))
    invalid(layer.node, 'starts, axes and steps do not go together');
  if (![...starts, ...axes, ...steps].every((value) => Number.isSafeInteger(Number(value))))
    invalid(layer.node, 'starts, axes and steps are not all integers');
  const seen = new Set(axes.map((axis) => axisOf(layer, axis, x.dims.length)));
  if (seen.size !== axes.length) invalid(layer.node, 'an axis is named twice');
  for (const [i, given] of axes.entries()) {
    const axis = axisOf(layer, given, x.dims.length);
    const size = x.dims[axis]!;
    const from = starts[i]! < 0 ? starts[i]! + size : starts[i]!;
    const start = Math.min(Math.max(from, 0), steps[i]! < 0 ? size - 1 : size);
    const last = start + (out.dims[axis]! - 1) * steps[i]!;
    if (last < 0 || last >= size) invalid(layer.node, `a slice reads place ${last} of ${size}`);
  }
}

/** Refuses modes that are not covered and pads that do not give the declared size. */
export function checkPad(layer: Layer): void {
  const [x, out] = [inputOf(layer, 0), outputOf(layer)];
  const mode = stringAttribute(layer.node, 'mode', 'constant');
  if (!padModes.some((known) => known === mode)) unsupported(layer.node, `mode ${mode}`, `use ${padModes.join(', ')}`);
  const { begins, ends } = padsOf(layer);
  if (x.dims.some((size, axis) => size + begins[axis]! + ends[axis]! !== out.dims[axis]))
    invalid(layer.node, 'pads do not give the size of its output');
}

const padModes = ['constant', 'reflect', 'edge', 'wrap'] as const;

/** Pads at begin and end of every axis. */
export function padsOf(layer: Layer): { begins: readonly number[]; ends: readonly number[] } {
  const rank = inputOf(layer, 0).dims.length;
  const pads = constantOf(layer, 1) ?? intsAttribute(layer.node, 'pads', []);
  const axes = constantOf(layer, 3) ?? Array.from({ length: rank }, (_, i) => i);
  const [begins, ends] = [Array.from({ length: rank }, () => 0), Array.from({ length: rank }, () => 0)];
  for (const [i, given] of axes.entries()) {
    const axis = axisOf(layer, given, rank);
    begins[axis] = pads[i] ?? 0;
    ends[axis] = pads[i + axes.length] ?? 0;
  }
  return { begins, ends };
}
