// What the writers of convolutions share: sizes, which places have all their taps inside the input, loops over the taps that are.
import { toNumbers } from '@sanderling/onnx';
import { block, indexText, literal, loop, type Lines } from '../emit/c-text.ts';
import { elementTypes, stridesOf } from '../ir.ts';
import { inputOf, outputOf, productOf, type Desk } from './rule.ts';
import { axisName, groupsOf, windowOf, type Window } from './window.ts';

/** A convolution in the terms of its loops. */
export interface Shape {
  readonly desk: Desk;
  readonly type: string;
  readonly window: Window;
  readonly groups: number;
  /** Input channels and output channels of one group. */
  readonly channels: number;
  readonly maps: number;
  readonly plane: number;
  readonly outPlane: number;
  readonly taps: number;
  readonly x: string;
  readonly y: string;
  readonly bias: (map: string) => string;
  /** Stem of the names of its constants. */
  readonly stem: string;
  /** Weight k (input channel · taps + tap) of an output channel of a group. */
  readonly weightAt: (group: number, map: number, k: number) => number;
  /** Where results go: elements from one output place to the next along each axis, and of the first. */
  readonly into: { readonly steps: readonly number[]; readonly offset: number };
}

/** Without padding, stride and extent a convolution runs over all places as if they were one axis. */
function flattened(window: Window): Window {
  const pointwise =
    window.kernel.every((size) => size === 1) &&
    window.strides.every((step) => step === 1) &&
    [...window.begins, ...window.ends].every((pad) => pad === 0);
  if (!pointwise) return window;
  const places = [productOf(window.input)];
  return { input: places, output: places, kernel: [1], strides: [1], dilations: [1], begins: [0], ends: [0] };
}

/** C names of a sample's input and output, and of the bias of an output channel. */
export function namesOf(desk: Desk): Pick<Shape, 'desk' | 'type' | 'x' | 'y' | 'bias'> {
  const { layer } = desk;
  const [x, out] = [inputOf(layer, 0), outputOf(layer)];
  const bias = layer.inputs[2] ? desk.input(2) : undefined;
  return {
    desk,
    type: elementTypes[out.dtype].c,
    x: x.dims[0]! > 1 ? 'sample' : desk.input(0),
    y: x.dims[0]! > 1 ? 'result' : desk.output(),
    bias: (map) => (bias === undefined ? literal(0, out.dtype) : `${bias}[${map}]`),
  };
}

/** A loop over samples around code that works on `sample` and `result`, where there is more than one. */
export function overSamples(desk: Desk, type: string, body: Lines): Lines {
  const [x, out] = [inputOf(desk.layer, 0), outputOf(desk.layer)];
  const samples = x.dims[0]!;
  if (samples === 1) return body;
  return loop('n', samples, [
    `const ${type} *const sample = ${desk.input(0)} + n * ${productOf(x.dims) / samples};`,
    `${type} *const result = ${desk.output()} + n * ${productOf(out.dims) / samples};`,
    ...body,
  ]);
}

/** The sizes and names of a Conv layer. */
export function shapeOf(desk: Desk): Shape {
  const { layer } = desk;
  const [x, w, out] = [inputOf(layer, 0), inputOf(layer, 1), outputOf(layer)];
  const window = flattened(windowOf(layer, w.dims.slice(2)));
  const groups = groupsOf(layer);
  const [channels, maps, taps] = [x.dims[1]! / groups, out.dims[1]! / groups, productOf(window.kernel)];
  const elements = toNumbers(w.data!);
  return {
    ...namesOf(desk),
    window,
    groups,
    channels,
    maps,
    plane: productOf(window.input),
    outPlane: productOf(window.output),
    taps,
    stem: 'blocks',
    weightAt: (group, map, k) => elements[(group * maps + map) * channels * taps + k]!,
    into: { steps: stridesOf(window.output), offset: 0 },
  };
}

/** Where along an axis the window lies inside the input: output places first … end − 1. */
export function insideOf(
  { input, output, kernel, strides, dilations, begins }: Window,
  axis: number,
): [number, number] {
  const reach = (kernel[axis]! - 1) * dilations[axis]!;
  const first = Math.max(0, Math.ceil(begins[axis]! / strides[axis]!));
  const end = Math.floor((input[axis]! - 1 - reach + begins[axis]!) / strides[axis]!) + 1;
  return [Math.min(first, output[axis]!), Math.max(Math.min(end, output[axis]!), Math.min(first, output[axis]!))];
}

/** Whether every place of an axis has all its taps inside. */
export const isWhole = (window: Window, axis: number): boolean => {
  const [first, end] = insideOf(window, axis);
  return first === 0 && end === window.output[axis];
};

/** `const int32_t top_h = out_h * 2 - 1;` and the taps first_h … last_h − 1 that lie inside, where that is not all of them. */
export function places(window: Window, axis: number): Lines {
  const name = axisName(axis, window.output.length);
  const begin = window.begins[axis]!;
  const top =
    indexText(0, [[`out_${name}`, window.strides[axis]!]]) +
    (begin === 0 ? '' : begin < 0 ? ` + ${-begin}` : ` - ${begin}`);
  const lines = [`const int32_t top_${name} = ${top};`];
  if (isWhole(window, axis)) return lines;
  const [size, kernel, step] = [window.input[axis]!, window.kernel[axis]!, window.dilations[axis]!];
  const upward = (distance: string): string => (step === 1 ? distance : `(${distance} + ${step - 1}) / ${step}`);
  const first = upward(`-top_${name}`);
  const last = upward(`${size} - top_${name}`);
  return [
    ...lines,
    `const int32_t first_${name} = (top_${name} < 0) ? ${first} : 0;`,
    `const int32_t last_${name} = (top_${name} + ${(kernel - 1) * step + 1} > ${size}) ? ${last} : ${kernel};`,
  ];
}

/** A loop over the taps of an axis that lie inside; `all`: every one does. */
export function overTaps(window: Window, axis: number, { all, lines }: { all: boolean; lines: Lines }): Lines {
  const name = axisName(axis, window.output.length);
  if (all || isWhole(window, axis)) return loop(`k_${name}`, window.kernel[axis]!, lines);
  return block(`for (int32_t k_${name} = first_${name}; k_${name} < last_${name}; k_${name}++)`, lines);
}

/** The terms of a sum that are there. */
export const join = (...terms: readonly string[]): string =>
  terms.filter((term) => term !== '' && term !== '0').join(' + ') || '0';
/** A term times a number, as C. */
export const times = (term: string, factor: number): string =>
  factor === 1 || term === '' ? term : `${term.includes(' ') ? `(${term})` : term} * ${factor}`;
