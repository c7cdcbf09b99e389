// Planning of sums, products, pools, softmax and changes of scale.
import { intAttribute } from '@sanderling/onnx';
import type { Layer, Quantisation } from '../ir.ts';
import { poolKernel } from '../operators/window.ts';
import { clampOf, doublings, factorOf, type Bounds } from './fixed-point.ts';
import { geometryOf, wholeGeometry } from './plan-products.ts';
import type { Geometry, NarrowWork, PoolWork, ProductWork, SoftmaxWork, SumWork } from './work.ts';

interface Result {
  readonly to: Quantisation;
  readonly bounds: Bounds;
}

/** An operand of a sum with its sign. */
interface Term {
  readonly quantisation: Quantisation;
  readonly sign: 1 | -1;
}

/** A constant operand: real numbers (with their sign) and dims. */
export interface Addend {
  readonly reals: readonly number[];
  readonly dims: readonly number[];
}

/** Factors of 21 bits, so that the whole sum stays within int32. */
export function sumWork(
  terms: readonly Term[],
  addend: Addend | undefined,
  { to, bounds }: Result,
): SumWork | undefined {
  const scale = to.scale[0]!;
  const ratios = terms.map(({ quantisation }) => quantisation.scale[0]! / scale);
  const largest = Math.max(...ratios);
  if (!(largest > 0 && largest < 2 ** 16)) return undefined;
  const shift = Math.min(20 - Math.floor(Math.log2(largest)), 28);
  const unit = 2 ** shift;
  const factors = ratios.map((ratio, i) => Math.round(ratio * unit) * terms[i]!.sign);
  const offset = terms.reduce((sum, { quantisation }, i) => sum - factors[i]! * quantisation.zeroPoint, 0);
  const addends = (addend?.reals ?? [0]).map((real) => Math.round((real / scale) * unit) + offset);
  const reach = factors.reduce((sum, factor) => sum + 128 * Math.abs(factor), unit);
  if (addends.some((one) => !(Math.abs(one) + reach < 2 ** 31))) return undefined;
  return { kind: 'sum', factors, addends, addendDims: addend?.dims, shift, zero: to.zeroPoint, ...clampOf(bounds, to) };
}

export function productWork(a: Quantisation, b: Quantisation, { to, bounds }: Result): ProductWork | undefined {
  const real = (a.scale[0]! * b.scale[0]!) / to.scale[0]!;
  const up = doublings([real], 256 * 256);
  if (up === undefined) return undefined;
  const multiplier = factorOf(real / 2 ** up)!;
  const zeros = [a.zeroPoint, b.zeroPoint] as const;
  return { kind: 'product', zeros, multiplier, up, zero: to.zeroPoint, ...clampOf(bounds, to) };
}

/** From int16 or int32 (at most `most`) to int8. */
export function narrowWork(from: Quantisation, to: Quantisation, most: number): NarrowWork | undefined {
  const real = from.scale[0]! / to.scale[0]!;
  const up = doublings([real], most);
  if (up === undefined || from.zeroPoint !== 0) return undefined;
  return { kind: 'narrow', multiplier: factorOf(real / 2 ** up)!, up, zero: to.zeroPoint };
}

/** MaxPool and GlobalMaxPool over codes. */
export function maxPoolWork(layer: Layer): PoolWork | undefined {
  const geometry = layer.operator === 'MaxPool' ? geometryOf(layer, poolKernel(layer)) : wholeGeometry(layer);
  return geometry && { kind: 'pool', geometry, average: undefined };
}

/** AveragePool; `geometry`: of the whole input for a global one. */
export function meanWork(
  layer: Layer,
  geometry: Geometry | undefined,
  from: Quantisation,
  to: Quantisation,
): PoolWork | undefined {
  const padded = intAttribute(layer.node, 'count_include_pad', 0) === 1;
  if (!geometry || (padded && intAttribute(layer.node, 'ceil_mode', 0) === 1)) return undefined;
  const taps = geometry.kernel[0] * geometry.kernel[1];
  const real = from.scale[0]! / to.scale[0]!;
  const counts = padded ? [taps] : Array.from({ length: taps }, (_, i) => i + 1);
  const up = doublings(
    counts.map((count) => real / count),
    256 * taps,
  );
  if (up === undefined || taps > 4096) return undefined;
  const factors = counts.map((count) => factorOf(real / count / 2 ** up)!);
  const average = { zeroIn: from.zeroPoint, zero: to.zeroPoint, up, padded };
  return { kind: 'pool', geometry, average: { ...average, factors: padded ? factors : [0, ...factors] } };
}

export function softmaxWork(axis: number, size: number, from: Quantisation, to: Quantisation): SoftmaxWork | undefined {
  const bits = Math.min(23, 31 - Math.ceil(Math.log2(size + 1)));
  const down = 16;
  const numerator = Math.round(2 ** down / to.scale[0]!);
  if (bits < 12 || numerator >= 2 ** 31 || numerator < 1) return undefined;
  const exponentials = Array.from({ length: 256 }, (_, d) => Math.round(Math.exp(-from.scale[0]! * d) * 2 ** bits));
  return { kind: 'softmax', axis, exponentials, numerator, down, zero: to.zeroPoint };
}
