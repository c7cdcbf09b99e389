// The inference engine: one node, or a whole graph with its subgraphs and functions, from the tables of rules.
import { SanderlingError } from '@sanderling/kit';
import { subgraphsOf } from '../attributes.ts';
import type { Graph, Model, ModelFunction, Node, ValueInfo } from '../ir.ts';
import type { Rule } from './call.ts';
import { controlRules } from './control.ts';
import { elementwiseRules } from './elementwise.ts';
import { factOfInfo, factOfTensor, mergeShape, mismatch, shapeText, unknownFact, type Fact } from './facts.ts';
import { layoutRules } from './layout.ts';
import { linearRules } from './linear.ts';
import { microsoftRules, mlRules, quantisedRules, trainingRules } from './quantised.ts';
import { recurrentRules } from './recurrent.ts';
import { reduceRules } from './reduce.ts';
import { selectRules } from './select.ts';

/** Rules by operator domain. */
const rules: Readonly<Record<string, Readonly<Record<string, Rule>>>> = {
  '': {
    ...elementwiseRules,
    ...layoutRules,
    ...selectRules,
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
  /** Told of every node, its inputs and outputs, in subgraphs too; bodies of loops may be seen twice. */
  readonly visit?: (node: Node, inputs: readonly (Fact | undefined)[], outputs: readonly Fact[], path: string) => void;
  /** Told of a node that cannot be inferred; its outputs are then unknown. Without it the error is thrown. */
  readonly failed?: (node: Node, error: SanderlingError, path: string) => void;
  /** Told of a declaration that contradicts what a node makes; the inferred fact holds. */
  readonly contradicted?: (node: Node, message: string, path: string) => void;
  /** The graph that is being inferred: `main`, `main/if_3.then_branch`. @default 'main' */
  readonly path?: string;
  /** What is left of the work that one inference may do; set by the engine itself. */
  readonly budget?: Budget;
}

/** Bodies are inferred anew for every call, which a hostile model can make exponential. */
interface Budget {
  nodes: number;
  calls: number;
}

const fullBudget = (): Budget => ({ nodes: 1_000_000, calls: 100 });

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
  const body = (graph: Graph, facts: readonly (Fact | undefined)[]) => {
    const attribute = subgraphsOf(node).find(([, inner]) => inner === graph)?.[0] ?? 'body';
    const path = `${around.path ?? 'main'}/${node.name || node.outputs[0]}.${attribute}`;
    return outputsOf(graph, inferGraph(graph, facts, { ...around, path }));
  };
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
 * @throws INVALID_MODEL as {@link inferNode}. Declarations that contradict what is inferred are passed over.
 */
export function inferGraph(
  graph: Graph,
  inputs: readonly (Fact | undefined)[],
  around: Surroundings,
): ReadonlyMap<string, Fact> {
  const budget = around.budget ?? fullBudget();
  spend(budget, graph.nodes.length + 1);
  const facts = new Map<string, Fact>();
  for (const [i, info] of graph.inputs.entries()) facts.set(info.name, refined(inputs[i] ?? unknownFact, info));
  for (const [name, tensor] of graph.initializers) facts.set(name, factOfTensor(tensor));
  for (const { values, dims } of graph.sparseInitializers ?? [])
    facts.set(values.name ?? '', { dtype: values.dtype, shape: dims });
  const declared = new Map([...graph.valueInfo, ...graph.outputs.map((info) => [info.name, info] as const)]);
  const lookUp = (name: string): Fact | undefined => facts.get(name) ?? around.outer(name);
  const inside: Surroundings = { ...around, outer: lookUp, budget };
  for (const node of graph.nodes) {
    const known = node.inputs.map((name) => (name === '' ? undefined : (lookUp(name) ?? unknownFact)));
    for (const [i, of] of settledOutputs(node, known, inside, declared).entries()) {
      const name = node.outputs[i]!;
      if (name !== '') facts.set(name, of);
    }
  }
  return facts;
}

/** A node's outputs completed by what is declared of them. */
function settledOutputs(
  node: Node,
  inputs: readonly (Fact | undefined)[],
  around: Surroundings,
  declared: ReadonlyMap<string, ValueInfo>,
): readonly Fact[] {
  const infoFor = (i: number): ValueInfo | undefined => declared.get(node.outputs[i]!);
  try {
    const out = inferNode(node, inputs, around);
    const outputs = out.map((of, i) => (infoFor(i) ? settled(of, infoFor(i)!, node, around) : of));
    around.visit?.(node, inputs, outputs, around.path ?? 'main');
    return outputs;
  } catch (error) {
    const known = named(error, node);
    if (!around.failed || !(known instanceof SanderlingError) || known.code === 'TOO_LARGE') throw known;
    around.failed(node, known, around.path ?? 'main');
    return node.outputs.map((_, i) => (infoFor(i) ? factOfInfo(infoFor(i)!) : unknownFact));
  }
}

/** What a node makes, completed by what is declared of it; where the two contradict each other, declarations are wrong. */
function settled(of: Fact, info: ValueInfo, node: Node, { contradicted, path = 'main' }: Surroundings): Fact {
  const types = of.dtype !== 'undefined' && info.dtype !== 'undefined' && of.dtype !== info.dtype;
  try {
    if (types) mismatch(`makes ${of.dtype}`);
    return refined(of, info);
  } catch (error) {
    if (!(error instanceof SanderlingError)) throw error;
    contradicted?.(
      node,
      `"${info.name}" is declared as ${info.dtype}${shapeText(info.shape)} and is ${of.dtype}${shapeText(of.shape)}`,
      path,
    );
    return of;
  }
}

/** A fact completed by what is declared. @throws INVALID_MODEL when they contradict each other. */
function refined(of: Fact, info: ValueInfo): Fact {
  if (of.type || info.type) return of.type ? of : factOfInfo(info);
  const dtype = of.dtype === 'undefined' ? info.dtype : of.dtype;
  return { dtype, shape: mergeShape(of.shape, info.shape), ...(of.values ? { values: of.values } : {}) };
}

function spend(budget: Budget, nodes: number): void {
  budget.nodes -= nodes;
  if (budget.nodes < 0)
    throw new SanderlingError('TOO_LARGE', 'the model unfolds into too many nodes', { where: 'inference' });
}

const functionTables = new WeakMap<readonly ModelFunction[], ReadonlyMap<string, ModelFunction>>();
const functionKey = (domain: string, name: string, overload = ''): string => `${domain}\n${name}\n${overload}`;

function functionOf(node: Node, functions: readonly ModelFunction[] = []): ModelFunction | undefined {
  const known = functionTables.get(functions);
  const table = known ?? new Map(functions.map((fn) => [functionKey(fn.domain, fn.name, fn.overload), fn]));
  if (!known) functionTables.set(functions, table);
  return table.get(functionKey(node.domain, node.opType, node.overload));
}

function inferFunction(
  node: Node,
  inputs: readonly (Fact | undefined)[],
  around: Surroundings,
): readonly Fact[] | undefined {
  const fn = functionOf(node, around.functions);
  if (!fn) return undefined;
  const budget = around.budget ?? fullBudget();
  if (budget.calls === 0)
    throw new SanderlingError('INVALID_MODEL', `the function ${fn.name} calls itself or nests too deep`);
  const attributes = { ...fn.defaults, ...node.attributes };
  const info = (name: string): ValueInfo => ({ name, dtype: 'undefined', shape: undefined });
  const graph: Graph = {
    name: fn.name,
    nodes: fn.nodes.map((inner) => bound(inner, attributes)),
    initializers: new Map(),
    inputs: fn.inputs.map(info),
    outputs: fn.outputs.map(info),
    valueInfo: fn.valueInfo,
  };
  budget.calls -= 1;
  const facts = inferGraph(graph, inputs, {
    ...around,
    opsets: fn.opsets,
    outer: () => undefined,
    budget,
    path: `function ${fn.domain}.${fn.name}`,
  });
  budget.calls += 1;
  return outputsOf(graph, facts);
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
 * @throws INVALID_MODEL naming the node, for inputs that cannot go together.
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
