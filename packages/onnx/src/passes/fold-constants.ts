// Constant folding: shapes by inference, everything else by running the constant part of the graph once.
import type { Fact } from '../infer/facts.ts';
import { inferModel } from '../infer/infer.ts';
import { subgraphsOf } from '../attributes.ts';
import { elementCount, type Graph, type Model, type Node, type Tensor } from '../ir.ts';
import { readsOf } from '../order.ts';
import { openSession } from '../run/session.ts';
import { tensorOf, type Elements } from '../tensor.ts';
import type { Pass } from './pass.ts';
import { pruneDead } from './prune.ts';

/** Types whose followed elements are exact. */
const exact: ReadonlySet<string> = new Set(['int64', 'int32', 'bool']);

/**
 * Replaces nodes whose integer results inference knows (shapes, sizes, axes) by constants, and removes what is then dead. Needs no runtime.
 * @throws INVALID_MODEL as `inferModel`.
 */
export const foldShapes: Pass = (model) => {
  const facts = inferModel(model);
  const found = new Map<string, Tensor>();
  const nodes = model.graph.nodes.filter((node) => {
    const [name] = node.outputs;
    const tensor = node.outputs.length === 1 ? constantOf(facts.get(name!)) : undefined;
    if (tensor) found.set(name!, tensor);
    return tensor === undefined;
  });
  return found.size === 0 ? model : pruneDead(withConstants(model, nodes, found));
};

function constantOf(of: Fact | undefined): Tensor | undefined {
  if (!of?.values || !of.shape || !exact.has(of.dtype)) return undefined;
  const known =
    of.values.every((value) => Number.isSafeInteger(value)) && of.shape.every((dim) => typeof dim === 'number');
  const dims = of.shape as readonly number[];
  return known && elementCount(dims) === of.values.length ? tensorOf(of.dtype, dims, of.values as Elements) : undefined;
}

/** Constants that are graph outputs need a node to make them. */
function withConstants(model: Model, nodes: readonly Node[], found: ReadonlyMap<string, Tensor>): Model {
  const { graph } = model;
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const made = [...found].filter(([name]) => outputs.has(name)).map(([name, tensor]) => constantNode(name, tensor));
  const rest = [...found].filter(([name]) => !outputs.has(name));
  return {
    ...model,
    graph: { ...graph, nodes: [...made, ...nodes], initializers: new Map([...graph.initializers, ...rest]) },
  };
}

function constantNode(name: string, value: Tensor): Node {
  return {
    name: '',
    opType: 'Constant',
    domain: '',
    inputs: [],
    outputs: [name],
    attributes: { value: { type: 'tensor', value } },
  };
}

/** How far constants are folded. */
export interface FoldOptions {
  /** Results larger than this many bytes stay computed, unless they are no larger than the constants they come from. @default 1 MiB */
  readonly maxBytes?: number;
}

/** Operators whose result is not a function of their inputs. */
const random: ReadonlySet<string> = new Set(
  'RandomNormal RandomNormalLike RandomUniform RandomUniformLike Multinomial Bernoulli Dropout'.split(' '),
);

/**
 * Folds every node of the main graph whose inputs are all constant, by running that part once on ONNX Runtime.
 * @throws as `openSession` and `Session.run`.
 */
export function foldConstants(options: FoldOptions = {}): (model: Model) => Promise<Model> {
  return async (given) => {
    const model = foldShapes(given);
    const constant = constantNodes(model);
    const wanted = boundary(model.graph, constant);
    if (wanted.length === 0) return model;
    const results = await evaluate(model, constant, wanted);
    const limit = options.maxBytes ?? 2 ** 20;
    const found = new Map([...results].filter(([, tensor]) => tensor.data.length <= limit));
    const kept = keptNodes(constant, wanted, found);
    const nodes = model.graph.nodes.filter((node) => !constant.has(node) || kept.has(node));
    const made = new Set([...kept].flatMap(({ outputs }) => outputs));
    return pruneDead(withConstants(model, nodes, new Map([...found].filter(([name]) => !made.has(name)))));
  };
}

/** Constant nodes that must stay, with all their outputs: those with a wanted value that was not found (too large), and those that such nodes read from. */
function keptNodes(
  constant: ReadonlySet<Node>,
  wanted: readonly string[],
  found: ReadonlyMap<string, Tensor>,
): ReadonlySet<Node> {
  const missing = new Set(wanted.filter((name) => !found.has(name)));
  const kept = new Set<Node>();
  for (const node of [...constant].toReversed()) {
    if (!node.outputs.some((name) => missing.has(name))) continue;
    kept.add(node);
    for (const name of readsOf(node)) if (!found.has(name)) missing.add(name);
  }
  return kept;
}

function constantNodes({ graph, functions }: Model): ReadonlySet<Node> {
  const inputs = new Set(graph.inputs.map(({ name }) => name));
  const known = new Set([...graph.initializers.keys()].filter((name) => !inputs.has(name)));
  const own = new Set(functions.map(({ name }) => name));
  const nodes = new Set<Node>();
  for (const node of graph.nodes) {
    const fixed = [...readsOf(node)].every((name) => known.has(name));
    if (!fixed || random.has(node.opType) || own.has(node.opType) || subgraphsOf(node).length > 0) continue;
    nodes.add(node);
    for (const name of node.outputs) known.add(name);
  }
  return nodes;
}

/** Constant values that others than constant nodes read; plain Constant nodes come along as they are. */
function boundary(graph: Graph, constant: ReadonlySet<Node>): readonly string[] {
  const made = new Set([...constant].flatMap((node) => node.outputs.filter((name) => name !== '')));
  const read = new Set(graph.outputs.map(({ name }) => name));
  for (const node of graph.nodes) if (!constant.has(node)) for (const name of readsOf(node)) read.add(name);
  return [...made].filter((name) => read.has(name));
}

async function evaluate(
  model: Model,
  constant: ReadonlySet<Node>,
  wanted: readonly string[],
): Promise<ReadonlyMap<string, Tensor>> {
  const graph: Graph = {
    ...model.graph,
    nodes: [...constant],
    inputs: [],
    outputs: wanted.map((name) => ({ name, dtype: 'undefined', shape: undefined })),
    valueInfo: new Map(),
  };
  const facts = inferModel({ ...model, graph });
  const outputs = graph.outputs.map((info) => ({ ...info, dtype: facts.get(info.name)?.dtype ?? 'undefined' }));
  const tensors = outputs.filter(({ dtype }) => dtype !== 'undefined' && dtype !== 'string');
  await using session = await openSession(pruneDead({ ...model, graph: { ...graph, outputs: tensors } }), {
    optimisation: 'disabled',
  });
  const results = await session.run({});
  return new Map(
    Object.entries(results).map(([name, { dtype, dims, data }]) => {
      const view = data as Float32Array;
      return [name, { dtype, dims: [...dims], data: new Uint8Array(view.buffer, view.byteOffset, view.byteLength) }];
    }),
  );
}
