// GRU, LSTM and RNN: one pass over time per direction, with the hidden state in place and the gates of one step as scratch.
import { floatAttribute, stringAttribute, toNumbers } from '@sanderling/onnx';
import { literal, loop, type Lines } from '../emit/c-text.ts';
import { elementTypes, type Layer } from '../ir.ts';
import { forMultiply } from './blocks.ts';
import { activationsOf } from './recurrent-activations.ts';
import { gru, isConstant, lstm, rnn, type Cell } from './recurrent-cells.ts';
import { checkRecurrent } from './recurrent-checks.ts';
import { sizesOf, type Sizes } from './recurrent-sizes.ts';
import { inputOf, productOf, type Desk, type OperatorRule } from './rule.ts';

/** A constant matrix [directions, gates · hidden, width] with the rows of each group of gates in blocks; another as it is. */
function matrixName(desk: Desk, { groups }: Cell, [index, stem]: readonly [number, string]): string {
  if (!isConstant(desk.layer)) return desk.input(index);
  const value = inputOf(desk.layer, index);
  const { hidden } = sizesOf(desk.layer);
  const [width, elements] = [value.dims[2]!, toNumbers(value.data!)];
  const packed = new Float64Array(elements.length);
  let from = 0;
  while (from < elements.length)
    for (const count of groups) {
      const [start, rows] = [from, count * hidden];
      packed.set(forMultiply({ rows, depth: width, at: (row, k) => elements[start + row * width + k]! }), start);
      from += rows * width;
    }
  return desk.constant(stem, value.dtype, packed);
}

/** A bias that is known: the C name of what its halves are made into, and the elements of each direction. */
interface KnownBias {
  readonly name: string;
  readonly each: number;
}

function biasOf(desk: Desk, cell: Cell): KnownBias | undefined {
  const value = desk.layer.inputs[3];
  if (!value?.data) return undefined;
  const { hidden, directions } = sizesOf(desk.layer);
  const [rows, elements] = [cell.gates * hidden, toNumbers(value.data)];
  const sum = (a: number, b: number): number => (value.dtype === 'float32' ? Math.fround(a + b) : a + b);
  const starts = Array.from({ length: directions }, (_, d) => {
    const [from, between, end] = [0, 1, 2].map((part) => (2 * d + part) * rows) as [number, number, number];
    const part = (a: number, b: number): readonly number[] => Array.from(elements.slice(a, b));
    return cell.starts(desk.layer, { input: part(from, between), hidden: part(between, end), sum });
  });
  return { name: desk.constant('starts', value.dtype, starts.flat()), each: starts[0]!.length };
}

/** Where the scratch holds the gates of a step, and the states that have no output to live in. */
function scratchElements(layer: Layer, cell: Cell): number {
  const { hidden, batch, directions } = sizesOf(layer);
  const homeless = [1, 2].slice(0, cell.states).filter((output) => !layer.outputs[output]).length;
  return cell.gates * hidden + homeless * hidden * batch * directions;
}

function writeRecurrent(desk: Desk, cell: Cell): Lines {
  const { layer } = desk;
  const sizes = sizesOf(layer);
  const { dtype } = inputOf(layer, 0);
  const { hidden, batch, directions } = sizes;
  const { c: type } = elementTypes[dtype];
  const gate = desk.scratch();
  const all = hidden * batch * directions;
  let used = cell.gates * hidden;
  const homes = ['h', 'c'].slice(0, cell.states).map((name, i) => {
    if (layer.outputs[i + 1])
      return { name, home: desk.output(i + 1), initial: layer.inputs[5 + i] ? desk.input(5 + i) : undefined };
    const home = `${gate} + ${used}`;
    used += all;
    return { name, home, initial: layer.inputs[5 + i] ? desk.input(5 + i) : undefined };
  });
  const starts = homes.flatMap(({ name, home, initial }) => [
    `${type} *const ${name}_all = ${home};`,
    ...loop('i', all, [`${name}_all[i] = ${initial ? `${initial}[i]` : literal(0, dtype)};`]),
  ]);
  const acts = activationsOf(desk, cell.defaults);
  const per = acts.length / directions;
  const direction = stringAttribute(layer.node, 'direction', 'forward');
  const matrices = [matrixName(desk, cell, [1, 'input_blocks']), matrixName(desk, cell, [2, 'hidden_blocks'])] as const;
  const bias = biasOf(desk, cell);
  const passes = Array.from({ length: directions }, (_, d): Lines => {
    const backward = direction === 'reverse' || d === 1;
    return [
      '{',
      ...pass({
        desk,
        cell,
        sizes,
        d,
        backward,
        act: acts.slice(d * per, (d + 1) * per),
        gate,
        homes: homes.map(({ name }) => name),
        matrices,
        bias,
      }).map((line) => `    ${line}`),
      '}',
    ];
  });
  return [...starts, ...passes.flat()];
}

