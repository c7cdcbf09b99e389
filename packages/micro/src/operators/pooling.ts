// Pools: the greatest or the mean of a window, or of all places.
import { intAttribute } from '@sanderling/onnx';
import { indexText, literal, loop, type Lines } from '../emit/c-text.ts';
import { elementTypes, type ElementType, type Layer } from '../ir.ts';
import { invalid, unsupported } from '../problems.ts';
import { inputOf, numbers, outputOf, productOf, type Desk, type OperatorRule } from './rule.ts';
import {
  axisName,
  checkWindow,
  overPlaces,
  overTaps,
  placeIndex,
  poolKernel,
  windowOf,
  type Window,
} from './window.ts';

/** The least value of a type: where a search for the greatest starts. */
export function lowest(dtype: ElementType): string {
  const { kind, signed, bytes } = elementTypes[dtype];
  if (kind === 'float') return literal(-Infinity, dtype);
  return signed ? `INT${bytes * 8}_MIN` : '0';
}

function pooled(desk: Desk, window: Window, { before, tap, after }: Record<'before' | 'tap' | 'after', Lines>): Lines {
  const { layer } = desk;
  const x = inputOf(layer, 0);
  const planes = x.dims[0]! * x.dims[1]!;
  const [plane, outPlane] = [productOf(window.input), productOf(window.output)];
  const at = `${desk.output()}[${indexText(0, [['p', outPlane]])} + ${placeIndex('out', window.output)}]`;
  const from = `${desk.input(0)}[${indexText(0, [['p', plane]])} + ${placeIndex('in', window.input)}]`;
  const put = (lines: Lines): Lines => lines.map((line) => line.replaceAll('$x', from).replaceAll('$y', at));
  return loop('p', planes, overPlaces(window, [...put(before), ...overTaps(window, put(tap)), ...put(after)]));
}

function writeMaxPool(desk: Desk): Lines {
  const out = outputOf(desk.layer);
  return pooled(desk, windowOf(desk.layer, poolKernel(desk.layer)), {
    before: [`${elementTypes[out.dtype].c} best = ${lowest(out.dtype)};`],
    tap: ['if ($x > best) { best = $x; }'],
    after: ['$y = best;'],
  });
}

/** The divisor is the number of taps inside the input, or with count_include_pad inside the padded input. */
function writeAveragePool(desk: Desk): Lines {
  const { layer } = desk;
  const { dtype } = outputOf(layer);
  const { c } = elementTypes[dtype];
  const window = windowOf(layer, poolKernel(layer));
  const padded = intAttribute(layer.node, 'count_include_pad', 0) === 1;
  const rank = window.kernel.length;
  const counts = window.kernel.flatMap((size, axis): Lines => {
    const name = axisName(axis, rank);
    const end = window.input[axis]! + window.ends[axis]!;
    const dilation = window.dilations[axis]!;
    return [
      `int32_t taps_${name} = (${end} - top_${name} + ${dilation - 1}) / ${dilation};`,
      `if (taps_${name} > ${size}) { taps_${name} = ${size}; }`,
    ];
  });
  const product = window.kernel.map((_, axis) => `taps_${axisName(axis, rank)}`).join(' * ');
  return pooled(desk, window, {
    before: [`${c} sum = ${literal(0, dtype)};`, ...(padded ? counts : ['int32_t count = 0;'])],
    tap: ['sum += $x;', ...(padded ? [] : ['count++;'])],
    after: [padded ? `$y = sum / (${c})(${product});` : `$y = sum / (${c})count;`],
  });
}

/** Samples and channels must be there. */
function atLeastTwo(layer: Layer): void {
  if (inputOf(layer, 0).dims.length < 2) invalid(layer.node, 'its input has no channels');
}

const global = (start: (dtype: ElementType) => string, step: string, end: string): OperatorRule => ({
  covers: 'all',
  inputs: ['x'],
  check: atLeastTwo,
  write: (desk) => {
    const { layer } = desk;
    const x = inputOf(layer, 0);
    const { c } = elementTypes[x.dtype];
    const plane = productOf(x.dims.slice(2));
    const from = `${desk.input(0)}[p * ${plane} + i]`;
    return loop('p', x.dims[0]! * x.dims[1]!, [
      `${c} value = ${start(x.dtype)};`,
      ...loop('i', plane, [step.replaceAll('$x', from)]),
      `${desk.output()}[p] = ${end.replace('$n', literal(plane, x.dtype))};`,
    ]);
  },
});

/** LRN: x / (bias + α/size · Σ of squares over neighbouring channels)^β. */
function writeLrn(desk: Desk): Lines {
  const { layer } = desk;
  const x = inputOf(layer, 0);
  const size = intAttribute(layer.node, 'size', 1);
  const number = (name: string, fallback: number): number => {
    const attribute = layer.node.attributes[name];
    return attribute?.type === 'float' ? attribute.value : fallback;
  };
  const f = (value: number): string => literal(value, x.dtype);
  const [samples, channels] = x.dims as [number, number];
  const plane = productOf(x.dims.slice(2));
  const before = Math.floor((size - 1) / 2);
  const at = (channel: string): string => `(n * ${channels} + ${channel}) * ${plane} + p`;
  const power = x.dtype === 'float32' ? 'powf' : 'pow';
  return loop(
    'n',
    samples,
    loop(
      'c',
      channels,
      loop('p', plane, [
        `${elementTypes[x.dtype].c} sum = ${f(0)};`,
        ...loop('k', size, [
          `const int32_t near = c + k - ${before};`,
          `if (near < 0 || near >= ${channels}) { continue; }`,
          `sum += ${desk.input(0)}[${at('near')}] * ${desk.input(0)}[${at('near')}];`,
        ]),
        `${desk.output()}[${at('c')}] = ${desk.input(0)}[${at('c')}] / ${power}(${f(number('bias', 1))} + ${f(number('alpha', 1e-4) / size)} * sum, ${f(number('beta', 0.75))});`,
      ]),
    ),
  );
}

/** Pools. */
export const poolingOperators = {
  AveragePool: {
    covers: 'any number of spatial axes, stride, dilation, padding, ceil_mode, count_include_pad',
    inputs: ['x'],
    check: (layer) => checkWindow(layer, poolKernel(layer)),
    write: writeAveragePool,
  },
  GlobalAveragePool: global((dtype) => literal(0, dtype), 'value += $x;', 'value / $n'),
  GlobalMaxPool: global(lowest, 'if ($x > value) { value = $x; }', 'value'),
  LRN: { covers: 'all', inputs: ['x'], check: atLeastTwo, write: writeLrn },
  MaxPool: {
    covers: 'any number of spatial axes, stride, dilation, padding, ceil_mode; without the output of indices',
    inputs: ['x'],
    types: numbers,
    check: (layer) => {
      checkWindow(layer, poolKernel(layer));
      if (layer.outputs[1]) unsupported(layer.node, 'the output of indices', 'remove what reads the indices');
    },
    write: writeMaxPool,
  },
} as const satisfies Record<string, OperatorRule>;
