// Operators that move elements without computing: all are loop nests over two tensors with different strides.
import { floatAttribute, intAttribute, intsAttribute, stringAttribute, toNumbers } from '@sanderling/onnx';
import { block, literal, loop, nest, type Lines } from '../emit/c-text.ts';
import { countOf, elementTypes, stridesOf } from '../ir.ts';
import { invalid, unsupported } from '../problems.ts';
import { checkPad, checkParts, checkSlice, checkTranspose, movesNothing, orderOf, padsOf } from './layout-checks.ts';
import {
  axisOf,
  broadcastStrides,
  constantOf,
  everything,
  inputOf,
  outputOf,
  productOf,
  type Desk,
  type OperatorRule,
} from './rule.ts';

const copyAll = (desk: Desk): Lines => {
  const out = outputOf(desk.layer);
  const walk = (name: string) => ({ name, strides: stridesOf(out.dims) });
  return nest(out.dims, [walk(desk.output()), walk(desk.input(0))], ([y, x]) => [`${y} = ${x};`]);
};

/** Reshape and its kin: the same elements under another shape. */
const reshaping = (constants: readonly number[] = []): OperatorRule => ({
  covers: 'all; free of cost unless it joins an input to an output',
  inputs: ['x'],
  types: everything,
  constants,
  alias: () => true,
  check: (layer) => {
    if (countOf(inputOf(layer, 0)) !== countOf(outputOf(layer)))
      invalid(layer.node, 'it changes the number of elements');
  },
  write: copyAll,
});

function writeTranspose(desk: Desk): Lines {
  const { layer } = desk;
  const [x, out] = [inputOf(layer, 0), outputOf(layer)];
  const order = orderOf(layer);
  const strides = stridesOf(x.dims);
  return nest(
    out.dims,
    [
      { name: desk.output(), strides: stridesOf(out.dims) },
      { name: desk.input(0), strides: order.map((axis) => strides[axis]!) },
    ],
    ([to, from]) => [`${to} = ${from};`],
  );
}

function writeConcat(desk: Desk): Lines {
  const { layer } = desk;
  const out = outputOf(layer);
  const axis = axisOf(layer, intAttribute(layer.node, 'axis', 1), out.dims.length);
  const strides = stridesOf(out.dims);
  let offset = 0;
  return layer.inputs.flatMap((value, i) => {
    const lines = nest(
      value!.dims,
      [
        { name: desk.output(), strides, offset },
        { name: desk.input(i), strides: stridesOf(value!.dims) },
      ],
      ([to, from]) => [`${to} = ${from};`],
    );
    offset += value!.dims[axis]! * strides[axis]!;
    return lines;
  });
}

function writeSplit(desk: Desk): Lines {
  const { layer } = desk;
  const x = inputOf(layer, 0);
  const axis = axisOf(layer, intAttribute(layer.node, 'axis', 0), x.dims.length);
  const strides = stridesOf(x.dims);
  let offset = 0;
  return layer.outputs.flatMap((out, i) => {
    if (!out) invalid(layer.node, 'leaves out one of its outputs');
    const lines = nest(
      out.dims,
      [
        { name: desk.output(i), strides: stridesOf(out.dims) },
        { name: desk.input(0), strides, offset },
      ],
      ([to, from]) => [`${to} = ${from};`],
    );
    offset += out.dims[axis]! * strides[axis]!;
    return lines;
  });
}

/** Slice: starts, axes and steps are attributes (opset 1) or constant inputs. */
function writeSlice(desk: Desk): Lines {
  const { layer } = desk;
  const [x, out] = [inputOf(layer, 0), outputOf(layer)];
  const rank = x.dims.length;
  const starts = constantOf(layer, 1) ?? intsAttribute(layer.node, 'starts', []);
  const axes = constantOf(layer, 3) ?? intsAttribute(layer.node, 'axes') ?? starts.map((_, i) => i);
  const steps = constantOf(layer, 4) ?? starts.map(() => 1);
  const strides = [...stridesOf(x.dims)];
  let offset = 0;
  for (const [i, given] of axes.entries()) {
    const axis = axisOf(layer, given, rank);
    const [size, step] = [x.dims[axis]!, steps[i]!];
    const from = starts[i]! < 0 ? starts[i]! + size : starts[i]!;
    const start = Math.min(Math.max(from, 0), step < 0 ? size - 1 : size);
    offset += start * strides[axis]!;
    strides[axis] = strides[axis]! * step;
  }
  return nest(
    out.dims,
    [
      { name: desk.output(), strides: stridesOf(out.dims) },
      { name: desk.input(0), strides, offset },
    ],
    ([to, from]) => [`${to} = ${from};`],
  );
}

function writeExpand(desk: Desk): Lines {
  const [x, out] = [inputOf(desk.layer, 0), outputOf(desk.layer)];
  return nest(
    out.dims,
    [
      { name: desk.output(), strides: stridesOf(out.dims) },
      { name: desk.input(0), strides: broadcastStrides(x.dims, out.dims) },
    ],
    ([to, from]) => [`${to} = ${from};`],
  );
}

