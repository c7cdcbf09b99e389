// Element-wise integer layers, softmax, joins, and the ways in and out.
import { indexText, loop, nest, type Lines, type Walk } from '../emit/c-text.ts';
import { countOf, elementTypes, stridesOf, type Layer, type Value } from '../ir.ts';
import { broadcastStrides, inputOf, outputOf, productOf, type Desk, type OperatorRule } from '../operators/rule.ts';
import { need, plus, prefixOf, workOf } from './rule-text.ts';

const rule = (write: OperatorRule['write'], more: Partial<OperatorRule> = {}): OperatorRule => ({
  covers: 'integer layer',
  inputs: ['x'],
  types: ['int8'],
  write,
  ...more,
});

const walkOf = (desk: Desk, index: number, wider: readonly number[]): Walk => ({
  name: desk.input(index),
  strides: broadcastStrides(inputOf(desk.layer, index).dims, wider),
});

/** y = rounded(Σ x · factor + addend) + zero. */
function writeSum(desk: Desk): Lines {
  const { layer } = desk;
  const { factors, addends, addendDims, shift, zero, low, high } = workOf(layer, 'sum');
  const out = outputOf(layer);
  need(desk, 'int8_within', 'int8_rounded');
  const prefix = prefixOf(desk);
  const walks = [
    { name: desk.output(), strides: stridesOf(out.dims) },
    ...factors.map((_, i) => walkOf(desk, i, out.dims)),
    ...(addendDims
      ? [{ name: desk.constant('addends', 'int32', addends), strides: broadcastStrides(addendDims, out.dims) }]
      : []),
  ];
  return nest(out.dims, walks, ([y, ...terms]) => {
    const sum = terms.map((term, i) => (i < factors.length ? `${term} * ${factors[i]}` : term)).join(' + ');
    const whole = `${sum}${addendDims ? '' : plus(addends[0]!)}`;
    return [`${y} = (int8_t)${prefix}within(${prefix}rounded(${whole}, ${shift})${plus(zero)}, ${low}, ${high});`];
  });
}

function writeProduct(desk: Desk): Lines {
  const { layer } = desk;
  const { zeros, multiplier, up, zero, low, high } = workOf(layer, 'product');
  const out = outputOf(layer);
  need(desk, 'int8_within', 'int8_scale');
  const prefix = prefixOf(desk);
  const walks = [
    { name: desk.output(), strides: stridesOf(out.dims) },
    walkOf(desk, 0, out.dims),
    walkOf(desk, 1, out.dims),
  ];
  const less = (text: string, by: number): string => `(${text}${plus(-by)})`;
  return nest(out.dims, walks, ([y, a, b]) => [
    `const int32_t both = ${less(a!, zeros[0])} * ${less(b!, zeros[1])}${up === 0 ? '' : ` * ${2 ** up}`};`,
    `${y} = (int8_t)${prefix}within(${prefix}scaled(both, ${multiplier})${plus(zero)}, ${low}, ${high});`,
  ]);
}

function writeTable(desk: Desk): Lines {
  const { table } = workOf(desk.layer, 'table');
  const name = desk.constant('table', 'int8', table);
  return loop('i', countOf(outputOf(desk.layer)), [`${desk.output()}[i] = ${name}[(uint8_t)${desk.input(0)}[i]];`]);
}

function writeNarrow(desk: Desk): Lines {
  const { multiplier, up, zero } = workOf(desk.layer, 'narrow');
  need(desk, 'int8_within', 'int8_scale');
  const prefix = prefixOf(desk);
  const value = `${desk.input(0)}[i]${up === 0 ? '' : ` * ${2 ** up}`}`;
  return loop('i', countOf(outputOf(desk.layer)), [
    `${desk.output()}[i] = (int8_t)${prefix}within(${prefix}scaled(${value}, ${multiplier})${plus(zero)}, -128, 127);`,
  ]);
}

function writeJoin(desk: Desk): Lines {
  const { layer } = desk;
  const { axis, tables } = workOf(layer, 'join');
  const out = outputOf(layer);
  const strides = stridesOf(out.dims);
  let offset = 0;
  return layer.inputs.flatMap((value, i) => {
    const table = tables[i] && desk.constant(`table_${i}`, 'int8', tables[i]);
    const lines = nest(
      value!.dims,
      [
        { name: desk.output(), strides, offset },
        { name: desk.input(i), strides: stridesOf(value!.dims) },
      ],
      ([to, from]) => [`${to} = ${table ? `${table}[(uint8_t)${from}]` : from};`],
    );
    offset += value!.dims[axis]! * strides[axis]!;
    return lines;
  });
}

/** exp by a table of differences to the greatest, the quotient rounded. */
function writeSoftmax(desk: Desk): Lines {
  const { layer } = desk;
  const { axis, exponentials, numerator, down, zero } = workOf(layer, 'softmax');
  const { dims } = outputOf(layer);
  const [outer, size, inner] = [productOf(dims.slice(0, axis)), dims[axis]!, productOf(dims.slice(axis + 1))];
  const table = desk.constant('exponentials', 'int32', exponentials);
  need(desk, 'int8_within');
  const prefix = prefixOf(desk);
  const at = indexText('from', [['k', inner]]);
  const each = (lines: Lines): Lines => loop('k', size, lines);
  return loop(
    'o',
    outer,
    loop('i', inner, [
      `const int32_t from = ${indexText(0, [
        ['o', size * inner],
        ['i', 1],
      ])};`,
      `int32_t most = -128;`,
      ...each([`if (${desk.input(0)}[${at}] > most) { most = ${desk.input(0)}[${at}]; }`]),
      'uint32_t sum = 0;',
      ...each([`sum += (uint32_t)${table}[most - ${desk.input(0)}[${at}]];`]),
      ...each([
        `const uint64_t share = (uint64_t)(uint32_t)${table}[most - ${desk.input(0)}[${at}]] * ${numerator}U;`,
        `const int32_t code = (int32_t)((share + ((uint64_t)sum << ${down - 1})) / ((uint64_t)sum << ${down}));`,
        `${desk.output()}[${at}] = (int8_t)${prefix}within(code${plus(zero)}, -128, 127);`,
      ]),
    ]),
  );
}

