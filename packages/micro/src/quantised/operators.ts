// Quantisation operators as ONNX defines them, with parameters that may be computed: what is left when no integer layer takes them in.
import { intAttribute } from '@sanderling/onnx';
import { indented, indexText, literal, loop, nest, type Lines } from '../emit/c-text.ts';
import { countOf, elementTypes, stridesOf, type ElementType, type Layer, type Value } from '../ir.ts';
import {
  axisOf,
  broadcastStrides,
  expectDims,
  inputOf,
  outputOf,
  productOf,
  type Desk,
  type OperatorRule,
} from '../operators/rule.ts';
import { checkWindow, groupsOf, overPlaces, overTaps, placeIndex, windowOf } from '../operators/window.ts';
import { invalid, unsupported } from '../problems.ts';

const bytes: readonly ElementType[] = ['int8', 'uint8'];
const codes: readonly ElementType[] = ['int8', 'uint8', 'int16', 'uint16'];

/** Largest and least code. */
function rangeOf(dtype: ElementType): readonly [number, number] {
  const { bytes: size, signed } = elementTypes[dtype];
  return signed ? [-(2 ** (8 * size - 1)), 2 ** (8 * size - 1) - 1] : [0, 2 ** (8 * size) - 1];
}

/** Rounds to nearest even, adds the zero point, saturates; NaN becomes the least code. */
function quantised(to: string, real: string, { zero, dtype }: { zero: string; dtype: ElementType }): Lines {
  const [low, high] = rangeOf(dtype);
  const { c } = elementTypes[dtype];
  const [lowest, highest] = [literal(low, 'float32'), literal(high, 'float32')];
  return [
    `const float code = rintf(${real})${zero === '' ? '' : ` + (float)${zero}`};`,
    `${to} = (code > ${lowest}) ? ((code < ${highest}) ? (${c})code : (${c})${high}) : (${c})(${low});`,
  ];
}

/** How scales lie along the elements: dims with a blocked axis split, and the steps of the scale. */
function scaleWalk(layer: Layer): { dims: readonly number[]; strides: readonly number[] } {
  const { dims } = inputOf(layer, 0);
  const scale = inputOf(layer, 1);
  if (countOf(scale) === 1) return { dims, strides: dims.map(() => 0) };
  const axis = axisOf(layer, intAttribute(layer.node, 'axis', 1), dims.length);
  const block = intAttribute(layer.node, 'block_size', 0);
  if (block === 0) return { dims, strides: dims.map((_, i) => (i === axis ? 1 : 0)) };
  const steps = stridesOf(scale.dims);
  return {
    dims: dims.flatMap((size, i) => (i === axis ? [size / block, block] : [size])),
    strides: dims.flatMap((_, i) => (i === axis ? [steps[i]!, 0] : [steps[i]!])),
  };
}

function checkScale(layer: Layer): void {
  const { dims } = inputOf(layer, 0);
  const [scale, zero] = [inputOf(layer, 1), layer.inputs[2]];
  if (zero && countOf(zero) !== countOf(scale)) invalid(layer.node, 'scale and zero point differ in size');
  if (scale.dtype !== 'float32') unsupported(layer.node, `a scale of type ${scale.dtype}`, 'use float32');
  if (countOf(scale) === 1) return;
  const axis = axisOf(layer, intAttribute(layer.node, 'axis', 1), dims.length);
  const block = intAttribute(layer.node, 'block_size', 0);
  if (block === 0) expectDims(layer, 1, [dims[axis]!]);
  else {
    if (block < 1 || dims[axis]! % block !== 0)
      unsupported(layer.node, 'blocks that do not divide the axis', 'use a block size that does');
    expectDims(
      layer,
      1,
      dims.map((size, i) => (i === axis ? size / block : size)),
    );
  }
}

function writeQuantize(desk: Desk): Lines {
  const { layer } = desk;
  const out = outputOf(layer);
  const { dims, strides } = scaleWalk(layer);
  const dense = stridesOf(dims);
  const zero = layer.inputs[2];
  const walks = [
    { name: desk.output(), strides: dense },
    { name: desk.input(0), strides: dense },
    { name: desk.input(1), strides },
    ...(zero ? [{ name: desk.input(2), strides }] : []),
  ];
  const real = inputOf(layer, 0).dtype === 'float32' ? '' : '(float)';
  return nest(dims, walks, ([y, x, scale, from = '']) =>
    quantised(y!, `${real}${x} / ${scale}`, { zero: from, dtype: out.dtype }),
  );
}

