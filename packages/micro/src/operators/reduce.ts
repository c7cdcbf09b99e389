// Reductions along axes, the place of the greatest, running sums.
import { intAttribute, intsAttribute } from '@sanderling/onnx';
import { literal, loop, math, narrowed, nest, type Lines } from '../emit/c-text.ts';
import { elementTypes, stridesOf, type ElementType, type Layer } from '../ir.ts';
import { curve } from './curves.ts';
import { lowest } from './pooling.ts';
import { axisOf, constantOf, everything, inputOf, numbers, productOf, type Desk, type OperatorRule } from './rule.ts';

/** How a reduction starts, takes one element x into value, and ends; n = number of elements as a literal. */
interface Reduction {
  readonly start: (dtype: ElementType) => string;
  readonly step: (x: string, dtype: ElementType) => string;
  readonly end?: (value: string, count: string, desk: Desk) => string;
  readonly types?: readonly ElementType[];
}

/** The axes that are reduced: attribute (opset < 18) or constant input; none means all, unless that is a no-op. */
function axesOf(layer: Layer): readonly number[] {
  const rank = inputOf(layer, 0).dims.length;
  const given = constantOf(layer, 1) ?? intsAttribute(layer.node, 'axes') ?? [];
  if (given.length > 0) return given.map((axis) => axisOf(layer, axis, rank));
  return intAttribute(layer.node, 'noop_with_empty_axes', 0) === 1 ? [] : Array.from({ length: rank }, (_, i) => i);
}

function writeReduction(desk: Desk, { start, step, end }: Reduction): Lines {
  const { layer } = desk;
  const x = inputOf(layer, 0);
  const axes = new Set(axesOf(layer));
  const strides = stridesOf(x.dims);
  const kept = x.dims.map((size, axis) => (axes.has(axis) ? 1 : size));
  const inner = x.dims.map((size, axis) => (axes.has(axis) ? size : 1));
  const count = literal(productOf(inner), x.dtype);
  const outer = nest(
    kept,
    [
      { name: desk.output(), strides: stridesOf(kept) },
      { name: 'BASE', strides },
    ],
    ([y, base]) => {
      const offset = base!.slice('BASE['.length, -1);
      return [
        `${elementTypes[x.dtype].c} value = ${start(x.dtype)};`,
        ...nest(
          inner,
          [{ name: desk.input(0), strides, offset: offset === '0' ? 0 : offset }],
          ([one]) => [step(one!, x.dtype)],
          6,
        ),
        `${y} = ${end ? end('value', count, desk) : 'value'};`,
      ];
    },
  );
  return outer;
}

const zero = (dtype: ElementType): string => literal(0, dtype);
const add = (x: string, dtype: ElementType): string =>
  elementTypes[dtype].bytes < 4 ? `value = ${narrowed(`value + ${x}`, dtype)};` : `value += ${x};`;
const multiplied = (x: string, dtype: ElementType): string =>
  elementTypes[dtype].bytes < 4 ? `value = ${narrowed(`value * ${x}`, dtype)};` : `value *= ${x};`;
const square = (x: string, dtype: ElementType): string => add(`${x} * ${x}`, dtype);
const absolute = (x: string, dtype: ElementType): string =>
  elementTypes[dtype].kind === 'float'
    ? `value += ${math('fabs', dtype)}(${x});`
    : add(`((${x} < 0) ? -${x} : ${x})`, dtype);
const root = (value: string, dtype: ElementType): string =>
  elementTypes[dtype].kind === 'float'
    ? `${math('sqrt', dtype)}(${value})`
    : `(${elementTypes[dtype].c})sqrt((double)${value})`;

const highest = (dtype: ElementType): string => {
  const { kind, signed, bytes } = elementTypes[dtype];
  return kind === 'float' ? literal(Infinity, dtype) : `${signed ? 'INT' : 'UINT'}${bytes * 8}_MAX`;
};

const reduction = (of: Reduction): OperatorRule => ({
  covers: 'constant axes, keepdims, noop_with_empty_axes',
  inputs: ['x', 'axes'],
  types: of.types ?? numbers,
  constants: [1],
  write: (desk) => writeReduction(desk, of),
});
const floatsOnly: readonly ElementType[] = ['float32', 'float64'];
const nan = (x: string, dtype: ElementType): string => (elementTypes[dtype].kind === 'float' ? ` || ${x} != ${x}` : '');

