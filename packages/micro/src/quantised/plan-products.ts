// Planning of convolutions and matrix products in int8: weights laid out for the kernels, zero points folded into biases, scales made fixed-point.
import { floatAttribute, intAttribute, intsAttribute } from '@sanderling/onnx';
import { transposedBegins } from '../operators/convolution.ts';
import { groupsOf, windowOf } from '../operators/window.ts';
import { countOf, type Layer, type Quantisation } from '../ir.ts';
import type { Weights } from './constants.ts';
import { clampOf, doublings, factorOf, type Bounds } from './fixed-point.ts';
import { planeShape } from './plane-rows.ts';
import { planesAtOnce, spanOf, type DepthwiseWork, type Geometry, type ProductsWork, type Scaling } from './work.ts';

/** One channel of a product: its weights in the order of a row, their scale, and the real bias. */
interface Channel {
  readonly codes: readonly number[];
  readonly scale: number;
  readonly bias: number;
}

/** Quantisation before and after, and what of the result is kept. */
export interface Between {
  readonly from: Quantisation;
  readonly to: Quantisation;
  readonly bounds: Bounds;
}

/** Scaling of channels; undefined where int32 does not hold the sums. */
function scalingOf(channels: readonly Channel[], { from, to, bounds }: Between): Scaling | undefined {
  const folded = channels.map(({ codes, scale, bias }) => {
    const step = from.scale[0]! * scale;
    const offset = step > 0 ? Math.round(bias / step) : 0;
    const [sum, size] = codes.reduce(([sum, size], code) => [sum + code, size + Math.abs(code)], [0, 0]);
    const start = offset - from.zeroPoint * sum;
    return { start, factor: step / to.scale[0]!, bound: Math.abs(start) + 128 * size };
  });
  if (folded.some(({ start, factor }) => !Number.isFinite(start) || !Number.isFinite(factor))) return undefined;
  const up = doublings(
    folded.map(({ factor }) => factor),
    folded.reduce((most, { bound }) => Math.max(most, bound), 0),
  );
  if (up === undefined) return undefined;
  const parameters = folded.flatMap(({ start, factor }) => [start, factorOf(factor / 2 ** up)!]);
  return { parameters, channels: channels.length, up, zero: to.zeroPoint, ...clampOf(bounds, to) };
}

/** Weights of channels in pairs: [channels / 2][quads][2][4], zeros where there is nothing. */
export function packed(rows: readonly (readonly number[])[]): Int8Array {
  const depth = rows[0]!.length;
  const quads = Math.ceil(depth / 4);
  const out = new Int8Array(Math.ceil(rows.length / 2) * quads * 8);
  for (const [channel, row] of rows.entries())
    for (const [k, code] of row.entries())
      out[(channel >> 1) * quads * 8 + (k >> 2) * 8 + (channel & 1) * 4 + (k & 3)] = code;
  return out;
}

const pair = (list: readonly number[], fallback: number): [number, number] =>
  list.length === 1 ? [fallback, list[0]!] : [list[0]!, list[1]!];

/** The window of a convolution or pool with one or two spatial axes; undefined for more. */
export function geometryOf(layer: Layer, kernel: readonly number[]): Geometry | undefined {
  const { dims } = layer.inputs[0]!;
  if (kernel.length < 1 || kernel.length > 2) return undefined;
  const window = windowOf(layer, kernel);
  return {
    batch: dims[0]!,
    channels: dims[1]!,
    input: pair(window.input, 1),
    output: pair(window.output, 1),
    kernel: pair(window.kernel, 1),
    strides: pair(window.strides, 1),
    dilations: pair(window.dilations, 1),
    begins: pair(window.begins, 0),
    step: [1, 1],
  };
}

/** A window over all places; undefined for more than two spatial axes. */
export function wholeGeometry({ inputs }: Layer): Geometry | undefined {
  const [batch, channels, ...space] = inputs[0]!.dims as [number, number, ...number[]];
  if (space.length < 1 || space.length > 2) return undefined;
  const input: readonly [number, number] = space.length === 1 ? [1, space[0]!] : [space[0]!, space[1]!];
  const one = [1, 1] as const;
  return {
    batch,
    channels,
    input,
    output: one,
    kernel: input,
    strides: one,
    dilations: one,
    begins: [0, 0],
    step: one,
  };
}