/** Codes under another layout. */
function writeMove(desk: Desk): Lines {
  const { layer } = desk;
  const { order, flip } = workOf(layer, 'convert');
  const [x, out] = [inputOf(layer, 0), outputOf(layer)];
  const cast = elementTypes[out.dtype].c;
  return nest(out.dims, walks(desk, order, [x, out]), ([to, from]) => [
    flip ? `${to} = (${cast})(${from} ^ 0x80);` : `${to} = ${from};`,
  ]);
}

function walks(desk: Desk, order: readonly number[], [x, out]: readonly [Value, Value]): readonly Walk[] {
  const strides = stridesOf(x.dims);
  return [
    { name: desk.output(), strides: stridesOf(out.dims) },
    { name: desk.input(0), strides: order.map((axis) => strides[axis]!) },
  ];
}

/** Real numbers to codes, as QuantizeLinear: ties to even; what is no number becomes the least code. */
function writeQuantise(desk: Desk): Lines {
  const { layer } = desk;
  const { order } = workOf(layer, 'convert');
  const [x, out] = [inputOf(layer, 0), outputOf(layer)];
  const { scale, zeroPoint } = out.quantisation!;
  const { bytes, c } = elementTypes[out.dtype];
  need(desk, 'int8_within');
  const most = bytes === 1 ? 127 : bytes === 2 ? 32767 : 2 ** 26;
  const least = bytes === 4 ? -most : -most - 1;
  const [s, type] = x.dtype === 'float64' ? ['', 'double'] : ['F', 'float'];
  const real = (value: number): string => `${decimal(value)}${s}`;
  const offset = x.dtype === 'float64' ? '6755399441055744.0' : '12582912.0F';
  const [far, near] = [
    real(bytes === 4 ? 2 ** 26 : 2 ** 16),
    bytes === 4 ? `${x.dtype === 'float64' ? 'rint' : 'rintf'}(near)` : `(near + ${offset}) - ${offset}`,
  ];
  const cast = bytes === 4 ? '' : `(${c})`;
  return [
    ...(bytes === 4
      ? []
      : ['/* Adding 1.5 * 2^23 (2^52 in double) and taking it away rounds to an integer, ties to even. */']),
    ...nest(out.dims, walks(desk, order, [x, out]), ([to, from]) => [
      `const ${type} ratio = ${from} / ${real(scale[0]!)};`,
      `const ${type} near = (ratio > -${far}) ? ((ratio < ${far}) ? ratio : ${far}) : -${far};`,
      `${to} = ${cast}${prefixOf(desk)}within((int32_t)(${near})${plus(zeroPoint)}, ${least}, ${most});`,
    ]),
  ];
}

const decimal = (value: number): string => {
  const text = String(Math.fround(value) === value ? shortest(value) : value);
  return /[.e]/.test(text) ? text : `${text}.0`;
};

/** The shortest decimal that gives a float32 back. */
function shortest(value: number): number {
  for (let digits = 6; digits <= 9; digits += 1) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return value;
}

/** Codes to real numbers. */
function writeDequantise(desk: Desk): Lines {
  const { layer } = desk;
  const { order } = workOf(layer, 'convert');
  const [x, out] = [inputOf(layer, 0), outputOf(layer)];
  const { scale, zeroPoint } = x.quantisation!;
  const [s, type] = out.dtype === 'float64' ? ['', 'double'] : ['F', 'float'];
  const less = plus(-zeroPoint);
  return nest(out.dims, walks(desk, order, [x, out]), ([to, from]) => [
    `${to} = (${type})(${from}${less}) * ${decimal(scale[0]!)}${s};`,
  ]);
}

const keepsOrder = (layer: Layer): boolean => {
  const { order, flip } = workOf(layer, 'convert');
  const { dims } = inputOf(layer, 0);
  const moving = order.filter((axis) => dims[axis]! > 1);
  return !flip && moving.every((axis, i) => i === 0 || axis > moving[i - 1]!);
};

/** Fill of int8 that another operator needs as a block: kept here since it is a move too. */
export const elementwiseRules = {
  Int8Add: rule(writeSum, { inputs: ['x'], elementwise: true }),
  Int8Mul: rule(writeProduct, { inputs: ['a', 'b'], elementwise: true }),
  Int8Table: rule(writeTable, { elementwise: true }),
  Int8Narrow: rule(writeNarrow, { types: ['int16'] }),
  Int8Concat: rule(writeJoin),
  Int8Softmax: rule(writeSoftmax),
  Int8Move: rule(writeMove, { alias: keepsOrder }),
  Int8Quantise: rule(writeQuantise, { types: ['float32', 'float64'] }),
  Int8Dequantise: rule(writeDequantise),
} as const satisfies Record<string, OperatorRule>;
