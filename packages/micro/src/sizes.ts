// Sizes for what a model leaves open: inputs bound to values, symbolic dimensions given numbers.
import { SanderlingError } from '@sanderling/kit';
import {
  compose,
  inlineFunctions,
  sortNodes,
  type Dim,
  type Graph,
  type Model,
  type ValueInfo,
} from '@sanderling/onnx';
import { maxLayers, settled, type GenerateOptions, type SettledOptions } from './options.ts';

/** The opsets whose operators are known to mean what the rules write: before 7 broadcasting was another. The last one is that of ONNX 1.22. */
const opsets = [7, 27] as const;

/** Operators that have always meant what they mean. */
const unchanged: ReadonlySet<string> = new Set(
  'Abs Ceil Exp Floor Identity LeakyRelu Log Neg Not Reciprocal Relu Sigmoid Softplus Softsign Sqrt Tanh Transpose'.split(
    ' ',
  ),
);

/**
 * The model with a number for every dimension of its inputs and without those that are bound, functions inlined, nodes in order. A model with open dimensions must
 * go through this before it is quantised, or what is computed from its sizes (as PyTorch's initial states) cannot be folded.
 * @throws INVALID_ARGUMENT for a size that is not given or a name that the model does not have; INVALID_MODEL; UNSUPPORTED; TOO_LARGE.
 */
export async function withSizes(
  model: Model,
  options: Pick<GenerateOptions, 'batch' | 'sizes' | 'bind'> = {},
): Promise<Model> {
  return sizedModel(model, settled(options));
}

/** As {@link withSizes}, of settled options. */
export async function sizedModel(given: Model, options: SettledOptions): Promise<Model> {
  knownOpset(given);
  few(given.graph.nodes.length);
  const sorted = await compose(sortNodes, inlineFunctions, sortNodes)(given);
  few(sorted.graph.nodes.length);
  return { ...sorted, graph: sizedGraph(boundGraph(sorted.graph, options), options) };
}

function knownOpset({ opsets: used, graph }: Model): void {
  const opset = used.get('') ?? opsets[1];
  const isOld = opset < opsets[0] && graph.nodes.some(({ domain, opType }) => domain === '' && !unchanged.has(opType));
  if (!isOld && opset <= opsets[1]) return;
  throw new SanderlingError('UNSUPPORTED', `the model is of opset ${opset}; ${opsets.join(' to ')} are understood`, {
    fix: 'export it with another opset, or convert it (onnx.version_converter)',
  });
}

function few(count: number): void {
  if (count > maxLayers)
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
  const open = new Set(graph.inputs.flatMap(({ shape }) => shape ?? []));
  for (const name of Object.keys(options.sizes)) if (!open.has(name)) noSuch('open dimension', name, 'sizes');
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
      fix:
        dim === undefined
          ? 'give the dimension a name or a number in the model'
          : `give sizes: { ${dim}: … }, on the command line --size ${dim}=…`,
    },
  );
}

/** Refuses an option that names what is not there. */
export function noSuch(what: string, name: string, option: string): never {
  throw new SanderlingError('INVALID_ARGUMENT', `${option}: the model has no ${what} "${name}"`, { where: name });
}