function writeDequantize(desk: Desk): Lines {
  const { layer } = desk;
  const { dims, strides } = scaleWalk(layer);
  const dense = stridesOf(dims);
  const zero = layer.inputs[2];
  const walks = [
    { name: desk.output(), strides: dense },
    { name: desk.input(0), strides: dense },
    { name: desk.input(1), strides },
    ...(zero ? [{ name: desk.input(2), strides }] : []),
  ];
  const wide = inputOf(layer, 0).dtype === 'int32' ? '(int64_t)' : '';
  return nest(dims, walks, ([y, x, scale, from]) => [
    `${y} = (float)${from ? `(${wide}${x} - ${from})` : x} * ${scale};`,
  ]);
}

/** Range of what came in, zero included, in 255 steps. */
function writeDynamic(desk: Desk): Lines {
  const count = countOf(inputOf(desk.layer, 0));
  const x = desk.input(0);
  const names = [0, 1, 2].map((i) => desk.output(i)) as [string, string, string];
  const [y, scale, zero] = names;
  return [
    'float low = 0.0F;',
    'float high = 0.0F;',
    ...loop('i', count, [`if (${x}[i] < low) { low = ${x}[i]; }`, `if (${x}[i] > high) { high = ${x}[i]; }`]),
    'const float step = (high > low) ? ((high - low) / 255.0F) : 1.0F;',
    `${scale}[0] = step;`,
    '{',
    ...indented(quantised(`${zero}[0]`, '-low / step', { zero: '', dtype: 'uint8' })),
    '}',
    ...loop('i', count, quantised(`${y}[i]`, `${x}[i] / step`, { zero: `${zero}[0]`, dtype: 'uint8' })),
  ];
}

/** C text of one parameter (scale or zero point): of its only element, or of place `at`; '' if it is absent. */
function parameter(desk: Desk, index: number, at: string): string {
  const value = desk.layer.inputs[index];
  if (!value) return '';
  return countOf(value) === 1 ? `${desk.input(index)}[0]` : `${desk.input(index)}[${at}]`;
}

const less = (text: string, zero: string): string => (zero === '' ? text : `(${text} - ${zero})`);

/** Where the operands of a product and their parameters stand among the inputs. */
interface Places {
  readonly a: number;
  readonly aScale?: number;
  readonly aZero: number;
  readonly b: number;
  readonly bScale?: number;
  readonly bZero: number;
  readonly yScale?: number;
  readonly yZero?: number;
  readonly bias?: number;
}

const linear: Places = { a: 0, aScale: 1, aZero: 2, b: 3, bScale: 4, bZero: 5, yScale: 6, yZero: 7, bias: 8 };
const whole: Places = { a: 0, aZero: 2, b: 1, bZero: 3 };

/** Writes a sum: as it is, or scaled and rounded. */
function result(desk: Desk, places: Places, { to, row, column }: Record<'to' | 'row' | 'column', string>): Lines {
  const out = outputOf(desk.layer);
  if (places.yScale === undefined) return [`${to} = sum;`];
  const scale = [
    parameter(desk, places.aScale!, row),
    '*',
    parameter(desk, places.bScale!, column),
    '/',
    parameter(desk, places.yScale, '0'),
  ].join(' ');
  const zero = parameter(desk, places.yZero!, '0');
  return quantised(to, `(float)sum * (${scale})`, { zero, dtype: out.dtype });
}

/** Shapes of a product with NumPy's rules. */
function productShape(a: Value, b: Value) {
  const [left, right] = [a.dims.length === 1 ? [1, ...a.dims] : a.dims, b.dims.length === 1 ? [...b.dims, 1] : b.dims];
  const rank = Math.max(left.length, right.length);
  const outer = Array.from({ length: rank - 2 }, (_, axis) =>
    Math.max(left[axis - rank + left.length] ?? 1, right[axis - rank + right.length] ?? 1),
  );
  const matrix = (dims: readonly number[]): readonly number[] =>
    broadcastStrides(dims.slice(0, -2), outer).map((stride) => stride * dims.at(-1)! * dims.at(-2)!);
  return {
    outer,
    rows: left.at(-2)!,
    depth: left.at(-1)!,
    columns: right.at(-1)!,
    leftSteps: matrix(left),
    rightSteps: matrix(right),
  };
}

