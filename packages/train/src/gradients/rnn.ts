// The plain recurrent cell: h' = tanh(W x + R h + b).
import type { Value } from '@sanderling/onnx';
import type { Algebra } from '../algebra.ts';
import { scan } from '../scan.ts';
import { previousStates, type Cell, type Direction, type Forward, type Incoming, type Outgoing } from './cell.ts';

function forward(m: Algebra, { sizes, reverse, x, w, r, b, initial }: Direction): Forward {
  const { steps, batch, hidden: h } = sizes;
  const [bIn, bRecurrent] = m.split(b, 0, [h, h]) as [Value, Value];
  const projected = m.gemm(x, w, { transB: true, plus: m.add(bIn, bRecurrent) });
  const run = scan(
    m,
    { carry: initial, over: [m.reshape(projected, [steps, batch, h])], reverse },
    (s, { carry, over }) => {
      const next = s.tanh(s.gemm(carry[0] as Value, r, { transB: true, plus: over[0] as Value }));
      return { carry: [next], out: [next] };
    },
  );
  return { y: m.reshape(run.out[0] as Value, [steps * batch, h]), last: run.carry, saved: {} };
}

/** The sum's gradient is S dh, S = 1 − h'²; dh₋ = (S dh) R. */
function backward(
  m: Algebra,
  direction: Direction,
  at: { forward: Forward; incoming: Incoming; wantsInput: boolean },
): Outgoing {
  const { sizes, reverse, x, w, r, initial } = direction;
  const { steps, batch, hidden: h } = sizes;
  const byStep = (value: Value) => m.reshape(value, [steps, batch, h]);
  const slope = m.oneMinus(m.square(at.forward.y));
  const incoming = at.incoming.y === undefined ? [] : [byStep(at.incoming.y)];
  const start = at.incoming.last[0] ?? m.zeros([batch, h]);
  const run = scan(
    m,
    { carry: [start], over: [byStep(slope), ...incoming], reverse: !reverse },
    (s, { carry, over }) => {
      const [slopeHere, dyHere] = over as [Value, Value | undefined];
      const dh = dyHere === undefined ? (carry[0] as Value) : s.add(carry[0] as Value, dyHere);
      const sum = s.mul(dh, slopeHere);
      return { carry: [s.matmul(sum, r)], out: [sum] };
    },
  );
  const sums = m.reshape(run.out[0] as Value, [steps * batch, h]);
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

export const rnnCell: Cell = { gates: 1, states: 1, initialInputs: [5], check: () => undefined, forward, backward };
