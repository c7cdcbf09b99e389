// Inference of If, Loop, Scan and of sequences and optionals.
import { dataTypeOfCode } from '../data-types.ts';
import { graphAttribute, intAttribute, intsAttribute } from '../attributes.ts';
import type { Dim, ValueType } from '../ir.ts';
import { flag, has, input, like, listOf, type Call, type Rule } from './call.ts';
import { axisOf, fact, factOfType, mergeDim, mismatch, typeOfFact, unite, unknownFact, type Fact } from './facts.ts';

const branch = (call: Call, name: string): readonly Fact[] => {
  const graph = graphAttribute(call.node, name) ?? mismatch(`the subgraph "${name}" is missing`);
  return call.body(graph, []);
};

const conditional: Rule = (call) => {
  const [yes, no] = [branch(call, 'then_branch'), branch(call, 'else_branch')];
  if (yes.length !== no.length) mismatch(`the branches give ${yes.length} and ${no.length} values`);
  return yes.map((of, i) => unite(of, no[i]!));
};

/** A state that may change its shape from one iteration to the next: its element type is sure, and its shape where the body keeps it. */
function steady(before: Fact, after: Fact): Fact {
  if (before.type || after.type) return after.type ? after : before;
  if (!before.shape || !after.shape || before.shape.length !== after.shape.length) return fact(after.dtype, undefined);
  return fact(
    after.dtype,
    before.shape.map((dim, i) => (dim === after.shape![i] ? dim : undefined)),
  );
}

const forgetful = (of: Fact | undefined): Fact | undefined => of && { ...of, values: undefined };

/** Loop: inputs trip count, condition, states; body inputs iteration, condition, states; outputs states, then stacked scans. */
const loop: Rule = (call) => {
  const body = graphAttribute(call.node, 'body') ?? mismatch('the subgraph "body" is missing');
  const states = call.inputs.slice(2).map((of) => forgetful(of) ?? unknownFact);
  const turn = (now: readonly Fact[]) => call.body(body, [fact('int64', []), fact('bool', []), ...now]);
  const first = turn(states);
  const kept = states.map((of, i) => steady(of, first[i + 1] ?? unknownFact));
  const out = kept.every((of, i) => sameShape(of, states[i]!)) ? first : turn(kept);
  // The body may stop the loop at any turn, so the trip count is only a bound.
  const scans = out.slice(1 + states.length).map((of) => fact(of.dtype, of.shape && [undefined, ...of.shape]));
  return [...kept, ...scans];
};

function sameShape(a: Fact, b: Fact): boolean {
  return JSON.stringify(a.shape) === JSON.stringify(b.shape);
}

/** Scan: states first, then scanned inputs of which the body sees one slice; outputs final states, then stacked scans. */
const scan: Rule = (call) => {
  const body = graphAttribute(call.node, 'body') ?? mismatch('the subgraph "body" is missing');
  if (call.opset < 9) return scan8(call);
  const scanned = intAttribute(call.node, 'num_scan_inputs', 0);
  const facts = call.inputs.map((of) => forgetful(of) ?? unknownFact);
  const split = facts.length - scanned;
  if (split < 0) mismatch(`${facts.length} inputs and ${scanned} scanned ones`);
  const axes = intsAttribute(call.node, 'scan_input_axes') ?? [];
  const slices = facts.slice(split).map((of, i) => sliceOff(of, axes[i] ?? 0));
  const length = slices.reduce<Dim>((dim, { size }) => mergeDim(dim, size), undefined);
  const out = call.body(body, [...facts.slice(0, split), ...slices.map(({ rest }) => rest)]);
  const outAxes = intsAttribute(call.node, 'scan_output_axes') ?? [];
  const states = facts.slice(0, split).map((of, i) => steady(of, out[i] ?? unknownFact));
  return [...states, ...out.slice(split).map((of, i) => stacked(of, length, outAxes[i] ?? 0))];
};

/** Before opset 9 Scan had a batch axis in front and a first input of sequence lengths. */
function scan8(call: Call): readonly Fact[] {
  const body = graphAttribute(call.node, 'body')!;
  const scanned = intAttribute(call.node, 'num_scan_inputs', 0);
  const facts = call.inputs.slice(1).map((of) => forgetful(of) ?? unknownFact);
  const split = facts.length - scanned;
  const [batch, length] = [facts[split]?.shape?.[0], facts[split]?.shape?.[1]];
  const out = call.body(
    body,
    facts.map((of, i) => like(of, of.shape?.slice(i < split ? 1 : 2))),
  );
  return out.map((of, i) => like(of, of.shape && [batch, ...(i < split ? [] : [length]), ...of.shape]));
}

