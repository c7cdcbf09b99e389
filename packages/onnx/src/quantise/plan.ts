// Which values of a graph are quantised: the activations around operators that have integer kernels, and the constant weights of products.
import { intAttribute } from '../attributes.ts';
import type { Graph, Node } from '../ir.ts';
import { producersOf } from '../order.ts';

/** Operators with integer kernels in ONNX Runtime. Those with weights have them as input 1 and a bias as input 2. */
const runtimeOperators =
  'Conv ConvTranspose Gemm MatMul Add Mul Relu Clip MaxPool AveragePool GlobalAveragePool Concat Reshape ' +
  'Transpose Flatten Squeeze Unsqueeze Sigmoid LeakyRelu Pad Split Softmax';

/** Operators that take and give quantised values, by whose kernels will compute them. */
const quantisable: Readonly<Record<Kernels, ReadonlySet<string>>> = {
  runtime: new Set(runtimeOperators.split(' ')),
  micro: new Set(
    `${runtimeOperators} GRU LSTM Tanh HardSigmoid HardSwish Gelu Elu Sub ReduceMean GlobalMaxPool Slice`.split(' '),
  ),
};

/** Operators that hand values through unchanged: their output has the range of their input. */
export const rangeKeepers: ReadonlySet<string> = new Set(
  'MaxPool Reshape Transpose Flatten Squeeze Unsqueeze Split Slice GlobalMaxPool'.split(' '),
);

/** Whose kernels will run the quantised model: ONNX Runtime's, or those of generated C for microcontrollers. */
export type Kernels = 'runtime' | 'micro';

const isRecurrent = ({ opType }: Node): boolean => opType === 'GRU' || opType === 'LSTM';

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

/** The hidden state of a recurrent node: values that must have one scale, because a step reads what the step before wrote. */
export interface HiddenPlan {
  readonly node: Node;
  /** Its initial state (unless constant), its sequence of states and its last state: those that are there. */
  readonly values: readonly string[];
}

/** What is to be quantised. */
export interface QuantisationPlan {
  /** Values to quantise, by name. */
  readonly activations: ReadonlySet<string>;
  readonly weights: readonly WeightPlan[];
  readonly hidden: readonly HiddenPlan[];
}

/** What may be quantised. */
export interface PlanOptions {
  /**
   * Whose integer kernels the plan is for. 'micro' covers more operators, GRU and LSTM among them; ONNX Runtime runs
   * such a model too, those operators in float between their quantised neighbours. @default 'runtime'
   */
  readonly kernels?: Kernels;
  /** Names of nodes (or of their first outputs) that stay in float. @default none */
  readonly skip?: readonly string[];
}

/** What quantisation would change in a graph. */
export function planQuantisation(graph: Graph, options: PlanOptions = {}): QuantisationPlan {
  const nodes = quantisableNodes(graph, options);
  const weights = nodes.flatMap((node) => (isRecurrent(node) ? gatePlans(node, graph) : weightPlan(node, graph)));
  const activations = new Set<string>();
  for (const node of nodes) {
    if (!takesPart(node, graph)) continue;
    for (const name of node.inputs.slice(0, dataInputs(node))) if (!graph.initializers.has(name)) activations.add(name);
    for (const name of node.outputs.slice(0, isRecurrent(node) ? 2 : undefined)) if (name !== '') activations.add(name);
  }
  const hidden = nodes
    .filter((node) => isRecurrent(node) && takesPart(node, graph))
    .map((node) => ({ node, values: hiddenValues(node, graph) }));
  for (const { values } of hidden) for (const name of values) activations.add(name);
  for (const name of beforeActivation(graph)) activations.delete(name);
  activations.delete('');
  return { activations, weights, hidden };
}

/** The nodes that may be quantised and are not to be skipped. */
export function quantisableNodes(graph: Graph, { skip = [], kernels = 'runtime' }: PlanOptions = {}): readonly Node[] {
  const skipped = new Set(skip);
  return graph.nodes.filter(
    (node) =>
      node.domain === '' &&
      quantisable[kernels].has(node.opType) &&
      !skipped.has(node.name) &&
      !skipped.has(outputName(node)),
  );
}

/** The first output that is there. */
export function outputName({ outputs }: Node): string {
  return outputs.find((name) => name !== '') ?? '';
}

const hiddenValues = ({ inputs, outputs }: Node, { initializers }: Graph): readonly string[] =>
  [inputs[5] ?? '', outputs[0] ?? '', outputs[1] ?? ''].filter((name) => name !== '' && !initializers.has(name));

/** How many leading inputs hold values, not weights, sizes or bounds. */
function dataInputs({ opType, inputs }: Node): number {
  return ['Add', 'Sub', 'Mul', 'Concat', 'MatMul'].includes(opType) ? inputs.length : 1;
}

/** A product takes part when its weights are constant, or when it has none; so does anything else. */
function takesPart(node: Node, graph: Graph): boolean {
  if (isRecurrent(node)) return gatePlans(node, graph).length === 2;
  if (!(node.opType in channelAxes) || node.opType === 'MatMul') return true;
  return graph.initializers.has(node.inputs[1]!);
}

/** W [directions, gates · hidden, input] and R [directions, gates · hidden, hidden]: a scale for each row, which the directions share. */
function gatePlans(node: Node, { initializers, inputs }: Graph): readonly WeightPlan[] {
  const plans = node.inputs.slice(1, 3).flatMap((weight) => {
    const tensor = initializers.get(weight);
    const fed = inputs.some(({ name }) => name === weight);
    if (!tensor || fed || tensor.dtype !== 'float32' || tensor.external || tensor.dims.length !== 3) return [];
    return [{ node, weight, axis: 1, bias: undefined }];
  });
  return plans.length === 2 ? plans : [];
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
