// The LSTM cell without peepholes, gates in ONNX order i, o, f, c:
//   i, o, f = σ(·);  g = tanh(·);  c' = f c + i g;  h' = o tanh(c')   with · = [R | W | b] [h; x; 1]
// Everything is turned, units by samples: the weights are then the left factor of every product, which the runtime reads in place, and only
// the small state is put in order anew at every step; a step's rows for each gate lie together.
import { intAttribute, tensorOf, type Value } from '@sanderling/onnx';
import type { Algebra } from '../algebra.ts';
import { scan } from '../scan.ts';
import type { Cell, Direction, Forward, Incoming, Outgoing } from './cell.ts';
import { unsupported } from './rule.ts';

/** [B, H] to [H, B] and back. */
const turnedState = (m: Algebra, state: Value): Value => m.transpose(state, [1, 0]);

function forward(m: Algebra, { sizes, reverse, x, w, r, b, initial }: Direction): Forward {
  const { steps, batch, features, hidden: h } = sizes;
  const [bIn, bRecurrent] = m.split(b, 0, [4 * h, 4 * h]) as [Value, Value];
  const weights = m.concat([r, w, m.reshape(m.add(bIn, bRecurrent), [4 * h, 1])], 1);
  const gates = m.split(weights, 0, [h, h, h, h]);
  const ones = m.scope.constant(tensorOf('float32', [steps, 1, batch], new Float32Array(steps * batch).fill(1)));
  const inputs = m.concat([m.transpose(m.reshape(x, [steps, batch, features]), [0, 2, 1]), ones], 1);
  const carry = initial.map((state) => turnedState(m, state));
  const run = scan(m, { carry, over: [inputs], reverse }, (s, { carry: [state, cell], over: [input] }) => {
    const all = s.concat([state as Value, input as Value], 0);
    // gate by gate: each product takes its activation along (the runtime fuses a Gemm's) and nothing must be cut apart afterwards
    const [iSum, oSum, fSum, gSum] = gates.map((gate) => s.op('Gemm', [gate, all])) as [Value, Value, Value, Value];
    const [i, o, f, g] = [s.sigmoid(iSum), s.sigmoid(oSum), s.sigmoid(fSum), s.tanh(gSum)];
    const [kept, added] = [s.mul(f, cell as Value), s.mul(i, g)];
    const next = s.add(kept, added);
    const squashed = s.tanh(next);
    const out = s.mul(o, squashed);
    return { carry: [out, next], out: [out, all, squashed, kept, added, i, o, f, g] };
  });
  const [states, all, squashed, kept, added, i, o, f, g] = run.out as unknown as Turned;
  return {
    y: m.reshape(m.transpose(states, [0, 2, 1]), [steps * batch, h]),
    last: run.carry.map((state) => turnedState(m, state)),
    saved: { states, all, squashed, kept, added, i, o, f, g },
  };
}

type Turned = readonly [Value, Value, Value, Value, Value, Value, Value, Value, Value];
type Saved = Record<'states' | 'squashed' | 'kept' | 'added' | 'i' | 'o' | 'f' | 'g', Value>;

/** Coefficients of the way back, known for all steps at once: dc += Q dh; then the gates' sums are these times dc (o: times dh). */
function coefficientsOf(m: Algebra, { states, squashed, kept, added, i, o, f, g }: Saved) {
  return {
    q: m.sub(o, m.mul(states, squashed)), // dc += o (1 − tanh²c) dh
    i: m.mul(added, m.oneMinus(i)), // dI = g i (1 − i) dc
    o: m.mul(states, m.oneMinus(o)), // dO = tanh(c) o (1 − o) dh
    f: m.mul(kept, m.oneMinus(f)), // dF = c₋ f (1 − f) dc
    g: m.sub(i, m.mul(added, g)), // dG = i (1 − g²) dc
  };
}

/** [dh₋; dx] = [R | W]ᵀ [dI; dO; dF; dG] and dc₋ = f dc: linear in (dh, dc). The gradients of all weights gather on the way. */
function backward(
  m: Algebra,
  { sizes, reverse, w, r }: Direction,
  at: { forward: Forward; incoming: Incoming; wantsInput: boolean },
): Outgoing {
  const { steps, batch, features, hidden: h } = sizes;
  const saved = at.forward.saved as Saved & { readonly all: Value };
  const k = coefficientsOf(m, saved);
  const dy = at.incoming.y;
  const incoming = dy === undefined ? [] : [m.transpose(m.reshape(dy, [steps, batch, h]), [0, 2, 1])];
  const start = at.incoming.last.map((state) => (state === undefined ? m.zeros([h, batch]) : turnedState(m, state)));
  const back = m.transpose(at.wantsInput ? m.concat([r, w], 1) : r, [1, 0]);
  const carry = [...start, m.zeros([4 * h, h + features + 1])];
  const over = [k.q, saved.f, k.i, k.o, k.f, k.g, saved.all, ...incoming];
  const run = scan(m, { carry, over, reverse: !reverse }, (s, { carry: [dState, dCell, gathered], over: slices }) => {
    const [q, keep, i, o, f, g, all, dyHere] = slices as [
      Value,
      Value,
      Value,
      Value,
      Value,
      Value,
      Value,
      Value | undefined,
    ];
    const dh = dyHere === undefined ? (dState as Value) : s.add(dState as Value, dyHere);
    const dc = s.add(dCell as Value, s.mul(dh, q));
    const sums = s.concat([s.mul(dc, i), s.mul(dh, o), s.mul(dc, f), s.mul(dc, g)], 0);
    const before = s.matmul(back, sums);
    const [dhBefore, dx] = at.wantsInput ? s.split(before, 0, [h, features]) : [before];
    const weights = s.gemm(sums, all, { transB: true, plus: gathered as Value });
    return { carry: [dhBefore as Value, s.mul(dc, keep), weights], out: dx === undefined ? [] : [dx] };
  });
  const [dState, dCell, gathered] = run.carry as [Value, Value, Value];
  const [dr, dw, bias] = m.split(gathered, 1, [h, features, 1]) as [Value, Value, Value];
  const flat = m.reshape(bias, [4 * h]);
  const [dx] = run.out;
  return {
    x: dx === undefined ? undefined : m.reshape(m.transpose(dx, [0, 2, 1]), [steps * batch, features]),
    w: dw,
    r: dr,
    b: m.concat([flat, flat], 0),
    initial: [dState, dCell].map((state) => turnedState(m, state)),
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
