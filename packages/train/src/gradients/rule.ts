// What a gradient rule is: how one ONNX operator runs in training and how it hands gradients back to its inputs.
import { SanderlingError } from '@sanderling/kit';
import type { Node, Tensor, Value } from '@sanderling/onnx';
import type { Algebra } from '../algebra.ts';

/** One use of an operator in the graph that is being differentiated. */
export interface Call {
  readonly node: Node;
  /** Writes into the graph that is being built. */
  readonly m: Algebra;
  readonly inputs: readonly (Value | undefined)[];
  readonly outputs: readonly (Value | undefined)[];
  /** What the training form kept for the way back. */
  readonly saved: Readonly<Record<string, Value>>;
  /** Channels of a block of the runtime's own layout for convolutions; 0: standard operators only. */
  readonly block: number;
  /** Whether anyone needs the gradient of this input. */
  wants(input: number): boolean;
  /** The content of an input that is known when compiling. */
  constant(input: number): Tensor | undefined;
}

/** What training brings to a graph beside gradients. */
export interface Training {
  /** Uniform numbers in [0, 1) of a shape: others at every step and call site, the same again for the same step. */
  uniform(m: Algebra, dims: readonly number[]): Value;
  /** Whether a value is a buffer that training follows; a frozen layer's running statistics are not. */
  follows(value: Value): boolean;
  /** Gives a buffer (a running mean, say) its value for the next step. */
  update(buffer: Value, value: Value): void;
  /** Channels of a block of the runtime's own layout for convolutions. @default 0, standard operators only */
  readonly block?: number;
}

/** The values that a training form leaves. */
export interface Trained {
  readonly outputs: readonly (Value | undefined)[];
  readonly saved?: Readonly<Record<string, Value>>;
}

/** Gradients in the order of a node's outputs or inputs; undefined stands for zero. */
export type Gradients = readonly (Value | undefined)[];

/** How one operator is differentiated. */
export interface GradientRule {
  /** The form that the operator takes in training when it differs from inference (Dropout, BatchNormalization) or keeps more (GRU). */
  readonly train?: (call: Call, training: Training) => Trained;
  /** From the gradients of the outputs to those of the inputs. Never called with all outputs' gradients undefined. */
  readonly pull: (call: Call, dy: Gradients) => Gradients;
}

/** An input that the operator requires. @throws INVALID_MODEL when it is absent. */
export function inputOf(call: Call, index: number): Value {
  const value = call.inputs[index];
  if (value === undefined) throw invalid(call.node, `needs input ${index}`);
  return value;
}

/** An output that the operator always has. */
export function outputOf(call: Call, index = 0): Value {
  const value = call.outputs[index];
  if (value === undefined) throw invalid(call.node, `needs output ${index}`);
  return value;
}

/** A form of an operator that has no gradient rule here. */
export function unsupported(node: Node, what: string): SanderlingError {
  return new SanderlingError('UNSUPPORTED', `${node.opType} (${labelOf(node)}): ${what}`, {
    where: labelOf(node),
    details: { operator: node.opType, node: labelOf(node) },
  });
}

/** A node that breaks the operator's own rules. */
export function invalid(node: Node, what: string): SanderlingError {
  return new SanderlingError('INVALID_MODEL', `${node.opType} (${labelOf(node)}) ${what}`, { where: labelOf(node) });
}

/** The name by which a reader finds a node: its own, or that of its first output. */
export function labelOf(node: Node): string {
  return node.name === '' ? (node.outputs[0] ?? '?') : node.name;
}

/** What a one-output elementwise rule sees. */
export interface UnaryTerms {
  readonly m: Algebra;
  readonly x: Value;
  readonly y: Value;
  readonly dy: Value;
  readonly node: Node;
}

/** A rule y = f(x) given by dx. */
export function unary(dx: (terms: UnaryTerms) => Value): GradientRule {
  return {
    pull: (call, [dy]) =>
      dy === undefined ? [] : [dx({ m: call.m, x: inputOf(call, 0), y: outputOf(call), dy, node: call.node })],
  };
}

/** What a two-operand elementwise rule sees; the operands may broadcast. */
export interface BinaryTerms {
  readonly m: Algebra;
  readonly a: Value;
  readonly b: Value;
  readonly y: Value;
  readonly dy: Value;
}

/** A rule y = f(a, b) given by da and db at the broadcast shape; each is summed back to its operand's shape. */
export function binary(da: (terms: BinaryTerms) => Value, db: (terms: BinaryTerms) => Value): GradientRule {
  return {
    pull: (call, [dy]) => {
      if (dy === undefined) return [];
      const terms = { m: call.m, a: inputOf(call, 0), b: inputOf(call, 1), y: outputOf(call), dy };
      return [
        call.wants(0) ? call.m.unbroadcast(da(terms), terms.a) : undefined,
        call.wants(1) ? call.m.unbroadcast(db(terms), terms.b) : undefined,
      ];
    },
  };
}

/** A rule for an operator with one output, given by the gradients of its inputs. */
export function single(pull: (call: Call, dy: Value) => Gradients): GradientRule {
  return { pull: (call, [dy]) => (dy === undefined ? [] : pull(call, dy)) };
}

/** An operator whose output does not change with small changes of its inputs: no gradient passes. */
export const flat: GradientRule = { pull: () => [] };
