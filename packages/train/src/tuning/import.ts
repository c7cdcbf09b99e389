// Imported models as networks: which of their constants are weights, which parts stay frozen, and how a new head is put on.
import { SanderlingError } from '@sanderling/kit';
import type { Graph, Model, Node, Tensor } from '@sanderling/onnx';
import type { Network } from '../network.ts';
import { modernGraph } from './modern.ts';

/** Operators whose inputs from this position on are weights. */
const weightsFrom: Readonly<Record<string, readonly [first: number, last: number]>> = {
  Conv: [1, 2],
  ConvTranspose: [1, 2],
  Gemm: [0, 2],
  MatMul: [0, 1],
  Add: [0, 1],
  Mul: [0, 1],
  PRelu: [1, 1],
  Gather: [0, 0],
  Transpose: [0, 0],
  Unsqueeze: [0, 0],
  Reshape: [0, 0],
  GRU: [1, 3],
  LSTM: [1, 3],
  BatchNormalization: [1, 2],
  LayerNormalization: [1, 2],
  GroupNormalization: [1, 2],
};

/** What to train of an imported model. */
export interface ImportOptions {
  /** Which weights are trained; the rest stays frozen and costs no more than in inference. @default all */
  readonly trainable?: (name: string, tensor: Tensor) => boolean;
  /** Whether BatchNormalization uses batch statistics and follows them. @default false: its statistics stay as imported */
  readonly followStatistics?: boolean;
}

function isWeightOf(node: Node, name: string): boolean {
  const range = weightsFrom[node.opType];
  return range !== undefined && node.inputs.some((input, i) => input === name && i >= range[0] && i <= range[1]);
}

function weightsOf(graph: Graph): [string, Tensor][] {
  return [...graph.initializers].filter(
    ([name, { dtype, dims }]) =>
      dtype === 'float32' &&
      dims.length > 0 &&
      graph.nodes.some((node) => node.domain === '' && isWeightOf(node, name)),
  );
}

function statisticsOf(graph: Graph): string[] {
  const norms = graph.nodes.filter(({ opType }) => opType === 'BatchNormalization');
  return [...new Set(norms.flatMap(({ inputs }) => [inputs[3] ?? '', inputs[4] ?? '']))].filter((name) =>
    graph.initializers.has(name),
  );
}

/**
 * A model made elsewhere as a network to be trained on. Its weights are the float32 constants that stand where operators take weights.
 * @throws UNSUPPORTED for an opset that cannot be trained; INVALID_ARGUMENT when nothing is trainable.
 */
export function networkFromModel(model: Model, options: ImportOptions = {}): Network {
  const { trainable = () => true, followStatistics = false } = options;
  const graph = modernGraph(model);
  const parameters = weightsOf(graph).filter(([name, tensor]) => trainable(name, tensor));
  if (parameters.length === 0) {
    throw new SanderlingError('INVALID_ARGUMENT', `nothing of ${graph.name} would be trained`, {
      where: 'trainable',
      details: { weights: weightsOf(graph).map(([name]) => name) },
    });
  }
  return { graph, parameters: parameters.map(([name]) => name), buffers: followStatistics ? statisticsOf(graph) : [] };
}

/** The same network with part of it frozen. */
export function frozen(network: Network, isFrozen: (name: string) => boolean): Network {
  return {
    ...network,
    parameters: network.parameters.filter((name) => !isFrozen(name)),
    buffers: network.buffers.filter((name) => !isFrozen(name)),
  };
}
