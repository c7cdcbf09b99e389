// Putting an existing graph into a builder.
import { SanderlingError } from '@sanderling/kit';
import type { GraphBuilder, Value } from './builder.ts';
import type { Graph, ValueInfo } from './ir.ts';
import { definedNames, renamedNode } from './rename.ts';

/** How a graph is put into another. */
export interface AppendOptions {
  /** Values of the builder that stand for inputs of the graph, by input name. Others become inputs of the builder's graph. @default none */
  readonly inputs?: Readonly<Record<string, Value>>;
  /** The wanted new name of a value; made unique where taken. @default the same name */
  readonly rename?: (name: string) => string;
}

/** See `GraphBuilder.append`. @throws INVALID_ARGUMENT for an input that the graph does not have. */
export function appendGraph(builder: GraphBuilder, graph: Graph, options: AppendOptions): ReadonlyMap<string, Value> {
  const { inputs = {}, rename = (name: string) => name } = options;
  checkInputs(graph, inputs);
  const names = new Map<string, string>();
  const own = new Set(graph.inputs.map(({ name }) => name));
  for (const name of definedNames(graph)) {
    const given = own.has(name) ? inputs[name] : undefined;
    const wanted = rename(name);
    names.set(
      name,
      given
        ? given.name
        : own.has(name) || graph.initializers.has(name)
          ? freeName(builder, wanted)
          : builder.fresh(wanted),
    );
  }
  addEnds(builder, graph, names, inputs);
  const declared = renamedInfo(graph, names);
  for (const node of graph.nodes) {
    const follows = node.name === node.outputs[0];
    builder.addNode({ ...renamedNode(node, names), name: follows ? names.get(node.name)! : node.name }, declared);
  }
  const values = Array.from(names, ([name, now]) => [name, builder.value(now)] as const);
  return new Map(values.filter((pair): pair is readonly [string, Value] => pair[1] !== undefined));
}

function checkInputs(graph: Graph, inputs: Readonly<Record<string, Value>>): void {
  for (const name of Object.keys(inputs))
    if (!graph.inputs.some((info) => info.name === name))
      throw new SanderlingError('INVALID_ARGUMENT', `the graph "${graph.name}" has no input "${name}"`, {
        where: name,
        details: { inputs: graph.inputs.map((info) => info.name) },
      });
}

/** A name that is still free, without claiming it: `input` and `initializer` do that. */
function freeName(builder: GraphBuilder, wanted: string): string {
  let name = wanted;
  for (let i = 1; !builder.isFree(name); i += 1) name = `${wanted}_${i}`;
  return name;
}

type Ends = Readonly<Record<string, Value>>;

function addEnds(builder: GraphBuilder, graph: Graph, names: ReadonlyMap<string, string>, inputs: Ends): void {
  for (const [name, tensor] of graph.initializers) if (!inputs[name]) builder.initializer(names.get(name)!, tensor);
  for (const info of graph.inputs) {
    if (inputs[info.name] || graph.initializers.has(info.name)) continue;
    builder.typedInput(names.get(info.name)!, info.type ?? { kind: 'tensor', dtype: info.dtype, shape: info.shape });
  }
}

function renamedInfo(graph: Graph, names: ReadonlyMap<string, string>): ReadonlyMap<string, ValueInfo> {
  const all = [...graph.valueInfo.values(), ...graph.outputs];
  return new Map(all.map((info) => [names.get(info.name) ?? info.name, info]));
}
