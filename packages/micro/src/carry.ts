// Hidden states that live from call to call: those of recurrent layers laid open as inputs and outputs of the graph.
import { SanderlingError } from '@sanderling/kit';
import {
  definedNames,
  inferModel,
  pruneDead,
  type Dim,
  type Graph,
  type Model,
  type Node,
  type Tensor,
  type ValueInfo,
} from '@sanderling/onnx';
import type { SettledOptions } from './options.ts';
import { nodeName } from './problems.ts';
import { noSuch } from './sizes.ts';

/** Recurrent operators: which input starts, and which output ends, each of their states. */
const recurrent: Readonly<Record<string, readonly (readonly [number, number])[]>> = {
  GRU: [[5, 1]],
  RNN: [[5, 1]],
  LSTM: [
    [5, 1],
    [6, 2],
  ],
};

/** A graph whose recurrent layers take their states from outside. */
interface Carried {
  readonly graph: Graph;
  /** Input → output pairs. */
  readonly states: ReadonlyMap<string, string>;
  /** What a state is after a reset, where that is not zeros. */
  readonly initial: ReadonlyMap<string, Tensor>;
}

type Folding = (model: Model) => Promise<Model>;

/**
 * Lays the hidden states of the carried nodes open as inputs and outputs of the graph. A constant initial state, also one that is folded from the sizes of
 * the model as PyTorch writes it, becomes what a reset gives.
 * @throws INVALID_ARGUMENT for names that the model does not have; UNSUPPORTED for an initial state that depends on what is fed.
 */
export async function carried(model: Model, options: SettledOptions, folding: Folding): Promise<Carried> {
  const { graph } = model;
  for (const { input, output } of options.state) {
    if (!graph.inputs.some(({ name }) => name === input)) noSuch('input', input, 'state');
    if (!graph.outputs.some(({ name }) => name === output)) noSuch('output', output, 'state');
  }
  const wanted = graph.nodes.filter(
    (node) =>
      Object.hasOwn(recurrent, node.opType) && (options.carry === true || options.carry.includes(nodeName(node))),
  );
  if (options.carry !== true)
    for (const name of options.carry)
      if (!wanted.some((node) => nodeName(node) === name)) noSuch('recurrent node', name, 'carry');
  const constants = await constantStarts(model, wanted, folding);
  const states = new Map(options.state.map(({ input, output }) => [input, output]));
  const given = options.state.flatMap(({ input, initial }) => (initial ? [[input, initial] as const] : []));
  const initial = new Map<string, Tensor>(given);
  const fresh = freshNames(graph);
  const opened: string[] = [];
  const nodes = graph.nodes.map((node, index) => {
    if (!wanted.includes(node)) return node;
    const [ins, outs] = [padded(node.inputs, 8), padded(node.outputs, 3)];
    for (const [from, to] of recurrent[node.opType]!) {
      const name = fresh(`carried_${index}_${from}`);
      const start = ins[from] === '' ? undefined : (constants.get(ins[from]!) ?? computed(node));
      if (start?.data.some((byte) => byte !== 0)) initial.set(name, start);
      if (outs[to] === '') outs[to] = fresh(`${name}_next`);
      ins[from] = name;
      opened.push(name);
      states.set(name, outs[to]!);
    }
    return { ...node, inputs: trimmed(ins), outputs: trimmed(outs) };
  });
  return { graph: withStates({ ...graph, nodes }, opened, states), states, initial };
}

function computed(node: Node): never {
  throw new SanderlingError(
    'UNSUPPORTED',
    `${node.opType} "${nodeName(node)}" computes its initial state and cannot carry it`,
    { where: nodeName(node), fix: 'remove the initial state, or bind it with the option state' },
  );
}

/** The initial states of nodes that are constant, or are when everything is folded. */
async function constantStarts(
  model: Model,
  nodes: readonly Node[],
  folding: Folding,
): Promise<ReadonlyMap<string, Tensor>> {
  const fed = new Set(model.graph.inputs.map(({ name }) => name));
  const known = new Map([...model.graph.initializers].filter(([name]) => !fed.has(name)));
  const names = nodes.flatMap((node) => recurrent[node.opType]!.map(([from]) => node.inputs[from] ?? ''));
  const open = [...new Set(names)].filter((name) => name !== '' && !known.has(name) && !fed.has(name));
  if (open.length === 0) return known;
  const outputs = open.map((name): ValueInfo => ({ name, dtype: 'undefined', shape: undefined }));
  const { graph } = await folding(pruneDead({ ...model, graph: { ...model.graph, outputs } }));
  for (const { opType, outputs: made, attributes } of graph.nodes)
    if (opType === 'Constant' && attributes['value']?.type === 'tensor') known.set(made[0]!, attributes['value'].value);
  return known;
}

/** Gives out names that the graph does not have. */
function freshNames(graph: Graph): (wanted: string) => string {
  const taken = new Set(definedNames(graph));
  return (wanted) => {
    let name = wanted;
    while (taken.has(name)) name = `${name}_`;
    taken.add(name);
    return name;
  };
}

const padded = (names: readonly string[], length: number): string[] =>
  Array.from({ length: Math.max(length, names.length) }, (_, i) => names[i] ?? '');
const trimmed = (names: readonly string[]): string[] => names.slice(0, names.findLastIndex((name) => name !== '') + 1);

function withStates(graph: Graph, inputs: readonly string[], states: ReadonlyMap<string, string>): Graph {
  const shapes = new Map<string, { shape: readonly Dim[]; dtype: 'float32' | 'float64' }>();
  if (inputs.length === 0) return graph;
  const plain = { ...graph, outputs: [] };
  const facts = inferModel({ ...emptyModel, graph: plain });
  for (const node of graph.nodes)
    for (const [from] of recurrent[node.opType] ?? []) {
      const name = node.inputs[from];
      if (name === undefined || !inputs.includes(name)) continue;
      const [x, r] = [facts.get(node.inputs[0]!), facts.get(node.inputs[2]!)];
      const batchFirst = Number(node.attributes['layout']?.value ?? 0) === 1;
      const batch = x?.shape?.[batchFirst ? 0 : 1];
      const [directions, hidden] = [r?.shape?.[0], r?.shape?.[2]];
      shapes.set(name, {
        dtype: x?.dtype === 'float64' ? 'float64' : 'float32',
        shape: batchFirst ? [batch, directions, hidden] : [directions, batch, hidden],
      });
    }
  const infos = inputs.map((name): ValueInfo => ({ name, ...shapes.get(name)! }));
  const shown = new Set(graph.outputs.map(({ name }) => name));
  const more = inputs.map((name) => states.get(name)!).filter((name) => !shown.has(name));
  return {
    ...graph,
    inputs: [...graph.inputs, ...infos],
    outputs: [...graph.outputs, ...more.map((name): ValueInfo => ({ name, dtype: 'undefined', shape: undefined }))],
  };
}

const emptyModel = {
  irVersion: 10,
  opsets: new Map([['', 22]]),
  functions: [],
  metadata: new Map<string, string>(),
  producerName: '',
  producerVersion: '',
  domain: '',
  modelVersion: 0,
};
