// From a trained network to the model that devices run: trained numbers in, training-only nodes out.
import { encodeModel, modelOf, type Graph, type Tensor } from '@sanderling/onnx';
import { withInitializers, type Network } from './network.ts';

/** Words about a model that travel inside it. */
export type ModelMetadata = Readonly<Record<string, string>>;

/**
 * The inference model as bytes: the network's graph with trained numbers, without Dropout; input shapes stay as open as the network declared them.
 * @throws INVALID_ARGUMENT when a tensor does not fit the graph.
 */
export function exportModel(
  network: Network,
  tensors: ReadonlyMap<string, Tensor>,
  metadata: ModelMetadata = {},
): Uint8Array {
  const graph = withoutDropout(withInitializers(network.graph, tensors));
  return encodeModel(modelOf(graph, { metadata: new Map(Object.entries(metadata)) }));
}

/** The same graph with every Dropout replaced by its input, and without initializers that nothing reads any more. */
export function withoutDropout(graph: Graph): Graph {
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const renamed = new Map<string, string>();
  const nodes = graph.nodes.flatMap((node) => {
    const inputs = node.inputs.map((name) => renamed.get(name) ?? name);
    const [output = '', input = ''] = [node.outputs[0], inputs[0]];
    if (node.opType !== 'Dropout' || outputs.has(output)) return [{ ...node, inputs }];
    renamed.set(output, input);
    return [];
  });
  const read = new Set([...nodes.flatMap((node) => node.inputs), ...outputs]);
  const initializers = new Map([...graph.initializers].filter(([name]) => read.has(name)));
  const valueInfo = new Map([...graph.valueInfo].filter(([name]) => !renamed.has(name)));
  return { ...graph, nodes, initializers, valueInfo };
}
