// One step of GRU, LSTM and RNN as C: gates lie behind one another in scratch memory, and products are taken of as many gates at once as share their vector.
import { intAttribute } from '@sanderling/onnx';
import { literal, loop, type Lines } from '../emit/c-text.ts';
import { elementTypes, type ElementType, type Layer } from '../ir.ts';
import { multiplyHelper } from './blocks.ts';
import type { Sizes } from './recurrent-sizes.ts';
import { inputOf, type Desk } from './rule.ts';

/** How one kind of cell computes a step. */
export interface Cell {
  /** Rows of W and R in units of the hidden size. */
  readonly gates: number;
  /** How many gates each product takes at once: together all. */
  readonly groups: readonly number[];
  readonly defaults: readonly string[];
  readonly states: number;
  /** What a known bias is made into, for one direction: the starts of the gates' sums and, behind them, what is added later. */
  readonly starts: (layer: Layer, bias: Bias) => readonly number[];
  /** Lines for one step: `w`, `r`, `b` are local pointers; h, c the states of this sample; x_t the input of the step. */
  readonly step: (writer: CellWriter) => Lines;
}

/** The two halves of a bias of one direction, for W and for R. */
export interface Bias {
  readonly input: readonly number[];
  readonly hidden: readonly number[];
  /** Sums in the layer's precision. */
  readonly sum: (a: number, b: number) => number;
}

export interface CellWriter {
  readonly desk: Desk;
  readonly sizes: Sizes;
  readonly dtype: ElementType;
  readonly act: readonly ((x: string) => string)[];
  readonly gate: string;
  /** `known`: b points at the starts; `computed`: b and rb point at its halves. */
  readonly bias: 'known' | 'computed' | 'none';
  readonly peephole: boolean;
  readonly clip: (x: string) => Lines;
}

const f = (value: number, dtype: ElementType): string => literal(value, dtype);

/** Both matrices are known, so that they can be stored in blocks of rows. */
export const isConstant = (layer: Layer): boolean => [1, 2].every((index) => inputOf(layer, index).data !== undefined);

/** The C expression of the first element of a gate. */
const gateStart = (name: string, offset: number): string => (offset === 0 ? name : `${name} + ${offset}`);

/** Element j of a gate. */
const element = (name: string, gate: number, hidden: number): string =>
  `${name}[${gate === 0 ? 'j' : `${gate * hidden} + j`}]`;

/** `count` gates from `first` on. */
interface Gates {
  readonly first: number;
  readonly count: number;
}

/** gates = start + (rows of `w` or `r`) × vector, for a start that may be the gates themselves. */
function product(
  { desk, sizes, dtype, gate }: CellWriter,
  { first, count }: Gates,
  [matrix, vector, start]: readonly ['w' | 'r', string, string],
): Lines {
  const { hidden, input } = sizes;
  const { c } = elementTypes[dtype];
  const width = matrix === 'w' ? input : hidden;
  const rows = gateStart(matrix, first * hidden * width);
  const to = gateStart(gate, first * hidden);
  if (isConstant(desk.layer))
    return [`${desk.helper(multiplyHelper(dtype))}(${to}, ${start}, ${rows}, ${vector}, ${count * hidden}, ${width});`];
  const at = vector.includes(' ') ? `(${vector})` : vector;
  const from = start.includes(' ') ? `(${start})` : start;
  return loop('j', count * hidden, [
    `const ${c} *const row = ${rows} + j * ${width};`,
    `${c} sum = ${from}[j];`,
    ...loop('k', width, [`sum += row[k] * ${at}[k];`]),
    `${element(gate, first, hidden)} = sum;`,
  ]);
}

/** Where the sums of gates start: at a known bias, or at the gates after these lines have set them to `otherwise`. */
function startOf({ sizes, gate, bias }: CellWriter, { first, count }: Gates, otherwise: string): [Lines, string] {
  const { hidden } = sizes;
  if (bias === 'known') return [[], gateStart('b', first * hidden)];
  return [
    loop('j', count * hidden, [`${element(gate, first, hidden)} = ${otherwise};`]),
    gateStart(gate, first * hidden),
  ];
}

/** Wx + Rh + b of gates. */
function affine(writer: CellWriter, gates: Gates): Lines {
  const { sizes, dtype, gate, bias } = writer;
  const { hidden } = sizes;
  const both = `${element('b', gates.first, hidden)} + ${element('rb', gates.first, hidden)}`;
  const [lines, start] = startOf(writer, gates, bias === 'none' ? f(0, dtype) : both);
  return [
    ...lines,
    ...product(writer, gates, ['w', 'x_t', start]),
    ...product(writer, gates, ['r', 'h', gateStart(gate, gates.first * hidden)]),
  ];
}

/** `name` = the activation of an element of a gate, after what `more` adds to it. */
function activation(
  { act, clip, dtype }: CellWriter,
  [name, from, which]: readonly [string, string, number],
  more: Lines = [],
): Lines {
  const { c } = elementTypes[dtype];
  const untouched = more.length === 0 && clip(name).length === 0;
  if (untouched) return [`const ${c} ${name} = ${act[which]!(from)};`];
  return [`${c} ${name} = ${from};`, ...more, ...clip(name), `${name} = ${act[which]!(name)};`];
}

/** The activation of gates in place. */
function activated(writer: CellWriter, { first, count }: Gates, which: number, more: Lines = []): Lines {
  const { hidden } = writer.sizes;
  const one = element(writer.gate, first, hidden);
  return loop('j', count * hidden, [...activation(writer, ['sum', one, which], more), `${one} = sum;`]);
}

