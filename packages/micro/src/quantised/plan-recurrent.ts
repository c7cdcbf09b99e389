// Planning of GRU and LSTM in integers: which ones, their weights by row, their states as int16.
import { floatAttribute, intAttribute, stringAttribute, tensorOf, toNumbers, type Tensor } from '@sanderling/onnx';
import { countOf, type Layer, type Program, type Quantisation, type StateBinding, type Value } from '../ir.ts';
import { realsOf, weightsOf, type Weights } from './constants.ts';
import type { Draft, Twin } from './draft.ts';
import { doublings, factorOf } from './fixed-point.ts';
import { packed } from './plan-products.ts';
import type { RecurrentWork } from './work.ts';

/** Hidden states in −1 … 1 as int16; cells as int32, since in 16 bits their rounding would be seen in one output of twenty. */
const hiddenQuantisation: Quantisation = { scale: [2 ** -15], zeroPoint: 0, axis: undefined };
const cellQuantisation: Quantisation = { scale: [2 ** -16], zeroPoint: 0, axis: undefined };

/** Above this, sums of int16 · int8 may leave int32. */
const mostHidden = 512;
const mostInputs = 4096;

interface Surroundings {
  readonly twinOf: (value: Value) => Twin | undefined;
  readonly states: Program['states'];
}

interface Found {
  readonly twins: readonly (readonly [Value, Twin])[];
  readonly states: Program['states'];
}

/** Puts an integer layer in the place of a GRU or LSTM whose input and weights are quantised. Undefined where none fits. */
export function recurrentTwins(draft: Draft, layer: Layer, { twinOf, states }: Surroundings): Found | undefined {
  const x = twinOf(layer.inputs[0]!);
  const work = x?.dtype === 'int8' ? workFor(draft, layer, x) : undefined;
  if (!x || !work) return undefined;
  let bound = states;
  const initial = [5, 6].map((index, i) => {
    const made = initialOf(draft, layer, { index, states: bound });
    if (made?.states) bound = made.states;
    return { value: made?.value, index, output: i + 1 };
  });
  const outputs = layer.outputs.map((value, i) =>
    value
      ? draft.define(value.name, { dtype: typeOf(i), dims: value.dims, quantisation: quantisationOf(i) })
      : undefined,
  );
  const inputs = [draft.form(x, 'plain', layer), ...initial.map(({ value }) => value)];
  draft.emit(layer, work.cell === 'GRU' ? 'Int8GRU' : 'Int8LSTM', { inputs, outputs, work });
  const twins = layer.outputs.flatMap((value, i) =>
    value ? [[value, draft.twin(outputs[i]!, 'plain')] as const] : [],
  );
  const next = new Map(layer.outputs.map((value, i) => [value, outputs[i]]));
  const renewed = bound.map(
    (state): StateBinding =>
      initial.some(({ value }) => value === state.input) ? { ...state, next: next.get(state.next)! } : state,
  );
  return { twins, states: renewed };
}

const typeOf = (output: number): 'int16' | 'int32' => (output === 2 ? 'int32' : 'int16');
const quantisationOf = (output: number): Quantisation => (output === 2 ? cellQuantisation : hiddenQuantisation);

interface Initial {
  readonly index: number;
  readonly states: Program['states'];
}

