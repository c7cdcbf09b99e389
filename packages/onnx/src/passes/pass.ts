// Rewrites of models as functions that compose.
import { subgraphsOf } from '../attributes.ts';
import type { Attribute, Graph, Model, Node } from '../ir.ts';

/** A rewrite: takes a model and returns a new one that computes the same. */
export type Pass = (model: Model) => Model;

/** A rewrite that may need the runtime. */
export type AnyPass = (model: Model) => Model | Promise<Model>;

/** One pass after another. */
export function compose(...passes: readonly AnyPass[]): (model: Model) => Promise<Model> {
  return async (model) => {
    let now = model;
    for (const pass of passes) now = await pass(now);
    return now;
  };
}

/** A pass over the main graph alone. */
export const overGraph =
  (change: (graph: Graph, model: Model) => Graph): Pass =>
  (model) => ({ ...model, graph: change(model.graph, model) });

/** A graph with the graphs inside its nodes replaced, innermost first. */
export function mapBodies(graph: Graph, change: (body: Graph) => Graph): Graph {
  return { ...graph, nodes: graph.nodes.map((node) => withBodies(node, change)) };
}

/** A node with the graphs inside it replaced, innermost first. */
export function withBodies(node: Node, change: (body: Graph) => Graph): Node {
  if (subgraphsOf(node).length === 0) return node;
  const deep = (body: Graph): Graph => change(mapBodies(body, change));
  const changed = (attribute: Attribute): Attribute => {
    if (attribute.type === 'graph') return { ...attribute, value: deep(attribute.value) };
    return attribute.type === 'graphs' ? { ...attribute, value: attribute.value.map(deep) } : attribute;
  };
  return {
    ...node,
    attributes: Object.fromEntries(Object.entries(node.attributes).map(([name, of]) => [name, changed(of)])),
  };
}
