// Real factors as integers: the arithmetic contract of int8 layers, after TFLite's int8 specification.
// A sum is scaled as sum · multiplier / 2^(32 + shift) with one rounding, ties away from zero. (TFLite's first kernels round twice, which is off by one now and
// then and slower; TensorFlow Lite Micro can be built with one rounding too, with ties upwards.)
import type { Quantisation } from '../ir.ts';

/** A factor: value · multiplier / 2^(32 + shift), multiplier in 2^30 … 2^31 − 1 or 0, shift 1 … 22. */
interface Factor {
  readonly multiplier: number;
  readonly shift: number;
}

/** So that a zero point, shifted, stays well within int32. Factors below 2^-24 have fewer bits. */
const mostShift = 22;

/** The factor of a real number in [0, 1/4); smaller ones than 2^-32 are 0. Undefined for numbers that do not fit. */
export function factorOf(real: number): Factor | undefined {
  if (!(real >= 0 && real < 0.25)) return undefined;
  if (real < 2 ** -32) return { multiplier: 0, shift: 1 };
  let exponent = Math.floor(Math.log2(real)) + 1;
  if (real >= 2 ** exponent) exponent += 1;
  if (real < 2 ** (exponent - 1)) exponent -= 1;
  let multiplier = Math.round((real / 2 ** exponent) * 2 ** 31);
  if (multiplier === 2 ** 31) {
    multiplier = 2 ** 30;
    exponent += 1;
  }
  const shift = -1 - exponent;
  if (shift < 1) return { multiplier: 2 ** 31 - 1, shift: 1 };
  const excess = shift - mostShift;
  return excess > 0 ? { multiplier: Math.round(multiplier / 2 ** excess), shift: mostShift } : { multiplier, shift };
}

/** Doublings of a sum before it is scaled, so that every factor is below 1/4. Undefined if the sum, at most `bound`, does not stay within int32. */
export function doublings(factors: readonly number[], bound: number): number | undefined {
  const largest = Math.max(...factors);
  if (!Number.isFinite(largest)) return undefined;
  const up = largest < 0.25 ? 0 : Math.floor(Math.log2(largest)) + 3;
  return bound * 2 ** up < 2 ** 31 ? up : undefined;
}

/** Rounds to the nearest integer, ties to even: QuantizeLinear of ONNX. */
export function roundEven(value: number): number {
  const floor = Math.floor(value);
  return value - floor === 0.5 ? floor + (Math.abs(floor % 2) === 1 ? 1 : 0) : Math.round(value);
}

/** The int8 code of a real number. */
export function codeOf(real: number, { scale, zeroPoint }: Quantisation): number {
  const code = roundEven(Math.fround(real) / scale[0]!) + zeroPoint;
  return Number.isNaN(code) ? zeroPoint : Math.min(127, Math.max(-128, code));
}

/** The integers that stay between two real bounds. */
export function clampOf(bounds: Bounds, quantisation: Quantisation): { readonly low: number; readonly high: number } {
  const low = bounds.low === -Infinity ? -128 : codeOf(bounds.low, quantisation);
  const high = bounds.high === Infinity ? 127 : codeOf(bounds.high, quantisation);
  return { low, high: Math.max(low, high) };
}

/** What an activation keeps of its input, in real numbers. */
export interface Bounds {
  readonly low: number;
  readonly high: number;
}

export const unbounded: Bounds = { low: -Infinity, high: Infinity };