/** Tile: each axis of the output is (repeats, size); the repeats read the same elements again. */
function writeTile(desk: Desk): Lines {
  const [x, out] = [inputOf(desk.layer, 0), outputOf(desk.layer)];
  const [from, to] = [stridesOf(x.dims), stridesOf(out.dims)];
  const dims = x.dims.flatMap((size, axis) => [out.dims[axis]! / size, size]);
  return nest(
    dims,
    [
      { name: desk.output(), strides: x.dims.flatMap((size, axis) => [to[axis]! * size, to[axis]!]) },
      { name: desk.input(0), strides: from.flatMap((stride) => [0, stride]) },
    ],
    ([y, one]) => [`${y} = ${one};`],
  );
}

/** DepthToSpace and SpaceToDepth as a permutation of six axes. */
const blocks = (toSpace: boolean): OperatorRule => ({
  covers: toSpace ? 'modes DCR and CRD' : 'all',
  inputs: ['x'],
  types: everything,
  check: (layer) => {
    const size = intAttribute(layer.node, 'blocksize', 1);
    const { dims } = inputOf(layer, 0);
    const whole = toSpace ? [dims[1]! / size ** 2] : [dims[2]! / size, dims[3]! / size];
    if (dims.length !== 4 || size < 1 || !whole.every(Number.isInteger))
      invalid(layer.node, 'its sizes do not divide into blocks');
  },
  write: (desk) => {
    const { layer } = desk;
    const [x, out] = [inputOf(layer, 0), outputOf(layer)];
    const size = intAttribute(layer.node, 'blocksize', 1);
    const [n, channels, height, width] = (toSpace ? x : out).dims as [number, number, number, number];
    const deep = channels / (size * size);
    const columnRow = toSpace && stringAttribute(layer.node, 'mode', 'DCR') === 'CRD';
    const depthDims = columnRow ? [n, deep, size, size, height, width] : [n, size, size, deep, height, width];
    const depth = stridesOf(depthDims);
    const spaceStrides = stridesOf([n, deep, height, size, width, size]);
    const order = columnRow ? [0, 1, 4, 2, 5, 3] : [0, 3, 4, 1, 5, 2];
    const dims = [n, deep, height, size, width, size];
    const deepWalk = order.map((axis) => depth[axis]!);
    const [to, from] = toSpace ? [spaceStrides, deepWalk] : [deepWalk, spaceStrides];
    return nest(
      dims,
      [
        { name: desk.output(), strides: to },
        { name: desk.input(0), strides: from },
      ],
      ([y, one]) => [`${y} = ${one};`],
    );
  },
});

/** Which input place an output place of one axis reads, by a table; −1 for the constant. */
function padSource(place: number, size: number, mode: string): number {
  if (place >= 0 && place < size) return place;
  if (mode === 'edge') return Math.min(Math.max(place, 0), size - 1);
  if (mode === 'wrap') return ((place % size) + size) % size;
  if (mode === 'constant') return -1;
  if (size === 1) return 0;
  const period = 2 * (size - 1);
  const folded = ((place % period) + period) % period;
  return folded < size ? folded : period - folded;
}

function writePad(desk: Desk): Lines {
  const { layer } = desk;
  const [x, out] = [inputOf(layer, 0), outputOf(layer)];
  const mode = stringAttribute(layer.node, 'mode', 'constant');
  const { begins } = padsOf(layer);
  if (mode === 'constant') return writeConstantPad(desk, begins);
  const strides = stridesOf(x.dims);
  const tables = out.dims.map((size, axis) => {
    const places = Array.from({ length: size }, (_, at) => padSource(at - begins[axis]!, x.dims[axis]!, mode));
    return desk.constant(
      `from_${axis}`,
      'int32',
      places.map((place) => place * strides[axis]!),
    );
  });
  const vars = out.dims.map((_, axis) => `i${axis}`);
  const to = stridesOf(out.dims);
  const index = vars.map((v, axis) => `${v} * ${to[axis]}`).join(' + ') || '0';
  const from = vars.map((v, axis) => `${tables[axis]}[${v}]`).join(' + ') || '0';
  return out.dims.reduceRight<Lines>(
    (lines, size, axis) => loop(vars[axis]!, size, lines),
    [`${desk.output()}[${index}] = ${desk.input(0)}[${from}];`],
  );
}

/** The constant everywhere, then the input in its place; negative pads cut. */
function writeConstantPad(desk: Desk, begins: readonly number[]): Lines {
  const { layer } = desk;
  const [x, out] = [inputOf(layer, 0), outputOf(layer)];
  const to = stridesOf(out.dims);
  const from = stridesOf(x.dims);
  const value = layer.inputs[2] ? `${desk.input(2)}[0]` : literal(floatAttribute(layer.node, 'value', 0), out.dtype);
  const low = begins.map((begin) => Math.max(-begin, 0));
  const dims = x.dims.map((size, axis) => Math.min(size, out.dims[axis]! - begins[axis]!) - low[axis]!);
  const start = (strides: readonly number[], shift: readonly number[]): number =>
    strides.reduce((sum, stride, axis) => sum + stride * (low[axis]! + shift[axis]!), 0);
  const fill = loop('i', productOf(out.dims), [`${desk.output()}[i] = ${value};`]);
  if (dims.some((size) => size <= 0)) return fill;
  return [
    ...fill,
    ...nest(
      dims,
      [
        { name: desk.output(), strides: to, offset: start(to, begins) },
        {
          name: desk.input(0),
          strides: from,
          offset: start(
            from,
            begins.map(() => 0),
          ),
        },
      ],
      ([y, one]) => [`${y} = ${one};`],
    ),
  ];
}

