// Matrix products. Constant matrices are laid out so that every sum runs over neighbours in memory.
import { floatAttribute, intAttribute, toNumbers } from '@sanderling/onnx';
import { indexText, literal, loop, nest, type Lines } from '../emit/c-text.ts';
import { elementTypes, stridesOf, type Layer, type Value } from '../ir.ts';
import { forMultiply, multiplyHelper, type Matrix } from './blocks.ts';
import { broadcastStrides, inputOf, outputOf, productOf, type Desk, type OperatorRule } from './rule.ts';

/** A constant right operand [depth, columns] (transposed: [columns, depth]) of two axes, as the rows of its transpose. */
function constantColumns(value: Value, transposed: boolean): Matrix | undefined {
  if (!value.data || value.dims.length !== 2) return undefined;
  const elements = toNumbers(value.data);
  const [rows, depth] = transposed ? (value.dims as [number, number]) : [value.dims[1]!, value.dims[0]!];
  const at = (row: number, k: number): number => elements[transposed ? row * depth + k : k * rows + row]!;
  return { rows, depth, at };
}

/** Where the sums of a row of results start: C of element j, or of the first element where the starts lie as they are wanted. */
interface Start {
  readonly each: string;
  readonly row?: string | undefined;
}

/** y = start + W x, for each of `count` rows x of the left operand. */
function products(desk: Desk, { rows, depth, at }: Matrix, { count, start }: { count: number; start: Start }): Lines {
  const { dtype } = outputOf(desk.layer);
  const weights = desk.constant('blocks', dtype, forMultiply({ rows, depth, at }));
  const multiply = desk.helper(multiplyHelper(dtype));
  const [x, y] = [desk.input(0), desk.output()];
  const one = (to: string, from: string): Lines => [
    ...(start.row === undefined ? loop('j', rows, [`${to}[j] = ${start.each};`]) : []),
    `${multiply}(${to}, ${start.row ?? to}, ${weights}, ${from}, ${rows}, ${depth});`,
  ];
  if (count === 1) return one(y, x);
  return loop('i', count, [
    `${elementTypes[dtype].c} *const row = ${y} + i * ${rows};`,
    ...one('row', `${x} + i * ${depth}`),
  ]);
}

/** A matrix operand: C name, and steps along its own axis (rows of A, columns of B) and along the sum. */
interface Operand {
  readonly name: string;
  readonly along: number;
  readonly sum: number;
}

/** The right operand [depth, columns]; a constant one is stored transposed. */
function rightOperand(desk: Desk, value: Value, transposed: boolean): Operand {
  const [rows, columns] = (value.dims.length === 1 ? [value.dims[0]!, 1] : value.dims.slice(-2)) as [number, number];
  if (transposed) return { name: desk.input(1), along: columns, sum: 1 };
  if (!value.data || value.dims.length !== 2 || columns === 1 || rows === 1)
    return { name: desk.input(1), along: 1, sum: columns };
  const elements = toNumbers(value.data);
  const turned = Array.from(
    { length: elements.length },
    (_, i) => elements[(i % rows) * columns + Math.floor(i / rows)]!,
  );
  return { name: desk.constant('transposed', value.dtype, turned), along: rows, sum: 1 };
}

const accumulate = (c: string, depth: number, [a, b]: readonly [string, string]): Lines => [
  ...loop('k', depth, [`sum += ${a} * ${b};`]),
  ...(c === '' ? [] : [c]),
];