function writeMatrix(desk: Desk, places: Places): Lines {
  const { layer } = desk;
  const { outer, rows, depth, columns, leftSteps, rightSteps } = productShape(
    inputOf(layer, places.a),
    inputOf(layer, places.b),
  );
  const variables = outer.map((_, axis) => `o${axis}`);
  const at = (steps: readonly number[], more: readonly (readonly [string, number])[]): string =>
    indexText(0, [...variables.map((name, axis) => [name, steps[axis]!] as const), ...more]);
  const a = `(int32_t)${desk.input(places.a)}[${at(leftSteps, [
    ['i', depth],
    ['k', 1],
  ])}]`;
  const b = `(int32_t)${desk.input(places.b)}[${at(rightSteps, [
    ['j', 1],
    ['k', columns],
  ])}]`;
  const to = `${desk.output()}[${at(stridesOf([...outer, rows, columns]), [
    ['i', columns],
    ['j', 1],
  ])}]`;
  const body = [
    'int32_t sum = 0;',
    ...loop('k', depth, [
      `sum += ${less(a, parameter(desk, places.aZero, 'i'))} * ${less(b, parameter(desk, places.bZero, 'j'))};`,
    ]),
    ...result(desk, places, { to, row: 'i', column: 'j' }),
  ];
  const matrix = loop('i', rows, loop('j', columns, body));
  return variables.reduceRight<Lines>((lines, name, axis) => loop(name, outer[axis]!, lines), matrix);
}

function writeConvolution(desk: Desk, places: Places): Lines {
  const { layer } = desk;
  const [x, w, out] = [inputOf(layer, places.a), inputOf(layer, places.b), outputOf(layer)];
  const window = windowOf(layer, w.dims.slice(2));
  const groups = groupsOf(layer);
  const [channels, maps] = [x.dims[1]!, out.dims[1]!];
  const [perGroup, mapsPerGroup] = [channels / groups, maps / groups];
  const [plane, outPlane, kernel] = [productOf(window.input), productOf(window.output), productOf(window.kernel)];
  const group = groups === 1 ? '' : `(m / ${mapsPerGroup}) * ${perGroup} + `;
  const from = `(int32_t)${desk.input(places.a)}[(n * ${channels} + ${group}c) * ${plane} + ${placeIndex('in', window.input)}]`;
  const by = `(int32_t)${desk.input(places.b)}[(m * ${perGroup} + c) * ${kernel} + ${placeIndex('k', window.kernel)}]`;
  const to = `${desk.output()}[(n * ${maps} + m) * ${outPlane} + ${placeIndex('out', window.output)}]`;
  const bias = places.bias !== undefined && layer.inputs[places.bias] ? `${desk.input(places.bias)}[m]` : '0';
  const body = [
    `int32_t sum = ${bias};`,
    ...loop(
      'c',
      perGroup,
      overTaps(window, [
        `sum += ${less(from, parameter(desk, places.aZero, '0'))} * ${less(by, parameter(desk, places.bZero, 'm'))};`,
      ]),
    ),
    ...result(desk, places, { to, row: '0', column: 'm' }),
  ];
  return loop('n', x.dims[0]!, loop('m', maps, overPlaces(window, body)));
}

/** Parameters are one number or one for each row or channel. */
function checkSizes(layer: Layer, indices: readonly (number | undefined)[], sizes: readonly number[]): void {
  for (const index of indices) {
    const value = index === undefined ? undefined : layer.inputs[index];
    if (value && !sizes.includes(countOf(value)))
      invalid(layer.node, `its input ${index} has ${countOf(value)} elements`);
  }
}

function checkConvolution(layer: Layer, places: Places): void {
  const [x, w, out] = [inputOf(layer, places.a), inputOf(layer, places.b), outputOf(layer)];
  if (x.dims.length < 3 || w.dims.length !== x.dims.length)
    invalid(layer.node, 'ranks of input and weights do not go together');
  checkWindow(layer, w.dims.slice(2));
  const groups = groupsOf(layer);
  const [channels, maps] = [x.dims[1]!, out.dims[1]!];
  if (groups < 1 || channels % groups !== 0 || maps % groups !== 0)
    invalid(layer.node, `${groups} groups do not divide ${channels} channels into ${maps}`);
  expectDims(layer, places.b, [maps, channels / groups, ...w.dims.slice(2)]);
  if (places.bias !== undefined) expectDims(layer, places.bias, [maps]);
  checkSizes(layer, [places.bScale, places.bZero], [1, maps]);
  checkSizes(layer, [places.aScale, places.aZero, places.yScale, places.yZero], [1]);
}

