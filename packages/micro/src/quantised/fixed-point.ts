// Real factors as integers: the arithmetic contract of int8 layers, after TFLite's int8 specification.
// A sum is scaled as sum · multiplier / 2^32 with one rounding, ties away from zero. The multiplier is odd: no sum of 32 bits then lies halfway between two codes, so that
// rounding halves upwards, as the one instruction SMMLAR of ARMv7E-M does, is rounding them away from zero. (TFLite's first kernels scale with a shift of each channel and round twice:
// off by one now and then, and four times as many instructions.)
import type { Quantisation } from '../ir.ts';

/**
 * The factor of a real number in [0, 1/2): the nearest odd multiplier of 2^-32. It is off by 2^-32 at most, so that a code is off by no more than bound · 2^-32
 * before it is rounded, and by no more than 256 / multiplier where it is not saturated. Undefined for numbers that do not fit.
 */
export function factorOf(real: number): number | undefined {
  if (!(real >= 0 && real < 0.5)) return undefined;
  return 2 * Math.floor(real * 2 ** 31) + 1;
}

/** Doublings of a sum before it is scaled, so that every factor is below 1/2. Undefined if the sum, at most `bound`, does not stay within int32. */
export function doublings(factors: readonly number[], bound: number): number | undefined {
  const largest = Math.max(...factors);
  if (!Number.isFinite(largest)) return undefined;
  const up = largest < 0.5 ? 0 : Math.floor(Math.log2(largest)) + 2;
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
