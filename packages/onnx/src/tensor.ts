// Constant tensors: made from numbers, viewed as typed arrays, read as numbers.
import { SanderlingError } from '@sanderling/kit';
import { byteLength, dataTypes, type DataType } from './data-types.ts';
import { fromNarrow, isNarrowFloat, toNarrow } from './half.ts';
import { elementCount, type ByteString, type Tensor } from './ir.ts';

/** Elements as they come: numbers, bigints, booleans, or a typed array. */
export type Elements = ArrayLike<number> | ArrayLike<bigint> | ArrayLike<boolean>;

/** The typed array that holds elements of some ONNX type. */
export type TensorArray =
  | Float32Array
  | Float64Array
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

/**
 * A tensor from its elements in row-major order. A typed array that already has the right form is viewed, not copied.
 * float16, bfloat16 and the narrower floats take numbers and are rounded to nearest even; a Uint16Array given for float16 or bfloat16 is taken as codes.
 * @throws INVALID_ARGUMENT when the number of elements does not fit the dimensions.
 */
export function tensorOf(dtype: DataType, dims: readonly number[], elements: Elements): Tensor {
  const count = elementCount(dims);
  const perElement = dtype.startsWith('complex') ? 2 : 1;
  const { array, bits } = dataTypes[dtype];
  if (!array) throw new SanderlingError('INVALID_ARGUMENT', `a tensor of type ${dtype} is not made from numbers`);
  if (elements.length !== count * perElement)
    throw new SanderlingError(
      'INVALID_ARGUMENT',
      `a tensor [${dims.join(', ')}] takes ${count * perElement} elements, not ${elements.length}`,
    );
  const frozen = Object.freeze(Array.from(dims));
  if (elements instanceof array && (bits >= 16 || (bits === 8 && !isNarrowFloat(dtype))))
    return { dtype, dims: frozen, data: bytesOf(elements) };
  return { dtype, dims: frozen, data: converted(dtype, elements) };
}

/** A string tensor. @throws INVALID_ARGUMENT when the number of strings does not fit. */
export function stringTensor(dims: readonly number[], strings: readonly ByteString[]): Tensor {
  if (strings.length !== elementCount(dims))
    throw new SanderlingError(
      'INVALID_ARGUMENT',
      `a tensor [${dims.join(', ')}] does not take ${strings.length} strings`,
    );
  return { dtype: 'string', dims: [...dims], data: new Uint8Array(), strings };
}

/** A tensor of zeros. */
export function zeros(dtype: DataType, dims: readonly number[]): Tensor {
  return { dtype, dims: [...dims], data: new Uint8Array(byteLength(dtype, elementCount(dims))) };
}

/**
 * The elements as the type's own typed array (codes for the narrow floats, packed bytes below 8 bits); a view when the bytes are aligned, else a copy.
 * @throws INVALID_ARGUMENT for strings and unresolved external data.
 */
export function typedData(tensor: Tensor): TensorArray {
  const { array } = dataTypes[tensor.dtype];
  if (!array) throw new SanderlingError('INVALID_ARGUMENT', `a ${tensor.dtype} tensor has no numeric data`);
  if (tensor.external)
    throw new SanderlingError(
      'INVALID_ARGUMENT',
      `the tensor's data lie in ${tensor.external.location} and were not read`,
    );
  const { data } = tensor;
  const aligned = data.byteOffset % array.BYTES_PER_ELEMENT === 0 ? data : new Uint8Array(data);
  return new array(aligned.buffer as ArrayBuffer, aligned.byteOffset, aligned.byteLength / array.BYTES_PER_ELEMENT);
}

/** The elements of a float32 tensor, a view where aligned. @throws INVALID_ARGUMENT for another type. */
export function float32Data(tensor: Tensor): Float32Array {
  return expectType(tensor, 'float32') as Float32Array;
}

/** The elements of an int64 tensor, a view where aligned. @throws INVALID_ARGUMENT for another type. */
export function int64Data(tensor: Tensor): BigInt64Array {
  return expectType(tensor, 'int64') as BigInt64Array;
}

/** All elements as numbers, whatever the type (64-bit integers beyond 2^53 are rounded, complex as pairs). @throws INVALID_ARGUMENT for strings. */
export function toNumbers(tensor: Tensor): number[] {
  const { dtype } = tensor;
  const { bits } = dataTypes[dtype];
  if (bits > 0 && bits < 8) return unpacked(tensor);
  const array = typedData(tensor);
  if (isNarrowFloat(dtype)) return Array.from(array as Uint16Array, (code) => fromNarrow(dtype, code));
  return Array.from(array as ArrayLike<number | bigint>, Number);
}

/** The one element of a tensor of one element, or undefined if it has more or fewer. */
export function onlyNumber(tensor: Tensor): number | undefined {
  return tensor.dtype !== 'string' && elementCount(tensor.dims) === 1 ? toNumbers(tensor)[0] : undefined;
}

function expectType(tensor: Tensor, dtype: DataType): TensorArray {
  if (tensor.dtype !== dtype)
    throw new SanderlingError('INVALID_ARGUMENT', `expected a ${dtype} tensor and got ${tensor.dtype}`);
  return typedData(tensor);
}

const bytesOf = (array: ArrayBufferView): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

function converted(dtype: DataType, elements: Elements): Uint8Array {
  const { array, bits } = dataTypes[dtype];
  const items = elements as ArrayLike<number | bigint | boolean>;
  if (bits < 8) return packed(dtype, items);
  if (isNarrowFloat(dtype)) {
    const codes = Array.from(items, (item) => toNarrow(dtype, Number(item)));
    return bytesOf(bits === 16 ? Uint16Array.from(codes) : Uint8Array.from(codes));
  }
  if (dtype === 'bool') return Uint8Array.from(items, (item) => (item ? 1 : 0));
  if (array === BigInt64Array || array === BigUint64Array)
    return bytesOf((array as BigInt64ArrayConstructor).from(items as ArrayLike<bigint>, integer));
  return bytesOf((array as Float64ArrayConstructor).from(items as ArrayLike<number>, Number));
}

function integer(item: number | bigint | boolean): bigint {
  if (typeof item === 'number' && !Number.isInteger(item))
    throw new SanderlingError('INVALID_ARGUMENT', `${item} is not an integer`);
  return BigInt(item);
}

function packed(dtype: DataType, items: ArrayLike<number | bigint | boolean>): Uint8Array {
  const { bits } = dataTypes[dtype];
  const bytes = new Uint8Array(byteLength(dtype, items.length));
  const mask = 2 ** bits - 1;
  for (let i = 0; i < items.length; i += 1) {
    const code = (isNarrowFloat(dtype) ? toNarrow(dtype, Number(items[i])) : Number(items[i])) & mask;
    const at = i * bits;
    const wide = code << (at % 8);
    bytes[at >> 3]! |= wide & 255;
    if (wide > 255) bytes[(at >> 3) + 1]! |= wide >> 8;
  }
  return bytes;
}

function unpacked(tensor: Tensor): number[] {
  const { dtype, data } = tensor;
  const { bits } = dataTypes[dtype];
  const mask = 2 ** bits - 1;
  return Array.from({ length: elementCount(tensor.dims) }, (_, i) => {
    const at = i * bits;
    const code = (((data[at >> 3] ?? 0) | ((data[(at >> 3) + 1] ?? 0) << 8)) >> (at % 8)) & mask;
    if (isNarrowFloat(dtype)) return fromNarrow(dtype, code);
    return dtype.startsWith('int') && code > mask >> 1 ? code - mask - 1 : code;
  });
}
