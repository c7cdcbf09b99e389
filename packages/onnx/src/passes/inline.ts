// Replacing calls of a model's own functions by their bodies.
import { SanderlingError } from '@sanderling/kit';
import { subgraphsOf } from '../attributes.ts';
import { bound } from '../infer/infer.ts';
import type { Graph, Model, ModelFunction, Node } from '../ir.ts';
import { definedNames, namesFor, renamedNode } from '../rename.ts';
import { mapBodies, withBodies, type Pass } from './pass.ts';

/** The most nodes that inlining may make. */
const mostNodes = 100_000;

/** The most functions within functions. */
const deepest = 100;

/**
 * Replaces every call of a model function by the function's nodes, functions within functions included.
 * @throws INVALID_MODEL for a function that calls itself; TOO_LARGE when the result would be huge, or functions lie too deep within each other.
 */
export const inlineFunctions: Pass = (model) => {
  if (model.functions.length === 0) return model;
  const functions = new Map(model.functions.map((fn) => [key(fn.domain, fn.name, fn.overload), fn]));
  const nodes = new NodeCount(functions).of(model.graph.nodes, []);
  if (nodes > mostNodes)
    throw new SanderlingError('TOO_LARGE', `inlining makes ${nodes} nodes, more than ${mostNodes}`, {
      fix: 'inline the functions where the model is exported, or keep them',
    });
  const work = new Inliner(model, functions);
  const graph = work.graph(mapBodies(model.graph, (body) => work.graph(body)));
  const opsets = new Map([...model.functions.flatMap((fn) => [...fn.opsets]), ...model.opsets]);
  return { ...model, graph, opsets, functions: [] };
};

type Functions = ReadonlyMap<string, ModelFunction>;

/** Counts what inlining makes before anything is made: functions that call functions twice grow as powers of two. */
class NodeCount {
  readonly #functions: Functions;
  readonly #known = new Map<string, number>();

  constructor(functions: Functions) {
    this.#functions = functions;
  }

  /** Nodes that these become, bodies included. `trail`: the functions that they are in. */
  of(nodes: readonly Node[], trail: readonly string[]): number {
    return nodes.reduce((sum, node) => {
      const bodies = subgraphsOf(node).reduce((inner, [, body]) => inner + this.of(body.nodes, trail), 0);
      return sum + this.#call(node, trail) + bodies;
    }, 0);
  }

  #call(node: Node, trail: readonly string[]): number {
    const name = keyOf(node);
    const fn = this.#functions.get(name);
    if (!fn) return 1;
    if (trail.includes(name))
      throw new SanderlingError('INVALID_MODEL', `the function ${fn.name} calls itself`, { where: fn.name });
    if (trail.length >= deepest)
      throw new SanderlingError('TOO_LARGE', `functions lie more than ${deepest} deep within each other`, {
        where: fn.name,
      });
    const size = this.#known.get(name) ?? this.of(fn.nodes, [...trail, name]);
    this.#known.set(name, size);
    return size;
  }
}

class Inliner {
  readonly #functions: Functions;
  readonly #fresh: (wanted: string) => string;

  constructor(model: Model, functions: Functions) {
    this.#functions = functions;
    this.#fresh = namesFor(model.graph);
  }

  graph(graph: Graph): Graph {
    return { ...graph, nodes: graph.nodes.flatMap((node) => this.#expanded(node)) };
  }

  #expanded(node: Node): readonly Node[] {
    const fn = this.#functions.get(keyOf(node));
    if (!fn) return [node];
    const names = this.#bindings(node, fn);
    const attributes = { ...fn.defaults, ...node.attributes };
    const prefix = node.name === '' ? node.outputs[0]! : node.name;
    return fn.nodes.flatMap((inner, i) => {
      const renamed = withBodies(renamedNode(bound(inner, attributes), names), (body) => this.graph(body));
      return this.#expanded({ ...renamed, name: `${prefix}/${inner.name === '' ? i : inner.name}` });
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
const keyOf = ({ domain, opType, overload }: Node): string => key(domain, opType, overload ?? '');
