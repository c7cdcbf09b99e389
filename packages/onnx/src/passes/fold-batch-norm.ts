// Folding an inference BatchNormalization into the Conv, ConvTranspose or Gemm before it:
//   y = g (Wx + b − μ) / √(σ² + ε) + β  =  (f W) x + (f (b − μ) + β),  f = g / √(σ² + ε).
import { floatAttribute, intAttribute } from '../attributes.ts';
import type { Graph, Node, Tensor } from '../ir.ts';
import { capturedBy, producersOf } from '../order.ts';
import { namesFor } from '../rename.ts';
import { tensorOf, toNumbers } from '../tensor.ts';
import { overGraph, type Pass } from './pass.ts';
import { pruneDead } from './prune.ts';

/** Folds every BatchNormalization whose producer is used by nothing else and whose numbers are constants of 32 or 64 bits. */
export const foldBatchNorm: Pass = (model) => pruneDead(overGraph(foldAll)(model));

function foldAll(graph: Graph): Graph {
  const producers = producersOf(graph.nodes);
  const uses = useCounts(graph);
  const replaced = new Map<Node, Node | undefined>();
  const added = new Map<string, Tensor>();
  const fresh = namesFor(graph);
  for (const norm of graph.nodes) {
    const producer = isInferenceNorm(norm) ? producers.get(norm.inputs[0]!) : undefined;
    if (!producer || replaced.has(producer) || uses.get(producer.outputs[0]!) !== 1) continue;
    const folded = fold(producer, norm, { graph, fresh });
    if (!folded) continue;
    for (const [name, tensor] of folded.tensors) added.set(name, tensor);
    replaced.set(producer, undefined);
    replaced.set(norm, folded.node);
  }
  const nodes = graph.nodes.flatMap((node) => (replaced.has(node) ? (replaced.get(node) ?? []) : node));
  return { ...graph, nodes, initializers: new Map([...graph.initializers, ...added]) };
}

function useCounts(graph: Graph): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  const use = (name: string): void => void counts.set(name, (counts.get(name) ?? 0) + 1);
  for (const node of graph.nodes) {
    for (const name of node.inputs) use(name);
    for (const attribute of Object.values(node.attributes))
      if (attribute.type === 'graph') for (const name of capturedBy(attribute.value)) use(name);
  }
  for (const { name } of graph.outputs) use(name);
  return counts;
}

function isInferenceNorm(node: Node): boolean {
  const outputs = node.outputs.filter((name) => name !== '').length;
  return (
    node.opType === 'BatchNormalization' &&
    node.domain === '' &&
    outputs === 1 &&
    intAttribute(node, 'training_mode', 0) === 0
  );
}

interface Workplace {
  readonly graph: Graph;
  readonly fresh: (wanted: string) => string;
}

interface Folded {
  readonly node: Node;
  readonly tensors: ReadonlyMap<string, Tensor>;
}

function fold(producer: Node, norm: Node, { graph, fresh }: Workplace): Folded | undefined {
  const rule =
    producer.domain === '' && Object.hasOwn(channelRules, producer.opType) ? channelRules[producer.opType] : undefined;
  const statistics = norm.inputs.slice(1, 5).map((name) => numbersOf(graph, name));
  const weights = graph.initializers.get(producer.inputs[1]!);
  const bias = producer.inputs[2] ? numbersOf(graph, producer.inputs[2]) : [];
  if (!rule || !weights || !isPlain(weights) || bias === undefined || statistics.some((list) => list === undefined))
    return undefined;
  const [gain, shift, mean, variance] = statistics as readonly (readonly number[])[];
  const channels = gain!.length;
  const channelOf = rule(producer, weights, channels);
  const simple = producer.opType !== 'Gemm' || intAttribute(producer, 'transA', 0) === 0;
  if (!channelOf || !simple || (bias.length !== 0 && bias.length !== 1 && bias.length !== channels)) return undefined;
  const epsilon = floatAttribute(norm, 'epsilon', 1e-5);
  const factors = gain!.map((value, c) => value / Math.sqrt(variance![c]! + epsilon));
  const beta = producer.opType === 'Gemm' ? floatAttribute(producer, 'beta', 1) : 1;
  const before = (c: number): number => (bias.length === 0 ? 0 : beta * bias[bias.length === 1 ? 0 : c]!);
  const offsets = factors.map((factor, c) => factor * (before(c) - mean![c]!) + shift![c]!);
  const scaled = toNumbers(weights).map((value, i) => value * factors[channelOf(i)]!);
  const names = [fresh(`${norm.outputs[0]}.weight`), fresh(`${norm.outputs[0]}.bias`)] as const;
  const { beta: _, ...attributes } = producer.attributes;
  return {
    node: { ...producer, inputs: [producer.inputs[0]!, ...names], outputs: [norm.outputs[0]!], attributes },
    tensors: new Map([
      [names[0], tensorOf(weights.dtype, weights.dims, scaled)],
      [names[1], tensorOf(weights.dtype, [channels], offsets)],
    ]),
  };
}

const isPlain = (tensor: Tensor): boolean =>
  (tensor.dtype === 'float32' || tensor.dtype === 'float64') && !tensor.external;

function numbersOf(graph: Graph, name: string): readonly number[] | undefined {
  const tensor = graph.initializers.get(name);
  const input = graph.inputs.some((info) => info.name === name);
  return tensor && !input && isPlain(tensor) ? toNumbers(tensor) : undefined;
}

type ChannelRule = (producer: Node, weights: Tensor, channels: number) => ((index: number) => number) | undefined;

/** Per operator: the output channel that a weight, by its place in memory, contributes to. */
const channelRules: Readonly<Record<string, ChannelRule>> = {
  // W [M, C/g, …]
  Conv: (_, { dims }, channels) => {
    const block = dims.slice(1).reduce((a, b) => a * b, 1);
    return dims[0] === channels ? (index) => Math.floor(index / block) : undefined;
  },
  // W [C, M/g, …]: the group of a row decides which part of the channels it feeds.
  ConvTranspose: (node, { dims }, channels) => {
    const group = intAttribute(node, 'group', 1);
    const [rows, width] = [dims[0]!, dims[1]!];
    const block = dims.slice(2).reduce((a, b) => a * b, 1);
    if (width * group !== channels) return undefined;
    return (index) => {
      const row = Math.floor(index / (width * block));
      return Math.floor(row / (rows / group)) * width + (Math.floor(index / block) % width);
    };
  },
  // B [K, N], or [N, K] transposed
  Gemm: (node, { dims }, channels) => {
    const transposed = intAttribute(node, 'transB', 0) === 1;
    if (dims.length !== 2 || dims[transposed ? 0 : 1] !== channels) return undefined;
    return transposed ? (index) => Math.floor(index / dims[1]!) : (index) => index % channels;
  },
};
