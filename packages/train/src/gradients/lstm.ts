// The LSTM cell without peepholes, gates in ONNX order i, o, f, c:
//   i, o, f = σ(·);  g = tanh(·);  c' = f c + i g;  h' = o tanh(c')   with · = W x + R h + b
import { intAttribute, tensorOf, type Value } from '@sanderling/onnx';
import type { Algebra } from '../algebra.ts';
import { scan } from '../scan.ts';
import { previousStates, type Cell, type Direction, type Forward, type Incoming, type Outgoing } from './cell.ts';
import { unsupported } from './rule.ts';

function forward(m: Algebra, { sizes, reverse, x, w, r, b, initial }: Direction): Forward {
  const { steps, batch, hidden: h } = sizes;
  const [bIn, bRecurrent] = m.split(b, 0, [4 * h, 4 * h]) as [Value, Value];
  const four = [h, h, h, h];
  const wGates = m.split(w, 0, four);
  // turned once, lest every step's products turn them again
  const rGates = m.split(r, 0, four).map((gate) => m.transpose(gate, [1, 0]));
  const biases = m.split(m.add(bIn, bRecurrent), 0, four);
  // gate by gate: each product takes its activation along (the runtime fuses them) and nothing must be cut apart afterwards
  const over = wGates.map((gate, k) =>
    m.reshape(m.gemm(x, gate, { transB: true, plus: biases[k] as Value }), [steps, batch, h]),
  );
  const run = scan(m, { carry: initial, over, reverse }, (s, { carry, over: inputs }) => {
    const [state, cell] = carry as [Value, Value];
    const sums = rGates.map((gate, k) => s.gemm(state, gate, { plus: inputs[k] as Value }));
    const [i, o, f] = sums.slice(0, 3).map((sum) => s.sigmoid(sum)) as [Value, Value, Value];
    const g = s.tanh(sums[3] as Value);
    const [kept, added] = [s.mul(f, cell), s.mul(i, g)];
    const next = s.add(kept, added);
    const squashed = s.tanh(next);
    const out = s.mul(o, squashed);
    return { carry: [out, next], out: [out, squashed, kept, added, i, o, f, g] };
  });
  const parts = run.out.map((value) => m.reshape(value, [steps * batch, h]));
  const [y, squashed, kept, added, i, o, f, g] = parts as [Value, Value, Value, Value, Value, Value, Value, Value];
  return { y, last: run.carry, saved: { squashed, kept, added, i, o, f, g } };
}

/** Coefficients of the way back, known for all steps at once: dc += Q dh; then the gates' sums are these times dc (o: times dh). */
function coefficientsOf(m: Algebra, { y, saved }: Forward) {
  const { squashed, kept, added, i, o, f, g } = saved as Record<
    'squashed' | 'kept' | 'added' | 'i' | 'o' | 'f' | 'g',
    Value
  >;
  return {
    keep: f,
    q: m.sub(o, m.mul(y, squashed)), // dc += o (1 − tanh²c) dh
    i: m.mul(added, m.oneMinus(i)), // dI = g i (1 − i) dc
    o: m.mul(y, m.oneMinus(o)), // dO = tanh(c) o (1 − o) dh
    f: m.mul(kept, m.oneMinus(f)), // dF = c₋ f (1 − f) dc
    g: m.sub(i, m.mul(added, g)), // dG = i (1 − g²) dc
  };
}

/** dh₋ = [dI | dO | dF | dG] R and dc₋ = f dc: linear in (dh, dc). */
function backward(
  m: Algebra,
  direction: Direction,
  at: { forward: Forward; incoming: Incoming; wantsInput: boolean },
): Outgoing {
  const { sizes, reverse, x, w, r, initial } = direction;
  const { steps, batch, features, hidden: h } = sizes;
  const rows = steps * batch;
  const k = coefficientsOf(m, at.forward);
  const byStep = (value: Value) => m.reshape(value, [steps, batch, h]);
  const incoming = at.incoming.y === undefined ? [] : [byStep(at.incoming.y)];
  const over = [...[k.q, k.keep, k.i, k.o, k.f, k.g].map(byStep), ...incoming];
  const start = at.incoming.last.map((value) => value ?? m.zeros([batch, h]));
  const run = scan(m, { carry: start, over, reverse: !reverse }, (s, { carry, over: slices }) => {
    const [q, keep, i, o, f, g, dyHere] = slices as [Value, Value, Value, Value, Value, Value, Value | undefined];
    const dh = dyHere === undefined ? (carry[0] as Value) : s.add(carry[0] as Value, dyHere);
    const dc = s.add(carry[1] as Value, s.mul(dh, q));
    const sums = s.concat([s.mul(dc, i), s.mul(dh, o), s.mul(dc, f), s.mul(dc, g)], 1);
    return { carry: [s.matmul(sums, r), s.mul(dc, keep)], out: [sums] };
  });
  const sums = m.reshape(run.out[0] as Value, [rows, 4 * h]);
  // the states before, the inputs and a one side by side: the gradients of both weights and of the bias in one product
  const before = previousStates(m, direction, { states: at.forward.y, initial: initial[0] as Value });
  const ones = m.scope.constant(tensorOf('float32', [rows, 1], new Float32Array(rows).fill(1)));
  const all = m.gemm(sums, m.concat([before, x, ones], 1), { transA: true });
  const [dr, dw, bias] = m.split(all, 1, [h, features, 1]) as [Value, Value, Value];
  const flat = m.reshape(bias, [4 * h]);
  return {
    x: at.wantsInput ? m.matmul(sums, w) : undefined,
    w: dw,
    r: dr,
    b: m.concat([flat, flat], 0),
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
