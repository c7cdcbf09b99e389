// The gradient of Resize. Resampling is linear and separable: each axis is a matrix that is known when compiling, and its transpose goes back.
import { intAttribute, stringAttribute, tensorOf, type Node, type Value } from '@sanderling/onnx';
import { dimsOf, product, type Algebra } from '../algebra.ts';
import { inputOf, single, unsupported, type Call, type GradientRule } from './rule.ts';

/** How one axis is resampled. */
interface Axis {
  readonly from: number;
  readonly to: number;
}

/** Where output position `at` lies on the input axis. */
function sourceOf(node: Node, at: number, { from, to }: Axis): number {
  const scale = to / from;
  const mode = stringAttribute(node, 'coordinate_transformation_mode', 'half_pixel');
  switch (mode) {
    case 'half_pixel':
      return (at + 0.5) / scale - 0.5;
    case 'pytorch_half_pixel':
      return to > 1 ? (at + 0.5) / scale - 0.5 : 0;
    case 'asymmetric':
      return at / scale;
    case 'align_corners':
      return to > 1 ? (at * (from - 1)) / (to - 1) : 0;
    default:
      throw unsupported(node, `coordinate transformation ${mode} has no gradient rule`);
  }
}

const rounding: Readonly<Record<string, (x: number) => number>> = {
  round_prefer_floor: (x) => Math.ceil(x - 0.5),
  round_prefer_ceil: (x) => Math.floor(x + 0.5),
  floor: Math.floor,
  ceil: Math.ceil,
};

/** The weights with which inputs make one output: [input, weight] pairs. */
function tapsOf(node: Node, at: number, axis: Axis): [number, number][] {
  const source = sourceOf(node, at, axis);
  const inside = (x: number) => Math.min(Math.max(x, 0), axis.from - 1);
  const mode = stringAttribute(node, 'mode', 'nearest');
  if (mode === 'nearest') {
    const round = rounding[stringAttribute(node, 'nearest_mode', 'round_prefer_floor')];
    if (round === undefined) throw unsupported(node, 'unknown nearest_mode');
    return [[inside(round(source)), 1]];
  }
  if (mode !== 'linear') throw unsupported(node, `mode ${mode} has no gradient rule`);
  const clamped = inside(source);
  const low = Math.floor(clamped);
  return [
    [low, 1 - (clamped - low)],
    [inside(low + 1), clamped - low],
  ];
}

/** The matrix [to, from] of one axis. */
function matrixOf(node: Node, axis: Axis): Float32Array {
  const matrix = new Float32Array(axis.to * axis.from);
  for (let at = 0; at < axis.to; at += 1) {
    for (const [from, weight] of tapsOf(node, at, axis))
      matrix[at * axis.from + from] = (matrix[at * axis.from + from] ?? 0) + weight;
  }
  return matrix;
}

/** Whole-number nearest enlargement: the sum over tiles. */
function tileOf(node: Node, from: readonly number[], to: readonly number[]): number[] | undefined {
  const plain =
    stringAttribute(node, 'mode', 'nearest') === 'nearest' &&
    stringAttribute(node, 'coordinate_transformation_mode', 'half_pixel') === 'asymmetric' &&
    stringAttribute(node, 'nearest_mode', 'round_prefer_floor') === 'floor';
  const tile = to.map((size, i) => size / (from[i] as number));
  return plain && tile.every(Number.isInteger) && tile[0] === 1 && tile[1] === 1 ? tile : undefined;
}

function resizePull(call: Call, dy: Value): Value[] {
  const { m, node } = call;
  if (intAttribute(node, 'antialias', 0) !== 0 || node.attributes['axes'] !== undefined)
    throw unsupported(node, 'antialias and axes have no gradient rule');
  const [from, to] = [dimsOf(inputOf(call, 0)), dimsOf(dy)];
  const tile = tileOf(node, from, to);
  if (tile !== undefined) return [tileSums(m, dy, tile.slice(2))];
  return [
    from.reduce(
      (gradient, size, i) =>
        size === to[i] ? gradient : back(call, gradient, { axis: i, from: size, to: to[i] as number }),
      dy,
    ),
  ];
}

function tileSums(m: Algebra, dy: Value, tile: readonly number[]): Value {
  const averaged = m.op('AveragePool', [dy], { kernel_shape: [...tile], strides: [...tile] });
  return m.mul(averaged, product(tile));
}

/** The gradient of one axis that was resampled by a matrix. */
function back({ m, node }: Call, gradient: Value, at: Axis & { readonly axis: number }): Value {
  return throughMatrix(m, gradient, { ...at, matrix: matrixOf(node, at) });
}

/** One axis that is a matrix [to, from] times its input, and that matrix, row by row. */
interface Linear extends Axis {
  readonly axis: number;
  readonly matrix: Float32Array;
}

/** The gradient of an axis that is a constant matrix times its input: the gradient times that matrix. */
export function throughMatrix(m: Algebra, gradient: Value, { axis, from, to, matrix }: Linear): Value {
  const last = dimsOf(gradient).length - 1;
  const order = [...dimsOf(gradient).keys()].with(axis, last).with(last, axis);
  const rows = m.scope.constant(tensorOf('float32', [to, from], matrix));
  return m.transpose(m.matmul(m.transpose(gradient, order), rows), order);
}

export const resize = { Resize: single(resizePull) } as const satisfies Record<string, GradientRule>;
