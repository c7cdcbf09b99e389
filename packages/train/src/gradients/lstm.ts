// The LSTM cell without peepholes, gates in ONNX order i, o, f, c:
//   i, o, f = σ(·);  g = tanh(·);  c' = f c + i g;  h' = o tanh(c')   with · = W x + R h + b
import { intAttribute, type Value } from '@sanderling/onnx';
import type { Algebra } from '../algebra.ts';
import { scan } from '../scan.ts';
import { previousStates, type Cell, type Direction, type Forward, type Incoming, type Outgoing } from './cell.ts';
import { unsupported } from './rule.ts';

function forward(m: Algebra, { sizes, reverse, x, w, r, b, initial }: Direction): Forward {
  const { steps, batch, hidden: h } = sizes;
  const [bIn, bRecurrent] = m.split(b, 0, [4 * h, 4 * h]) as [Value, Value];
  const four = [h, h, h, h];
  const [wGates, rGates] = [m.split(w, 0, four), m.split(r, 0, four)];
  const biases = m.split(m.add(bIn, bRecurrent), 0, four);
  // gate by gate: each product takes its activation along (the runtime fuses them) and nothing must be cut apart afterwards
  const over = wGates.map((gate, k) =>
    m.reshape(m.gemm(x, gate, { transB: true, plus: biases[k] as Value }), [steps, batch, h]),
  );
  const run = scan(m, { carry: initial, over, reverse }, (s, { carry, over: inputs }) => {
    const [state, cell] = carry as [Value, Value];
    const sums = rGates.map((gate, k) => s.gemm(state, gate, { transB: true, plus: inputs[k] as Value }));
    const [i, o, f] = sums.slice(0, 3).map((sum) => s.sigmoid(sum)) as [Value, Value, Value];
    const g = s.tanh(sums[3] as Value);
    const next = s.add(s.mul(f, cell), s.mul(i, g));
    const squashed = s.tanh(next);
    const out = s.mul(o, squashed);
    return { carry: [out, next], out: [out, s.op('Identity', [cell]), squashed, i, o, f, g] };
  });
  const parts = run.out.map((value) => m.reshape(value, [steps * batch, h]));
  const [y, cellBefore, squashed, i, o, f, g] = parts as [Value, Value, Value, Value, Value, Value, Value];
  return { y, last: run.carry, saved: { cellBefore, squashed, i, o, f, g } };
}

/** Coefficients of the way back, known for all steps at once: dc += Q dh; then the gates' sums are these times dc (o: times dh). */
function coefficientsOf(m: Algebra, { saved }: Forward) {
  const { cellBefore, squashed, i, o, f, g } = saved as Record<
    'cellBefore' | 'squashed' | 'i' | 'o' | 'f' | 'g',
    Value
  >;
  return {
    keep: f,
    q: m.mul(o, m.oneMinus(m.square(squashed))), // dc += o (1 − tanh²c) dh
    o: m.mul(squashed, m.timesOneMinus(o)), // dO = tanh(c) o (1 − o) dh
    i: m.mul(g, m.timesOneMinus(i)), // dI = g i (1 − i) dc
    f: m.mul(cellBefore, m.timesOneMinus(f)), // dF = c₋ f (1 − f) dc
    g: m.mul(i, m.oneMinus(m.square(g))), // dG = i (1 − g²) dc
  };
}

/** dh₋ = [dI | dF | dG | dO] R and dc₋ = f dc: linear in (dh, dc). */
function backward(
  m: Algebra,
  direction: Direction,
  at: { forward: Forward; incoming: Incoming; wantsInput: boolean },
): Outgoing {
  const { sizes, reverse, x, w, r, initial } = direction;
  const { steps, batch, hidden: h } = sizes;
  const rows = steps * batch;
  const k = coefficientsOf(m, at.forward);
  const [rI, rF, rG, rO] = splitGates(m, r, h);
  const rCell = m.concat([rI, rF, rG], 0);
  const byStep = (value: Value) => m.reshape(value, [steps, batch, h]);
  const ofCell = m.reshape(m.concat([k.i, k.f, k.g], 1), [steps, batch, 3 * h]);
  const incoming = at.incoming.y === undefined ? [] : [byStep(at.incoming.y)];
  const over = [byStep(k.q), byStep(k.o), byStep(k.keep), ofCell, ...incoming];
  const start = at.incoming.last.map((value) => value ?? m.zeros([batch, h]));
  const run = scan(m, { carry: start, over, reverse: !reverse }, (s, { carry, over: slices }) => {
    const [q, output, keep, factors, dyHere] = slices as [Value, Value, Value, Value, Value | undefined];
    const dh = dyHere === undefined ? (carry[0] as Value) : s.add(carry[0] as Value, dyHere);
    const dc = s.add(carry[1] as Value, s.mul(dh, q));
    const cellSums = s.mul(s.concat([dc, dc, dc], 1), factors);
    const outputSum = s.mul(dh, output);
    const before = s.gemm(cellSums, rCell, { plus: s.matmul(outputSum, rO) });
    return { carry: [before, s.mul(dc, keep)], out: [cellSums, outputSum] };
  });
  const [cellSums, outputSum] = run.out.map((value, i) => m.reshape(value, [rows, i === 0 ? 3 * h : h])) as [
    Value,
    Value,
  ];
  const sums = m.concat([cellSums, outputSum], 1);
  const bias = inGateOrder(m, m.sum(sums, [0]), h);
  const before = previousStates(m, direction, { states: at.forward.y, initial: initial[0] as Value });
  return {
    x: at.wantsInput ? m.matmul(sums, m.concat(splitGates(m, w, h), 0)) : undefined,
    w: inGateOrder(m, m.gemm(sums, x, { transA: true }), h),
    r: inGateOrder(m, m.gemm(sums, before, { transA: true }), h),
    b: m.concat([bias, bias], 0),
    initial: run.carry,
  };
}

/** Weights by gate in the order of the way back: i, f, g, o. */
function splitGates(m: Algebra, weights: Value, h: number): [Value, Value, Value, Value] {
  const [i, o, f, g] = m.split(weights, 0, [h, h, h, h]) as [Value, Value, Value, Value];
  return [i, f, g, o];
}

/** From the order of the way back, i, f, g, o, to the operator's i, o, f, g. */
function inGateOrder(m: Algebra, value: Value, h: number): Value {
  const [i, cell, o] = m.split(value, 0, [h, 2 * h, h]) as [Value, Value, Value];
  return m.concat([i, o, cell], 0);
}

export const lstmCell: Cell = {
  gates: 4,
  states: 2,
  initialInputs: [5, 6],
  check: (call) => {
    if (call.inputs[7] !== undefined) throw unsupported(call.node, 'peepholes have no gradient rule');
    if (intAttribute(call.node, 'input_forget', 0) !== 0)
      throw unsupported(call.node, 'input_forget has no gradient rule');
  },
  forward,
  backward,
};
