// GRU, LSTM and RNN: one pass over time per direction, with the hidden state in place and the gates of one step as scratch.
import { floatAttribute, floatsAttribute, intAttribute, stringAttribute } from '@sanderling/onnx';
import { literal, loop, math, type Lines } from '../emit/c-text.ts';
import { elementTypes, type ElementType, type Layer } from '../ir.ts';
import { invalid, unsupported } from '../problems.ts';
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

/** sum += W[row]·x and R[row]·h; the row is gate · hidden + j. */
const dot = (target: string, matrix: string, [row, vector, width]: readonly [string, string, number]): Lines =>
  loop('k', width, [`${target} += ${matrix}[${row.includes(' ') ? `(${row})` : row} * ${width} + k] * ${vector}[k];`]);

/** Wx + Rh + b of one gate. */
function affine({ sizes, dtype, bias }: CellWriter, gate: number, name = 'sum'): Lines {
  const { hidden, input } = sizes;
  const row = gate === 0 ? 'j' : `${gate * hidden} + j`;
  const c = elementTypes[dtype].c;
  return [
    `${c} ${name} = ${bias ? `b[${row}] + rb[${row}]` : f(0, dtype)};`,
    ...dot(name, 'w', [row, 'x_t', input]),
    ...dot(name, 'r', [row, 'h', hidden]),
  ];
}

const rnn: Cell = {
  gates: 1,
  defaults: ['tanh'],
  states: 1,
  step: (writer) => {
    const { sizes, act, gate, clip } = writer;
    return [
      ...loop('j', sizes.hidden, [...affine(writer, 0), ...clip('sum'), `${gate}[j] = ${act[0]!('sum')};`]),
      ...loop('j', sizes.hidden, [`h[j] = ${gate}[j];`]),
    ];
  },
};

/** z = f(Wz x + Rz h), r = f(Wr x + Rr h), n = g(Wn x + r ∘ (Rn h)) or g(Wn x + Rn (r ∘ h)), h' = (1 − z) n + z h. */
const gru: Cell = {
  gates: 3,
  defaults: ['sigmoid', 'tanh'],
  states: 1,
  step: (writer) => {
    const { desk, sizes, dtype, act, gate, bias, clip } = writer;
    const { hidden, input } = sizes;
    const { c } = elementTypes[dtype];
    const row = `${2 * hidden} + j`;
    const before = intAttribute(desk.layer.node, 'linear_before_reset', 0) === 1;
    const start = (name: string): string => (bias ? `${name}[${row}]` : f(0, dtype));
    const candidate = before
      ? [
          `${c} recurrent = ${start('rb')};`,
          ...dot('recurrent', 'r', [row, 'h', hidden]),
          `sum += ${gate}[${hidden} + j] * recurrent;`,
        ]
      : [
          ...(bias ? [`sum += rb[${row}];`] : []),
          ...loop('k', hidden, [`sum += r[(${row}) * ${hidden} + k] * (${gate}[${hidden} + k] * h[k]);`]),
        ];
    return [
      '/* Gates: update z, reset r. */',
      ...loop('j', hidden, [...affine(writer, 0), ...clip('sum'), `${gate}[j] = ${act[0]!('sum')};`]),
      ...loop('j', hidden, [...affine(writer, 1), ...clip('sum'), `${gate}[${hidden} + j] = ${act[0]!('sum')};`]),
      '/* Candidate n. */',
      ...loop('j', hidden, [
        `${c} sum = ${start('b')};`,
        ...dot('sum', 'w', [row, 'x_t', input]),
        ...candidate,
        ...clip('sum'),
        `${gate}[${row}] = ${act[1]!('sum')};`,
      ]),
      '/* h = (1 - z) n + z h. */',
      ...loop('j', hidden, [`h[j] = (${f(1, dtype)} - ${gate}[j]) * ${gate}[${row}] + ${gate}[j] * h[j];`]),
    ];
  },
};

/** Gates i, o, f, c in ONNX order; c' = f ∘ c + i ∘ g, h' = o ∘ h(c'); peepholes add P ∘ c. */
const lstm: Cell = {
  gates: 4,
  defaults: ['sigmoid', 'tanh', 'tanh'],
  states: 2,
  step: (writer) => {
    const { sizes, act, gate, peephole, clip } = writer;
    const { hidden } = sizes;
    const at = (index: number): string => (index === 0 ? 'j' : `${index * hidden} + j`);
    const peep = (index: number, cell: string): Lines => (peephole ? [`sum += p[${at(index)}] * ${cell};`] : []);
    const one = (index: number, activation: number, more: Lines): Lines =>
      loop('j', hidden, [
        ...affine(writer, index),
        ...more,
        ...clip('sum'),
        `${gate}[${at(index)}] = ${act[activation]!('sum')};`,
      ]);
    return [
      '/* Gates: input i, forget f, cell g. */',
      ...one(0, 0, peep(0, 'c[j]')),
      ...one(2, 0, peep(2, 'c[j]')),
      ...one(3, 1, []),
      '/* c = f c + i g. */',
      ...loop('j', hidden, [`c[j] = ${gate}[${at(2)}] * c[j] + ${gate}[j] * ${gate}[${at(3)}];`]),
      '/* Gate: output o. */',
      ...one(1, 0, peep(1, 'c[j]')),
      '/* h = o h(c). */',
      ...loop('j', hidden, [`h[j] = ${gate}[${at(1)}] * ${act[2]!('c[j]')};`]),
    ];
  },
};

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
}

/** One direction over all samples and steps. */
function pass({ desk, cell, sizes, d, backward, act, gate, homes }: Pass): Lines {
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
    `const ${type} *const w = ${desk.input(1)}${offset(rows * input)};`,
    `const ${type} *const r = ${desk.input(2)}${offset(rows * hidden)};`,
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