/** A transposed convolution as a convolution over a stretched input with turned weights. */
function stretchedGeometry(layer: Layer, kernel: readonly number[]): Geometry | undefined {
  if (kernel.length < 1 || kernel.length > 2) return undefined;
  const strides = intsAttribute(layer.node, 'strides') ?? kernel.map(() => 1);
  const dilations = intsAttribute(layer.node, 'dilations') ?? kernel.map(() => 1);
  const begins = transposedBegins(layer, kernel).map((begin, i) => dilations[i]! * (kernel[i]! - 1) - begin);
  const { dims } = layer.inputs[0]!;
  return {
    batch: dims[0]!,
    channels: dims[1]!,
    input: pair(dims.slice(2), 1),
    output: pair(layer.outputs[0]!.dims.slice(2), 1),
    kernel: pair(kernel, 1),
    strides: [1, 1],
    dilations: pair(dilations, 1),
    begins: pair(begins, 0),
    step: pair(strides, 1),
  };
}

/** A convolution's weights by channel: rows of (height, width, input channel). */
function channelsOf(layer: Layer, weights: Weights, bias: readonly number[] | undefined): readonly Channel[] {
  const transposed = layer.operator === 'ConvTranspose';
  const [first, second, ...kernel] = weights.dims as [number, number, ...number[]];
  const taps = kernel.reduce((product, size) => product * size, 1);
  const groups = groupsOf(layer);
  const [maps, inner] = transposed ? [second * groups, first / groups] : [first, second];
  return Array.from({ length: maps }, (_, map): Channel => {
    const codes = Array.from({ length: taps * inner }, (_, k) => {
      const [tap, channel] = [Math.floor(k / inner), k % inner];
      if (!transposed) return weights.codes[(map * inner + channel) * taps + tap]!;
      const group = Math.floor(map / second);
      return weights.codes[((group * inner + channel) * second + (map % second)) * taps + (taps - 1 - tap)]!;
    });
    const scale = weights.scales.length === 1 ? weights.scales[0]! : weights.scales[map]!;
    return { codes, scale, bias: bias?.[map] ?? 0 };
  });
}

/** Pointers to the taps of a depthwise convolution lie on the stack. */
const mostTaps = 128;

/** A convolution or transposed convolution; undefined where no integer kernel fits. */
export function convolutionWork(
  layer: Layer,
  weights: Weights,
  bias: readonly number[] | undefined,
  between: Between,
): ProductsWork | DepthwiseWork | undefined {
  const transposed = layer.operator === 'ConvTranspose';
  const groups = groupsOf(layer);
  const axis = transposed ? 1 : 0;
  if (weights.axis !== undefined && (weights.axis !== axis || (transposed && groups > 1))) return undefined;
  const kernel = weights.dims.slice(2);
  const geometry = transposed ? stretchedGeometry(layer, kernel) : geometryOf(layer, kernel);
  if (!geometry) return undefined;
  const channels = channelsOf(layer, weights, bias);
  const places = geometry.batch * geometry.output[0] * geometry.output[1];
  const depth = channels[0]!.codes.length;
  // Of a transposed convolution only those that meet an input: every input place with every tap of its maps.
  const perInput = (weights.codes.length / geometry.channels) * geometry.batch * geometry.input[0] * geometry.input[1];
  const macs = transposed ? perInput * geometry.channels : places * channels.length * depth;
  const zeroIn = between.from.zeroPoint;
  if (!transposed && groups > 1 && groups === geometry.channels && groups === channels.length && depth <= mostTaps) {
    const scaling = scalingOf(channels, between);
    return (
      scaling && { kind: 'depthwise', geometry, zeroIn, macs, scaling, ...depthwiseForm(geometry, channels, scaling) }
    );
  }
  const per = channels.length / groups;
  const parts = Array.from({ length: groups }, (_, group) => channels.slice(group * per, (group + 1) * per));
  const scalings = parts.map((part) => scalingOf(part, between));
  if (!scalings.every((scaling) => scaling !== undefined)) return undefined;
  return {
    kind: 'products',
    geometry: isPlain(geometry, groups) ? undefined : geometry,
    rows: places,
    depth,
    groups: scalings,
    weights: parts.map((part) => packed(part.map(({ codes }) => codes))),
    zeroIn,
    macs,
  };
}

/** Whether every output place reads just its own input place. */
function isPlain({ kernel, strides, begins, input, output, step }: Geometry, groups: number): boolean {
  const one = [...kernel, ...strides, ...step].every((size) => size === 1);
  return groups === 1 && one && begins.every((begin) => begin === 0) && input.join() === output.join();
}

