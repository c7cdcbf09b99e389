// GRU and LSTM in integers: int8 weights and inputs, h as int16 in steps of 2^-15, c as int32 in steps of 2^-16, activations from a table.
import { block, loop, type Lines } from '../emit/c-text.ts';
import type { Layer } from '../ir.ts';
import type { Desk, OperatorRule } from '../operators/rule.ts';
import { need, prefixOf, workOf } from './rule-text.ts';
import type { RecurrentWork } from './work.ts';

const gatesOf = { GRU: 3, LSTM: 4 } as const;
const quads = (count: number): number => Math.ceil(count / 4);
const even = (count: number): number => count + (count % 2);

/** Where in the scratch everything lies, in bytes from its start. */
interface Room {
  readonly sums: number;
  readonly recurrent: number;
  readonly row: number;
  readonly state: number;
  readonly gates: number;
  readonly homeless: readonly number[];
  readonly total: number;
}

function roomOf(layer: Layer): Room {
  const work = workOf(layer, 'recurrent');
  const { cell, input, hidden, batch, directions } = work;
  const rows = even(gatesOf[cell] * hidden);
  let at = 0;
  const take = (bytes: number): number => {
    const from = at;
    at += Math.ceil(bytes / 8) * 8;
    return from;
  };
  const room = {
    sums: take(4 * rows),
    recurrent: take(4 * rows),
    row: take(8 * quads(input)),
    state: take(8 * quads(hidden)),
    gates: take(2 * 3 * hidden),
  };
  const states = [1, 2].slice(0, cell === 'LSTM' ? 2 : 1);
  const homeless = states.map((output) =>
    layer.outputs[output] ? -1 : take(2 * output * hidden * batch * directions.length),
  );
  return { ...room, homeless, total: at };
}

interface Writer {
  readonly desk: Desk;
  readonly work: RecurrentWork;
  readonly prefix: string;
  readonly direction: number;
}

/** Gate of row `index` (in units of hidden) for unit j. */
const gate = ({ work, prefix }: Writer, index: number): string => {
  const at = index === 0 ? 'j' : `${index * work.hidden} + j`;
  return `${prefix}gate(sums[${at}], recurrent[${at}], parameters + 3 * (${at}), ${work.up})`;
};

/** h' = n + z (h − n). */
function gruStep(writer: Writer): Lines {
  const { desk, work, prefix, direction } = writer;
  const { hidden, afterReset } = work;
  const candidate = `${2 * hidden} + j`;
  const late = afterReset
    ? []
    : [
        '/* The candidate sees the state after the reset. */',
        ...loop('j', hidden, [`reset[j] = (int16_t)${prefix}q15(reset[j] * h[j]);`]),
        `${prefix}arrange(reset, ${hidden}, state);`,
        `${prefix}sums(state, ${desk.constant(`candidate_weights_${direction}`, 'int8', work.candidateWeights[direction]!, true)}, ${quads(hidden)}, ${even(hidden)}, recurrent);`,
      ];
  const inner = afterReset
    ? [
        `const int32_t inner = ${prefix}gate(0, recurrent[${candidate}], parameters + 3 * (${candidate}), ${work.up});`,
        `const int32_t outer = ${prefix}gate(sums[${candidate}], 0, parameters + 3 * (${3 * hidden} + j), ${work.up});`,
        `const int32_t n = ${prefix}tanh_q15(outer + ${prefix}share(inner, reset[j]));`,
      ]
    : [
        `const int32_t n = ${prefix}tanh_q15(${prefix}gate(sums[${candidate}], recurrent[j], parameters + 3 * (${candidate}), ${work.up}));`,
      ];
  return [
    '/* Gates: update z, reset r. */',
    `${prefix}gates(sums, recurrent, parameters, ${work.up}, ${2 * hidden}, update);`,
    ...late,
    '/* Candidate n; h = n + z (h - n). */',
    ...loop('j', hidden, [...inner, `h[j] = (int16_t)(n + ${prefix}q15(update[j] * (h[j] - n)));`]),
  ];
}

/** Gates i, o, f, c in ONNX order. */
function lstmStep(writer: Writer): Lines {
  const { work, prefix } = writer;
  return [
    '/* Gates: in, out, forget. */',
    `${prefix}gates(sums, recurrent, parameters, ${work.up}, ${3 * work.hidden}, in);`,
    '/* c = f c + i g; h = o tanh(c). */',
    ...loop('j', work.hidden, [
      `const int32_t fresh = ${prefix}tanh_q15(${gate(writer, 3)});`,
      `c[j] = ${prefix}within((int32_t)(((int64_t)forget[j] * c[j] + 2 * in[j] * fresh + 16384) >> 15), -67108864, 67108864);`,
      `h[j] = (int16_t)${prefix}q15(out[j] * ${prefix}tanh_q15(c[j]));`,
    ]),
  ];
}

