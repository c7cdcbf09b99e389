// From any ONNX model to one with known sizes and nothing left to fold: the model-to-model half of lowering.
import { SanderlingError } from '@sanderling/kit';
import {
  compose,
  foldBatchNorm,
  foldConstants,
  foldShapes,
  inferModel,
  inlineFunctions,
  pruneDead,
  removeNoOps,
  sortNodes,
  topologicalOrder,
  type Dim,
  type Fact,
  type Graph,
  type Model,
  type Node,
  type ValueInfo,
} from '@sanderling/onnx';
import { elementTypes, isElementType } from './ir.ts';
import { maxLayers, type SettledOptions } from './options.ts';
import { nodeName } from './problems.ts';
import { protectCodes } from './quantised/protect.ts';

/** A model that is ready to be lowered. */
export interface Prepared {
  readonly model: Model;
  /** Input → output pairs of values that live from call to call. */
  readonly states: ReadonlyMap<string, string>;
  /** Outputs that only carry state and are not shown to the caller. */
  readonly hidden: ReadonlySet<string>;
  readonly facts: ReadonlyMap<string, Fact>;
}

/**
 * Gives every input a size, binds and carries what the options say, folds constants and batch normalisation, removes what does nothing.
 * @throws INVALID_MODEL, INVALID_ARGUMENT (a size that is not given), TOO_LARGE.
 */
export async function prepare(given: Model, options: SettledOptions): Promise<Prepared> {
  if (given.graph.nodes.length > maxLayers) tooMany(given.graph.nodes.length);
  const sorted = await compose(sortNodes, inlineFunctions, sortNodes)(given);
  if (sorted.graph.nodes.length > maxLayers) tooMany(sorted.graph.nodes.length);
  const sized = { ...sorted, graph: sizedGraph(boundGraph(sorted.graph, options), options) };
  const { graph, states } = carried(sized.graph, options);
  const model = checkedSizes(pruneDead({ ...sized, graph }), options.maxBytes);
  const codes = protectCodes(model);
  const folded = await compose(removeNoOps, foldShapes, folding(options.maxBytes), removeNoOps)(codes.model);
  const final = pruneDead(removeNoOps(foldBatchNorm(codes.restored(folded))));
  const before = new Set(given.graph.outputs.map(({ name }) => name));
  const added = final.graph.outputs.map(({ name }) => name).filter((name) => !before.has(name));
  const hidden = new Set([...added, ...options.state.map(({ output }) => output)]);
  return { model: final, states, hidden, facts: inferModel(final) };
}

/** Constant folding on ONNX Runtime; where that is missing or too old for the model, what inference alone can fold. */
function folding(maxBytes: number): (model: Model) => Promise<Model> {
  return async (model) => {
    try {
      return await foldConstants({ maxBytes })(model);
    } catch (error) {
      const known = error instanceof SanderlingError && ['UNSUPPORTED', 'UNAVAILABLE'].includes(error.code);
      if (known) return foldShapes(model);
      if (error instanceof SanderlingError && error.code === 'INTERNAL')
        throw new SanderlingError('INVALID_MODEL', `the constant part of the model cannot be run: ${error.message}`, {
          cause: error,
        });
      throw error;
    }
  };
}

function tooMany(count: number): never {
  throw new SanderlingError('TOO_LARGE', `the model has ${count} nodes and at most ${maxLayers} are generated`);
}

function boundGraph(graph: Graph, { bind }: SettledOptions): Graph {
  for (const name of bind.keys()) if (!graph.inputs.some((input) => input.name === name)) noSuch('input', name, 'bind');
  const constants = new Map([...graph.initializers, ...bind]);
  return {
    ...graph,
    initializers: constants,
    inputs: graph.inputs.filter(({ name }) => !constants.has(name)),
  };
}

/** Inputs with numbers for dimensions; what is declared of the values between is dropped, since it was said of other sizes. */
function sizedGraph(graph: Graph, options: SettledOptions): Graph {
  const outputs = graph.outputs.map(({ name, dtype, type }) => ({
    name,
    dtype,
    shape: undefined,
    ...(type ? { type } : {}),
  }));
  return { ...graph, inputs: graph.inputs.map((info) => sizedInput(info, options)), outputs, valueInfo: new Map() };
}

function sizedInput(info: ValueInfo, options: SettledOptions): ValueInfo {
  if (info.type && info.type.kind !== 'tensor')
    throw new SanderlingError('UNSUPPORTED', `the input "${info.name}" is a ${info.type.kind}, not a tensor`, {
      where: info.name,
      fix: 'give the model tensor inputs only',
    });
  if (!info.shape)
    throw new SanderlingError('INVALID_ARGUMENT', `the input "${info.name}" declares no shape`, {
      where: info.name,
      fix: 'declare its shape in the model',
    });
  return { ...info, shape: info.shape.map((dim, axis) => sizeOf(dim, axis, { info, options })) };
}

