// What a recurrent cell is to the layer rule: sizes, weights, and its run forward and backward.
import type { Value } from '@sanderling/onnx';
import type { Algebra } from '../algebra.ts';
import type { Call } from './rule.ts';

/** Sizes of a recurrent layer: steps, batch, inputs, hidden units. */
export interface Sizes {
  readonly steps: number;
  readonly batch: number;
  readonly features: number;
  readonly hidden: number;
}

/** One direction of a layer. Weights as ONNX stacks them, without the direction axis: w [G·H, I], r [G·H, H], b [2·G·H]; x [T·B, I]. */
export interface Direction {
  readonly sizes: Sizes;
  readonly reverse: boolean;
  readonly x: Value;
  readonly w: Value;
  readonly r: Value;
  readonly b: Value;
  /** The states before the first step, [B, H] each. */
  readonly initial: readonly Value[];
}

/** What a cell's forward run leaves: h of every step [T·B, H], the last states, and what the way back needs. */
export interface Forward {
  readonly y: Value;
  readonly last: readonly Value[];
  readonly saved: Readonly<Record<string, Value>>;
}

/** Gradients that come in: of h at every step [T·B, H] and of the last states. */
export interface Incoming {
  readonly y: Value | undefined;
  readonly last: readonly (Value | undefined)[];
}

/** Gradients that go out; x only when wanted. */
export interface Outgoing {
  readonly x: Value | undefined;
  readonly w: Value;
  readonly r: Value;
  readonly b: Value;
  readonly initial: readonly Value[];
}

/** A recurrent cell: how many gates and states it has and how it runs forward and backward. */
export interface Cell {
  readonly gates: number;
  readonly states: number;
  /** Operator inputs of the initial states. */
  readonly initialInputs: readonly number[];
  /** Refuses forms of the operator that the cell does not cover. */
  check(call: Call): void;
  forward(m: Algebra, direction: Direction): Forward;
  backward(
    m: Algebra,
    direction: Direction,
    at: { forward: Forward; incoming: Incoming; wantsInput: boolean },
  ): Outgoing;
}

/** States after every step [T·B, H], moved by one step so that each row holds the state before it; the first is the initial state. */
export function previousStates(
  m: Algebra,
  { sizes, reverse }: Direction,
  of: { states: Value; initial: Value },
): Value {
  const { steps, batch } = sizes;
  if (steps === 1) return of.initial;
  if (reverse) return m.concat([m.slice(of.states, 0, [batch, steps * batch]), of.initial], 0);
  return m.concat([of.initial, m.slice(of.states, 0, [0, (steps - 1) * batch])], 0);
}