function checkMatrix(layer: Layer, places: Places): void {
  const [a, b] = [inputOf(layer, places.a), inputOf(layer, places.b)];
  if (a.dims.length < 1 || b.dims.length < 1) invalid(layer.node, 'multiplies scalars');
  const { rows, depth, columns } = productShape(a, b);
  if (depth !== b.dims.at(b.dims.length === 1 ? -1 : -2)) invalid(layer.node, 'its operands do not go together');
  checkSizes(layer, [places.aScale, places.aZero], [1, rows]);
  checkSizes(layer, [places.bScale, places.bZero], [1, columns]);
  checkSizes(layer, [places.yScale, places.yZero], [1]);
}

const convolutionMacs = (layer: Layer, places: Places): number =>
  countOf(outputOf(layer)) * productOf(inputOf(layer, places.b).dims.slice(1));
const matrixMacs = (layer: Layer, places: Places): number =>
  countOf(outputOf(layer)) * inputOf(layer, places.a).dims.at(-1)!;

const linearNames = ['x', 'x_scale', 'x_zero', 'w', 'w_scale', 'w_zero', 'y_scale', 'y_zero', 'bias'] as const;
const integerNames = ['x', 'w', 'x_zero', 'w_zero'] as const;

/** Operators of quantised models. */
export const quantisedOperators = {
  ConvInteger: {
    covers: 'any number of spatial axes, groups',
    inputs: integerNames,
    required: 2,
    types: bytes,
    mixed: [1, 2, 3],
    check: (layer) => checkConvolution(layer, whole),
    work: (layer) => convolutionMacs(layer, whole),
    write: (desk) => writeConvolution(desk, whole),
  },
  DequantizeLinear: {
    covers: 'one scale, one for each place of an axis, or blocks',
    inputs: ['x', 'scale', 'zero'],
    required: 2,
    types: [...codes, 'int32'],
    mixed: [1],
    check: checkScale,
    write: writeDequantize,
  },
  DynamicQuantizeLinear: {
    covers: 'all',
    inputs: ['x'],
    types: ['float32'],
    write: writeDynamic,
  },
  MatMulInteger: {
    covers: 'all, zero points of rows and columns',
    inputs: integerNames,
    required: 2,
    types: bytes,
    mixed: [1, 2, 3],
    check: (layer) => checkMatrix(layer, whole),
    work: (layer) => matrixMacs(layer, whole),
    write: (desk) => writeMatrix(desk, whole),
  },
  QLinearConv: {
    covers: 'any number of spatial axes, groups; an integer layer where the parameters are constant',
    inputs: linearNames,
    required: 8,
    types: bytes,
    mixed: [1, 2, 3, 4, 5, 6, 7, 8],
    check: (layer) => checkConvolution(layer, linear),
    work: (layer) => convolutionMacs(layer, linear),
    write: (desk) => writeConvolution(desk, linear),
  },
  QLinearMatMul: {
    covers: 'all; an integer layer where weights and parameters are constant',
    inputs: linearNames.slice(0, 8),
    required: 8,
    types: bytes,
    mixed: [1, 2, 3, 4, 5, 6, 7],
    check: (layer) => checkMatrix(layer, linear),
    work: (layer) => matrixMacs(layer, linear),
    write: (desk) => writeMatrix(desk, linear),
  },
  QuantizeLinear: {
    covers: 'to int8, uint8, int16, uint16; one scale, one for each place of an axis, or blocks',
    inputs: ['x', 'scale', 'zero'],
    required: 2,
    types: ['float32', 'int32'],
    mixed: [1, 2],
    check: (layer) => {
      checkScale(layer);
      const { dtype } = outputOf(layer);
      if (!codes.includes(dtype)) unsupported(layer.node, `codes of type ${dtype}`, `use ${codes.join(', ')}`);
    },
    write: writeQuantize,
  },
} as const satisfies Record<string, OperatorRule>;
