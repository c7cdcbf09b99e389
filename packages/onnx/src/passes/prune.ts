// Sorting nodes and removing what no output needs.
import { SanderlingError } from '@sanderling/kit';
import type { Graph, Node } from '../ir.ts';
import { readsOf, topologicalOrder } from '../order.ts';
import { mapBodies, overGraph, type Pass } from './pass.ts';

/** Puts nodes in topological order, in bodies too. @throws INVALID_MODEL naming a node on a cycle. */
export const sortNodes: Pass = overGraph((graph) => sorted(mapBodies(graph, sorted)));

function sorted(graph: Graph): Graph {
  const { sorted: nodes, stuck } = topologicalOrder(graph.nodes);
  if (stuck.length === 0) return { ...graph, nodes };
  const { opType, name, outputs } = stuck[0]!;
  const where = name === '' ? (outputs[0] ?? opType) : name;
  throw new SanderlingError('INVALID_MODEL', `${opType} "${where}" is part of a circle or behind one`, { where });
}

/** Removes nodes, initializers and declared values that no output needs, in bodies too. Graph inputs stay. */
export const pruneDead: Pass = overGraph((graph) => pruned(mapBodies(graph, pruned)));

function pruned(graph: Graph): Graph {
  const needed = new Set(graph.outputs.map(({ name }) => name));
  const nodes: Node[] = [];
  for (const node of topologicalOrder(graph.nodes).sorted.toReversed()) {
    if (!node.outputs.some((name) => needed.has(name))) continue;
    nodes.push(node);
    for (const name of readsOf(node)) needed.add(name);
  }
  const kept = new Set(nodes);
  const keep = <T>(entries: ReadonlyMap<string, T>): Map<string, T> =>
    new Map([...entries].filter(([name]) => needed.has(name)));
  return {
    ...graph,
    nodes: graph.nodes.filter((node) => kept.has(node)).map((node) => withoutDeadOutputs(node, needed)),
    initializers: keep(graph.initializers),
    valueInfo: keep(graph.valueInfo),
  };
}

/** Optional outputs that nobody reads become absent, unless the operator cannot do without. */
function withoutDeadOutputs(node: Node, needed: ReadonlySet<string>): Node {
  if (!optionalOutputs.has(node.opType) || node.domain !== '') return node;
  const last = node.outputs.findLastIndex((name) => needed.has(name));
  const outputs = node.outputs.slice(0, Math.max(last + 1, 1));
  return outputs.length === node.outputs.length ? node : { ...node, outputs };
}

const optionalOutputs: ReadonlySet<string> = new Set([
  'Dropout',
  'MaxPool',
  'LayerNormalization',
  'GRU',
  'LSTM',
  'RNN',
  'Unique',
]);
