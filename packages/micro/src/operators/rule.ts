// What a row of the operator table says, and what a rule has at hand while it writes.
import { SanderlingError } from '@sanderling/kit';
import { toNumbers } from '@sanderling/onnx';
import type { Lines } from '../emit/c-text.ts';
import { elementTypes, type ElementType, type Layer, type Value } from '../ir.ts';
import { invalid } from '../problems.ts';

/** The desk at which a rule writes one layer. Asking for a name is what makes it a parameter or a constant of the code. */
export interface Desk {
  readonly layer: Layer;
  /** C name of an input; for a constant the name of its array. */
  input(index: number): string;
  /** C name of an output. */
  output(index?: number): string;
  /** A constant array made by the rule, and its C name. `aligned`: it starts at a multiple of 8 bytes. */
  constant(stem: string, dtype: ElementType, elements: ArrayLike<number | bigint>, aligned?: boolean): string;
  /** C name of the scratch memory. */
  scratch(): string;
  /** C name of a helper of emit/c-helpers.ts, which is then part of the file. */
  helper(name: string): string;
  /** Puts C text into the file, once for each name, behind the helpers; NAME_ stands for the prefix. Gives the prefixed name. */
  define(name: string, text: string): string;
}

/** One operator. */
export interface OperatorRule {
  /** What of the operator is generated, for the compatibility page. */
  readonly covers: string;
  /** C names of its inputs; the last one repeats. */
  readonly inputs: readonly string[];
  /** Inputs that must be there. @default 1 */
  readonly required?: number;
  /** Element types of the input `typed`. @default float32 and float64 */
  readonly types?: readonly ElementType[];
  /** @default 0 */
  readonly typed?: number;
  /** Inputs whose element type may be another than that of the input `typed`; constant ones may anyway. @default none */
  readonly mixed?: readonly number[];
  /** Inputs that must be constant. @default none */
  readonly constants?: readonly number[];
  /** Whether the output has the input's elements in the same order: no code, no memory. @default never */
  readonly alias?: (layer: Layer) => boolean;
  /** Outputs that nobody reads are left out. @default false */
  readonly optionalOutputs?: boolean;
  /** Every output element depends on the input elements of the same place alone, so that it may take their memory. @default false */
  readonly elementwise?: boolean;
  /** Multiply-accumulates of one call. @default 0 */
  readonly work?: (layer: Layer) => number;
  /** Bytes of scratch memory. @default 0 */
  readonly scratch?: (layer: Layer) => number;
  /** Refuses what is not covered. */
  readonly check?: (layer: Layer) => void;
  readonly write: (desk: Desk) => Lines;
}

export const floats: readonly ElementType[] = ['float32', 'float64'];
export const numbers: readonly ElementType[] = (Object.keys(elementTypes) as ElementType[]).filter((t) => t !== 'bool');
export const everything: readonly ElementType[] = Object.keys(elementTypes) as ElementType[];

/** An input that must be there. */
export function inputOf(layer: Layer, index: number): Value {
  return layer.inputs[index] ?? invalid(layer.node, `lacks its input ${index}`);
}

/** An output that must be there. */
export function outputOf(layer: Layer, index = 0): Value {
  return layer.outputs[index] ?? invalid(layer.node, `lacks its output ${index}`);
}

/** The elements of a constant input; undefined if it is absent. */
export function constantOf(layer: Layer, index: number): readonly number[] | undefined {
  const value = layer.inputs[index];
  if (!value) return undefined;
  return value.data ? toNumbers(value.data) : invalid(layer.node, `its input ${index} is not constant`);
}

/** An axis counted from the front. */
export function axisOf(layer: Layer, axis: number, rank: number): number {
  if (axis < -rank || axis >= rank) invalid(layer.node, `axis ${axis} is out of range for rank ${rank}`);
  return axis < 0 ? axis + rank : axis;
}

/** Strides of `dims` seen as a part of `wider` under broadcasting: 0 where an element repeats. */
export function broadcastStrides(dims: readonly number[], wider: readonly number[]): readonly number[] {
  const strides = wider.map(() => 0);
  const shift = wider.length - dims.length;
  if (shift < 0 || dims.some((size, axis) => size !== 1 && size !== wider[axis + shift]))
    throw new SanderlingError('INVALID_MODEL', `[${dims.join(', ')}] does not broadcast to [${wider.join(', ')}]`);
  let step = 1;
  for (let axis = dims.length - 1; axis >= 0; axis -= 1) {
    if (dims[axis] !== 1) strides[axis + wider.length - dims.length] = step;
    step *= dims[axis]!;
  }
  return strides;
}

/** Refuses an input of another shape; an absent one passes. */
export function expectDims(layer: Layer, index: number, dims: readonly number[]): void {
  const value = layer.inputs[index];
  if (value && value.dims.join() !== dims.join())
    invalid(layer.node, `its input ${index} is [${value.dims.join(', ')}] instead of [${dims.join(', ')}]`);
}

/** Refuses an attribute or list of the wrong length or with numbers below `least`. */
export function expectList(
  layer: Layer,
  name: string,
  list: readonly number[] | undefined,
  [length, least]: readonly [number, number],
): void {
  if (
    list &&
    (list.length !== length || list.some((item) => !Number.isSafeInteger(item) || item < least || item > 2 ** 24))
  )
    invalid(layer.node, `${name} [${list.join(', ')}] should be ${length} integers of at least ${least}`);
}

export const productOf = (dims: readonly number[]): number => dims.reduce((product, dim) => product * dim, 1);
