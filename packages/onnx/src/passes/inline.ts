// Replacing calls of a model's own functions by their bodies.
import { SanderlingError } from '@sanderling/kit';
import { bound } from '../infer/infer.ts';
import type { Graph, Model, ModelFunction, Node } from '../ir.ts';
import { definedNames, namesFor, renamedNode } from '../rename.ts';
import { mapBodies, type Pass } from './pass.ts';

/** The most nodes that inlining may make. */
const mostNodes = 1_000_000;

/**
 * Replaces every call of a model function by the function's nodes, functions within functions included.
 * @throws INVALID_MODEL for a function that calls itself; TOO_LARGE when the result would be huge.
 */
export const inlineFunctions: Pass = (model) => {
  if (model.functions.length === 0) return model;
  const work = new Inliner(model);
  const graph = work.graph(mapBodies(model.graph, (body) => work.graph(body)));
  const opsets = new Map([...model.functions.flatMap((fn) => [...fn.opsets]), ...model.opsets]);
  return { ...model, graph, opsets, functions: [] };
};

class Inliner {
  readonly #functions: ReadonlyMap<string, ModelFunction>;
  readonly #fresh: (wanted: string) => string;
  #nodes = 0;

  constructor(model: Model) {
    this.#functions = new Map(model.functions.map((fn) => [key(fn.domain, fn.name, fn.overload), fn]));
    this.#fresh = namesFor(model.graph);
  }

  graph(graph: Graph): Graph {
    return { ...graph, nodes: graph.nodes.flatMap((node) => this.#expanded(node, [])) };
  }

  #expanded(node: Node, trail: readonly string[]): readonly Node[] {
    const name = key(node.domain, node.opType, node.overload ?? '');
    const fn = this.#functions.get(name);
    this.#nodes += 1;
    if (this.#nodes > mostNodes) throw new SanderlingError('TOO_LARGE', `inlining makes more than ${mostNodes} nodes`);
    if (!fn) return [node];
    if (trail.includes(name))
      throw new SanderlingError('INVALID_MODEL', `the function ${fn.name} calls itself`, { where: fn.name });
    const names = this.#bindings(node, fn);
    const attributes = { ...fn.defaults, ...node.attributes };
    const prefix = node.name === '' ? node.outputs[0]! : node.name;
    return fn.nodes.flatMap((inner, i) => {
      const renamed = renamedNode(bound(inner, attributes), names);
      return this.#expanded({ ...renamed, name: `${prefix}/${inner.name === '' ? i : inner.name}` }, [...trail, name]);
    });
  }

  /** The function's value names → names in the caller; inner ones are made unique. */
  #bindings(node: Node, fn: ModelFunction): ReadonlyMap<string, string> {
    const names = new Map<string, string>();
    const info = (name: string) => ({ name, dtype: 'undefined' as const, shape: undefined });
    const inside = {
      name: '',
      nodes: fn.nodes,
      initializers: new Map(),
      inputs: fn.inputs.map(info),
      outputs: [],
      valueInfo: new Map(),
    };
    for (const name of definedNames(inside)) names.set(name, this.#fresh(`${node.outputs[0]}/${name}`));
    for (const [i, name] of fn.inputs.entries()) names.set(name, node.inputs[i] ?? '');
    for (const [i, name] of fn.outputs.entries()) if (node.outputs[i]) names.set(name, node.outputs[i]);
    return names;
  }
}

const key = (domain: string, name: string, overload: string): string => `${domain}\n${name}\n${overload}`;
