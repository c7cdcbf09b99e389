// GRU, LSTM and RNN: one pass over time per direction, with the hidden state in place and the gates of one step as scratch.
import { floatAttribute, floatsAttribute, intAttribute, stringAttribute, toNumbers } from '@sanderling/onnx';
import { literal, loop, math, type Lines } from '../emit/c-text.ts';
import { elementTypes, type ElementType, type Layer } from '../ir.ts';
import { invalid, unsupported } from '../problems.ts';
import { forMultiply, multiplyHelper } from './blocks.ts';
import { constantOf, expectDims, inputOf, productOf, type Desk, type OperatorRule } from './rule.ts';

/** Sizes of a recurrent layer. */
interface Sizes {
  readonly steps: number;
  readonly batch: number;
  readonly input: number;
  readonly hidden: number;
  readonly directions: number;
  readonly batchFirst: boolean;
}

function sizesOf(layer: Layer): Sizes {
  const { dims } = inputOf(layer, 0);
  const r = inputOf(layer, 2);
  const batchFirst = intAttribute(layer.node, 'layout', 0) === 1;
  const [steps, batch] = batchFirst ? [dims[1]!, dims[0]!] : [dims[0]!, dims[1]!];
  return { steps, batch, input: dims[2]!, hidden: r.dims[2]!, directions: r.dims[0]!, batchFirst };
}

const f = (value: number, dtype: ElementType): string => literal(value, dtype);

/** Activations of gates, as C expressions of a variable. */
const activations: Readonly<
  Record<string, { readonly write: (x: string, pen: Gate) => string; readonly alpha?: number; readonly beta?: number }>
> = {
  affine: { write: (x, { dtype, alpha, beta }) => `${f(alpha, dtype)} * ${x} + ${f(beta, dtype)}`, alpha: 1, beta: 0 },
  elu: {
    write: (x, { dtype, alpha }) =>
      `(${x} < ${f(0, dtype)}) ? ${f(alpha, dtype)} * ${math('expm1', dtype)}(${x}) : ${x}`,
    alpha: 1,
  },
  hardsigmoid: {
    write: (x, { dtype, alpha, beta }) =>
      `${math('fmax', dtype)}(${f(0, dtype)}, ${math('fmin', dtype)}(${f(1, dtype)}, ${f(alpha, dtype)} * ${x} + ${f(beta, dtype)}))`,
    alpha: 0.2,
    beta: 0.5,
  },
  leakyrelu: {
    write: (x, { dtype, alpha }) => `(${x} < ${f(0, dtype)}) ? ${f(alpha, dtype)} * ${x} : ${x}`,
    alpha: 0.01,
  },
  relu: { write: (x, { dtype }) => `(${x} < ${f(0, dtype)}) ? ${f(0, dtype)} : ${x}` },
  sigmoid: { write: (x, { desk, dtype }) => `${desk.helper(math('sigmoid', dtype))}(${x})` },
  softplus: { write: (x, { desk, dtype }) => `${desk.helper(math('softplus', dtype))}(${x})` },
  softsign: { write: (x, { dtype }) => `${x} / (${f(1, dtype)} + ${math('fabs', dtype)}(${x}))` },
  tanh: { write: (x, { dtype }) => `${math('tanh', dtype)}(${x})` },
  thresholdedrelu: { write: (x, { dtype, alpha }) => `(${x} > ${f(alpha, dtype)}) ? ${x} : ${f(0, dtype)}`, alpha: 1 },
};

interface Gate {
  readonly desk: Desk;
  readonly dtype: ElementType;
  readonly alpha: number;
  readonly beta: number;
}

/** The names of the activations of all directions; alphas and betas are consumed in order by those that take one. */
function activationNames(layer: Layer, defaults: readonly string[]): readonly string[] {
  const attribute = layer.node.attributes['activations'];
  const given = attribute?.type === 'strings' ? attribute.value.map((name) => String(name).toLowerCase()) : [];
  const { directions } = sizesOf(layer);
  return given.length > 0 ? given : Array.from({ length: directions }, () => defaults).flat();
}

