// The element types of ONNX tensors as one table: wire code, width and the JavaScript array that views them.

const row = <A>(code: number, bits: number, array: A) => ({ code, bits, array });

/** Every ONNX element type. `bits`: width of one element in raw data (0: not raw); `array`: the typed array that views it without conversion. */
export const dataTypes = {
  undefined: row(0, 0, undefined),
  float32: row(1, 32, Float32Array),
  uint8: row(2, 8, Uint8Array),
  int8: row(3, 8, Int8Array),
  uint16: row(4, 16, Uint16Array),
  int16: row(5, 16, Int16Array),
  int32: row(6, 32, Int32Array),
  int64: row(7, 64, BigInt64Array),
  string: row(8, 0, undefined),
  bool: row(9, 8, Uint8Array),
  float16: row(10, 16, Uint16Array),
  float64: row(11, 64, Float64Array),
  uint32: row(12, 32, Uint32Array),
  uint64: row(13, 64, BigUint64Array),
  complex64: row(14, 64, Float32Array),
  complex128: row(15, 128, Float64Array),
  bfloat16: row(16, 16, Uint16Array),
  float8e4m3fn: row(17, 8, Uint8Array),
  float8e4m3fnuz: row(18, 8, Uint8Array),
  float8e5m2: row(19, 8, Uint8Array),
  float8e5m2fnuz: row(20, 8, Uint8Array),
  uint4: row(21, 4, Uint8Array),
  int4: row(22, 4, Uint8Array),
  float4e2m1: row(23, 4, Uint8Array),
  float8e8m0: row(24, 8, Uint8Array),
  uint2: row(25, 2, Uint8Array),
  int2: row(26, 2, Uint8Array),
  float6e2m3: row(27, 6, Uint8Array),
  float6e3m2: row(28, 6, Uint8Array),
} as const;

/** An ONNX element type by its name here; `undefined` stands for "not a tensor" or "not said". */
export type DataType = keyof typeof dataTypes;

const byCode: ReadonlyMap<number, DataType> = new Map(
  Object.entries(dataTypes).map(([name, { code }]) => [code, name as DataType]),
);

/** The element type of a wire code, or undefined for a code that this version does not know. */
export function dataTypeOfCode(code: number): DataType | undefined {
  return byCode.get(code);
}

/** Bytes that `count` elements take in raw data; types narrower than a byte are packed. */
export function byteLength(dtype: DataType, count: number): number {
  return Math.ceil((count * dataTypes[dtype].bits) / 8);
}

const floats: ReadonlySet<DataType> = new Set<DataType>(['float32', 'float64', 'float16', 'bfloat16']);

/** Whether a type is one of the four ordinary floating-point types. */
export function isFloat(dtype: DataType): boolean {
  return floats.has(dtype);
}
