// Convolutions and their transposes over any number of spatial axes, without im2col: sums run over the input where it lies.
import { intsAttribute, stringAttribute } from '@sanderling/onnx';
import { indexText, literal, loop, type Lines } from '../emit/c-text.ts';
import { elementTypes, stridesOf, type Layer } from '../ir.ts';
import { invalid } from '../problems.ts';
import { hasBlocks, writeBlocks } from './convolution-blocks.ts';
import { writePhases } from './convolution-phases.ts';
import { expectDims, expectList, inputOf, outputOf, productOf, type Desk, type OperatorRule } from './rule.ts';
import { axisName, checkWindow, groupsOf, overPlaces, overTaps, placeIndex, windowOf } from './window.ts';

function checkConvolution(layer: Layer): void {
  const groups = groupsOf(layer);
  const [x, w] = [inputOf(layer, 0), inputOf(layer, 1)];
  if (x.dims.length < 3 || w.dims.length !== x.dims.length)
    invalid(layer.node, 'ranks of input and weights do not go together');
  checkWindow(layer, w.dims.slice(2));
  expectList(layer, 'output_padding', intsAttribute(layer.node, 'output_padding'), [x.dims.length - 2, 0]);
  const channels = inputOf(layer, 0).dims[1] ?? 0;
  const outputs = outputOf(layer).dims[1] ?? 0;
  if (groups < 1 || channels % groups !== 0 || outputs % groups !== 0)
    invalid(layer.node, `${groups} groups do not divide ${channels} channels into ${outputs}`);
  const [first, second] = layer.operator === 'Conv' ? [outputs, channels / groups] : [channels, outputs / groups];
  expectDims(layer, 1, [first, second, ...w.dims.slice(2)]);
  expectDims(layer, 2, [outputs]);
}

/** y[n, m, p] = b[m] + Σ over c in the group and taps t of w[m, c, t] · x[n, c, p·stride − pad + t·dilation]. */
function writeConv(desk: Desk): Lines {
  const { layer } = desk;
  if (hasBlocks(layer)) return writeBlocks(desk);
  const [x, w, out] = [inputOf(layer, 0), inputOf(layer, 1), outputOf(layer)];
  const window = windowOf(layer, w.dims.slice(2));
  const groups = groupsOf(layer);
  const [channels, maps] = [x.dims[1]!, out.dims[1]!];
  const [perGroup, mapsPerGroup] = [channels / groups, maps / groups];
  const [plane, outPlane, kernel] = [productOf(window.input), productOf(window.output), productOf(window.kernel)];
  const sample = x.dims[0]! > 1;
  const first =
    groups === 1 ? '' : mapsPerGroup === 1 ? indexText('', [['m', perGroup]]) : `(m / ${mapsPerGroup}) * ${perGroup}`;
  const channel = [first, perGroup > 1 ? 'c' : ''].filter((term) => term !== '').join(' + ') || '0';
  const offset = [
    ...(sample ? [`n * ${channels * plane}`] : []),
    ...(channel === '0' ? [] : [`(${channel}) * ${plane}`]),
  ];
  const input = [`const int32_t from = ${offset.join(' + ') || '0'};`];
  const taps = overTaps(window, [
    `sum += ${desk.input(0)}[from + ${placeIndex('in', window.input)}] * ${desk.input(1)}[tap + ${placeIndex('k', window.kernel)}];`,
  ]);
  const weights = indexText(0, [['m', perGroup * kernel], ...(perGroup === 1 ? [] : ([['c', kernel]] as const))]);
  const perChannel = [...input, `const int32_t tap = ${weights};`, ...taps];
  const body = [
    `${elementTypes[out.dtype].c} sum = ${layer.inputs[2] ? `${desk.input(2)}[m]` : literal(0, out.dtype)};`,
    ...(perGroup === 1 ? perChannel : loop('c', perGroup, perChannel)),
    `${desk.output()}[${indexText(0, [...(sample ? ([['n', maps * outPlane]] as const) : []), ['m', outPlane]])} + ${placeIndex('out', window.output)}] = sum;`,
  ];
  const perMap = loop('m', maps, overPlaces(window, body));
  return sample ? loop('n', x.dims[0]!, perMap) : perMap;
}

