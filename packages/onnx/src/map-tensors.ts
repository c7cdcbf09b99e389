// Visiting every tensor of a model, wherever it sits.
import type { Attribute, Graph, Model, Node, SparseTensor, Tensor } from './ir.ts';

type Change = (tensor: Tensor) => Tensor;

/** The model with every tensor replaced: initializers and attributes, in subgraphs and functions too. */
export function mapTensors(model: Model, change: Change): Model {
  const functions = model.functions.map((fn) => ({
    ...fn,
    nodes: fn.nodes.map((node) => inNode(node, change)),
    defaults: inAttributes(fn.defaults, change),
  }));
  return { ...model, graph: inGraph(model.graph, change), functions };
}

function inGraph(graph: Graph, change: Change): Graph {
  return {
    ...graph,
    initializers: new Map(Array.from(graph.initializers, ([name, tensor]) => [name, change(tensor)])),
    ...(graph.sparseInitializers
      ? { sparseInitializers: graph.sparseInitializers.map((sparse) => inSparse(sparse, change)) }
      : {}),
    nodes: graph.nodes.map((node) => inNode(node, change)),
  };
}

function inNode(node: Node, change: Change): Node {
  return { ...node, attributes: inAttributes(node.attributes, change) };
}

function inAttributes(attributes: Node['attributes'], change: Change): Node['attributes'] {
  return Object.fromEntries(
    Object.entries(attributes).map(([name, attribute]) => [name, inAttribute(attribute, change)]),
  );
}

const inSparse = (sparse: SparseTensor, change: Change): SparseTensor => ({
  ...sparse,
  values: change(sparse.values),
  indices: change(sparse.indices),
});

function inAttribute(attribute: Attribute, change: Change): Attribute {
  switch (attribute.type) {
    case 'tensor':
      return { ...attribute, value: change(attribute.value) };
    case 'tensors':
      return { ...attribute, value: attribute.value.map(change) };
    case 'sparse':
      return { ...attribute, value: inSparse(attribute.value, change) };
    case 'sparses':
      return { ...attribute, value: attribute.value.map((sparse) => inSparse(sparse, change)) };
    case 'graph':
      return { ...attribute, value: inGraph(attribute.value, change) };
    case 'graphs':
      return { ...attribute, value: attribute.value.map((graph) => inGraph(graph, change)) };
    case 'float':
    case 'int':
    case 'string':
    case 'typeOf':
    case 'floats':
    case 'ints':
    case 'strings':
    case 'typesOf':
    case 'reference':
      return attribute;
  }
}