/** One activation function per gate and direction, as a C expression of `x`. */
function activationsOf(desk: Desk, defaults: readonly string[]): readonly ((x: string) => string)[] {
  const { layer } = desk;
  const [alphas, betas] = [
    floatsAttribute(layer.node, 'activation_alpha') ?? [],
    floatsAttribute(layer.node, 'activation_beta') ?? [],
  ];
  let [nextAlpha, nextBeta] = [0, 0];
  const { dtype } = inputOf(layer, 0);
  return activationNames(layer, defaults).map((name) => {
    const known = activations[name]!;
    const alpha = known.alpha === undefined ? 0 : (alphas[nextAlpha++] ?? known.alpha);
    const beta = known.beta === undefined ? 0 : (betas[nextBeta++] ?? known.beta);
    return (x) => known.write(x, { desk, dtype, alpha, beta });
  });
}

function checkShapes(layer: Layer, gates: number): void {
  const { node } = layer;
  for (const [index, rank] of [3, 3, 3].entries())
    if (inputOf(layer, index).dims.length !== rank) invalid(node, `its input ${index} has no ${rank} dimensions`);
  const { batch, input, hidden, directions, batchFirst } = sizesOf(layer);
  const direction = stringAttribute(node, 'direction', 'forward');
  const wanted = { forward: 1, reverse: 1, bidirectional: 2 }[direction];
  if (wanted !== directions) invalid(node, `direction ${direction} does not go with ${directions} sets of weights`);
  if (intAttribute(node, 'hidden_size', hidden) !== hidden) invalid(node, 'hidden_size is not that of the weights');
  const state = batchFirst ? [batch, directions, hidden] : [directions, batch, hidden];
  expectDims(layer, 1, [directions, gates * hidden, input]);
  expectDims(layer, 2, [directions, gates * hidden, hidden]);
  expectDims(layer, 3, [directions, 2 * gates * hidden]);
  expectDims(layer, 5, state);
  expectDims(layer, 6, state);
  expectDims(layer, 7, [directions, 3 * hidden]);
}

function checkRecurrent(layer: Layer, cell: Cell): void {
  const { defaults } = cell;
  const { node } = layer;
  const { steps } = sizesOf(layer);
  checkShapes(layer, cell.gates);
  const given = activationNames(layer, defaults).length;
  if (given !== defaults.length * sizesOf(layer).directions) invalid(node, `${given} activations were given`);
  for (const name of activationNames(layer, defaults))
    if (!Object.hasOwn(activations, name))
      unsupported(node, `the activation ${name}`, `use one of ${Object.keys(activations).join(', ')}`);
  const lengths = layer.inputs[4];
  if (lengths && !(lengths.data && constantOf(layer, 4)!.every((length) => length === steps)))
    unsupported(
      node,
      'sequences of different lengths (sequence_lens)',
      'leave sequence_lens out and feed full sequences',
    );
  if (intAttribute(node, 'input_forget', 0) === 1)
    unsupported(node, 'input_forget', 'export the model without coupled gates');
}

/** How one kind of cell computes a step; `gates`: rows of W and R in units of the hidden size. */
interface Cell {
  readonly gates: number;
  readonly defaults: readonly string[];
  readonly states: number;
  /** Lines for one step: `w`, `r`, `b` are local pointers; h, c the states of this sample; x the input of the step. */
  readonly step: (writer: CellWriter) => Lines;
}

interface CellWriter {
  readonly desk: Desk;
  readonly sizes: Sizes;
  readonly dtype: ElementType;
  readonly act: readonly ((x: string) => string)[];
  readonly gate: string;
  readonly bias: boolean;
  readonly peephole: boolean;
  readonly clip: (x: string) => Lines;
}

/** Both matrices are known, so that they can be stored in blocks of rows. */
const isConstant = (layer: Layer): boolean => [1, 2].every((index) => inputOf(layer, index).data !== undefined);

/** The C expression of the first element of a gate. */
const gateStart = (name: string, offset: number): string => (offset === 0 ? name : `${name} + ${offset}`);

