// The sliding window that convolutions and pools share: its attributes, and the loops over the taps that lie inside the input.
import { intAttribute, intsAttribute, stringAttribute } from '@sanderling/onnx';
import { indexText, loop, type Lines } from '../emit/c-text.ts';
import { stridesOf, type Layer } from '../ir.ts';
import { invalid } from '../problems.ts';
import { expectList, inputOf, outputOf } from './rule.ts';

/** A window over the spatial axes; sizes in elements. */
export interface Window {
  readonly input: readonly number[];
  readonly output: readonly number[];
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly begins: readonly number[];
  /** Declared padding at the end; for automatic padding what it amounts to. */
  readonly ends: readonly number[];
}

/** The window of a Conv or pooling layer. */
export function windowOf(layer: Layer, kernel: readonly number[]): Window {
  const { node } = layer;
  const [input, output] = [inputOf(layer, 0).dims.slice(2), outputOf(layer).dims.slice(2)];
  const strides = intsAttribute(node, 'strides') ?? kernel.map(() => 1);
  const dilations = intsAttribute(node, 'dilations') ?? kernel.map(() => 1);
  const auto = stringAttribute(node, 'auto_pad', 'NOTSET');
  const pads = intsAttribute(node, 'pads') ?? [...kernel, ...kernel].map(() => 0);
  const totals = input.map((size, i) =>
    Math.max((output[i]! - 1) * strides[i]! + (kernel[i]! - 1) * dilations[i]! + 1 - size, 0),
  );
  const same = (total: number): number => (auto === 'SAME_UPPER' ? Math.floor(total / 2) : Math.ceil(total / 2));
  const automatic = auto.startsWith('SAME');
  const begins = automatic ? totals.map(same) : kernel.map((_, i) => (auto === 'VALID' ? 0 : pads[i]!));
  const ends = automatic
    ? totals.map((total, i) => total - begins[i]!)
    : kernel.map((_, i) => (auto === 'VALID' ? 0 : pads[i + kernel.length]!));
  return { input, output, kernel, strides, dilations, begins, ends };
}

/** Refuses attributes that do not describe a window over the spatial axes. */
export function checkWindow(layer: Layer, kernel: readonly number[]): void {
  const { node } = layer;
  const rank = inputOf(layer, 0).dims.length - 2;
  if (rank < 1) invalid(node, 'its input has no spatial axes');
  expectList(layer, 'the kernel', kernel, [rank, 1]);
  expectList(layer, 'kernel_shape', intsAttribute(node, 'kernel_shape'), [rank, 1]);
  expectList(layer, 'strides', intsAttribute(node, 'strides'), [rank, 1]);
  expectList(layer, 'dilations', intsAttribute(node, 'dilations'), [rank, 1]);
  expectList(layer, 'pads', intsAttribute(node, 'pads'), [2 * rank, 0]);
  if (intsAttribute(node, 'kernel_shape', kernel).join() !== kernel.join())
    invalid(node, 'kernel_shape is not that of the weights');
}

/** Names of the spatial axes in the code, last axis last. */
const axisNames = ['d', 'h', 'w'];

/** The name of a spatial axis: h and w in two dimensions, w in one, numbers beyond three. */
export function axisName(axis: number, rank: number): string {
  return rank > 3 ? `s${axis}` : axisNames[axis + 3 - rank]!;
}

/** Whether some tap of an axis may fall outside the input. */
function mayLeave({ input, output, kernel, strides, dilations, begins }: Window, axis: number): boolean {
  const last = (output[axis]! - 1) * strides[axis]! - begins[axis]! + (kernel[axis]! - 1) * dilations[axis]!;
  return begins[axis]! > 0 || last >= input[axis]!;
}

/** Loops over all output places: variables out_h, out_w …; the body may use top_h … , the input place of the first tap. */
export function overPlaces(window: Window, body: Lines): Lines {
  const rank = window.output.length;
  return window.output.reduceRight<Lines>((lines, size, axis) => {
    const name = axisName(axis, rank);
    const [step, begin] = [window.strides[axis]!, window.begins[axis]!];
    const top = indexText(0, [[`out_${name}`, step]]) + (begin === 0 ? '' : ` - ${begin}`);
    return loop(`out_${name}`, size, [`const int32_t top_${name} = ${top};`, ...lines]);
  }, body);
}

/** Loops over the taps inside the input: variables k_h, k_w …; in_h, in_w … are the input places. */
export function overTaps(window: Window, body: Lines): Lines {
  const rank = window.output.length;
  return window.kernel.reduceRight<Lines>((lines, size, axis) => {
    const name = axisName(axis, rank);
    const step = indexText(`top_${name}`, [[`k_${name}`, window.dilations[axis]!]]);
    const inside = mayLeave(window, axis)
      ? [`if (in_${name} < 0 || in_${name} >= ${window.input[axis]}) { continue; }`]
      : [];
    return loop(`k_${name}`, size, [`const int32_t in_${name} = ${step};`, ...inside, ...lines]);
  }, body);
}

/** The index of a spatial place, `in_h * 8 + in_w` for prefix `in`. */
export function placeIndex(prefix: string, dims: readonly number[]): string {
  const strides = stridesOf(dims);
  return indexText(
    0,
    dims.map((_, axis) => [`${prefix}_${axisName(axis, dims.length)}`, strides[axis]!] as const),
  );
}

/** The kernel of a pool. */
export function poolKernel(layer: Layer): readonly number[] {
  return intsAttribute(layer.node, 'kernel_shape', []);
}

/** Groups of a convolution. */
export function groupsOf(layer: Layer): number {
  return intAttribute(layer.node, 'group', 1);
}