function sizeOf(dim: Dim, axis: number, { info, options }: { info: ValueInfo; options: SettledOptions }): number {
  if (typeof dim === 'number') return dim;
  const given = dim === undefined || !Object.hasOwn(options.sizes, dim) ? undefined : options.sizes[dim];
  const size = given ?? (axis === 0 ? options.batch : undefined);
  if (size !== undefined) return size;
  throw new SanderlingError(
    'INVALID_ARGUMENT',
    `the size of dimension ${axis} (${dim ?? '?'}) of the input "${info.name}" is open`,
    {
      where: info.name,
      fix: dim === undefined ? 'give the dimension a name or a number in the model' : `give sizes: { ${dim}: … }`,
    },
  );
}

/** Recurrent operators: which input starts, and which output ends, each of their states. */
const recurrent: Readonly<Record<string, readonly (readonly [number, number])[]>> = {
  GRU: [[5, 1]],
  RNN: [[5, 1]],
  LSTM: [
    [5, 1],
    [6, 2],
  ],
};

/** Lays the hidden states of the carried nodes open as inputs and outputs of the graph. */
function carried(graph: Graph, options: SettledOptions): { graph: Graph; states: ReadonlyMap<string, string> } {
  const states = new Map(options.state.map(({ input, output }) => [input, output]));
  for (const { input, output } of options.state) {
    if (!graph.inputs.some(({ name }) => name === input)) noSuch('input', input, 'state');
    if (!graph.outputs.some(({ name }) => name === output)) noSuch('output', output, 'state');
  }
  const wanted = (node: Node): boolean =>
    Object.hasOwn(recurrent, node.opType) && (options.carry === true || options.carry.includes(nodeName(node)));
  if (options.carry !== true)
    for (const name of options.carry)
      if (!graph.nodes.some((node) => wanted(node) && nodeName(node) === name)) noSuch('recurrent node', name, 'carry');
  const inputs: string[] = [];
  const nodes = graph.nodes.map((node, index) => {
    if (!wanted(node)) return node;
    const [ins, outs] = [padded(node.inputs, 8), padded(node.outputs, 3)];
    for (const [from, to] of recurrent[node.opType]!) {
      if (ins[from] !== '' && !isZero(graph, ins[from]!))
        throw new SanderlingError(
          'UNSUPPORTED',
          `${node.opType} "${nodeName(node)}" computes its initial state and cannot carry it`,
          {
            where: nodeName(node),
            fix: 'remove the initial state, or bind it with the option state',
          },
        );
      const name = `carried_${index}_${from}`;
      if (outs[to] === '') outs[to] = `${name}_next`;
      ins[from] = name;
      inputs.push(name);
      states.set(name, outs[to]!);
    }
    return { ...node, inputs: trimmed(ins), outputs: trimmed(outs) };
  });
  return { graph: withStates({ ...graph, nodes }, inputs, states), states };
}

const padded = (names: readonly string[], length: number): string[] =>
  Array.from({ length: Math.max(length, names.length) }, (_, i) => names[i] ?? '');
const trimmed = (names: readonly string[]): string[] => names.slice(0, names.findLastIndex((name) => name !== '') + 1);
const isZero = (graph: Graph, name: string): boolean =>
  graph.initializers.get(name)?.data.every((byte) => byte === 0) ?? false;

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

function noSuch(what: string, name: string, option: string): never {
  throw new SanderlingError('INVALID_ARGUMENT', `${option}: the model has no ${what} "${name}"`, { where: name });
}

/** Before anything runs or is allocated: every value that can be sized must be within the limit. */
function checkedSizes(model: Model, maxBytes: number): Model {
  const { stuck } = topologicalOrder(model.graph.nodes);
  if (stuck.length > 0) throw new SanderlingError('INVALID_MODEL', 'the graph has a circle');
  for (const [name, { shape, dtype }] of inferModel(model)) {
    if (!shape?.every((dim) => typeof dim === 'number')) continue;
    const width = isElementType(dtype) ? elementTypes[dtype].bytes : 1;
    const bytes = shape.reduce<number>((product, dim) => product * Number(dim), width);
    if (bytes <= maxBytes) continue;
    throw new SanderlingError('TOO_LARGE', `"${name}" takes ${bytes} bytes and ${maxBytes} are allowed`, {
      where: name,
      fix: 'make the model smaller, or raise maxBytes',
    });
  }
  return model;
}