/** Bands of planes take at most this part of the input and output together, or four rows. */
const shareOfPlanes = 1 / 16;
const fewestRows = 4;

/** Taps that are neighbours are summed plane by plane, all others tap by tap. */
function depthwiseForm(
  geometry: Geometry,
  channels: readonly Channel[],
  { up }: Scaling,
): Pick<DepthwiseWork, 'planes' | 'weights'> {
  const { begins, input, output, strides } = geometry;
  const shape = up === 0 && begins.every((begin) => begin >= 0) ? planeShape(geometry) : undefined;
  if (!shape) return { planes: undefined, weights: packedDepthwise(channels) };
  const bytes = (input[0] * input[1] + output[0] * output[1]) * channels.length;
  const row = 2 * shape.wide * planesAtOnce(geometry);
  const span = spanOf(geometry);
  const rows = Math.floor(((bytes * shareOfPlanes) / row - span) / strides[0]) + 1;
  const bands = Math.ceil(output[0] / Math.max(fewestRows, rows));
  const band = Math.ceil(output[0] / bands);
  return { planes: { shape, band }, weights: Int8Array.from(channels.flatMap(({ codes }) => codes)) };
}

/** [channels / 4][pairs of taps][4][2]. */
function packedDepthwise(channels: readonly Channel[]): Int16Array {
  const taps = channels[0]!.codes.length;
  const pairs = Math.ceil(taps / 2);
  const out = new Int16Array(Math.ceil(channels.length / 4) * pairs * 8);
  for (const [channel, { codes }] of channels.entries())
    for (const [tap, code] of codes.entries())
      out[(channel >> 2) * pairs * 8 + (tap >> 1) * 8 + (channel & 3) * 2 + (tap & 1)] = code;
  return out;
}

/** Which place of a row each input of a flattened value, channels last, was before: `dims` channels last. */
function shuffledPlaces(dims: readonly number[]): readonly number[] {
  const channels = dims.at(-1)!;
  const places = dims.slice(1, -1).reduce((product, size) => product * size, 1);
  return Array.from({ length: channels * places }, (_, k) => (k % channels) * places + Math.floor(k / channels));
}

/** What a matrix product is planned from: weights [depth, columns] or turned, the factor of the product, the bias of each column. */
export interface Matrix {
  readonly weights: Weights;
  readonly turned: boolean;
  readonly factor: number;
  readonly bias: readonly number[] | undefined;
  /** Dims, channels last, of the input before it was flattened. */
  readonly shuffle: readonly number[] | undefined;
}

/** A product of rows with constant weights; undefined where no integer kernel fits. */
export function matrixWork(layer: Layer, matrix: Matrix, between: Between): ProductsWork | undefined {
  const { weights, turned, factor, bias, shuffle } = matrix;
  const [first, second] = weights.dims as [number, number];
  const [depth, columns] = turned ? [second, first] : [first, second];
  if (weights.dims.length !== 2 || (weights.axis !== undefined && weights.axis !== (turned ? 0 : 1))) return undefined;
  const places = shuffle && shuffledPlaces(shuffle);
  if (layer.inputs[0]!.dims.at(-1) !== depth || (places && places.length !== depth)) return undefined;
  const at = (k: number, column: number): number => (turned ? column * depth + k : k * columns + column);
  const channels = Array.from({ length: columns }, (_, column): Channel => {
    const codes = Array.from({ length: depth }, (_, k) => weights.codes[at(places?.[k] ?? k, column)]!);
    const scale = weights.scales.length === 1 ? weights.scales[0]! : weights.scales[column]!;
    return { codes, scale: scale * factor, bias: bias?.[column] ?? 0 };
  });
  const scaling = factor > 0 ? scalingOf(channels, between) : undefined;
  const rows = countOf(layer.outputs[0]!) / columns;
  return (
    scaling && {
      kind: 'products',
      geometry: undefined,
      rows,
      depth,
      groups: [scaling],
      weights: [packed(channels.map(({ codes }) => codes))],
      zeroIn: between.from.zeroPoint,
      macs: rows * depth * columns,
    }
  );
}

/** α of a Gemm, and whether its operands are turned. */
export function gemmForm(layer: Layer): { alpha: number; beta: number; turnedA: boolean; turnedB: boolean } {
  return {
    alpha: floatAttribute(layer.node, 'alpha', 1),
    beta: floatAttribute(layer.node, 'beta', 1),
    turnedA: intAttribute(layer.node, 'transA', 0) === 1,
    turnedB: intAttribute(layer.node, 'transB', 0) === 1,
  };
}
