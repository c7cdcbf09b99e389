// Numbers of samples from bytes: NPY files (numpy.lib.format 1.0 to 3.0) and raw numbers, little-endian.
import { basename } from 'node:path';
import { SanderlingError } from '@sanderling/kit';
import type { TensorArray } from '@sanderling/onnx';

/** How numbers lie in bytes: NPY's name of the type, bytes, and how one is read. */
interface RawKind {
  readonly bytes: number;
  readonly read: (bytes: DataView, at: number) => number | bigint;
}

const npyKinds: Readonly<Record<string, RawKind>> = {
  f4: { bytes: 4, read: (view, at) => view.getFloat32(at, true) },
  f8: { bytes: 8, read: (view, at) => view.getFloat64(at, true) },
  i1: { bytes: 1, read: (view, at) => view.getInt8(at) },
  i2: { bytes: 2, read: (view, at) => view.getInt16(at, true) },
  i4: { bytes: 4, read: (view, at) => view.getInt32(at, true) },
  i8: { bytes: 8, read: (view, at) => view.getBigInt64(at, true) },
  u1: { bytes: 1, read: (view, at) => view.getUint8(at) },
  u2: { bytes: 2, read: (view, at) => view.getUint16(at, true) },
  u4: { bytes: 4, read: (view, at) => view.getUint32(at, true) },
  u8: { bytes: 8, read: (view, at) => view.getBigUint64(at, true) },
  b1: { bytes: 1, read: (view, at) => view.getUint8(at) },
};

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
export function numbersAt(file: string, bytes: Buffer, { bytes: size, read }: RawKind): readonly (number | bigint)[] {
  if (bytes.length % size !== 0) bad(file, `${bytes.length} bytes are no whole count of numbers`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Array.from({ length: bytes.length / size }, (_, i) => read(view, i * size));
}

/** The numbers of an NPY file in row-major order. @throws INVALID_DATA. */
export function npyNumbers(file: string, bytes: Buffer): readonly (number | bigint)[] {
  if (bytes.length < 12 || bytes.toString('latin1', 0, 6) !== '\u0093NUMPY') return bad(file, 'this is no NPY file');
  const version = bytes[6]!;
  const [start, length] = version === 1 ? [10, bytes.readUInt16LE(8)] : [12, bytes.readUInt32LE(8)];
  if (start + length > bytes.length) return bad(file, 'the file is cut');
  const header = bytes.toString('latin1', start, start + length);
  const descr = /'descr':\s*'([<|=])(\w\d)'/.exec(header);
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
  return numbersAt(file, bytes.subarray(start + length), kind);
}

const arrays: Readonly<Record<string, { from(values: readonly number[]): TensorArray }>> = {
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
export function typed(dtype: string, numbers: readonly (number | bigint)[]): TensorArray {
  if (dtype === 'int64' || dtype === 'uint64') {
    const whole = numbers.map((one) =>
      typeof one === 'bigint' ? one : BigInt(Number.isFinite(one) ? Math.trunc(one) : 0),
    );
    return dtype === 'int64' ? BigInt64Array.from(whole) : BigUint64Array.from(whole);
  }
  const array = arrays[dtype];
  if (array === undefined) throw new SanderlingError('UNSUPPORTED', `an input of ${dtype} cannot be fed here`);
  return array.from(numbers.map(Number));
}

/** @throws INVALID_DATA naming the file. */
export function bad(file: string, message: string): never {
  throw new SanderlingError('INVALID_DATA', `${basename(file)}: ${message}`, { where: file });
}
