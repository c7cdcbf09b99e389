// Imported models as networks: which of their constants are weights, which parts stay frozen, and how a new head is put on.
import { SanderlingError } from '@sanderling/kit';
import { elementCount, toNumbers, type Graph, type Model, type Node, type Tensor } from '@sanderling/onnx';
import type { Network } from '../network.ts';
import { modernGraph } from './modern.ts';

type Inputs = readonly [first: number, last: number];

/** Operators whose inputs from the first to the last of these positions are weights. */
const weightsOfOperator: Readonly<Record<string, Inputs>> = {
  Conv: [1, 2],
  ConvTranspose: [1, 2],
  Gemm: [0, 2],
  MatMul: [0, 1],
  Add: [0, 1],
  Mul: [0, 1],
  PRelu: [1, 1],
  Gather: [0, 0],
  GRU: [1, 3],
  LSTM: [1, 3],
  RNN: [1, 3],
  BatchNormalization: [1, 2],
  InstanceNormalization: [1, 2],
  LayerNormalization: [1, 2],
  GroupNormalization: [1, 2],
};

/** Operators that hand numbers on in another form or rounded: a constant that goes into one is a weight when what comes out stands where weights stand. */
const handsOn: Readonly<Record<string, Inputs>> = {
  Transpose: [0, 0],
  Unsqueeze: [0, 0],
  Squeeze: [0, 0],
  Reshape: [0, 0],
  Flatten: [0, 0],
  Expand: [0, 0],
  Slice: [0, 0],
  Split: [0, 0],
  Identity: [0, 0],
  Concat: [0, Number.POSITIVE_INFINITY],
  LpNormalization: [0, 0],
  QuantizeLinear: [0, 0],
  DequantizeLinear: [0, 0],
};

/** Numbers beyond this are a mask's "never", not weights. */
const largestWeight = 1e30;

/** What to train of an imported model. */
export interface ImportOptions {
  /** Which weights are trained; the rest stays frozen and costs no more than in inference. @default all */
  readonly trainable?: (name: string, tensor: Tensor) => boolean;
  /** Whether BatchNormalization uses batch statistics and follows them. @default false: its statistics stay as imported */
  readonly followStatistics?: boolean;
}

const stands = (node: Node, value: string, inputs: Inputs | undefined): boolean =>
  inputs !== undefined && node.inputs.some((input, i) => input === value && i >= inputs[0] && i <= inputs[1]);

/** Whether a value of so many numbers stands where weights stand, itself or in another form. One number that multiplies is a scale, such as attention's. */
function isWeight(value: string, count: number, readers: ReadonlyMap<string, readonly Node[]>): boolean {
  return (readers.get(value) ?? []).some((node) => {
    if (stands(node, value, handsOn[node.opType]))
      return node.outputs.some((output) => isWeight(output, count, readers));
    return stands(node, value, weightsOfOperator[node.opType]) && !(node.opType === 'Mul' && count === 1);
  });
}

function readersOf(graph: Graph): Map<string, Node[]> {
  const readers = new Map<string, Node[]>();
  for (const node of graph.nodes) {
    if (node.domain !== '') continue;
    for (const input of new Set(node.inputs)) {
      const others = readers.get(input);
      if (others === undefined) readers.set(input, [node]);
      else others.push(node);
    }
  }
  return readers;
}

function weightsOf(graph: Graph): [string, Tensor][] {
  const readers = readersOf(graph);
  return [...graph.initializers].filter(
    ([name, tensor]) =>
      tensor.dtype === 'float32' &&
      tensor.dims.length > 0 &&
      isWeight(name, elementCount(tensor.dims), readers) &&
      toNumbers(tensor).every((x) => Math.abs(x) < largestWeight),
  );
}

function statisticsOf(graph: Graph): string[] {
  const norms = graph.nodes.filter(({ opType }) => opType === 'BatchNormalization');
  return [...new Set(norms.flatMap(({ inputs }) => [inputs[3] ?? '', inputs[4] ?? '']))].filter((name) =>
    graph.initializers.has(name),
  );
}

/**
 * A model made elsewhere as a network to be trained on. Its weights are the float32 constants that stand where operators take weights, also when they
 * are first cut, joined or turned (as PyTorch writes recurrent layers); attention masks and scales are none. ONNX does not tell learnt tables from fixed
 * ones (positions as sines, a mean to subtract): leave those out with `trainable`.
 * @throws UNSUPPORTED for an opset that cannot be trained; INVALID_MODEL for shapes that do not go together; INVALID_ARGUMENT when nothing is trainable.
 */
export function networkFromModel(model: Model, options: ImportOptions = {}): Network {
  const { trainable = () => true, followStatistics = false } = options;
  const graph = modernGraph(model);
  const weights = weightsOf(graph);
  const parameters = weights.filter(([name, tensor]) => trainable(name, tensor)).map(([name]) => name);
  if (parameters.length === 0) {
    throw new SanderlingError('INVALID_ARGUMENT', `nothing of ${graph.name} would be trained`, {
      where: 'trainable',
      details: { weights: weights.map(([name]) => name) },
    });
  }
  return { graph, parameters, buffers: followStatistics ? statisticsOf(graph) : [] };
}

/** The same network with part of it frozen. */
export function frozen(network: Network, isFrozen: (name: string) => boolean): Network {
  return {
    ...network,
    parameters: network.parameters.filter((name) => !isFrozen(name)),
    buffers: network.buffers.filter((name) => !isFrozen(name)),
  };
}

/**
 * The name of the value that the last layer (Conv, Gemm or MatMul) reads: what a new head is put on, `layers.append(trunk).get(headInput(trunk))`.
 * @throws INVALID_ARGUMENT when the network has no such layer.
 */
export function headInput({ graph }: Network): string {
  const head = graph.nodes.findLast(({ opType }) => opType === 'Conv' || opType === 'Gemm' || opType === 'MatMul');
  if (head !== undefined) return head.inputs[0] ?? '';
  throw new SanderlingError('INVALID_ARGUMENT', `${graph.name} has no layer whose place a new head could take`, {
    where: graph.name,
  });
}
