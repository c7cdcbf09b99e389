// The GRU cell with the reset gate applied after the recurrent product (linear_before_reset = 1: PyTorch's and cuDNN's form), gates z, r, n:
//   z, r = σ(W x + R h + b);  n = tanh(Wₙ x + bₙ + r ∘ (Rₙ h + rₙ));  h' = n + z ∘ (h − n)
import { intAttribute, type Value } from '@sanderling/onnx';
import type { Algebra } from '../algebra.ts';
import { scan } from '../scan.ts';
import { previousStates, type Cell, type Direction, type Forward, type Incoming, type Outgoing } from './cell.ts';
import { unsupported } from './rule.ts';

function forward(m: Algebra, { sizes, reverse, x, w, r, b, initial }: Direction): Forward {
  const { steps, batch, hidden: h } = sizes;
  const [wGates, wNew] = m.split(w, 0, [2 * h, h]) as [Value, Value];
  const [rGates, rNew] = m.split(r, 0, [2 * h, h]) as [Value, Value];
  const [bGates, bNew, cGates, cNew] = m.split(b, 0, [2 * h, h, 2 * h, h]) as [Value, Value, Value, Value];
  // the inputs' share of all steps in two products; it enters the loop through Gemm's free third operand
  const xGates = m.gemm(x, wGates, { transB: true, plus: m.add(bGates, cGates) });
  const xNew = m.gemm(x, wNew, { transB: true, plus: bNew });
  const over = [m.reshape(xGates, [steps, batch, 2 * h]), m.reshape(xNew, [steps, batch, h])];
  const run = scan(m, { carry: initial, over, reverse }, (s, { carry, over: slices }) => {
    const [state, [gatesIn, newIn]] = [carry[0] as Value, slices as [Value, Value]];
    const gates = s.sigmoid(s.gemm(state, rGates, { transB: true, plus: gatesIn }));
    const recurrent = s.gemm(state, rNew, { transB: true, plus: cNew });
    const [z, reset] = s.split(gates, 1, [h, h]) as [Value, Value];
    const n = s.tanh(s.add(newIn, s.mul(reset, recurrent)));
    const next = s.add(n, s.mul(z, s.sub(state, n)));
    return { carry: [next], out: [next, gates, n, recurrent] };
  });
  const [y, gates, n, recurrent] = run.out.map((value, i) =>
    m.reshape(value, [steps * batch, i === 1 ? 2 * h : h]),
  ) as [Value, Value, Value, Value];
  return { y, last: run.carry, saved: { gates, n, recurrent } };
}

/**
 * dh of a step is linear in dh of the next, with coefficients known beforehand:
 *   dz = A dh, A = (h₋ − n) z (1 − z);  dn = C dh, C = (1 − z)(1 − n²);  dr = D dh, D = C u r (1 − r), u = Rₙ h₋ + rₙ;  du = E dh, E = C r
 *   dh₋ = z dh + [dz | dr | du] R
 */
function backward(
  m: Algebra,
  direction: Direction,
  at: { forward: Forward; incoming: Incoming; wantsInput: boolean },
): Outgoing {
  const { sizes, reverse, x, w, r, initial } = direction;
  const { steps, batch, hidden: h } = sizes;
  const rows = steps * batch;
  const { gates, n, recurrent } = at.forward.saved as Record<string, Value> as {
    gates: Value;
    n: Value;
    recurrent: Value;
  };
  const [z, reset] = m.split(gates, 1, [h, h]) as [Value, Value];
  const before = previousStates(m, direction, { states: at.forward.y, initial: initial[0] as Value });
  const a = m.mul(m.sub(before, n), m.timesOneMinus(z));
  const c = m.mul(m.oneMinus(z), m.oneMinus(m.square(n)));
  const e = m.mul(c, reset);
  const d = m.mul(m.mul(e, recurrent), m.oneMinus(reset));
  const coefficients = m.reshape(m.concat([a, d, e], 1), [steps, batch, 3 * h]);
  const incoming = at.incoming.y === undefined ? [] : [m.reshape(at.incoming.y, [steps, batch, h])];
  const over = [m.reshape(z, [steps, batch, h]), coefficients, ...incoming];
  const start = at.incoming.last[0] ?? m.zeros([batch, h]);
  const run = scan(m, { carry: [start], over, reverse: !reverse }, (s, { carry, over: slices }) => {
    const [keep, factors, dyHere] = slices as [Value, Value, Value | undefined];
    const dh = dyHere === undefined ? (carry[0] as Value) : s.add(carry[0] as Value, dyHere);
    // repeating dh beside itself and one plain product is faster than a product that broadcasts
    const sums = s.mul(s.concat([dh, dh, dh], 1), factors);
    return { carry: [s.gemm(sums, r, { plus: s.mul(dh, keep) })], out: [sums, s.op('Identity', [dh])] };
  });
  const [dRecurrent, dh] = run.out.map((value, i) => m.reshape(value, [rows, i === 0 ? 3 * h : h])) as [Value, Value];
  const dInput = m.concat([m.slice(dRecurrent, 1, [0, 2 * h]), m.mul(dh, c)], 1);
  return {
    x: at.wantsInput ? m.matmul(dInput, w) : undefined,
    w: m.gemm(dInput, x, { transA: true }),
    r: m.gemm(dRecurrent, before, { transA: true }),
    b: m.concat([m.sum(dInput, [0]), m.sum(dRecurrent, [0])], 0),
    initial: [run.carry[0] as Value],
  };
}

export const gruCell: Cell = {
  gates: 3,
  states: 1,
  initialInputs: [5],
  check: (call) => {
    if (intAttribute(call.node, 'linear_before_reset', 0) !== 1)
      throw unsupported(call.node, 'linear_before_reset = 0 has no gradient rule');
  },
  forward,
  backward,
};