function sliceOff(of: Fact, axis: number): { size: Dim; rest: Fact } {
  if (!of.shape) return { size: undefined, rest: of };
  const at = axisOf(axis, of.shape.length);
  return {
    size: of.shape[at],
    rest: like(
      of,
      of.shape.filter((_, i) => i !== at),
    ),
  };
}

function stacked(of: Fact, length: Dim, axis: number): Fact {
  if (!of.shape) return like(of, undefined);
  const at = axisOf(axis, of.shape.length + 1);
  return like(of, [...of.shape.slice(0, at), length, ...of.shape.slice(at)]);
}

function sequenceOf(of: ValueType): Fact {
  if (of.kind === 'sequence' || of.kind === 'optional') mismatch(`a sequence cannot hold ${of.kind}s`);
  return factOfType({ kind: 'sequence', of });
}

function optionalOf(of: ValueType): Fact {
  if (of.kind === 'optional') mismatch('an optional cannot hold an optional');
  return factOfType({ kind: 'optional', of });
}

function elementOf(of: Fact): Fact {
  return of.type?.kind === 'sequence' || of.type?.kind === 'optional' ? factOfType(of.type.of) : unknownFact;
}

const sequenceConstruct: Rule = (call) => {
  const facts = call.inputs.filter((of) => of !== undefined);
  return sequenceOf(typeOfFact(facts.map((of) => like(of, of.shape)).reduce(unite, facts[0] ?? unknownFact)));
};

const sequenceEmpty: Rule = (call) =>
  sequenceOf({ kind: 'tensor', dtype: dataTypeOfCode(flag(call, 'dtype', 1)) ?? 'float32', shape: undefined });

const sequenceInsert: Rule = (call) => {
  const [list, item] = [elementOf(input(call, 0)), input(call, 1)];
  // Nothing is known about the elements of an empty sequence, so that the inserted one cannot be united with them.
  return sequenceOf(typeOfFact(list.shape ? unite(list, item) : like(item, undefined)));
};

const splitToSequence: Rule = (call) => {
  const of = input(call, 0);
  if (!of.shape) return sequenceOf(typeOfFact(of));
  const axis = axisOf(intAttribute(call.node, 'axis', 0), of.shape.length);
  const parts = listOf(call, 'split', 1);
  const size = has(call, 1) ? (parts && new Set(parts).size === 1 && parts.length > 1 ? parts[0] : undefined) : 1;
  const drop = !has(call, 1) && intAttribute(call.node, 'keepdims', 1) === 0;
  const shape = of.shape.flatMap((dim, i): Dim[] => (i !== axis ? [dim] : drop ? [] : [size]));
  return sequenceOf(typeOfFact(like(of, shape)));
};

const concatFromSequence: Rule = (call) => {
  const of = elementOf(input(call, 0));
  if (!of.shape) return like(of, undefined);
  const fresh = intAttribute(call.node, 'new_axis', 0) === 1;
  const axis = axisOf(intAttribute(call.node, 'axis', 0), of.shape.length + Number(fresh));
  const shape = fresh
    ? [...of.shape.slice(0, axis), undefined, ...of.shape.slice(axis)]
    : of.shape.map((dim, i) => (i === axis ? undefined : dim));
  return like(of, shape);
};

const sequenceMap: Rule = (call) => {
  const body = graphAttribute(call.node, 'body') ?? mismatch('the subgraph "body" is missing');
  const items = call.inputs.map((of) => (of?.type?.kind === 'sequence' ? elementOf(of) : forgetful(of)));
  return call.body(body, items).map((of) => sequenceOf(typeOfFact(of)));
};

const optional: Rule = (call) => {
  const stated = call.node.attributes['type'];
  if (has(call, 0)) return optionalOf(typeOfFact(input(call, 0)));
  return stated?.type === 'typeOf' && stated.value ? optionalOf(stated.value) : unknownFact;
};

const optionalGetElement: Rule = (call) => {
  const of = input(call, 0);
  return of.type?.kind === 'optional' ? elementOf(of) : of;
};

export const controlRules: Readonly<Record<string, Rule>> = {
  If: conditional,
  Loop: loop,
  Scan: scan,
  SequenceConstruct: sequenceConstruct,
  SequenceEmpty: sequenceEmpty,
  SequenceInsert: sequenceInsert,
  SequenceErase: (call) => input(call, 0),
  SequenceAt: (call) => elementOf(input(call, 0)),
  SequenceLength: () => fact('int64', []),
  SplitToSequence: splitToSequence,
  ConcatFromSequence: concatFromSequence,
  SequenceMap: sequenceMap,
  Optional: optional,
  OptionalGetElement: optionalGetElement,
  OptionalHasElement: () => fact('bool', []),
};
