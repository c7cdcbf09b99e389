// The narrow floating-point formats of ONNX ↔ numbers, as one table of (exponent bits, mantissa bits, bias, what the top codes mean).
import type { DataType } from './data-types.ts';

/** A binary floating-point format. `special`: how infinities and NaN are coded; `signed`: whether there is a sign bit. */
interface FloatFormat {
  readonly exponent: number;
  readonly mantissa: number;
  readonly bias: number;
  readonly special: 'ieee' | 'fn' | 'fnuz' | 'none' | 'e8m0';
}

const format = (exponent: number, mantissa: number, bias: number, special: FloatFormat['special']): FloatFormat => ({
  exponent,
  mantissa,
  bias,
  special,
});

/** IEEE 754 binary16, bfloat16, the OCP 8-bit formats and the OCP microscaling formats. */
export const narrowFloats = {
  float16: format(5, 10, 15, 'ieee'),
  bfloat16: format(8, 7, 127, 'ieee'),
  float8e4m3fn: format(4, 3, 7, 'fn'),
  float8e4m3fnuz: format(4, 3, 8, 'fnuz'),
  float8e5m2: format(5, 2, 15, 'ieee'),
  float8e5m2fnuz: format(5, 2, 16, 'fnuz'),
  float8e8m0: format(8, 0, 127, 'e8m0'),
  float4e2m1: format(2, 1, 1, 'none'),
  float6e2m3: format(2, 3, 1, 'none'),
  float6e3m2: format(3, 2, 3, 'none'),
} as const satisfies Partial<Record<DataType, FloatFormat>>;

export type NarrowFloat = keyof typeof narrowFloats;

/** Whether a type is one of the narrow floating-point formats. */
export function isNarrowFloat(dtype: DataType): dtype is NarrowFloat {
  return dtype in narrowFloats;
}

/** The number that a code of a narrow format stands for. */
export function fromNarrow(dtype: NarrowFloat, code: number): number {
  const { exponent, mantissa, bias, special } = narrowFloats[dtype];
  if (special === 'e8m0') return code === 255 ? NaN : 2 ** (code - bias);
  const sign = code >> (exponent + mantissa) ? -1 : 1;
  const power = (code >> mantissa) & (2 ** exponent - 1);
  const fraction = code & (2 ** mantissa - 1);
  const top = power === 2 ** exponent - 1;
  if (special === 'ieee' && top) return fraction === 0 ? sign * Infinity : NaN;
  if (special === 'fn' && top && fraction === 2 ** mantissa - 1) return NaN;
  if (special === 'fnuz' && sign === -1 && power === 0 && fraction === 0) return NaN;
  if (power === 0) return sign * fraction * 2 ** (1 - bias - mantissa);
  return sign * (1 + fraction / 2 ** mantissa) * 2 ** (power - bias);
}

/** The nearest code of a narrow format, ties to even; beyond the range it saturates where the format has no infinity. */
export function toNarrow(dtype: NarrowFloat, value: number): number {
  const layout = narrowFloats[dtype];
  const { exponent, mantissa, bias, special } = layout;
  if (special === 'e8m0') return toExponent(value, bias);
  const sign = value < 0 || Object.is(value, -0) ? 2 ** (exponent + mantissa) : 0;
  if (Number.isNaN(value)) return nanCode(layout);
  const limit = largestCode(layout);
  const magnitude = Math.abs(value);
  const power = Math.max(Math.floor(Math.log2(magnitude)), 1 - bias);
  const step = 2 ** (exactPower(magnitude, power, 1 - bias) - mantissa);
  const units = roundEven(magnitude / step);
  const scale = Math.round(Math.log2(step)) + mantissa + bias - 1;
  const code = magnitude === 0 ? 0 : magnitude === Infinity ? Infinity : units + scale * 2 ** mantissa;
  if (special === 'fnuz' && code === 0) return 0;
  if (code <= limit) return sign + code;
  return sign + (special === 'ieee' ? limit + 1 : limit);
}

/** Guards against log2 rounding across a power of two. */
function exactPower(magnitude: number, power: number, least: number): number {
  if (magnitude < 2 ** power) return Math.max(power - 1, least);
  return magnitude >= 2 ** (power + 1) ? power + 1 : power;
}

function largestCode({ exponent, mantissa, special }: FloatFormat): number {
  const all = 2 ** (exponent + mantissa) - 1;
  if (special === 'ieee') return all - 2 ** mantissa;
  return special === 'fn' ? all - 1 : all;
}

function nanCode({ exponent, mantissa, special }: FloatFormat): number {
  if (special === 'ieee') return (2 ** exponent - 1) * 2 ** mantissa + 2 ** (mantissa - 1);
  if (special === 'fn') return 2 ** (exponent + mantissa) - 1;
  return special === 'fnuz' ? 2 ** (exponent + mantissa) : 2 ** (exponent + mantissa) - 1;
}

function toExponent(value: number, bias: number): number {
  if (Number.isNaN(value) || value < 0) return 255;
  return Math.min(254, Math.max(0, Math.round(Math.log2(value)) + bias));
}

function roundEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