/** The value of a state before the first step, as integers. */
function initialOf(
  draft: Draft,
  layer: Layer,
  { index, states }: Initial,
): { value: Value; states?: Program['states'] } | undefined {
  const given = layer.inputs[index];
  if (!given) return undefined;
  const [dtype, quantisation] = [typeOf(index - 4), quantisationOf(index - 4)];
  const reals = realsOf(draft, given);
  if (reals) {
    if (reals.every((real) => real === 0)) return undefined;
    const data = codesOf(reals, given.dims, dtype);
    return {
      value: draft.define(given.name, { dtype, dims: given.dims, quantisation, role: 'constant', data }),
    };
  }
  const before = unquantised(draft, given);
  const state = states.find(({ input }) => input === before);
  const next = state && unquantised(draft, state.next);
  if (state && next && draft.readersOf(before).length === 1 && next === layer.outputs[index - 4]) {
    const input = draft.define(given.name, { dtype, dims: given.dims, quantisation, role: 'state' });
    const initial = state.initial && codesOf(Array.from(toNumbers(state.initial)), given.dims, dtype);
    return { value: input, states: states.map((one) => (one === state ? { input, next, initial } : one)) };
  }
  const order = given.dims.map((_, axis) => axis);
  const to = { dtype, dims: given.dims, quantisation } as const;
  return {
    value: draft.add(layer, 'Int8Quantise', { to, inputs: [given], work: { kind: 'convert', order, flip: false } }),
  };
}

/** What a value was before QuantizeLinear and DequantizeLinear, where nothing else reads what is between: a state needs no rounding to 8 bits. */
function unquantised(draft: Draft, value: Value): Value {
  const outer = draft.producers.get(value);
  const inner = outer?.operator === 'DequantizeLinear' ? draft.producers.get(outer.inputs[0]!) : undefined;
  if (inner?.operator !== 'QuantizeLinear' || draft.readersOf(outer!.inputs[0]!).length > 1) return value;
  return inner.inputs[0]!;
}

function codesOf(reals: readonly number[], dims: readonly number[], dtype: 'int16' | 'int32'): Tensor {
  const [step, most] = dtype === 'int16' ? [2 ** -15, 32767] : [2 ** -16, 2 ** 26];
  return tensorOf(
    dtype,
    dims,
    reals.map((real) => Math.min(most, Math.max(-most, Math.round(real / step)))),
  );
}

const defaults = { GRU: ['sigmoid', 'tanh'], LSTM: ['sigmoid', 'tanh', 'tanh'] } as const;

/** Activations that are not the usual ones, clipping and peepholes have no integer layer. */
function isUsual({ node, inputs }: Layer, cell: 'GRU' | 'LSTM'): boolean {
  const attribute = node.attributes['activations'];
  const names = attribute?.type === 'strings' ? attribute.value.map((name) => String(name).toLowerCase()) : [];
  const usual = names.every((name, i) => name === defaults[cell][i % defaults[cell].length]);
  return usual && floatAttribute(node, 'clip') === undefined && inputs[7] === undefined;
}

function workFor(draft: Draft, layer: Layer, x: Twin): RecurrentWork | undefined {
  const cell = layer.operator as 'GRU' | 'LSTM';
  const [w, r] = [weightsOf(draft, layer.inputs[1]), weightsOf(draft, layer.inputs[2])];
  const count = countOf({ dims: [(w?.dims[0] ?? 1) * 2 * (w?.dims[1] ?? 1)] });
  const b = layer.inputs[3] ? realsOf(draft, layer.inputs[3]) : Array.from({ length: count }, () => 0);
  if (!w || !r || !b || !isUsual(layer, cell)) return undefined;
  if ([w, r].some(({ axis }) => axis !== undefined && axis !== 1)) return undefined;
  const [, rows, input] = w.dims as [number, number, number];
  const hidden = r.dims[2]!;
  if (hidden > mostHidden || input > mostInputs) return undefined;
  const direction = stringAttribute(layer.node, 'direction', 'forward');
  const directions =
    direction === 'bidirectional'
      ? (['forward', 'backward'] as const)
      : [direction === 'reverse' ? ('backward' as const) : ('forward' as const)];
  const batchFirst = intAttribute(layer.node, 'layout', 0) === 1;
  const [steps, batch] = batchFirst ? [x.dims[1]!, x.dims[0]!] : [x.dims[0]!, x.dims[1]!];
  const afterReset = intAttribute(layer.node, 'linear_before_reset', 0) === 1;
  const rowsOf = (weights: Weights, d: number): readonly (readonly number[])[] => {
    const depth = weights.dims[2]!;
    return Array.from({ length: rows }, (_, row) =>
      weights.codes.slice((d * rows + row) * depth, (d * rows + row + 1) * depth),
    );
  };
  const scaled = gateParameters({
    w,
    r,
    b,
    x: x.quantisation,
    hidden,
    rows,
    rowsOf,
    afterReset,
    count: directions.length,
  });
  if (!scaled) return undefined;
  const late = cell === 'GRU' && !afterReset;
  const each = (weights: Weights, from: number, to: number): readonly Int8Array[] =>
    directions.map((_, d) => packed(rowsOf(weights, d).slice(from, to)));
  return {
    kind: 'recurrent',
    cell,
    steps,
    batch,
    input,
    hidden,
    directions,
    batchFirst,
    afterReset,
    ...scaled,
    inputWeights: each(w, 0, rows),
    hiddenWeights: each(r, 0, late ? 2 * hidden : rows),
    candidateWeights: late ? each(r, 2 * hidden, rows) : [],
    macs: steps * batch * directions.length * rows * (input + hidden),
  };
}