/** Padding of a transposed convolution at the begin of each axis, from the sizes where it is automatic or an output shape is asked for. */
export function transposedBegins(layer: Layer, kernel: readonly number[]): readonly number[] {
  const { node } = layer;
  const strides = intsAttribute(node, 'strides') ?? kernel.map(() => 1);
  const dilations = intsAttribute(node, 'dilations') ?? kernel.map(() => 1);
  const extra = intsAttribute(node, 'output_padding') ?? kernel.map(() => 0);
  const auto = stringAttribute(node, 'auto_pad', 'NOTSET');
  const pads = intsAttribute(node, 'pads');
  if (auto === 'VALID') return kernel.map(() => 0);
  if (auto === 'NOTSET' && !intsAttribute(node, 'output_shape'))
    return pads ? pads.slice(0, kernel.length) : kernel.map(() => 0);
  const [input, output] = [inputOf(layer, 0).dims.slice(2), outputOf(layer).dims.slice(2)];
  return kernel.map((size, i) => {
    const total = Math.max(strides[i]! * (input[i]! - 1) + extra[i]! + (size - 1) * dilations[i]! + 1 - output[i]!, 0);
    return auto === 'SAME_UPPER' ? Math.floor(total / 2) : Math.ceil(total / 2);
  });
}

/** In phases where that fits; else every input element is spread over the outputs that its taps reach, and y starts as the bias. */
function writeConvTranspose(desk: Desk): Lines {
  const { layer } = desk;
  const [x, w, out] = [inputOf(layer, 0), inputOf(layer, 1), outputOf(layer)];
  const [input, output, kernel] = [x.dims.slice(2), out.dims.slice(2), w.dims.slice(2)];
  const strides = intsAttribute(layer.node, 'strides') ?? kernel.map(() => 1);
  const dilations = intsAttribute(layer.node, 'dilations') ?? kernel.map(() => 1);
  const begins = transposedBegins(layer, kernel);
  const inPhases = writePhases(desk, begins);
  if (inPhases) return inPhases;
  const groups = groupsOf(layer);
  const [channels, maps] = [x.dims[1]!, out.dims[1]!];
  const [perGroup, mapsPerGroup] = [channels / groups, maps / groups];
  const [plane, outPlane, taps] = [productOf(input), productOf(output), productOf(kernel)];
  const rank = input.length;
  const start = layer.inputs[2] ? `${desk.input(2)}[m]` : literal(0, out.dtype);
  const fill = loop(
    'n',
    x.dims[0]!,
    loop('m', maps, loop('p', outPlane, [`${desk.output()}[(n * ${maps} + m) * ${outPlane} + p] = ${start};`])),
  );
  const strideTerms = stridesOf(output);
  const target = output.map((_, axis) => [`out_${axisName(axis, rank)}`, strideTerms[axis]!] as const);
  const group = groups === 1 ? '' : `(c / ${perGroup}) * ${mapsPerGroup} + `;
  const update = [
    `${desk.output()}[(n * ${maps} + ${group}m) * ${outPlane} + ${indexText(0, target)}] += value * ${desk.input(1)}[(c * ${mapsPerGroup} + m) * ${taps} + ${placeIndex('k', kernel)}];`,
  ];
  const overKernel = kernel.reduceRight<Lines>((lines, size, axis) => {
    const name = axisName(axis, rank);
    const place = indexText(0, [
      [`in_${name}`, strides[axis]!],
      [`k_${name}`, dilations[axis]!],
    ]);
    return loop(`k_${name}`, size, [
      `const int32_t out_${name} = ${place} - ${begins[axis]};`.replace(' - 0;', ';').replace('- -', '+ '),
      `if (out_${name} < 0 || out_${name} >= ${output[axis]}) { continue; }`,
      ...lines,
    ]);
  }, update);
  const overInput = input.reduceRight<Lines>(
    (lines, size, axis) => loop(`in_${axisName(axis, rank)}`, size, lines),
    [
      `const ${elementTypes[out.dtype].c} value = ${desk.input(0)}[(n * ${channels} + c) * ${plane} + ${placeIndex('in', input)}];`,
      ...loop('m', mapsPerGroup, overKernel),
    ],
  );
  return [...fill, ...loop('n', x.dims[0]!, loop('c', channels, overInput))];
}

const windowWork = (layer: Layer, of: 'input' | 'output'): number => {
  const w = inputOf(layer, 1);
  const places = productOf((of === 'input' ? inputOf(layer, 0) : outputOf(layer)).dims);
  return places * (productOf(w.dims) / Math.max(w.dims[0]!, 1));
};

/** Convolutions. */
export const convolutionOperators = {
  Conv: {
    covers: 'any number of spatial axes, groups, depthwise, dilation, stride, padding (explicit or automatic)',
    inputs: ['x', 'weights', 'bias'],
    required: 2,
    check: checkConvolution,
    work: (layer) => windowWork(layer, 'output'),
    write: writeConv,
  },
  ConvTranspose: {
    covers: 'any number of spatial axes, groups, dilation, stride, padding, output padding and shape',
    inputs: ['x', 'weights', 'bias'],
    required: 2,
    check: checkConvolution,
    work: (layer) => windowWork(layer, 'input'),
    write: writeConvTranspose,
  },
} as const satisfies Record<string, OperatorRule>;