const joined = (_: Layer, { input, hidden, sum }: Bias): readonly number[] => input.map((b, i) => sum(b, hidden[i]!));

export const rnn: Cell = {
  gates: 1,
  groups: [1],
  defaults: ['tanh'],
  states: 1,
  starts: joined,
  step: (writer) => [
    ...affine(writer, { first: 0, count: 1 }),
    ...loop('j', writer.sizes.hidden, [
      ...activation(writer, ['next', element(writer.gate, 0, writer.sizes.hidden), 0]),
      'h[j] = next;',
    ]),
  ],
};

const resetsProduct = (layer: Layer): boolean => intAttribute(layer.node, 'linear_before_reset', 0) === 1;

/** z = f(Wz x + Rz h), r = f(Wr x + Rr h), n = g(Wn x + r ∘ (Rn h)) or g(Wn x + Rn (r ∘ h)), h' = (1 − z) n + z h. */
export const gru: Cell = {
  gates: 3,
  groups: [2, 1],
  defaults: ['sigmoid', 'tanh'],
  states: 1,
  starts: (layer, bias) => {
    const all = joined(layer, bias);
    if (!resetsProduct(layer)) return all;
    const candidate = (all.length / 3) * 2;
    return [...all.slice(0, candidate), ...bias.hidden.slice(candidate), ...bias.input.slice(candidate)];
  },
  step: (writer) => {
    const { desk, sizes, dtype, gate } = writer;
    const { hidden } = sizes;
    const [z, r, n] = [0, 1, 2].map((index) => element(gate, index, hidden)) as [string, string, string];
    const before = resetsProduct(desk.layer);
    return [
      '/* Gates: update z, reset r. */',
      ...affine(writer, { first: 0, count: 2 }),
      ...activated(writer, { first: 0, count: 2 }, 0),
      `/* Candidate n; ${before ? 'r acts on the product' : 'r makes way for r h'}. */`,
      ...(before ? candidateOfProduct(writer, [r, n]) : candidateOfState(writer, r)),
      '/* h = (1 - z) n + z h. */',
      ...loop('j', hidden, [...activation(writer, ['n', n, 1]), `h[j] = (${f(1, dtype)} - ${z}) * n + ${z} * h[j];`]),
    ];
  },
};

const candidate: Gates = { first: 2, count: 1 };

/** Wn x + bn + r ∘ (Rn h + rbn) */
function candidateOfProduct(writer: CellWriter, [r, n]: readonly [string, string]): Lines {
  const { sizes, dtype, gate, bias } = writer;
  const { hidden } = sizes;
  const at = gateStart(gate, 2 * hidden);
  const [lines, start] = startOf(writer, candidate, bias === 'none' ? f(0, dtype) : element('rb', 2, hidden));
  const added = bias === 'none' ? '' : `${element('b', bias === 'known' ? 3 : 2, hidden)} + `;
  return [
    ...lines,
    ...product(writer, candidate, ['r', 'h', start]),
    ...loop('j', hidden, [`${n} = ${added}${r} * ${n};`]),
    ...product(writer, candidate, ['w', 'x_t', at]),
  ];
}

/** Wn x + Rn (r ∘ h) + bn + rbn */
function candidateOfState(writer: CellWriter, r: string): Lines {
  const { sizes, dtype, gate, bias } = writer;
  const { hidden } = sizes;
  const both = `${element('b', 2, hidden)} + ${element('rb', 2, hidden)}`;
  const [lines, start] = startOf(writer, candidate, bias === 'none' ? f(0, dtype) : both);
  return [
    ...loop('j', hidden, [`${r} = ${r} * h[j];`]),
    ...lines,
    ...product(writer, candidate, ['w', 'x_t', start]),
    ...product(writer, candidate, ['r', gateStart(gate, hidden), gateStart(gate, 2 * hidden)]),
  ];
}

/** Gates i, o, f, c in ONNX order; c' = f ∘ c + i ∘ g, h' = o ∘ h(c'); peepholes add P ∘ c. */
export const lstm: Cell = {
  gates: 4,
  groups: [4],
  defaults: ['sigmoid', 'tanh', 'tanh'],
  states: 2,
  starts: joined,
  step: (writer) => {
    const { sizes, act, gate, peephole } = writer;
    const { hidden } = sizes;
    const [i, o, forget, g] = [0, 1, 2, 3].map((index) => element(gate, index, hidden)) as [
      string,
      string,
      string,
      string,
    ];
    const peep = (index: number): Lines => [`sum += ${element('p', index, hidden)} * c[j];`];
    const next = [...activation(writer, ['g', g, 1]), `c[j] = ${forget} * c[j] + ${i} * g;`];
    const out = [`h[j] = ${o} * ${act[2]!('c[j]')};`];
    return [
      '/* Gates: input i, output o, forget f, cell g. */',
      ...affine(writer, { first: 0, count: 4 }),
      ...(peephole
        ? [
            ...activated(writer, { first: 0, count: 1 }, 0, peep(0)),
            ...activated(writer, { first: 2, count: 1 }, 0, peep(2)),
            '/* c = f c + i g; o sees the new c. */',
            ...loop('j', hidden, next),
            ...activated(writer, { first: 1, count: 1 }, 0, peep(1)),
            '/* h = o h(c). */',
            ...loop('j', hidden, out),
          ]
        : [
            ...activated(writer, { first: 0, count: 3 }, 0),
            '/* c = f c + i g, h = o h(c). */',
            ...loop('j', hidden, [...next, ...out]),
          ]),
    ];
  },
};
