// Typed element fields of a wire tensor (float_data, int32_data …) → raw little-endian bytes.
import { SanderlingError } from '@sanderling/kit';
import { byteLength, dataTypes, type DataType } from '../data-types.ts';
import type { Message } from './schema.ts';

type Source = 'floats' | 'doubles' | 'int32s' | 'int64s' | 'uint64s';

const sources: Partial<Record<DataType, Source>> = {
  float32: 'floats',
  complex64: 'floats',
  float64: 'doubles',
  complex128: 'doubles',
  int64: 'int64s',
  uint64: 'uint64s',
  uint32: 'uint64s',
};

/** The raw bytes of a tensor that keeps its elements in a typed field. Types of 16 bits and fewer, and packed ones, come through int32_data. */
export function packElements(dtype: DataType, message: Message<'Tensor'>, count: number): Uint8Array {
  const source = sources[dtype] ?? 'int32s';
  const items = message[source] ?? [];
  const { bits } = dataTypes[dtype];
  const perItem = dtype.startsWith('complex') ? 0.5 : bits < 8 ? 8 / bits : 1;
  const wanted = bits < 8 ? byteLength(dtype, count) : Math.ceil(count / perItem);
  if (items.length !== wanted)
    throw new SanderlingError(
      'INVALID_MODEL',
      `a ${dtype} tensor of ${count} elements has ${items.length} data entries`,
      { where: message.name ?? 'tensor' },
    );
  return view(readers[source](items, dtype));
}

type Items = readonly (number | bigint)[];

/** How the entries of each typed field become elements. Types of 16 bits and fewer come as codes in int32_data. */
const readers: Readonly<Record<Source, (items: Items, dtype: DataType) => ArrayBufferView>> = {
  floats: (items) => Float32Array.from(items, Number),
  doubles: (items) => Float64Array.from(items, Number),
  int64s: (items) => BigInt64Array.from(items, BigInt),
  uint64s: (items, dtype) =>
    dtype === 'uint32'
      ? Uint32Array.from(items, Number)
      : BigUint64Array.from(items, (item) => BigInt.asUintN(64, BigInt(item))),
  int32s: (items, dtype) => (dataTypes[dtype].array as Uint16ArrayConstructor).from(items, Number),
};

const view = (array: ArrayBufferView): Uint8Array => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