/** Trilu: the upper or lower triangle, zeros elsewhere. */
function writeTrilu(desk: Desk): Lines {
  const { layer } = desk;
  const x = inputOf(layer, 0);
  const [rows, columns] = x.dims.slice(-2) as [number, number];
  const shift = constantOf(layer, 1)?.[0] ?? 0;
  const keep = intAttribute(layer.node, 'upper', 1) === 1 ? `c - r >= ${shift}` : `c - r <= ${shift}`;
  const at = `(b * ${rows} + r) * ${columns} + c`;
  const body = [`${desk.output()}[${at}] = (${keep}) ? ${desk.input(0)}[${at}] : ${literal(0, x.dtype)};`];
  return loop('b', productOf(x.dims) / (rows * columns), loop('r', rows, loop('c', columns, body)));
}

function writeConstant(desk: Desk): Lines {
  const { layer } = desk;
  const out = outputOf(layer);
  const value = layer.node.attributes['value'];
  const elements = value?.type === 'tensor' ? toNumbers(value.value) : undefined;
  if (!elements) unsupported(layer.node, 'a constant that is no tensor', 'give it as an initializer');
  const name = desk.constant('value', out.dtype, elements);
  return loop('i', productOf(out.dims), [`${desk.output()}[i] = ${name}[i];`]);
}

/** ConstantOfShape whose shape is known but was too large to fold. */
function writeConstantOfShape(desk: Desk): Lines {
  const out = outputOf(desk.layer);
  const value = desk.layer.node.attributes['value'];
  const element = value?.type === 'tensor' ? toNumbers(value.value)[0]! : 0;
  return loop('i', productOf(out.dims), [`${desk.output()}[i] = ${literal(element, out.dtype)};`]);
}

function writeEyeLike(desk: Desk): Lines {
  const out = outputOf(desk.layer);
  const [rows, columns] = out.dims as [number, number];
  const shift = intAttribute(desk.layer.node, 'k', 0);
  const { c } = elementTypes[out.dtype];
  return loop(
    'r',
    rows,
    block(`for (int32_t c = 0; c < ${columns}; c++)`, [
      `${desk.output()}[r * ${columns} + c] = (${c})((c - r == ${shift}) ? 1 : 0);`,
    ]),
  );
}

const moving = (covers: string, inputs: readonly string[], write: OperatorRule['write']): OperatorRule => ({
  covers,
  inputs,
  types: everything,
  write,
});

/** Operators that move elements. */
export const layoutOperators = {
  Concat: { ...moving('all', ['x'], writeConcat), check: (layer) => checkParts(layer, outputOf(layer), layer.inputs) },
  Constant: { ...moving('tensors; folded into its readers', [], writeConstant), required: 0 },
  ConstantOfShape: { ...moving('constant shape', ['shape'], writeConstantOfShape), constants: [0] },
  DepthToSpace: blocks(true),
  Dropout: {
    ...reshaping([1, 2]),
    covers: 'inference',
    check: (layer) => {
      if (layer.outputs[1]) unsupported(layer.node, 'the mask output', 'remove the output that reads the mask');
      if (constantOf(layer, 2)?.[0]) unsupported(layer.node, 'training mode', 'export the model for inference');
    },
  },
  Expand: { ...moving('constant shape', ['x', 'shape'], writeExpand), constants: [1] },
  EyeLike: moving('all', ['x'], writeEyeLike),
  Flatten: reshaping(),
  Identity: reshaping(),
  Pad: {
    ...moving('modes constant, reflect, edge, wrap; constant pads', ['x', 'pads', 'value', 'axes'], writePad),
    constants: [1, 3],
    check: checkPad,
  },
  Reshape: reshaping([1]),
  Slice: {
    ...moving('constant starts, ends, axes, steps (negative ones too)', ['x'], writeSlice),
    constants: [1, 2, 3, 4],
    check: checkSlice,
  },
  SpaceToDepth: blocks(false),
  Split: {
    ...moving('constant sizes', ['x', 'sizes'], writeSplit),
    constants: [1],
    check: (layer) => checkParts(layer, inputOf(layer, 0), layer.outputs),
  },
  Squeeze: reshaping([1]),
  Tile: { ...moving('constant repeats', ['x', 'repeats'], writeTile), constants: [1], required: 2 },
  Transpose: {
    ...moving('all; free where only axes of size 1 move', ['x'], writeTranspose),
    alias: movesNothing,
    check: checkTranspose,
  },
  Trilu: { ...moving('constant k', ['x', 'k'], writeTrilu), constants: [1] },
  Unsqueeze: reshaping([1]),
} as const satisfies Record<string, OperatorRule>;