interface Gates {
  readonly w: Weights;
  readonly r: Weights;
  readonly b: readonly number[];
  readonly x: Quantisation;
  readonly hidden: number;
  readonly rows: number;
  readonly rowsOf: (weights: Weights, direction: number) => readonly (readonly number[])[];
  readonly afterReset: boolean;
  readonly count: number;
}

/**
 * Per direction and row: multipliers of both sums to steps of 2^-16, and the bias with the zero point folded in. With the reset after the product, the candidate's
 * rows have the bias of the state, and rows behind all others that of the input.
 */
function gateParameters(gates: Gates): Pick<RecurrentWork, 'parameters' | 'up'> | undefined {
  const { w, r, b, x, hidden, rows, rowsOf, afterReset, count } = gates;
  const scaleOf = ({ scales }: Weights, row: number): number => (scales.length === 1 ? scales[0]! : scales[row]!);
  const step = 2 ** 16;
  const inputScale = (row: number): number => x.scale[0]! * scaleOf(w, row) * step;
  const hiddenScale = (row: number): number => hiddenQuantisation.scale[0]! * scaleOf(r, row) * step;
  const all = Array.from({ length: rows }, (_, row) => row);
  const most = (scale: (row: number) => number): number => Math.max(...all.map(scale));
  const up = doublings([most(inputScale)], 2 ** 15 * w.dims[2]!);
  const largest = up === undefined ? Infinity : Math.max(most(inputScale) / 2 ** up, most(hiddenScale));
  if (up === undefined || !(largest < 0.5)) return undefined;
  const multiplier = (scale: number): number => factorOf(scale)!;
  const parameters = Array.from({ length: count }, (_, d) => {
    const codes = rowsOf(w, d);
    const bias = (row: number, part: 'input' | 'hidden' | 'both'): number => {
      const folded = x.zeroPoint * codes[row]!.reduce((sum, code) => sum + code, 0) * x.scale[0]! * scaleOf(w, row);
      const given = b[d * 2 * rows + row]! - folded;
      const recurrent = b[d * 2 * rows + rows + row]!;
      const real = part === 'input' ? given : part === 'hidden' ? recurrent : given + recurrent;
      return Math.round(real * step);
    };
    const line = (row: number, part: 'input' | 'hidden' | 'both'): readonly number[] => [
      multiplier(inputScale(row) / 2 ** up),
      multiplier(hiddenScale(row)),
      bias(row, part),
    ];
    const split = afterReset && rows === 3 * hidden;
    const first = all.flatMap((row) => line(row, split && row >= 2 * hidden ? 'hidden' : 'both'));
    return [...first, ...(split ? all.slice(2 * hidden).flatMap((row) => line(row, 'input')) : [])];
  });
  const fits = parameters.flat().every((one, i) => Math.abs(one) < (i % 3 === 2 ? 2 ** 28 : 2 ** 31));
  return fits ? { parameters, up } : undefined;
}
