// A network without BatchNormalization where it can be folded into the layer before it: what 8-bit kernels compute, and what must be learnt for them.
import { foldBatchNorm, modelOf, producersOf } from '@sanderling/onnx';
import type { Network } from '../network.ts';

/**
 * The network with the running statistics folded into weights (Jacob et al. 2018, without the statistics of the batch): the same answers in inference.
 * The folded weights and biases are learnt where the layer's weights were; statistics that are folded are followed no more.
 */
export function folded({ graph: old, parameters, buffers }: Network): Network {
  const { graph } = foldBatchNorm(modelOf(old));
  const makers = producersOf(old.nodes);
  const made = graph.nodes.flatMap(({ inputs, outputs }) => {
    const [, weight = '', bias = ''] = inputs;
    if (!graph.initializers.has(weight) || old.initializers.has(weight)) return [];
    const layer = makers.get(makers.get(outputs[0] ?? '')?.inputs[0] ?? '');
    return parameters.includes(layer?.inputs[1] ?? '') ? [weight, bias] : [];
  });
  const isThere = (name: string) => graph.initializers.has(name);
  return { graph, parameters: [...parameters.filter(isThere), ...made], buffers: buffers.filter(isThere) };
}
