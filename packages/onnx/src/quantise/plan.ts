// Which values of a graph are quantised: the activations around operators that have integer kernels, and the constant weights of products.
import { intAttribute } from '../attributes.ts';
import type { Graph, Node } from '../ir.ts';
import { producersOf } from '../order.ts';

/** Operators that take and give quantised values. Those with weights have them as input 1 and a bias as input 2. */
const quantisable: ReadonlySet<string> = new Set(
  (
    'Conv ConvTranspose Gemm MatMul Add Mul Relu Clip MaxPool AveragePool GlobalAveragePool Concat Reshape ' +
    'Transpose Flatten Squeeze Unsqueeze Sigmoid LeakyRelu Pad Split Softmax'
  ).split(' '),
);

/** Operators that hand values through unchanged: their output has the range of their input. */
export const rangeKeepers: ReadonlySet<string> = new Set(
  'MaxPool Reshape Transpose Flatten Squeeze Unsqueeze Split'.split(' '),
);

/** Per operator with weights: the axis of the weights that is the output channel; undefined where groups share it. */
const channelAxes: Readonly<Record<string, (node: Node, rank: number) => number | undefined>> = {
  Conv: () => 0,
  ConvTranspose: (node) => (intAttribute(node, 'group', 1) === 1 ? 1 : undefined),
  Gemm: (node) => (intAttribute(node, 'transB', 0) === 1 ? 0 : 1),
  MatMul: (_, rank) => rank - 1,
};

/** A constant weight to quantise: of which node, along which axis, with which bias. */
export interface WeightPlan {
  readonly node: Node;
  readonly weight: string;
  readonly axis: number | undefined;
  readonly bias: string | undefined;
}

export interface QuantisationPlan {
  /** Values to quantise, by name. */
  readonly activations: ReadonlySet<string>;
  readonly weights: readonly WeightPlan[];
}

export interface PlanOptions {
  /** Names of nodes (or of their first outputs) that stay in float. @default none */
  readonly skip?: readonly string[];
}

/** What quantisation would change in a graph. */
export function planQuantisation(graph: Graph, { skip = [] }: PlanOptions = {}): QuantisationPlan {
  const skipped = new Set(skip);
  const nodes = graph.nodes.filter(
    (node) =>
      node.domain === '' && quantisable.has(node.opType) && !skipped.has(node.name) && !skipped.has(node.outputs[0]!),
  );
  const weights = nodes.flatMap((node) => weightPlan(node, graph));
  const activations = new Set<string>();
  for (const node of nodes) {
    if (!takesPart(node, graph)) continue;
    for (const name of node.inputs.slice(0, dataInputs(node))) if (!graph.initializers.has(name)) activations.add(name);
    for (const name of node.outputs) if (name !== '') activations.add(name);
  }
  for (const name of beforeActivation(graph)) activations.delete(name);
  activations.delete('');
  return { activations, weights };
}

/** How many leading inputs hold values, not weights, sizes or bounds. */
function dataInputs({ opType, inputs }: Node): number {
  return ['Add', 'Mul', 'Concat', 'MatMul'].includes(opType) ? inputs.length : 1;
}

/** A product takes part when its weights are constant, or when it has none; so does anything else. */
function takesPart(node: Node, graph: Graph): boolean {
  if (!(node.opType in channelAxes) || node.opType === 'MatMul') return true;
  return graph.initializers.has(node.inputs[1]!);
}

function weightPlan(node: Node, { initializers, inputs }: Graph): readonly WeightPlan[] {
  const axisOf = Object.hasOwn(channelAxes, node.opType) ? channelAxes[node.opType] : undefined;
  const weight = node.inputs[1] ?? '';
  const tensor = initializers.get(weight);
  const fed = inputs.some(({ name }) => name === weight);
  if (!axisOf || !tensor || fed || tensor.dtype !== 'float32' || tensor.external || tensor.dims.length < 2) return [];
  const bias = node.inputs[2] ?? '';
  return [
    {
      node,
      weight,
      axis: axisOf(node, tensor.dims.length),
      bias: initializers.get(bias)?.dims.length === 1 ? bias : undefined,
    },
  ];
}

/** Values between a product and the Relu or Clip that alone reads it: the runtime computes both at once, so only the result is quantised. */
function beforeActivation(graph: Graph): readonly string[] {
  const producers = producersOf(graph.nodes);
  const readers = new Map<string, number>();
  for (const { inputs } of graph.nodes) for (const name of inputs) readers.set(name, (readers.get(name) ?? 0) + 1);
  for (const { name } of graph.outputs) readers.set(name, (readers.get(name) ?? 0) + 1);
  return graph.nodes.flatMap(({ opType, inputs }) => {
    const [name = ''] = inputs;
    const product =
      Object.hasOwn(channelAxes, producers.get(name)?.opType ?? '') || producers.get(name)?.opType === 'Add';
    return (opType === 'Relu' || opType === 'Clip') && product && readers.get(name) === 1 ? [name] : [];
  });
}
