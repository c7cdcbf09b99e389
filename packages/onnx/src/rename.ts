// Renaming values in nodes and in the subgraphs that capture them.
import type { Attribute, Graph, Node } from './ir.ts';

/** Old name → new name; names that are not in it stay. */
export type Names = ReadonlyMap<string, string>;

const renamed = (name: string, names: Names): string => names.get(name) ?? name;

/** A node with its inputs, outputs and captured values renamed. */
export function renamedNode(node: Node, names: Names): Node {
  return {
    ...node,
    inputs: node.inputs.map((name) => renamed(name, names)),
    outputs: node.outputs.map((name) => renamed(name, names)),
    attributes: renamedAttributes(node.attributes, names),
  };
}

function renamedAttributes(attributes: Node['attributes'], names: Names): Node['attributes'] {
  if (!Object.values(attributes).some(({ type }) => type === 'graph' || type === 'graphs')) return attributes;
  return Object.fromEntries(
    Object.entries(attributes).map(([key, attribute]) => [key, renamedAttribute(attribute, names)]),
  );
}

function renamedAttribute(attribute: Attribute, names: Names): Attribute {
  if (attribute.type === 'graph') return { ...attribute, value: renamedGraph(attribute.value, names) };
  return attribute.type === 'graphs'
    ? { ...attribute, value: attribute.value.map((graph) => renamedGraph(graph, names)) }
    : attribute;
}

/** A graph with every occurrence of the names replaced: its own values and those it captures. */
export function renamedGraph(graph: Graph, names: Names): Graph {
  const info = <T extends { readonly name: string }>(of: T): T => ({ ...of, name: renamed(of.name, names) });
  return {
    ...graph,
    nodes: graph.nodes.map((node) => renamedNode(node, names)),
    initializers: new Map(Array.from(graph.initializers, ([name, tensor]) => [renamed(name, names), tensor])),
    inputs: graph.inputs.map(info),
    outputs: graph.outputs.map(info),
    valueInfo: new Map(Array.from(graph.valueInfo, ([name, of]) => [renamed(name, names), info(of)])),
  };
}

/** Every name that a graph defines itself, its subgraphs' names included. */
export function definedNames(graph: Graph): ReadonlySet<string> {
  const names = new Set<string>();
  collect(graph, names);
  names.delete('');
  return names;
}

/** Makes names that nothing in a graph has, and remembers them. */
export function namesFor(graph: Graph): (wanted: string) => string {
  const taken = new Set(definedNames(graph));
  return (wanted) => {
    let name = wanted;
    for (let i = 1; taken.has(name); i += 1) name = `${wanted}_${i}`;
    taken.add(name);
    return name;
  };
}

function collect(graph: Graph, names: Set<string>): void {
  for (const { name } of graph.inputs) names.add(name);
  for (const name of graph.initializers.keys()) names.add(name);
  for (const node of graph.nodes) {
    for (const name of node.outputs) names.add(name);
    for (const attribute of Object.values(node.attributes)) {
      if (attribute.type === 'graph') collect(attribute.value, names);
      else if (attribute.type === 'graphs') for (const inner of attribute.value) collect(inner, names);
    }
  }
}