/** log Σ exp(x), from the greatest element so that nothing overflows. */
function writeLogSumExp(desk: Desk): Lines {
  const { layer } = desk;
  const x = inputOf(layer, 0);
  const axes = new Set(axesOf(layer));
  const strides = stridesOf(x.dims);
  const kept = x.dims.map((size, axis) => (axes.has(axis) ? 1 : size));
  const inner = x.dims.map((size, axis) => (axes.has(axis) ? size : 1));
  return nest(
    kept,
    [
      { name: desk.output(), strides: stridesOf(kept) },
      { name: 'BASE', strides },
    ],
    ([y, base]) => {
      const offset = base!.slice('BASE['.length, -1);
      const walk = [{ name: desk.input(0), strides, offset: offset === '0' ? 0 : offset }];
      const { c } = elementTypes[x.dtype];
      return [
        `${c} best = ${lowest(x.dtype)};`,
        ...nest(inner, walk, ([one]) => [`if (${one} > best) { best = ${one}; }`], 6),
        `${c} value = ${zero(x.dtype)};`,
        ...nest(inner, walk, ([one]) => [`value += ${curve(desk, 'exp', x.dtype)}(${one} - best);`], 6),
        `${y} = best + ${curve(desk, 'log', x.dtype)}(value);`,
      ];
    },
  );
}

const arg = (sign: '>' | '<'): OperatorRule => ({
  covers: 'all',
  inputs: ['x'],
  types: numbers,
  write: (desk) => {
    const { layer } = desk;
    const x = inputOf(layer, 0);
    const axis = axisOf(layer, intAttribute(layer.node, 'axis', 0), x.dims.length);
    const step = stridesOf(x.dims)[axis]!;
    const test = intAttribute(layer.node, 'select_last_index', 0) === 1 ? `${sign}=` : sign;
    const from = (k: string): string => `${desk.input(0)}[(i * ${x.dims[axis]} + ${k}) * ${step} + j]`;
    return loop(
      'i',
      productOf(x.dims.slice(0, axis)),
      loop('j', step, [
        'int32_t best = 0;',
        ...loop('k', x.dims[axis]!, [`if (${from('k')} ${test} ${from('best')}) { best = k; }`]),
        `${desk.output()}[i * ${step} + j] = best;`,
      ]),
    );
  },
});

function writeCumSum(desk: Desk): Lines {
  const { layer } = desk;
  const x = inputOf(layer, 0);
  const axis = axisOf(layer, constantOf(layer, 1)?.[0] ?? 0, x.dims.length);
  const [step, size] = [stridesOf(x.dims)[axis]!, x.dims[axis]!];
  const [exclusive, reverse] = ['exclusive', 'reverse'].map((name) => intAttribute(layer.node, name, 0) === 1);
  const at = `(i * ${size} + ${reverse ? `(${size - 1} - k)` : 'k'}) * ${step} + j`;
  const take = `sum += ${desk.input(0)}[at];`;
  const put = `${desk.output()}[at] = sum;`;
  return loop(
    'i',
    productOf(x.dims.slice(0, axis)),
    loop('j', step, [
      `${elementTypes[x.dtype].c} sum = ${literal(0, x.dtype)};`,
      ...loop('k', size, [`const int32_t at = ${at};`, ...(exclusive ? [put, take] : [take, put])]),
    ]),
  );
}

/** Reductions. */
export const reduceOperators = {
  ArgMax: arg('>'),
  ArgMin: arg('<'),
  CumSum: {
    covers: 'constant axis, exclusive, reverse',
    inputs: ['x', 'axis'],
    required: 2,
    types: ['float32', 'float64', 'int32', 'int64'],
    constants: [1],
    write: writeCumSum,
  },
  ReduceL1: reduction({ start: zero, step: absolute }),
  ReduceL2: reduction({
    start: zero,
    step: square,
    end: (value, _, desk) => root(value, inputOf(desk.layer, 0).dtype),
  }),
  ReduceLogSum: reduction({
    start: zero,
    step: add,
    end: (value, _, desk) => `${curve(desk, 'log', inputOf(desk.layer, 0).dtype)}(${value})`,
    types: floatsOnly,
  }),
  ReduceLogSumExp: { ...reduction({ start: zero, step: add, types: floatsOnly }), write: writeLogSumExp },
  ReduceMax: {
    ...reduction({
      start: lowest,
      step: (x, dtype) => `if (${x} > value${nan(x, dtype)}) { value = ${x}; }`,
      types: everything,
    }),
  },
  ReduceMean: reduction({
    start: zero,
    step: add,
    end: (value, count) => `${value} / ${count}`,
    types: ['float32', 'float64', 'int32', 'int64'],
  }),
  ReduceMin: {
    ...reduction({
      start: highest,
      step: (x, dtype) => `if (${x} < value${nan(x, dtype)}) { value = ${x}; }`,
      types: everything,
    }),
  },
  ReduceProd: reduction({ start: (dtype) => literal(1, dtype), step: multiplied }),
  ReduceSum: reduction({ start: zero, step: add }),
  ReduceSumSquare: reduction({ start: zero, step: square }),
} as const satisfies Record<string, OperatorRule>;
