// The inference engine: one node, or a whole graph with its subgraphs and functions, from the tables of rules.
import { SanderlingError } from '@sanderling/kit';
import type { Graph, Model, ModelFunction, Node, ValueInfo } from '../ir.ts';
import type { Rule } from './call.ts';
import { controlRules } from './control.ts';
import { elementwiseRules } from './elementwise.ts';
import { factOfInfo, factOfTensor, mergeShape, unknownFact, type Fact } from './facts.ts';
import { layoutRules } from './layout.ts';
import { linearRules } from './linear.ts';
import { microsoftRules, mlRules, quantisedRules, trainingRules } from './quantised.ts';
import { recurrentRules } from './recurrent.ts';
import { reduceRules } from './reduce.ts';

/** Rules by operator domain. */
const rules: Readonly<Record<string, Readonly<Record<string, Rule>>>> = {
  '': {
    ...elementwiseRules,
    ...layoutRules,
    ...linearRules,
    ...reduceRules,
    ...recurrentRules,
    ...controlRules,
    ...quantisedRules,
  },
  'ai.onnx.ml': mlRules,
  'ai.onnx.preview': { FlexAttention: recurrentRules['Attention']! },
  'ai.onnx.preview.training': trainingRules,
  'com.microsoft': microsoftRules,
};

/** What inference of a node may look up around it. */
export interface Surroundings {
  readonly opsets: ReadonlyMap<string, number>;
  readonly functions?: readonly ModelFunction[];
  /** The fact of a value of an enclosing graph. */
  readonly outer: (name: string) => Fact | undefined;
}

/** Whether inference knows an operator. */
export function isInferable(opType: string, domain: string): boolean {
  return Object.hasOwn(rules[domain] ?? {}, opType);
}

const latestOpset = 26;

/**
 * Infers one node's outputs, in order; unknown operators give unknown facts.
 * @throws INVALID_MODEL naming the node, for inputs that cannot go together.
 */
export function inferNode(node: Node, inputs: readonly (Fact | undefined)[], around: Surroundings): readonly Fact[] {
  const rule = Object.hasOwn(rules[node.domain] ?? {}, node.opType) ? rules[node.domain]![node.opType] : undefined;
  if (!rule) return inferFunction(node, inputs, around) ?? node.outputs.map(() => unknownFact);
  const opset = around.opsets.get(node.domain) ?? latestOpset;
  const body = (graph: Graph, facts: readonly (Fact | undefined)[]) =>
    outputsOf(graph, inferGraph(graph, facts, around));
  try {
    const out = rule({ node, opset, inputs, body });
    const list = Array.isArray(out) ? (out as readonly Fact[]) : [out as Fact];
    return node.outputs.map((_, i) => list[i] ?? unknownFact);
  } catch (error) {
    throw named(error, node);
  }
}

function named(error: unknown, node: Node): unknown {
  if (!(error instanceof SanderlingError) || error.where !== undefined) return error;
  const name = node.name === '' ? (node.outputs[0] ?? '') : node.name;
  return new SanderlingError(error.code, `${node.opType} "${name}": ${error.message}`, { where: name, cause: error });
}

function outputsOf(graph: Graph, facts: ReadonlyMap<string, Fact>): readonly Fact[] {
  return graph.outputs.map(({ name }) => facts.get(name) ?? unknownFact);
}

/**
 * Infers a graph from the facts of its inputs (declared ones where a fact is missing). Returns what is known of every value, by name.
 * @throws INVALID_MODEL as {@link inferNode}; also when a declared shape contradicts the inferred one.
 */
export function inferGraph(
  graph: Graph,
  inputs: readonly (Fact | undefined)[],
  around: Surroundings,
): ReadonlyMap<string, Fact> {
  const facts = new Map<string, Fact>();
  for (const [i, info] of graph.inputs.entries()) facts.set(info.name, refined(inputs[i] ?? unknownFact, info));
  for (const [name, tensor] of graph.initializers) facts.set(name, factOfTensor(tensor));
  const declared = new Map([...graph.valueInfo, ...graph.outputs.map((info) => [info.name, info] as const)]);
  const lookUp = (name: string): Fact | undefined => facts.get(name) ?? around.outer(name);
  const inside: Surroundings = { ...around, outer: lookUp };
  for (const node of graph.nodes) {
    const known = node.inputs.map((name) => (name === '' ? undefined : (lookUp(name) ?? unknownFact)));
    for (const [i, out] of inferNode(node, known, inside).entries()) {
      const name = node.outputs[i]!;
      if (name !== '') facts.set(name, settled(out, declared.get(name), node));
    }
  }
  return facts;
}

