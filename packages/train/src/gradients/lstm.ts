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
  const projected = m.gemm(x, w, { transB: true, plus: m.add(bIn, bRecurrent) });
  const over = [m.reshape(projected, [steps, batch, 4 * h])];
  const run = scan(m, { carry: initial, over, reverse }, (s, { carry, over: [input] }) => {
    const [state, cell] = carry as [Value, Value];
    const sums = s.gemm(state, r, { transB: true, plus: input as Value });
    const [gateSums, newSum] = s.split(sums, 1, [3 * h, h]) as [Value, Value];
    const gates = s.sigmoid(gateSums);
    const [i, o, f] = s.split(gates, 1, [h, h, h]) as [Value, Value, Value];
    const g = s.tanh(newSum);
    const next = s.add(s.mul(f, cell), s.mul(i, g));
    const squashed = s.tanh(next);
    const out = s.mul(o, squashed);
    return { carry: [out, next], out: [out, next, squashed, gates, g] };
  });
  const parts = run.out.map((value, i) => m.reshape(value, [steps * batch, i === 3 ? 3 * h : h]));
  const [y, cells, squashed, gates, g] = parts as [Value, Value, Value, Value, Value];
  return { y, last: run.carry, saved: { cells, squashed, gates, g } };
}

/** Coefficients of the way back, known for all steps at once: dc += Q dh; then the gates' sums are these times dc (o: times dh). */
function coefficientsOf(m: Algebra, direction: Direction, { saved }: Forward) {
  const h = direction.sizes.hidden;
  const { cells, squashed, gates, g } = saved as { cells: Value; squashed: Value; gates: Value; g: Value };
  const [i, o, f] = m.split(gates, 1, [h, h, h]) as [Value, Value, Value];
  const cellBefore = previousStates(m, direction, { states: cells, initial: direction.initial[1] as Value });
  return {
    keep: f,
    q: m.mul(o, m.oneMinus(m.square(squashed))), // dc += o (1 − tanh²c) dh
    o: m.mul(squashed, m.timesOneMinus(o)), // dO = tanh(c) o (1 − o) dh
    i: m.mul(g, m.timesOneMinus(i)), // dI = g i (1 − i) dc
    f: m.mul(cellBefore, m.timesOneMinus(f)), // dF = c₋ f (1 − f) dc
    g: m.mul(i, m.oneMinus(m.square(g))), // dG = i (1 − g²) dc
  };
}

/** dh₋ = [dI | dO | dF | dG] R and dc₋ = f dc: linear in (dh, dc). */
function backward(
  m: Algebra,
  direction: Direction,
  at: { forward: Forward; incoming: Incoming; wantsInput: boolean },
): Outgoing {
  const { sizes, reverse, x, w, r, initial } = direction;
  const { steps, batch, hidden: h } = sizes;
  const rows = steps * batch;
  const k = coefficientsOf(m, direction, at.forward);
  const [rI, rO, rF, rG] = m.split(r, 0, [h, h, h, h]) as [Value, Value, Value, Value];
  const rCell = m.concat([rI, rF, rG], 0);
  const byStep = (value: Value) => m.reshape(value, [steps, batch, h]);
  const layered = m.concat(
    [k.i, k.f, k.g].map((value) => m.reshape(value, [rows, 1, h])),
    1,
  );
  const incoming = at.incoming.y === undefined ? [] : [byStep(at.incoming.y)];
  const over = [byStep(k.q), byStep(k.o), byStep(k.keep), m.reshape(layered, [steps, batch, 3, h]), ...incoming];
  const start = at.incoming.last.map((value) => value ?? m.zeros([batch, h]));
  const run = scan(m, { carry: start, over, reverse: !reverse }, (s, { carry, over: slices }) => {
    const [q, output, keep, factors, dyHere] = slices as [Value, Value, Value, Value, Value | undefined];
    const dh = dyHere === undefined ? s.op('Identity', [carry[0]]) : s.add(carry[0] as Value, dyHere);
    const dc = s.add(carry[1] as Value, s.mul(dh, q));
    const spread = s.reshape(s.mul(s.reshape(dc, [batch, 1, h]), factors), [batch, 3 * h]);
    const before = s.gemm(spread, rCell, { plus: s.matmul(s.mul(dh, output), rO) });
    return { carry: [before, s.mul(dc, keep)], out: [dh, dc] };
  });
  const [dh, dc] = run.out.map((value) => m.reshape(value, [rows, h])) as [Value, Value];
  const sums = m.concat([m.mul(dc, k.i), m.mul(dh, k.o), m.mul(dc, k.f), m.mul(dc, k.g)], 1);
  const bias = m.sum(sums, [0]);
  return {
    x: at.wantsInput ? m.matmul(sums, w) : undefined,
    w: m.gemm(sums, x, { transA: true }),
    r: m.gemm(sums, previousStates(m, direction, { states: at.forward.y, initial: initial[0] as Value }), {
      transA: true,
    }),
    b: m.concat([bias, bias], 0),
    initial: run.carry,
  };
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
