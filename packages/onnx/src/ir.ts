// The intermediate representation: an ONNX model as frozen values. Follows the ONNX IR specification, versions 1 to 14.
import type { DataType } from './data-types.ts';

/** One dimension: known, a symbolic name, or unknown. */
export type Dim = number | string | undefined;
/** Dimensions in order; of a scalar none. */
export type Shape = readonly Dim[];

/** Text that ONNX keeps as bytes: a string where it is valid UTF-8, the bytes themselves where it is not. */
export type ByteString = string | Uint8Array;

/** Where a tensor's bytes lie outside the model file; `location` is relative to the model's folder, `offset` and `length` in bytes. */
export interface ExternalData {
  readonly location: string;
  readonly offset: number;
  readonly length: number | undefined;
  readonly checksum: string | undefined;
}

/** A constant tensor. `data`: raw little-endian elements in row-major order (empty for strings and unresolved external data). */
export interface Tensor {
  readonly dtype: DataType;
  readonly dims: readonly number[];
  readonly data: Uint8Array;
  readonly strings?: readonly ByteString[];
  readonly external?: ExternalData;
  readonly name?: string;
  readonly doc?: string;
  readonly metadata?: ReadonlyMap<string, string>;
}

/** A sparse constant in coordinate form: `values` [n], `indices` [n] or [n, rank], of a dense tensor of `dims`. */
export interface SparseTensor {
  readonly values: Tensor;
  readonly indices: Tensor;
  readonly dims: readonly number[];
}

/** What a value may be: nearly always a tensor. */
export type ValueType =
  | { readonly kind: 'tensor' | 'sparse'; readonly dtype: DataType; readonly shape: Shape | undefined }
  | { readonly kind: 'sequence' | 'optional'; readonly of: ValueType }
  | { readonly kind: 'map'; readonly key: DataType; readonly of: ValueType }
  | { readonly kind: 'opaque'; readonly domain: string; readonly name: string };

/** An attribute value. Integers are numbers where safe and bigints beyond 2^53; a `reference` names an attribute of the enclosing function. */
export type Attribute = AttributeValue & { readonly doc?: string };
/** What an attribute holds, by its kind. */
export type AttributeValue =
  | { readonly type: 'float'; readonly value: number }
  | { readonly type: 'int'; readonly value: number | bigint }
  | { readonly type: 'string'; readonly value: ByteString }
  | { readonly type: 'tensor'; readonly value: Tensor }
  | { readonly type: 'graph'; readonly value: Graph }
  | { readonly type: 'sparse'; readonly value: SparseTensor }
  | { readonly type: 'typeOf'; readonly value: ValueType | undefined }
  | { readonly type: 'floats'; readonly value: readonly number[] }
  | { readonly type: 'ints'; readonly value: readonly (number | bigint)[] }
  | { readonly type: 'strings'; readonly value: readonly ByteString[] }
  | { readonly type: 'tensors'; readonly value: readonly Tensor[] }
  | { readonly type: 'graphs'; readonly value: readonly Graph[] }
  | { readonly type: 'sparses'; readonly value: readonly SparseTensor[] }
  | { readonly type: 'typesOf'; readonly value: readonly (ValueType | undefined)[] }
  | { readonly type: 'reference'; readonly value: string; readonly of: AttributeKind };

/** The kinds of attribute that carry a value. */
export type AttributeKind = Exclude<AttributeValue['type'], 'reference'>;

/** One operator call. An empty name in `inputs` or `outputs` means absent. */
export interface Node {
  readonly name: string;
  readonly opType: string;
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
  readonly overload?: string;
  readonly doc?: string;
  readonly metadata?: ReadonlyMap<string, string>;
  /** Wire fields that this version does not interpret, kept for writing back. */
  readonly extra?: Uint8Array;
}

/** A named value with its type. For anything but a tensor `dtype` is 'undefined', `shape` is undefined and `type` says what it is. */
export interface ValueInfo {
  readonly name: string;
  readonly dtype: DataType;
  readonly shape: Shape | undefined;
  readonly type?: ValueType;
  readonly doc?: string;
  readonly metadata?: ReadonlyMap<string, string>;
}

/** A graph: nodes in topological order, constants, inputs, outputs, and what is known of the values between. */
export interface Graph {
  readonly name: string;
  readonly nodes: readonly Node[];
  readonly initializers: ReadonlyMap<string, Tensor>;
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly valueInfo: ReadonlyMap<string, ValueInfo>;
  readonly sparseInitializers?: readonly SparseTensor[];
  readonly doc?: string;
  readonly metadata?: ReadonlyMap<string, string>;
  readonly extra?: Uint8Array;
}

/** A function: an operator that the model itself defines out of others. */
export interface ModelFunction {
  readonly name: string;
  readonly domain: string;
  readonly overload: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Attributes without a default, by name. */
  readonly attributes: readonly string[];
  readonly defaults: Readonly<Record<string, Attribute>>;
  readonly nodes: readonly Node[];
  readonly opsets: ReadonlyMap<string, number>;
  readonly valueInfo: ReadonlyMap<string, ValueInfo>;
  readonly doc?: string;
  readonly metadata?: ReadonlyMap<string, string>;
}

/** A whole model. `opsets`: version by operator domain, '' being ONNX itself. */
export interface Model {
  readonly irVersion: number;
  readonly opsets: ReadonlyMap<string, number>;
  readonly graph: Graph;
  readonly functions: readonly ModelFunction[];
  readonly metadata: ReadonlyMap<string, string>;
  readonly producerName: string;
  readonly producerVersion: string;
  readonly domain: string;
  readonly modelVersion: number;
  readonly doc?: string;
  readonly extra?: Uint8Array;
}

/** The number of elements of a tensor with these dimensions. */
export function elementCount(dims: readonly number[]): number {
  return dims.reduce((product, dim) => product * dim, 1);
}
