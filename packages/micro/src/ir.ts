// The intermediate form: a program of layers over values with known types and sizes. C99 is written from it today; other writers can be.
import type { Node, Tensor } from '@sanderling/onnx';
import type { IntegerWork } from './quantised/work.ts';

const row = <C extends string, K extends 'float' | 'integer' | 'bool'>(c: C, bytes: number, kind: K, signed: boolean) =>
  ({ c, bytes, kind, signed }) as const;

/** The element types that generated code computes with: the C type, bytes of one element. */
export const elementTypes = {
  float32: row('float', 4, 'float', true),
  float64: row('double', 8, 'float', true),
  int8: row('int8_t', 1, 'integer', true),
  int16: row('int16_t', 2, 'integer', true),
  int32: row('int32_t', 4, 'integer', true),
  int64: row('int64_t', 8, 'integer', true),
  uint8: row('uint8_t', 1, 'integer', false),
  uint16: row('uint16_t', 2, 'integer', false),
  uint32: row('uint32_t', 4, 'integer', false),
  uint64: row('uint64_t', 8, 'integer', false),
  bool: row('uint8_t', 1, 'bool', false),
} as const;

/** An element type of the generated code. */
export type ElementType = keyof typeof elementTypes;

/** Whether generated code knows an element type. */
export function isElementType(dtype: string): dtype is ElementType {
  return Object.hasOwn(elementTypes, dtype);
}

/** How integers stand for real numbers: real = scale[c] · (code − zeroPoint), `scale` per channel of `axis` or one for all. */
export interface Quantisation {
  readonly scale: readonly number[];
  readonly zeroPoint: number;
  readonly axis: number | undefined;
}

/** Where a value comes from. */
export type Role = 'input' | 'output' | 'state' | 'constant' | 'temporary';

/** One tensor of the program. `name` is the ONNX name; `data` is there for constants. */
export interface Value {
  readonly id: number;
  readonly name: string;
  readonly dtype: ElementType;
  readonly dims: readonly number[];
  readonly role: Role;
  readonly data?: Tensor;
  readonly quantisation?: Quantisation;
}

/** One operator call: values in and out, undefined where an optional one is absent. `integer`: what an integer layer was planned with. */
export interface Layer {
  readonly index: number;
  readonly name: string;
  readonly operator: string;
  readonly node: Node;
  readonly opset: number;
  readonly inputs: readonly (Value | undefined)[];
  readonly outputs: readonly (Value | undefined)[];
  readonly integer?: IntegerWork;
}

/** A value of one call that is the input of the next. `initial`: what it is after a reset; zeros if absent. */
export interface StateBinding {
  readonly input: Value;
  readonly next: Value;
  readonly initial: Tensor | undefined;
}

/** What the caller sees: a graph output by its name and the value that it shows. */
export interface ProgramOutput {
  readonly name: string;
  readonly value: Value;
}

/** A whole model, lowered. Layers are in the order in which they run. */
export interface Program {
  readonly name: string;
  readonly values: readonly Value[];
  readonly layers: readonly Layer[];
  readonly inputs: readonly Value[];
  readonly outputs: readonly ProgramOutput[];
  readonly states: readonly StateBinding[];
}

/** The number of elements of a value. */
export function countOf({ dims }: Pick<Value, 'dims'>): number {
  return dims.reduce((product, dim) => product * dim, 1);
}

/** Bytes of a value. */
export function bytesOf(value: Pick<Value, 'dims' | 'dtype'>): number {
  return countOf(value) * elementTypes[value.dtype].bytes;
}

/** Steps between neighbours along each axis of a row-major tensor, in elements. */
export function stridesOf(dims: readonly number[]): readonly number[] {
  const strides: number[] = Array.from({ length: dims.length }, () => 1);
  for (let axis = dims.length - 2; axis >= 0; axis -= 1) strides[axis] = strides[axis + 1]! * dims[axis + 1]!;
  return strides;
}
