// Gradients of operators that only move numbers about: the gradient moves the other way.
import { intAttribute, intsAttribute, stringAttribute, type Value } from '@sanderling/onnx';
import { dimsOf, type Algebra } from '../algebra.ts';
import { constantNumbers, numbersOf } from './constants.ts';
import { throughMatrix } from './resize.ts';
import { inputOf, single, unsupported, type Call, type GradientRule } from './rule.ts';

/** The same numbers in another shape: the gradient takes the shape of the input. */
const reshaped: GradientRule = single((call, dy) => [call.m.reshape(dy, dimsOf(inputOf(call, 0)))]);

/** The permutation that undoes another. */
export function inverse(perm: readonly number[]): number[] {
  const back: number[] = [];
  perm.forEach((axis, i) => {
    back[axis] = i;
  });
  return back;
}

function transposePull(call: Call, dy: Value): Value[] {
  const perm = intsAttribute(call.node, 'perm') ?? dimsOf(dy).map((_, i, all) => all.length - 1 - i);
  return [call.m.transpose(dy, inverse(perm))];
}

/** The gradient is cut at the seams of the concatenation. */
function concatPull(call: Call, dy: Value): Value[] {
  const rank = dimsOf(dy).length;
  const axis = (intAttribute(call.node, 'axis', 0) + rank) % rank;
  return call.m.split(
    dy,
    axis,
    call.inputs.map((_, i) => dimsOf(inputOf(call, i))[axis] as number),
  );
}

/** The gradients of the pieces are joined; a piece that nobody used counts zero. */
function splitPull(call: Call, dy: readonly (Value | undefined)[]): Value[] {
  const rank = dimsOf(inputOf(call, 0)).length;
  const axis = (intAttribute(call.node, 'axis', 0) + rank) % rank;
  const pieces = call.outputs.map((piece, i) => {
    if (piece === undefined) throw unsupported(call.node, `output ${i} is missing`);
    return dy[i] ?? call.m.zeros(dimsOf(piece), piece.dtype);
  });
  return [call.m.concat(pieces, axis)];
}

/** One axis of a slice as begin, step and count, all inside the input. */
interface Cut {
  readonly axis: number;
  readonly begin: number;
  readonly step: number;
}

function cutsOf(call: Call): Cut[] {
  const dims = dimsOf(inputOf(call, 0));
  const starts = constantNumbers(call, 1);
  const axes = call.inputs[3] === undefined ? starts.map((_, i) => i) : constantNumbers(call, 3);
  const steps = call.inputs[4] === undefined ? starts.map(() => 1) : constantNumbers(call, 4);
  return starts.map((start, i) => {
    const axis = ((axes[i] as number) + dims.length) % dims.length;
    const size = dims[axis] as number;
    const step = steps[i] as number;
    const begin = start < 0 ? start + size : start;
    return { axis, step, begin: Math.min(Math.max(begin, 0), step < 0 ? size - 1 : size) };
  });
}

/** Puts the gradient of a slice back where it was cut, with zeros around and between. */
function slicePull(call: Call, dy: Value): Value[] {
  const dims = dimsOf(inputOf(call, 0));
  const { m } = call;
  let gradient = dy;
  const [before, after] = [dims.map(() => 0), dims.map(() => 0)];
  for (const { axis, begin, step } of cutsOf(call)) {
    const count = dimsOf(dy)[axis] as number;
    const stride = Math.abs(step);
    const first = step > 0 ? begin : begin + (count - 1) * step;
    if (step < 0) gradient = reversed(m, gradient, axis);
    gradient = spread(m, gradient, { axis, stride });
    before[axis] = first;
    after[axis] = (dims[axis] as number) - first - ((count - 1) * stride + 1);
  }
  return [m.pad(gradient, before, after)];
}

/** The entries of one axis in the opposite order. */
function reversed(m: Algebra, value: Value, axis: number): Value {
  return m.slice(value, axis, [-1, Number.MIN_SAFE_INTEGER, -1]);
}

/** Puts `stride` − 1 zeros between the entries of one axis. */
function spread(m: Algebra, value: Value, { axis, stride }: { axis: number; stride: number }): Value {
  const dims = dimsOf(value);
  const count = dims[axis] as number;
  if (stride === 1 || count <= 1) return value;
  const split = m.reshape(value, [...dims.slice(0, axis + 1), 1, ...dims.slice(axis + 1)]);
  const none = dimsOf(split).map(() => 0);
  const padded = m.pad(split, none, none.with(axis + 1, stride - 1));
  const flat = m.reshape(padded, dims.with(axis, count * stride));
  return m.slice(flat, axis, [0, (count - 1) * stride + 1]);
}

/** Adds the gradient of every gathered row to the row that it came from (an embedding, when `x` is a table). */
function gatherPull(call: Call, dy: Value): (Value | undefined)[] {
  const { m } = call;
  const [x, indices] = [inputOf(call, 0), inputOf(call, 1)];
  const [dims, picks] = [dimsOf(x), dimsOf(indices)];
  const axis = (intAttribute(call.node, 'axis', 0) + dims.length) % dims.length;
  const known = numbersOf(call.constant(1));
  if (known?.length === 1) return [oneRow(m, dy, { dims, axis, row: known[0] as number })];
  const rank = dimsOf(dy).length;
  const indexAxes = picks.map((_, i) => axis + i);
  const rest = Array.from({ length: rank }, (_, i) => i).filter((i) => !indexAxes.includes(i));
  const rows = m.transpose(dy, [...indexAxes, ...rest]);
  const front = [dims[axis] as number, ...dims.filter((_, i) => i !== axis)];
  const at = m.reshape(m.cast(indices, 'int64'), [...picks, 1]);
  const summed = m.op('ScatterND', [m.zeros(front, dy.dtype), at, rows], { reduction: 'add' });
  return [m.transpose(summed, inverse([axis, ...dims.flatMap((_, i) => (i === axis ? [] : [i]))])), undefined];
}

