// Removing nodes that hand their input through.
import { subgraphsOf } from '../attributes.ts';
import type { Graph, Node } from '../ir.ts';
import { capturedBy } from '../order.ts';
import { onlyNumber } from '../tensor.ts';
import { renamedNode } from '../rename.ts';
import { overGraph, type Pass } from './pass.ts';

type Test = (node: Node, graph: Graph) => boolean;

/** Operators that may do nothing, and when. */
const idle: Readonly<Record<string, Test>> = {
  Identity: () => true,
  Dropout: (node, graph) => {
    const training = node.inputs[2] ?? '';
    const flag = graph.initializers.get(training);
    return training === '' || (flag !== undefined && onlyNumber(flag) === 0);
  },
  Transpose: (node) => {
    const order = node.attributes['perm'];
    return order?.type === 'ints' && order.value.every((axis, i) => Number(axis) === i);
  },
  Concat: (node) => node.inputs.length === 1,
  Sum: (node) => node.inputs.length === 1,
};

/**
 * Removes Identity, inference-time Dropout and others that hand their input through (main graph). A node whose output is a graph output goes
 * only where its input can take over that name.
 */
export const removeNoOps: Pass = overGraph((graph) => {
  const fixed = new Set([...graph.inputs.map(({ name }) => name), ...graph.initializers.keys()]);
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const names = new Map<string, string>();
  const gone = new Set<Node>();
  const captured = capturedNames(graph);
  for (const node of graph.nodes) {
    if (!isIdle(node, graph)) continue;
    const [from, to] = [names.get(node.inputs[0]!) ?? node.inputs[0]!, node.outputs[0]!];
    if (!outputs.has(to)) names.set(to, from);
    else if (!fixed.has(from) && !outputs.has(from) && !captured.has(from)) {
      for (const [key, value] of names) if (value === from) names.set(key, to);
      names.set(from, to);
      outputs.add(from);
    } else continue;
    gone.add(node);
  }
  const nodes = graph.nodes.filter((node) => !gone.has(node)).map((node) => renamedNode(node, names));
  return { ...graph, nodes, valueInfo: new Map([...graph.valueInfo].filter(([name]) => !names.has(name))) };
});

function isIdle(node: Node, graph: Graph): boolean {
  const test = node.domain === '' && Object.hasOwn(idle, node.opType) ? idle[node.opType] : undefined;
  const alone = node.outputs.slice(1).every((name) => name === '');
  return test !== undefined && alone && test(node, graph);
}

/** Values that bodies read: their names stay. */
function capturedNames(graph: Graph): ReadonlySet<string> {
  const bodies = graph.nodes.flatMap((node) => subgraphsOf(node));
  return new Set(bodies.flatMap(([, body]) => [...capturedBy(body)]));
}
