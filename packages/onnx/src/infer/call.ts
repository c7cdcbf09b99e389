// One operator call as the inference rules see it, and the small readers that most rules share.
import type { DataType } from '../data-types.ts';
import { intAttribute, intsAttribute } from '../attributes.ts';
import type { Dim, Graph, Node, Shape } from '../ir.ts';
import { fact, mismatch, unknownFact, type Fact } from './facts.ts';

/** A call: the node, the opset of its domain, what is known of its inputs, and inference over subgraphs. */
export interface Call {
  readonly node: Node;
  readonly opset: number;
  readonly inputs: readonly (Fact | undefined)[];
  /** Infers a subgraph whose inputs have the given facts; returns the facts of its outputs. */
  readonly body: (graph: Graph, inputs: readonly (Fact | undefined)[]) => readonly Fact[];
}

/** The facts of a node's outputs, in order; one fact stands for a list of one. */
export type Rule = (call: Call) => Fact | readonly Fact[];

/** The fact of a required input. */
export function input(call: Call, index: number): Fact {
  return call.inputs[index] ?? mismatch(`input ${index} is missing`);
}

/** Whether an optional input is there. */
export function has(call: Call, index: number): boolean {
  return call.inputs[index] !== undefined;
}

/** The fact of an input that may be absent. */
export function optionalInput(call: Call, index: number): Fact {
  return call.inputs[index] ?? unknownFact;
}

/** A list of integers that newer opsets take as an input and older ones as an attribute; undefined when not known. */
export function listOf(call: Call, attribute: string, index: number): readonly number[] | undefined {
  const own = intsAttribute(call.node, attribute);
  if (own) return own;
  return knownValues(call.inputs[index]);
}

/** The elements of an input when all are known numbers. */
export function knownValues(of: Fact | undefined): readonly number[] | undefined {
  return of?.values?.every((value) => typeof value === 'number') ? of.values : undefined;
}

/** The one element of an input when known. */
export function knownScalar(of: Fact | undefined): number | undefined {
  const values = knownValues(of);
  return values?.length === 1 ? values[0] : undefined;
}

/** The shape that an integer input holds: its elements as dimensions, or unknown dimensions where only their number is known. */
export function shapeFrom(of: Fact): Shape | undefined {
  if (of.values) return of.values.map(sizeOf);
  const count = of.shape?.[0];
  return typeof count === 'number' && count <= 64 ? Array.from({ length: count }, () => undefined) : undefined;
}

function sizeOf(value: Dim): Dim {
  return typeof value === 'number' && value < 0 ? mismatch(`a size is ${value}`) : value;
}

/** A fact of the same type as an input with another shape. */
export function like(of: Fact, shape: Shape | undefined, values?: readonly Dim[]): Fact {
  return fact(of.dtype, shape, values);
}

/** Dimension `index` of a fact, counted from the back when negative; undefined when not known. */
export function dimOf(of: Fact | undefined, index: number): Dim {
  return of?.shape?.at(index);
}

/** An element type given by an integer attribute such as `to`. */
export function flag(call: Call, name: string, fallback = 0): number {
  return intAttribute(call.node, name, fallback);
}

/** A fact of the same shape as an input with another element type. */
export function retyped(of: Fact, dtype: DataType, values?: readonly Dim[]): Fact {
  return fact(dtype, of.shape, values);
}