/** The gradient of picking one row: that row, zeros elsewhere. */
function oneRow(m: Algebra, dy: Value, at: { dims: readonly number[]; axis: number; row: number }): Value {
  const { dims, axis } = at;
  const size = dims[axis] as number;
  const row = at.row < 0 ? at.row + size : at.row;
  const none = dims.map(() => 0);
  return m.pad(m.reshape(dy, dims.with(axis, 1)), none.with(axis, row), none.with(axis, size - 1 - row));
}

/** Where a place outside an axis of `size` takes its number from. */
const borders: Readonly<Record<string, (at: number, size: number) => number>> = {
  edge: (at, size) => Math.min(Math.max(at, 0), size - 1),
  reflect: (at, size) => (at < 0 ? -at : at >= size ? 2 * (size - 1) - at : at),
  wrap: (at, size) => ((at % size) + size) % size,
};

/** The gradient without the padding; where the padding repeats numbers, its gradient goes to those. */
function padPull(call: Call, dy: Value): Value[] {
  const dims = dimsOf(inputOf(call, 0));
  const pads = constantNumbers(call, 1);
  const named = call.inputs[3] === undefined ? dims.map((_, i) => i) : constantNumbers(call, 3);
  const axes = named.map((axis) => (axis + dims.length) % dims.length);
  const mode = stringAttribute(call.node, 'mode', 'constant');
  if (mode === 'constant') {
    const ranges = axes.map((axis, i) => [pads[i] as number, (pads[i] as number) + (dims[axis] as number)] as const);
    return [call.m.slices(dy, axes, ranges)];
  }
  const source = borders[mode];
  if (source === undefined) throw unsupported(call.node, `mode ${mode} has no gradient rule`);
  return [
    axes.reduce((gradient, axis, i) => {
      const [from, to] = [dims[axis] as number, dimsOf(dy)[axis] as number];
      if (from === to) return gradient;
      const matrix = new Float32Array(to * from);
      for (let at = 0; at < to; at += 1) matrix[at * from + source(at - (pads[i] as number), from)] = 1;
      return throughMatrix(call.m, gradient, { axis, from, to, matrix });
    }, dy),
  ];
}

/** The copies' gradients are added up. */
function tilePull(call: Call, dy: Value): Value[] {
  const dims = dimsOf(inputOf(call, 0));
  const repeats = constantNumbers(call, 1);
  const parts = call.m.reshape(
    dy,
    dims.flatMap((dim, i) => [repeats[i] as number, dim]),
  );
  return [
    call.m.sum(
      parts,
      dims.map((_, i) => 2 * i),
    ),
  ];
}

/** Depth to space and back are permutations of the numbers: each undoes the other. */
function depthToSpacePull(call: Call, dy: Value): Value[] {
  const { m, node } = call;
  const blocksize = intAttribute(node, 'blocksize', 1);
  if (stringAttribute(node, 'mode', 'DCR') !== 'CRD') return [m.op('SpaceToDepth', [dy], { blocksize })];
  const dims = dimsOf(inputOf(call, 0));
  const [batch, channels, high, wide] = dims as [number, number, number, number];
  const blocks = m.reshape(dy, [batch, channels / blocksize ** 2, high, blocksize, wide, blocksize]);
  return [m.reshape(m.transpose(blocks, [0, 1, 3, 5, 2, 4]), dims)];
}

/** The gradients of the picked numbers go back to their places. */
const topK: GradientRule = {
  train: ({ m, node, inputs }) => {
    const [values, indices] = m.scope.ops('TopK', inputs, node.attributes, 2) as [Value, Value];
    return { outputs: [values, indices], saved: { indices } };
  },
  pull: (call, [dy]) => {
    if (dy === undefined) return [];
    const x = inputOf(call, 0);
    const axis = intAttribute(call.node, 'axis', -1);
    const places = [call.m.zeros(dimsOf(x), dy.dtype), call.saved['indices'], dy];
    return [call.m.op('ScatterElements', places, { axis })];
  },
};

export const shape = {
  Reshape: reshaped,
  Flatten: reshaped,
  Squeeze: reshaped,
  Unsqueeze: reshaped,
  Transpose: single(transposePull),
  Concat: single(concatPull),
  Split: { pull: splitPull },
  Slice: single(slicePull),
  Gather: single(gatherPull),
  Pad: single(padPull),
  // d expand(x) = Σ over the repeated axes
  Expand: single((call, dy) => [call.m.unbroadcast(dy, inputOf(call, 0))]),
  Tile: single(tilePull),
  DepthToSpace: single(depthToSpacePull),
  SpaceToDepth: single(({ m, node }, dy) => [
    m.op('DepthToSpace', [dy], { blocksize: intAttribute(node, 'blocksize', 1) }),
  ]),
  // d trilu(x) = trilu(dx)
  Trilu: single(({ m, node, inputs }, dy) => [m.op('Trilu', [dy, inputs[1]], node.attributes)]),
  TopK: topK,
} as const satisfies Record<string, GradientRule>;
