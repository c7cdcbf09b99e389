// Numbers of samples from bytes: NPY files (numpy.lib.format 1.0 to 3.0) and raw numbers, little-endian.
import { basename } from 'node:path';
import { SanderlingError } from '@sanderling/kit';
import type { TensorArray } from '@sanderling/onnx';

/** Numbers one behind the other; 64-bit integers as bigints. */
export type Numbers = Float64Array | BigInt64Array | BigUint64Array;

/** How numbers lie in bytes: how many bytes each, what holds them all, and how one is read. */
interface RawKind {
  readonly bytes: number;
  readonly room: (count: number) => Numbers;
  readonly read: (view: DataView, at: number, little: boolean) => number | bigint;
}

const plain = (bytes: number, read: RawKind['read']): RawKind => ({
  bytes,
  room: (count) => new Float64Array(count),
  read,
});

/** By NPY's name of the type. */
const npyKinds: Readonly<Record<string, RawKind>> = {
  f2: plain(2, (view, at, little) => half(view.getUint16(at, little))),
  f4: plain(4, (view, at, little) => view.getFloat32(at, little)),
  f8: plain(8, (view, at, little) => view.getFloat64(at, little)),
  i1: plain(1, (view, at) => view.getInt8(at)),
  i2: plain(2, (view, at, little) => view.getInt16(at, little)),
  i4: plain(4, (view, at, little) => view.getInt32(at, little)),
  i8: {
    bytes: 8,
    room: (count) => new BigInt64Array(count),
    read: (view, at, little) => view.getBigInt64(at, little),
  },
  u1: plain(1, (view, at) => view.getUint8(at)),
  u2: plain(2, (view, at, little) => view.getUint16(at, little)),
  u4: plain(4, (view, at, little) => view.getUint32(at, little)),
  u8: {
    bytes: 8,
    room: (count) => new BigUint64Array(count),
    read: (view, at, little) => view.getBigUint64(at, little),
  },
  b1: plain(1, (view, at) => view.getUint8(at)),
};

/** IEEE 754 binary16. */
function half(bits: number): number {
  const [sign, exponent, fraction] = [bits >> 15 === 1 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  if (exponent === 31) return fraction === 0 ? sign * Infinity : Number.NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
}

/** By the element type of an input. */
export const rawKinds: Readonly<Record<string, RawKind>> = {
  float32: npyKinds['f4']!,
  float64: npyKinds['f8']!,
  int8: npyKinds['i1']!,
  int16: npyKinds['i2']!,
  int32: npyKinds['i4']!,
  int64: npyKinds['i8']!,
  uint8: npyKinds['u1']!,
  uint16: npyKinds['u2']!,
  uint32: npyKinds['u4']!,
  uint64: npyKinds['u8']!,
  bool: npyKinds['b1']!,
};

/** Numbers one behind the other. @throws INVALID_DATA. */
export function numbersAt(file: string, bytes: Buffer, { bytes: size, room, read }: RawKind, little = true): Numbers {
  if (bytes.length % size !== 0) bad(file, `${bytes.length} bytes are no whole count of numbers`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const numbers = room(bytes.length / size);
  for (let i = 0; i < numbers.length; i += 1) numbers[i] = read(view, i * size, little);
  return numbers;
}

/** The shape of an NPY file and its numbers in row-major order. @throws INVALID_DATA. */
export function readNpy(file: string, bytes: Buffer): { readonly dims: readonly number[]; readonly numbers: Numbers } {
  if (bytes.length < 12 || bytes.toString('latin1', 0, 6) !== '\u0093NUMPY') return bad(file, 'this is no NPY file');
  const version = bytes[6]!;
  const [start, length] = version === 1 ? [10, bytes.readUInt16LE(8)] : [12, bytes.readUInt32LE(8)];
  if (start + length > bytes.length) return bad(file, 'the file is cut');
  const header = bytes.toString('latin1', start, start + length);
  const descr = /'descr':\s*'([<>|=])(\w\d)'/.exec(header);
  const shape = /'shape':\s*\(([\d,\s]*)\)/.exec(header);
  const kind = descr === null ? undefined : npyKinds[descr[2]!];
  if (kind === undefined || shape === null)
    return bad(file, `numbers of this kind are not read: ${header.trim().slice(0, 120)}`);
  const dims = shape[1]!
    .split(',')
    .filter((size) => size.trim() !== '')
    .map(Number);
  if (/'fortran_order':\s*True/.test(header) && dims.length > 1)
    return bad(file, 'the array is in Fortran order; save numpy.ascontiguousarray of it');
  const count = dims.reduce((a, b) => a * b, 1);
  if (bytes.length - start - length !== count * kind.bytes)
    return bad(file, `${bytes.length - start - length} bytes of numbers instead of ${count * kind.bytes}`);
  return { dims, numbers: numbersAt(file, bytes.subarray(start + length), kind, descr![1] !== '>') };
}

const arrays: Readonly<Record<string, { from(values: ArrayLike<number>): TensorArray }>> = {
  float32: Float32Array,
  float64: Float64Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  bool: Uint8Array,
};

/** Numbers as the typed array of an input. @throws UNSUPPORTED for a type that has none. */
export function typed(dtype: string, numbers: ArrayLike<number | bigint>): TensorArray {
  if (dtype === 'int64' || dtype === 'uint64') {
    const whole = Array.from(numbers, (one) =>
      typeof one === 'bigint' ? one : BigInt(Number.isFinite(one) ? Math.trunc(one) : 0),
    );
    return dtype === 'int64' ? BigInt64Array.from(whole) : BigUint64Array.from(whole);
  }
  const array = arrays[dtype];
  if (array === undefined) throw new SanderlingError('UNSUPPORTED', `an input of ${dtype} cannot be fed here`);
  return array.from(
    numbers instanceof BigInt64Array || numbers instanceof BigUint64Array
      ? Array.from(numbers, Number)
      : (numbers as ArrayLike<number>),
  );
}

/** @throws INVALID_DATA naming the file. */
export function bad(file: string, message: string): never {
  throw new SanderlingError('INVALID_DATA', `${basename(file)}: ${message}`, { where: file });
}