function settled(out: Fact, info: ValueInfo | undefined, node: Node): Fact {
  if (!info) return out;
  try {
    return refined(out, info);
  } catch (error) {
    throw named(error, node);
  }
}

/** A fact completed by what is declared. */
function refined(of: Fact, info: ValueInfo): Fact {
  if (of.type || info.type) return of.type ? of : factOfInfo(info);
  const dtype = of.dtype === 'undefined' ? info.dtype : of.dtype;
  return { dtype, shape: mergeShape(of.shape, info.shape), ...(of.values ? { values: of.values } : {}) };
}

function inferFunction(
  node: Node,
  inputs: readonly (Fact | undefined)[],
  around: Surroundings,
): readonly Fact[] | undefined {
  const fn = around.functions?.find(
    ({ name, domain, overload }) =>
      name === node.opType && domain === node.domain && overload === (node.overload ?? ''),
  );
  if (!fn) return undefined;
  const attributes = { ...fn.defaults, ...node.attributes };
  const graph: Graph = {
    name: fn.name,
    nodes: fn.nodes.map((inner) => bound(inner, attributes)),
    initializers: new Map(),
    inputs: fn.inputs.map((name) => ({ name, dtype: 'undefined', shape: undefined })),
    outputs: fn.outputs.map((name) => ({ name, dtype: 'undefined', shape: undefined })),
    valueInfo: new Map(),
  };
  const functions = around.functions!.filter((other) => other !== fn);
  return outputsOf(graph, inferGraph(graph, inputs, { opsets: fn.opsets, functions, outer: () => undefined }));
}

/** A function's node with references to the function's attributes replaced by their values. */
export function bound(node: Node, attributes: Node['attributes']): Node {
  const entries = Object.entries(node.attributes).flatMap(([name, attribute]) => {
    if (attribute.type === 'graph')
      return [[name, { ...attribute, value: boundGraph(attribute.value, attributes) }] as const];
    if (attribute.type !== 'reference') return [[name, attribute] as const];
    const value = attributes[attribute.value];
    return value ? [[name, value] as const] : [];
  });
  return { ...node, attributes: Object.fromEntries(entries) };
}

function boundGraph(graph: Graph, attributes: Node['attributes']): Graph {
  return { ...graph, nodes: graph.nodes.map((node) => bound(node, attributes)) };
}

/**
 * Infers a whole model: the facts of every value of the main graph.
 * @throws INVALID_MODEL naming the node, for inputs that cannot go together or a declaration that contradicts them.
 */
export function inferModel(model: Model): ReadonlyMap<string, Fact> {
  const around = { opsets: model.opsets, functions: model.functions, outer: () => undefined };
  return inferGraph(model.graph, [], around);
}

/** The model with the type and shape of every inferred value written into it. */
export function withInferredShapes(model: Model): Model {
  const facts = inferModel(model);
  const { graph } = model;
  const ends = new Set([...graph.inputs, ...graph.outputs].map(({ name }) => name));
  const info = new Map<string, ValueInfo>();
  for (const [name, of] of facts) {
    if (ends.has(name) || graph.initializers.has(name) || (of.dtype === 'undefined' && !of.type)) continue;
    info.set(name, infoOf(name, of));
  }
  const outputs = graph.outputs.map((output) => ({
    ...output,
    ...infoOf(output.name, facts.get(output.name) ?? factOfInfo(output)),
  }));
  return { ...model, graph: { ...graph, valueInfo: info, outputs } };
}

/** A declared value of what is known. */
export function infoOf(name: string, { dtype, shape, type }: Fact): ValueInfo {
  return { name, dtype, shape, ...(type ? { type } : {}) };
}
