// From a trained network to the model that devices run: trained numbers in, training-only nodes out.
import { SanderlingError } from '@sanderling/kit';
import {
  encodeModel,
  foldBatchNorm,
  modelOf,
  pruneDead,
  removeNoOps,
  type Graph,
  type Model,
  type Tensor,
} from '@sanderling/onnx';
import { withInitializers, type Network } from './network.ts';

/** Words about a model that travel inside it. */
export type ModelMetadata = Readonly<Record<string, string>>;

/** What to export. */
export interface ExportOptions {
  readonly metadata?: ModelMetadata;
  /** Outputs to keep; what only others need is left out. @default all */
  readonly outputs?: readonly string[];
}

/** The inference model; see {@link exportModel}. */
export function inferenceModel(
  network: Network,
  tensors: ReadonlyMap<string, Tensor>,
  options: ExportOptions = {},
): Model {
  const graph = withOutputs(withInitializers(network.graph, tensors), options.outputs);
  const model = modelOf(graph, { metadata: new Map(Object.entries(options.metadata ?? {})) });
  return pruneDead(foldBatchNorm(removeNoOps(model)));
}

/**
 * The inference model as bytes: the network's graph with trained numbers, without Dropout, BatchNormalization folded into convolutions; input
 * shapes stay as open as the network declared them.
 * @throws INVALID_ARGUMENT when a tensor does not fit the graph or an output is not there.
 */
export function exportModel(
  network: Network,
  tensors: ReadonlyMap<string, Tensor>,
  options: ExportOptions = {},
): Uint8Array {
  return encodeModel(inferenceModel(network, tensors, options));
}

function withOutputs(graph: Graph, names: readonly string[] | undefined): Graph {
  if (names === undefined) return graph;
  const outputs = names.map((name) => {
    const output = graph.outputs.find((one) => one.name === name);
    if (output !== undefined) return output;
    throw new SanderlingError('INVALID_ARGUMENT', `the network has no output ${name}`, { where: name });
  });
  return { ...graph, outputs };
}