interface Pass {
  readonly desk: Desk;
  readonly cell: Cell;
  readonly sizes: Sizes;
  readonly d: number;
  readonly backward: boolean;
  readonly act: readonly ((x: string) => string)[];
  readonly gate: string;
  readonly homes: readonly string[];
  /** C names of W and R. */
  readonly matrices: readonly [string, string];
  readonly bias: KnownBias | undefined;
}

/** One direction over all samples and steps. */
function pass({ desk, cell, sizes, d, backward, act, gate, homes, matrices, bias }: Pass): Lines {
  const { layer } = desk;
  const { dtype } = inputOf(layer, 0);
  const { c: type } = elementTypes[dtype];
  const { steps, batch, input, hidden, directions, batchFirst } = sizes;
  const offset = (count: number): string => (d === 0 ? '' : ` + ${d * count}`);
  const rows = cell.gates * hidden;
  const peephole = layer.inputs[7] !== undefined;
  const biasKind = bias ? 'known' : layer.inputs[3] ? 'computed' : 'none';
  const one = batch === 1;
  const each = batchFirst ? `(n * ${directions} + ${d}) * ${hidden}` : `(${d * batch} + n) * ${hidden}`;
  const state = one ? String(d * hidden) : each;
  const at = one ? 't' : batchFirst ? `(n * ${steps} + t)` : `(t * ${batch} + n)`;
  const slot = directions === 1 ? 't' : `(t * ${directions} + ${d})`;
  const row = batchFirst
    ? `(${at} * ${directions} + ${d}) * ${hidden}`
    : one
      ? `${slot} * ${hidden}`
      : `(${slot} * ${batch} + n) * ${hidden}`;
  const limit = floatAttribute(layer.node, 'clip');
  const clip = (x: string): Lines =>
    limit === undefined
      ? []
      : [
          `if (${x} > ${literal(limit, dtype)}) { ${x} = ${literal(limit, dtype)}; }`,
          `if (${x} < ${literal(-limit, dtype)}) { ${x} = ${literal(-limit, dtype)}; }`,
        ];
  const step = cell.step({ desk, sizes, dtype, act, gate, bias: biasKind, peephole, clip });
  return [
    `const ${type} *const w = ${matrices[0]}${offset(rows * input)};`,
    `const ${type} *const r = ${matrices[1]}${offset(rows * hidden)};`,
    ...(bias ? [`const ${type} *const b = ${bias.name}${offset(bias.each)};`] : []),
    ...(biasKind === 'computed'
      ? [`const ${type} *const b = ${desk.input(3)}${offset(2 * rows)};`, `const ${type} *const rb = b + ${rows};`]
      : []),
    ...(peephole ? [`const ${type} *const p = ${desk.input(7)}${offset(3 * hidden)};`] : []),
    ...samples(batch, [
      ...homes.map((name) => `${type} *const ${name} = ${name}_all + ${state};`),
      ...loop('step', steps, [
        `const int32_t t = ${backward ? `${steps - 1} - step` : 'step'};`,
        `const ${type} *const x_t = ${desk.input(0)} + ${at} * ${input};`,
        ...step,
        ...(layer.outputs[0] ? loop('j', hidden, [`${desk.output(0)}[${row} + j] = h[j];`]) : []),
      ]),
    ]),
  ];
}

/** A loop over samples, where there is more than one. */
const samples = (batch: number, lines: Lines): Lines => (batch === 1 ? lines : loop('n', batch, lines));

const recurrent = (cell: Cell, covers: string): OperatorRule => ({
  covers,
  inputs: ['x', 'weights', 'recurrence', 'bias', 'lengths', 'initial_h', 'initial_c', 'peepholes'],
  required: 3,
  optionalOutputs: true,
  mixed: [4],
  check: (layer) => checkRecurrent(layer, cell),
  scratch: (layer) => scratchElements(layer, cell) * elementTypes[inputOf(layer, 0).dtype].bytes,
  work: (layer) => {
    const { steps, batch } = sizesOf(layer);
    return steps * batch * (productOf(inputOf(layer, 1).dims) + productOf(inputOf(layer, 2).dims));
  },
  write: (desk) => writeRecurrent(desk, cell),
});

const shared = 'all directions, both layouts, ten activations, clip, initial state; full sequences';

/** Recurrent layers. */
export const recurrentOperators = {
  GRU: recurrent(gru, `${shared}; linear_before_reset 0 and 1`),
  LSTM: recurrent(lstm, `${shared}; peepholes; without input_forget`),
  RNN: recurrent(rnn, shared),
} as const satisfies Record<string, OperatorRule>;
