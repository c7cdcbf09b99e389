// Constants of quantised models: scales and zero points, weights as codes, real numbers behind DequantizeLinear.
import { intAttribute, tensorOf, toNumbers, type Tensor } from '@sanderling/onnx';
import { stridesOf, type Layer, type Quantisation, type Value } from '../ir.ts';
import type { Draft } from './draft.ts';

/** The parameters of a QuantizeLinear or DequantizeLinear with one scale for all, for codes seen as int8. Undefined if they are not constant. */
export function parametersOf(
  scale: Value | undefined,
  zero: Value | undefined,
  dtype: string,
): Quantisation | undefined {
  if (!scale?.data || (zero && !zero.data) || (dtype !== 'int8' && dtype !== 'uint8')) return undefined;
  const [scales, zeros] = [toNumbers(scale.data), zero?.data ? toNumbers(zero.data) : [0]];
  if (scales.length !== 1 || zeros.length !== 1 || !(scales[0]! > 0) || !Number.isFinite(scales[0])) return undefined;
  return { scale: [scales[0]!], zeroPoint: zeros[0]! - (dtype === 'uint8' ? 128 : 0), axis: undefined };
}

/** Integer weights: code · scale, the scale of each place along an axis or one for all. */
export interface Weights {
  readonly dims: readonly number[];
  readonly codes: readonly number[];
  readonly scales: readonly number[];
  readonly axis: number | undefined;
}

/** Weights from their codes, scales and zero points; undefined where a code less its zero point is no int8. */
export function weightsFrom(
  codes: Value | undefined,
  scale: Value | undefined,
  zero: Value | undefined,
  axis: number,
): Weights | undefined {
  if (!codes?.data || !scale?.data || (zero && !zero.data)) return undefined;
  if (codes.dtype !== 'int8' && codes.dtype !== 'uint8') return undefined;
  const [raw, scales] = [toNumbers(codes.data), toNumbers(scale.data)];
  const zeros = zero?.data ? toNumbers(zero.data) : [0];
  const { dims } = codes;
  const own = axis < 0 ? axis + dims.length : axis;
  const several = scales.length > 1 || zeros.length > 1;
  if (several && (scale.dims.length > 1 || Math.max(scales.length, zeros.length) !== dims[own])) return undefined;
  if (scales.some((one) => !(one >= 0 && Number.isFinite(one)))) return undefined;
  const step = stridesOf(dims)[own] ?? 1;
  const place = (i: number): number => Math.floor(i / step) % (dims[own] ?? 1);
  const shifted = Array.from(raw, (code, i) => code - (zeros.length === 1 ? zeros[0]! : zeros[place(i)]!));
  if (shifted.some((code) => code < -128 || code > 127)) return undefined;
  const all = scales.length === 1 && several ? zeros.map(() => scales[0]!) : Array.from(scales);
  return { dims, codes: shifted, scales: all, axis: several ? own : undefined };
}

/** The weights that a value is, if it is DequantizeLinear of constants. */
export function weightsOf(draft: Draft, value: Value | undefined): Weights | undefined {
  const layer = value && draft.producers.get(value);
  if (layer?.operator !== 'DequantizeLinear') return undefined;
  const [codes, scale, zero] = layer.inputs;
  return weightsFrom(codes, scale, zero, intAttribute(layer.node, 'axis', 1));
}

/** The real numbers that a constant value is, itself or through DequantizeLinear. */
export function realsOf(draft: Draft, value: Value | undefined): readonly number[] | undefined {
  if (!value) return undefined;
  if (value.data) return value.dtype.startsWith('float') ? Array.from(toNumbers(value.data)) : undefined;
  const layer = draft.producers.get(value);
  return layer?.operator === 'DequantizeLinear' ? dequantised(layer) : undefined;
}

/** What a DequantizeLinear of constants gives, in float32; undefined if something is not constant, or scales are by blocks. */
export function dequantised(layer: Layer): readonly number[] | undefined {
  const [codes, scale, zero] = layer.inputs;
  if (!codes?.data || !scale?.data || (zero && !zero.data)) return undefined;
  if (intAttribute(layer.node, 'block_size', 0) !== 0) return undefined;
  const [raw, scales] = [toNumbers(codes.data), toNumbers(scale.data)];
  const zeros = zero?.data ? toNumbers(zero.data) : undefined;
  const given = intAttribute(layer.node, 'axis', 1);
  const axis = given < 0 ? given + codes.dims.length : given;
  if (scales.length > 1 && codes.dims[axis] !== scales.length) return undefined;
  const step = stridesOf(codes.dims)[axis] ?? 1;
  const place = (i: number): number => (scales.length === 1 ? 0 : Math.floor(i / step) % scales.length);
  return Array.from(raw, (code, i) => Math.fround((code - (zeros?.[place(i)] ?? 0)) * scales[place(i)]!));
}

/** A constant float32 tensor. */
export const realTensor = (dims: readonly number[], elements: readonly number[]): Tensor =>
  tensorOf('float32', dims, Float32Array.from(elements));