/** Gemm: Y = α A' B' + β C. */
function writeGemm(desk: Desk): Lines {
  const { layer } = desk;
  const [a, b, out] = [inputOf(layer, 0), inputOf(layer, 1), outputOf(layer)];
  const { c: type } = elementTypes[out.dtype];
  const [rows, columns] = out.dims as [number, number];
  const depth = depthOf(layer);
  const turnedA = intAttribute(layer.node, 'transA', 0) === 1;
  const transB = intAttribute(layer.node, 'transB', 0) === 1;
  const matrix = turnedA ? undefined : constantColumns(b, transB);
  const left = turnedA ? { along: 1, sum: a.dims[1]! } : { along: depth, sum: 1 };
  const [alpha, beta] = [floatAttribute(layer.node, 'alpha', 1), floatAttribute(layer.node, 'beta', 1)];
  const scaled = alpha === 1 ? 'sum' : `${literal(alpha, out.dtype)} * sum`;
  const bias = layer.inputs[2];
  const steps = bias ? broadcastStrides(bias.dims, out.dims) : [];
  const at =
    bias && beta !== 0
      ? `${desk.input(2)}[${indexText(0, [
          ['i', rows === 1 ? 0 : steps[0]!],
          ['j', steps[1]!],
        ])}]`
      : '';
  const term = at === '' ? '' : beta === 1 ? at : `${literal(beta, out.dtype)} * ${at}`;
  if (matrix) {
    const scaledMatrix =
      alpha === 1 ? matrix : { ...matrix, at: (row: number, k: number) => alpha * matrix.at(row, k) };
    const whole = at !== '' && beta === 1 && steps[1] === 1;
    const row = whole ? `${desk.input(2)}${rows === 1 || steps[0] === 0 ? '' : ` + i * ${steps[0]}`}` : undefined;
    const start = { each: term === '' ? literal(0, out.dtype) : term, row };
    return products(desk, scaledMatrix, { count: rows, start });
  }
  const right = rightOperand(desk, b, transB);
  const added = term === '' ? '' : ` + ${term}`;
  const first = indexText(0, [
    ['i', rows === 1 ? 0 : left.along],
    ['k', left.sum],
  ]);
  const second = indexText(0, [
    ['j', right.along],
    ['k', right.sum],
  ]);
  const body = [
    `${type} sum = ${literal(0, out.dtype)};`,
    ...accumulate('', depth, [`${desk.input(0)}[${first}]`, `${right.name}[${second}]`]),
    `${desk.output()}[${indexText(0, [
      ['i', rows === 1 ? 0 : columns],
      ['j', 1],
    ])}] = ${scaled}${added};`,
  ];
  const columnsLoop = loop('j', columns, body);
  return rows === 1 ? columnsLoop : loop('i', rows, columnsLoop);
}

function depthOf(layer: Layer): number {
  const a = inputOf(layer, 0);
  return intAttribute(layer.node, 'transA', 0) === 1 ? a.dims[0]! : a.dims.at(-1)!;
}

/** MatMul with NumPy's rules: vectors are rows or columns, leading axes broadcast. */
function writeMatMul(desk: Desk): Lines {
  const { layer } = desk;
  const [a, b, out] = [inputOf(layer, 0), inputOf(layer, 1), outputOf(layer)];
  const { c: type } = elementTypes[out.dtype];
  const [left, right] = [a.dims.length === 1 ? [1, ...a.dims] : a.dims, b.dims.length === 1 ? [...b.dims, 1] : b.dims];
  const [rows, depth, columns] = [left.at(-2)!, left.at(-1)!, right.at(-1)!];
  const rank = Math.max(left.length, right.length);
  const outer = Array.from({ length: rank - 2 }, (_, axis) =>
    Math.max(left[axis - rank + left.length] ?? 1, right[axis - rank + right.length] ?? 1),
  );
  const strides = (dims: readonly number[]): readonly number[] => {
    const matrix = dims.at(-1)! * dims.at(-2)!;
    return broadcastStrides(dims.slice(0, -2), outer).map((stride) => stride * matrix);
  };
  const matrix = constantColumns(b, false);
  if (matrix)
    return products(desk, matrix, { count: productOf(a.dims) / depth, start: { each: literal(0, out.dtype) } });
  const operand = rightOperand(desk, b, false);
  const dims = [...outer, rows, columns];
  return nest(
    dims,
    [
      { name: desk.output(), strides: stridesOf(dims) },
      { name: `${desk.input(0)} + `, strides: [...strides(left), depth, 0] },
      { name: `${operand.name} + `, strides: [...strides(right), 0, operand.along] },
    ],
    ([y, x, w]) => {
      const [row, column] = [pointer(x!), pointer(w!)];
      const second = indexText(column.offset, [['k_sum', operand.sum]]);
      return [
        `${type} sum = ${literal(0, out.dtype)};`,
        ...loop('k_sum', depth, [
          `sum += ${row.name}[${indexText(row.offset, [['k_sum', 1]])}] * ${column.name}[${second}];`,
        ]),
        `${y} = sum;`,
      ];
    },
  );
}

/** The base and offset of a walk whose name was written as `name + `. */
function pointer(text: string): { name: string; offset: string | number } {
  const [name, index] = text.split(' + [', 2) as [string, string];
  const offset = index.slice(0, -1);
  return { name, offset: offset === '0' ? 0 : offset };
}

/** Products of matrices. */
export const linearOperators = {
  Gemm: {
    covers: 'all',
    inputs: ['x', 'weights', 'bias'],
    required: 2,
    work: (layer) => productOf(outputOf(layer).dims) * depthOf(layer),
    write: writeGemm,
  },
  MatMul: {
    covers: 'all, with broadcasting of leading axes',
    inputs: ['x', 'weights'],
    required: 2,
    work: (layer) => productOf(outputOf(layer).dims) * inputOf(layer, 0).dims.at(-1)!,
    write: writeMatMul,
  },
} as const satisfies Record<string, OperatorRule>;