/** Element j of a gate. */
const element = (name: string, gate: number, hidden: number): string =>
  `${name}[${gate === 0 ? 'j' : `${gate * hidden} + j`}]`;

/** Adds the product of a gate's rows of `w` or `r` and a vector to the gate. */
function add(
  { desk, sizes, dtype, gate }: CellWriter,
  index: number,
  [matrix, vector]: readonly ['w' | 'r', string],
): Lines {
  const { hidden, input } = sizes;
  const width = matrix === 'w' ? input : hidden;
  const rows = gateStart(matrix, index * hidden * width);
  const to = gateStart(gate, index * hidden);
  if (isConstant(desk.layer))
    return [`${desk.helper(multiplyHelper(dtype))}(${to}, ${rows}, ${vector}, ${hidden}, ${width});`];
  const at = vector.includes(' ') ? `(${vector})` : vector;
  return loop('j', hidden, [
    `const ${elementTypes[dtype].c} *const row = ${rows} + j * ${width};`,
    `${elementTypes[dtype].c} sum = ${element(gate, index, hidden)};`,
    ...loop('k', width, [`sum += row[k] * ${at}[k];`]),
    `${element(gate, index, hidden)} = sum;`,
  ]);
}

/** Wx + Rh + b of one gate. */
function affine(writer: CellWriter, index: number): Lines {
  const { sizes, dtype, gate, bias } = writer;
  const { hidden } = sizes;
  const start = bias ? `${element('b', index, hidden)} + ${element('rb', index, hidden)}` : f(0, dtype);
  return [
    ...loop('j', hidden, [`${element(gate, index, hidden)} = ${start};`]),
    ...add(writer, index, ['w', 'x_t']),
    ...add(writer, index, ['r', 'h']),
  ];
}

/** The activation of a gate, after what `more` adds to `sum`. */
function activated(writer: CellWriter, index: number, activation: number, more: Lines = []): Lines {
  const { sizes, dtype, gate, clip, act } = writer;
  const one = element(gate, index, sizes.hidden);
  return loop('j', sizes.hidden, [
    `${elementTypes[dtype].c} sum = ${one};`,
    ...more,
    ...clip('sum'),
    `${one} = ${act[activation]!('sum')};`,
  ]);
}

const rnn: Cell = {
  gates: 1,
  defaults: ['tanh'],
  states: 1,
  step: (writer) => [
    ...affine(writer, 0),
    ...activated(writer, 0, 0),
    ...loop('j', writer.sizes.hidden, [`h[j] = ${writer.gate}[j];`]),
  ],
};

/** z = f(Wz x + Rz h), r = f(Wr x + Rr h), n = g(Wn x + r ∘ (Rn h)) or g(Wn x + Rn (r ∘ h)), h' = (1 − z) n + z h. */
const gru: Cell = {
  gates: 3,
  defaults: ['sigmoid', 'tanh'],
  states: 1,
  step: (writer) => {
    const { desk, sizes, dtype, gate, bias } = writer;
    const { hidden } = sizes;
    const [z, r, n] = [0, 1, 2].map((index) => element(gate, index, hidden)) as [string, string, string];
    const [b, rb] = ['b', 'rb'].map((name) => element(name, 2, hidden)) as [string, string];
    const before = intAttribute(desk.layer.node, 'linear_before_reset', 0) === 1;
    const candidate = before
      ? [
          ...loop('j', hidden, [`${n} = ${bias ? rb : f(0, dtype)};`]),
          ...add(writer, 2, ['r', 'h']),
          ...loop('j', hidden, [`${n} = ${bias ? `${b} + ` : ''}${r} * ${n};`]),
        ]
      : [
          ...loop('j', hidden, [`${n} = ${bias ? `${b} + ${rb}` : f(0, dtype)};`, `${r} = ${r} * h[j];`]),
          ...add(writer, 2, ['r', gateStart(gate, hidden)]),
        ];
    return [
      '/* Gates: update z, reset r. */',
      ...affine(writer, 0),
      ...activated(writer, 0, 0),
      ...affine(writer, 1),
      ...activated(writer, 1, 0),
      `/* Candidate n; ${before ? 'r acts on the product' : 'r makes way for r h'}. */`,
      ...candidate,
      ...add(writer, 2, ['w', 'x_t']),
      ...activated(writer, 2, 1),
      '/* h = (1 - z) n + z h. */',
      ...loop('j', hidden, [`h[j] = (${f(1, dtype)} - ${z}) * ${n} + ${z} * h[j];`]),
    ];
  },
};