function pass(desk: Desk, work: RecurrentWork, direction: number): Lines {
  const { cell, steps, batch, input, hidden, directions, batchFirst } = work;
  const prefix = prefixOf(desk);
  const count = directions.length;
  const rows = gatesOf[cell] * hidden;
  const early = cell === 'GRU' && !work.afterReset ? 2 * hidden : rows;
  const weights = (stem: string, list: readonly Int8Array[]): string =>
    desk.constant(`${stem}_${direction}`, 'int8', list[direction]!, true);
  const at = batchFirst ? `(n * ${steps} + t)` : `(t * ${batch} + n)`;
  const row = batchFirst
    ? `((n * ${steps} + t) * ${count} + ${direction}) * ${hidden}`
    : `((t * ${count} + ${direction}) * ${batch} + n) * ${hidden}`;
  const each = batchFirst ? `(n * ${count} + ${direction}) * ${hidden}` : `(${direction * batch} + n) * ${hidden}`;
  const writer = { desk, work, prefix, direction };
  return [
    `const int32_t *const parameters = ${desk.constant(`gates_${direction}`, 'int32', work.parameters[direction]!)};`,
    ...loop('n', batch, [
      `int16_t *const h = h_all + ${each};`,
      ...(cell === 'LSTM' ? [`int32_t *const c = c_all + ${each};`] : []),
      ...loop('step', steps, [
        `const int32_t t = ${directions[direction] === 'backward' ? `${steps - 1} - step` : 'step'};`,
        `${prefix}widen(${desk.input(0)} + ${at} * ${input}, 0, ${input}, row, 4);`,
        `${prefix}arrange(h, ${hidden}, state);`,
        `${prefix}sums(row, ${weights('input_weights', work.inputWeights)}, ${quads(input)}, ${even(rows)}, sums);`,
        `${prefix}sums(state, ${weights('hidden_weights', work.hiddenWeights)}, ${quads(hidden)}, ${even(early)}, recurrent);`,
        ...(cell === 'GRU' ? gruStep(writer) : lstmStep(writer)),
        ...(desk.layer.outputs[0] ? loop('j', hidden, [`${desk.output(0)}[${row} + j] = h[j];`]) : []),
      ]),
    ]),
  ];
}

function writeRecurrent(desk: Desk): Lines {
  const { layer } = desk;
  const work = workOf(layer, 'recurrent');
  const { cell, hidden, batch, directions, input } = work;
  if (input % 4 !== 0 || hidden % 4 !== 0) need(desk, 'int8_fill');
  need(desk, 'int8_dsp', 'int8_widen_here', 'int8_widen', 'int8_quad2', 'int8_sum2', 'int8_within', 'int8_recurrent');
  if (work.afterReset && cell === 'GRU') need(desk, 'int8_share');
  const room = roomOf(layer);
  const scratch = desk.scratch();
  const place = (type: string, name: string, offset: number): string =>
    `${type} *const ${name} = (${type} *)(void *)(${scratch} + ${offset});`;
  const all = hidden * batch * directions.length;
  const prefix = prefixOf(desk);
  const states = (cell === 'LSTM' ? ['h', 'c'] : ['h']).flatMap((name, i): Lines => {
    const type = name === 'c' ? 'int32_t' : 'int16_t';
    const initial = layer.inputs[1 + i] ? `${desk.input(1 + i)}[i]` : '0';
    return [
      layer.outputs[1 + i]
        ? `${type} *const ${name}_all = ${desk.output(1 + i)};`
        : place(type, `${name}_all`, room.homeless[i]!),
      ...loop('i', all, [`${name}_all[i] = ${initial};`]),
    ];
  });
  const tails = [
    [input, 'row'],
    [hidden, 'state'],
  ] as const;
  return [
    place('int32_t', 'sums', room.sums),
    place('int32_t', 'recurrent', room.recurrent),
    place('int16_t', 'row', room.row),
    place('int16_t', 'state', room.state),
    ...(cell === 'GRU'
      ? [place('int16_t', 'update', room.gates), `int16_t *const reset = update + ${hidden};`]
      : [
          place('int16_t', 'in', room.gates),
          `const int16_t *const out = in + ${hidden};`,
          `const int16_t *const forget = in + ${2 * hidden};`,
        ]),
    ...tails.flatMap(([size, name]) =>
      size % 4 === 0 ? [] : [`${prefix}fill(0, ${size}, ${4 - (size % 4)}, ${name}, 4);`],
    ),
    ...states,
    ...directions.flatMap((_, direction) =>
      block('', pass(desk, work, direction)).map((line) => (line === ' {' ? '{' : line)),
    ),
  ];
}

const recurrent: OperatorRule = {
  covers: 'integer layer',
  inputs: ['x', 'initial_h', 'initial_c'],
  types: ['int8'],
  optionalOutputs: true,
  scratch: (layer) => roomOf(layer).total,
  work: (layer) => workOf(layer, 'recurrent').macs,
  write: writeRecurrent,
};

/** Recurrent layers. */
export const recurrentRules = { Int8GRU: recurrent, Int8LSTM: recurrent } as const;
