// Quantisation-aware training: 8-bit rounding is put into the graph where int8 kernels will have it, and training goes on through it
// (Jacob et al. 2018). The trained network is then a QDQ model: ONNX Runtime runs it in 8 bits, no step after training changes it.
import { SanderlingError } from '@sanderling/kit';
import {
  intAttribute,
  openSession,
  modelOf,
  tensorOf,
  toNumbers,
  type Feeds,
  type Graph,
  type Node,
  type Tensor,
} from '@sanderling/onnx';
import type { Network } from '../network.ts';
import { folded } from './folded.ts';

/** Smallest and largest number that a value takes. */
export type Range = readonly [low: number, high: number];

/** Layers that are computed in 8 bits: which input is the activation, which the weight, and the weight's axis of outputs. */
interface Layer {
  readonly node: Node;
  readonly activation: string;
  readonly weight: string;
  readonly axis: number;
}

function layersOf({ graph, parameters }: Network): Layer[] {
  return graph.nodes.flatMap((node) => {
    const [activation = '', weight = ''] = node.inputs;
    if (!['Conv', 'Gemm', 'MatMul'].includes(node.opType) || !parameters.includes(weight)) return [];
    const columns = node.opType === 'MatMul' || (node.opType === 'Gemm' && intAttribute(node, 'transB', 0) === 0);
    return [{ node, activation, weight, axis: columns ? 1 : 0 }];
  });
}

/** The ranges of the activations that would be quantised, seen on sample feeds. @throws TOO_LITTLE_DATA without feeds. */
export async function calibrate(network: Network, feeds: Iterable<Feeds>): Promise<ReadonlyMap<string, Range>> {
  const names = [...new Set(layersOf(network).map(({ activation }) => activation))];
  const inner = names.filter((name) => !network.graph.inputs.some((input) => input.name === name));
  const extra = inner.map(
    (name) => network.graph.valueInfo.get(name) ?? { name, dtype: 'float32' as const, shape: undefined },
  );
  await using session = await openSession(
    modelOf({ ...network.graph, outputs: extra.length === 0 ? network.graph.outputs : extra }),
  );
  const ranges = new Map<string, Range>();
  for (const feed of feeds) {
    const seen = { ...feed, ...(await session.run(feed)) };
    for (const name of names) {
      const data = seen[name]?.data as Float32Array;
      const [low, high] = ranges.get(name) ?? [0, 0];
      ranges.set(name, [data.reduce((a, b) => Math.min(a, b), low), data.reduce((a, b) => Math.max(a, b), high)]);
    }
  }
  if (ranges.size === 0) throw new SanderlingError('TOO_LITTLE_DATA', 'nothing to calibrate with', { where: 'feeds' });
  return ranges;
}

/** Collects what is added to a graph. */
class Rewrite {
  readonly initializers: Map<string, Tensor>;
  readonly nodes: Node[] = [];
  readonly #done = new Map<string, string>();

  constructor(graph: Graph) {
    this.initializers = new Map(graph.initializers);
  }

  /** Rounds a value to codes and back, once; returns the rounded value's name. */
  rounded(name: string, by: { scale: Tensor; zero: Tensor; axis: number | undefined }): string {
    const before = this.#done.get(name);
    if (before !== undefined) return before;
    const [scale, zero, codes, after] = ['scale', 'zero', 'codes', 'rounded'].map((part) => `${name}/${part}`) as [
      string,
      string,
      string,
      string,
    ];
    this.initializers.set(scale, by.scale).set(zero, by.zero);
    const attributes: Node['attributes'] = by.axis === undefined ? {} : { axis: { type: 'int', value: by.axis } };
    const common = { domain: '', attributes };
    this.nodes.push(
      { ...common, name: codes, opType: 'QuantizeLinear', inputs: [name, scale, zero], outputs: [codes] },
      { ...common, name: after, opType: 'DequantizeLinear', inputs: [codes, scale, zero], outputs: [after] },
    );
    this.#done.set(name, after);
    return after;
  }
}

/** Unsigned 8-bit codes for an activation's range; zero has a code of its own. */
function activationCodes([low, high]: Range) {
  const scale = Math.max(high - low, 1e-8) / 255;
  return {
    scale: tensorOf('float32', [], [scale]),
    zero: tensorOf('uint8', [], [Math.round(-low / scale)]),
    axis: undefined,
  };
}

/** Signed 8-bit codes a channel of a weight, symmetric around zero. */
function weightCodes(tensor: Tensor, axis: number) {
  const { dims } = tensor;
  const channels = dims[axis] as number;
  const inner = dims.slice(axis + 1).reduce((all, dim) => all * dim, 1);
  const largest = new Float32Array(channels).fill(1e-8);
  toNumbers(tensor).forEach((weight, i) => {
    const channel = Math.floor(i / inner) % channels;
    largest[channel] = Math.max(largest[channel] as number, Math.abs(weight));
  });
  return {
    scale: tensorOf(
      'float32',
      [channels],
      largest.map((x) => x / 127),
    ),
    zero: tensorOf('int8', [channels], new Int8Array(channels)),
    axis,
  };
}

/**
 * The network with 8-bit rounding before every Conv, Gemm and MatMul that has a learnt weight: activations unsigned with the calibrated range,
 * weights signed, a scale a channel; BatchNormalization is folded first. Train it on for a few epochs at a small rate, then export it.
 * @throws INVALID_ARGUMENT when nothing would be quantised or an activation has no range.
 */
export function quantisationAware(float: Network, ranges: ReadonlyMap<string, Range>): Network {
  const network = folded(float);
  const layers = layersOf(network);
  if (layers.length === 0)
    throw new SanderlingError('INVALID_ARGUMENT', 'the network has no layer to quantise', {
      where: network.graph.name,
    });
  const rewrite = new Rewrite(network.graph);
  for (const node of network.graph.nodes) {
    const layer = layers.find((one) => one.node === node);
    rewrite.nodes.push(layer === undefined ? node : roundedLayer(rewrite, layer, ranges));
  }
  return { ...network, graph: { ...network.graph, nodes: rewrite.nodes, initializers: rewrite.initializers } };
}

function roundedLayer(
  rewrite: Rewrite,
  { node, activation, weight, axis }: Layer,
  ranges: ReadonlyMap<string, Range>,
): Node {
  const range = ranges.get(activation);
  if (range === undefined)
    throw new SanderlingError('INVALID_ARGUMENT', `there is no range for ${activation}`, {
      where: activation,
      fix: 'calibrate first',
    });
  const x = rewrite.rounded(activation, activationCodes(range));
  const w = rewrite.rounded(weight, weightCodes(rewrite.initializers.get(weight) as Tensor, axis));
  return { ...node, inputs: [x, w, ...node.inputs.slice(2)] };
}