/** Gates i, o, f, c in ONNX order; c' = f ∘ c + i ∘ g, h' = o ∘ h(c'); peepholes add P ∘ c. */
const lstm: Cell = {
  gates: 4,
  defaults: ['sigmoid', 'tanh', 'tanh'],
  states: 2,
  step: (writer) => {
    const { sizes, act, gate, peephole } = writer;
    const { hidden } = sizes;
    const [i, o, forget, g] = [0, 1, 2, 3].map((index) => element(gate, index, hidden));
    const peep = (index: number): Lines => (peephole ? [`sum += ${element('p', index, hidden)} * c[j];`] : []);
    return [
      '/* Gates: input i, forget f, cell g. */',
      ...[0, 2, 3].flatMap((index) => affine(writer, index)),
      ...activated(writer, 0, 0, peep(0)),
      ...activated(writer, 2, 0, peep(2)),
      ...activated(writer, 3, 1),
      '/* c = f c + i g. */',
      ...loop('j', hidden, [`c[j] = ${forget} * c[j] + ${i} * ${g};`]),
      '/* Gate: output o. */',
      ...affine(writer, 1),
      ...activated(writer, 1, 0, peep(1)),
      '/* h = o h(c). */',
      ...loop('j', hidden, [`h[j] = ${o} * ${act[2]!('c[j]')};`]),
    ];
  },
};

/** A constant matrix [directions, gates · hidden, width] with the rows of each gate in blocks; another as it is. */
function matrixName(desk: Desk, index: number, stem: string): string {
  if (!isConstant(desk.layer)) return desk.input(index);
  const value = inputOf(desk.layer, index);
  const { hidden } = sizesOf(desk.layer);
  const [width, elements] = [value.dims[2]!, toNumbers(value.data!)];
  const packed = new Float64Array(elements.length);
  for (let from = 0; from < elements.length; from += hidden * width)
    packed.set(forMultiply({ rows: hidden, depth: width, at: (row, k) => elements[from + row * width + k]! }), from);
  return desk.constant(stem, value.dtype, packed);
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
    ...loop('i', all, [`${name}_all[i] = ${initial ? `${initial}[i]` : f(0, dtype)};`]),
  ]);
  const acts = activationsOf(desk, cell.defaults);
  const per = acts.length / directions;
  const direction = stringAttribute(layer.node, 'direction', 'forward');
  const matrices = [matrixName(desk, 1, 'input_blocks'), matrixName(desk, 2, 'hidden_blocks')] as const;
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
}

/** One direction over all samples and steps. */
function pass({ desk, cell, sizes, d, backward, act, gate, homes, matrices }: Pass): Lines {
  const { layer } = desk;
  const { dtype } = inputOf(layer, 0);
  const { c: type } = elementTypes[dtype];
  const { steps, batch, input, hidden, directions, batchFirst } = sizes;
  const offset = (count: number): string => (d === 0 ? '' : ` + ${d * count}`);
  const rows = cell.gates * hidden;
  const [bias, peephole] = [layer.inputs[3] !== undefined, layer.inputs[7] !== undefined];
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
          `if (${x} > ${f(limit, dtype)}) { ${x} = ${f(limit, dtype)}; }`,
          `if (${x} < ${f(-limit, dtype)}) { ${x} = ${f(-limit, dtype)}; }`,
        ];
  const step = cell.step({ desk, sizes, dtype, act, gate, bias, peephole, clip });
  return [
    `const ${type} *const w = ${matrices[0]}${offset(rows * input)};`,
    `const ${type} *const r = ${matrices[1]}${offset(rows * hidden)};`,
    ...(bias
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
