// Gradients of GRU, LSTM and RNN: what both share. Forward and backward run as Scan, everything that does not depend on the previous
// step stays outside: the projection of the inputs, and the coefficients of the way back, which is linear in the state's gradient.
import { intAttribute, stringAttribute, type Value } from '@sanderling/onnx';
import { dimsOf, type Algebra } from '../algebra.ts';
import type { Cell, Direction, Outgoing, Sizes } from './cell.ts';
import { gruCell } from './gru.ts';
import { lstmCell } from './lstm.ts';
import { rnnCell } from './rnn.ts';
import { inputOf, unsupported, type Call, type GradientRule, type Gradients, type Trained } from './rule.ts';

/** A direction's name in saved values, so that both directions of a layer keep theirs apart. */
const key = (direction: number, name: string): string => `${direction}.${name}`;

function sizesOf(call: Call): Sizes {
  const [steps, batch, features] = dimsOf(inputOf(call, 0)) as [number, number, number];
  return { steps, batch, features, hidden: dimsOf(inputOf(call, 2))[2] as number };
}

/** Which way each direction of a layer runs. */
function reversesOf(call: Call): boolean[] {
  const direction = stringAttribute(call.node, 'direction', 'forward');
  if (direction === 'bidirectional') return [false, true];
  return [direction === 'reverse'];
}

/** The activations that the cells are written for, in the order of the attribute. */
const usualActivations: Readonly<Record<string, readonly string[]>> = {
  GRU: ['Sigmoid', 'Tanh'],
  LSTM: ['Sigmoid', 'Tanh', 'Tanh'],
  RNN: ['Tanh'],
};

function checkForm(call: Call): void {
  const { node } = call;
  if (intAttribute(node, 'layout', 0) !== 0) throw unsupported(node, 'layout 1 has no gradient rule');
  if (node.attributes['clip'] !== undefined) throw unsupported(node, 'cell clipping has no gradient rule');
  if (call.inputs[4] !== undefined) throw unsupported(node, 'sequence lengths have no gradient rule');
  const usual = usualActivations[node.opType] ?? [];
  const given = node.attributes['activations'];
  const activations = given?.type === 'strings' ? given.value : undefined;
  if (activations?.some((name, i) => name !== usual[i % usual.length]))
    throw unsupported(node, 'only the usual activations have a gradient rule');
}

/** Entry `index` of axis 0, without that axis; the whole value reshaped when there is only one entry. */
function entry(m: Algebra, value: Value, at: { index: number; axis: number }): Value {
  const dims = dimsOf(value);
  const rest = dims.filter((_, i) => i !== at.axis);
  const part = dims[at.axis] === 1 ? value : m.slice(value, at.axis, [at.index, at.index + 1]);
  return m.reshape(part, rest);
}

function directionsOf(call: Call, cell: Cell): Direction[] {
  const { m } = call;
  const sizes = sizesOf(call);
  const { steps, batch, features, hidden } = sizes;
  const x = m.reshape(inputOf(call, 0), [steps * batch, features]);
  return reversesOf(call).map((reverse, index) => {
    const of = (input: number) => entry(m, inputOf(call, input), { index, axis: 0 });
    return {
      sizes,
      reverse,
      x,
      w: of(1),
      r: of(2),
      b: call.inputs[3] === undefined ? m.zeros([2 * cell.gates * hidden]) : of(3),
      initial: cell.initialInputs.map((input) =>
        call.inputs[input] === undefined ? m.zeros([batch, hidden]) : of(input),
      ),
    };
  });
}

/** Joins one value a direction along a new axis. */
function stack(m: Algebra, values: readonly Value[], axis: number): Value {
  const widened = values.map((value) => m.reshape(value, dimsOf(value).toSpliced(axis, 0, 1)));
  return m.concat(widened, axis);
}

function train(call: Call, cell: Cell): Trained {
  checkForm(call);
  cell.check(call);
  const { m } = call;
  const directions = directionsOf(call, cell);
  const runs = directions.map((direction) => cell.forward(m, direction));
  const { steps, batch, hidden } = sizesOf(call);
  const y = stack(
    m,
    runs.map((run) => m.reshape(run.y, [steps, batch, hidden])),
    1,
  );
  const last = Array.from({ length: cell.states }, (_, state) =>
    stack(
      m,
      runs.map((run) => run.last[state] as Value),
      0,
    ),
  );
  const saved = Object.fromEntries(
    runs.flatMap((run, d) => [
      ...Object.entries({ ...run.saved, y: run.y }).map(([name, value]) => [key(d, name), value] as const),
      ...run.last.map((value, state) => [key(d, `last${state}`), value] as const),
    ]),
  );
  return { outputs: [y, ...last], saved };
}

function pull(call: Call, cell: Cell, dy: Gradients): Gradients {
  const { m } = call;
  const { steps, batch, hidden } = sizesOf(call);
  const results = directionsOf(call, cell).map((direction, d) => {
    const kept = Object.entries(call.saved).filter(([name]) => name.startsWith(`${d}.`));
    const saved = Object.fromEntries(kept.map(([name, value]) => [name.slice(2), value]));
    const incoming = {
      y: dy[0] && m.reshape(entry(m, dy[0], { index: d, axis: 1 }), [steps * batch, hidden]),
      last: Array.from(
        { length: cell.states },
        (_, i) => dy[1 + i] && entry(m, dy[1 + i] as Value, { index: d, axis: 0 }),
      ),
    };
    const last = Array.from({ length: cell.states }, (_, i) => saved[`last${i}`] as Value);
    return cell.backward(m, direction, {
      forward: { y: saved['y'] as Value, last, saved },
      incoming,
      wantsInput: call.wants(0),
    });
  });
  const join = (pick: (one: Outgoing) => Value) => stack(m, results.map(pick), 0);
  const gradients: (Value | undefined)[] = [
    inputGradient(call, results),
    join((one) => one.w),
    join((one) => one.r),
    join((one) => one.b),
  ];
  cell.initialInputs.forEach((input, i) => {
    if (call.wants(input)) gradients[input] = join((one) => one.initial[i] as Value);
  });
  return gradients;
}

/** The input's gradient is the sum over directions. */
function inputGradient(call: Call, results: readonly Outgoing[]): Value | undefined {
  if (!call.wants(0)) return undefined;
  const sum = results.map((one) => one.x as Value).reduce((a, b) => call.m.add(a, b));
  return call.m.reshape(sum, dimsOf(inputOf(call, 0)));
}

const layer = (cell: Cell): GradientRule => ({
  train: (call) => train(call, cell),
  pull: (call, dy) => pull(call, cell, dy),
});

export const recurrent = { GRU: layer(gruCell), LSTM: layer(lstmCell), RNN: layer(rnnCell) } as const satisfies Record<
  string,
  GradientRule
>;
