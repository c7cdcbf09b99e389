// Quantised operators of ONNX Runtime's own domain (com.microsoft), as its quantiser writes them in operator form: told in ONNX's words, DequantizeLinear around
// the operator and QuantizeLinear behind it, of which integer layers are made. Source: onnxruntime, docs/ContribOperators.md.
import {
  definedNames,
  floatAttribute,
  intAttribute,
  tensorOf,
  toNumbers,
  type Attribute,
  type Model,
  type Node,
  type Tensor,
} from '@sanderling/onnx';

/** Where a quantised value comes from: the inputs that hold its codes, scale and zero point. */
type Triple = readonly [codes: number, scale: number, zero: number];

/** What an operator is in ONNX's words. `values`: its inputs; `plain`: those that are not quantised, in front of them; `result`: scale and zero point of the output. */
interface Meaning {
  readonly operator: string;
  readonly values: (node: Node) => readonly Triple[];
  readonly plain?: readonly number[];
  readonly result: readonly [scale: number, zero: number];
}

const unary = (operator: string): Meaning => ({ operator, values: () => [[0, 1, 2]], result: [3, 4] });
const binary = (operator: string): Meaning => ({
  operator,
  values: () => [
    [0, 1, 2],
    [3, 4, 5],
  ],
  result: [6, 7],
});

/** One row an operator. QGemm has a bias of its own kind and is written below. */
const meanings: Readonly<Record<string, Meaning>> = {
  QLinearAdd: binary('Add'),
  QLinearMul: binary('Mul'),
  QLinearSigmoid: unary('Sigmoid'),
  QLinearLeakyRelu: unary('LeakyRelu'),
  QLinearSoftmax: unary('Softmax'),
  QLinearAveragePool: unary('AveragePool'),
  QLinearGlobalAveragePool: unary('GlobalAveragePool'),
  QLinearConcat: {
    operator: 'Concat',
    values: ({ inputs }) =>
      Array.from({ length: Math.floor((inputs.length - 2) / 3) }, (_, i) => [2 + 3 * i, 3 + 3 * i, 4 + 3 * i]),
    result: [0, 1],
  },
  QLinearWhere: {
    operator: 'Where',
    plain: [0],
    values: () => [
      [1, 2, 3],
      [4, 5, 6],
    ],
    result: [7, 8],
  },
};

/** Names of the operators that are understood, for the compatibility page. */
export const runtimeOperatorNames: readonly string[] = [
  ...Object.keys(meanings),
  'QGemm',
  'QuantizeLinear',
  'DequantizeLinear',
].toSorted();

/** Attributes that only say how ONNX Runtime computes; images with channels last are told by one that changes the meaning and stay as they are. */
const ownAttributes: ReadonlySet<string> = new Set(['channels_last', 'opset']);

/** The model with these operators in ONNX's words. What cannot be told so stays, and is refused later. */
export function withPlainOperators(model: Model): Model {
  if (!model.graph.nodes.some(({ domain }) => domain === 'com.microsoft')) return model;
  const writer = new Writer(model);
  const nodes = model.graph.nodes.flatMap((node) => writer.plain(node));
  return { ...model, graph: { ...model.graph, nodes, initializers: writer.initializers } };
}

class Writer {
  readonly initializers: Map<string, Tensor>;
  readonly #taken: Set<string>;

  constructor({ graph }: Model) {
    this.initializers = new Map(graph.initializers);
    this.#taken = new Set(definedNames(graph));
  }

  plain(node: Node): readonly Node[] {
    if (node.domain !== 'com.microsoft' || intAttribute(node, 'channels_last', 0) !== 0) return [node];
    if (node.opType === 'QuantizeLinear' || node.opType === 'DequantizeLinear') return [{ ...node, domain: '' }];
    if (node.opType === 'QGemm') return this.#gemm(node);
    const meaning = Object.hasOwn(meanings, node.opType) ? meanings[node.opType] : undefined;
    if (!meaning) return [node];
    const { operator, values, plain = [], result } = meaning;
    const before = values(node).map((triple) => this.#dequantised(node, triple));
    const inputs = [...plain.map((i) => node.inputs[i] ?? ''), ...before.map(({ outputs }) => outputs[0]!)];
    return [...before, ...this.#quantised(node, { operator, inputs, result })];
  }

  /** y = α·A·B + C; C has codes of 32 bits in steps of α · scale of A · scale of B, which therefore must be constant. */
  #gemm(node: Node): readonly Node[] {
    const columns = intAttribute(node, 'transB', 0) === 1 ? 0 : -1;
    const [a, b] = [this.#dequantised(node, [0, 1, 2]), this.#dequantised(node, [3, 4, 5], columns)];
    const inputs = [a.outputs[0]!, b.outputs[0]!];
    const before = [a, b];
    const codes = node.inputs[6] ?? '';
    if (codes !== '') {
      const [one, many] = [1, 4].map((i) => this.initializers.get(node.inputs[i] ?? ''));
      if (!one || !many) return [node];
      const [scale = 1] = toNumbers(one).map(Number);
      const alpha = floatAttribute(node, 'alpha') ?? 1;
      const steps = Array.from(toNumbers(many), (of) => alpha * scale * Number(of));
      const name = this.#fresh(`${node.outputs[0]}.steps`);
      this.initializers.set(name, tensorOf('float32', steps.length === 1 ? [] : [steps.length], steps));
      // One scale for each column goes with the last axis of C; a C that is repeated over columns cannot have that.
      const made = this.#fresh(`${node.outputs[0]}.bias`);
      before.push(nodeOf('DequantizeLinear', [codes, name], made, steps.length === 1 ? {} : { axis: int(-1) }));
      inputs.push(made);
    }
    return [...before, ...this.#quantised(node, { operator: 'Gemm', inputs, result: [7, 8] })];
  }

  #dequantised(node: Node, [codes, scale, zero]: Triple, columns = -1): Node {
    const names = [codes, scale, zero].map((i) => node.inputs[i] ?? '');
    const last = names.at(-1) === '' ? names.slice(0, 2) : names;
    const axis = this.initializers.get(names[1]!)?.dims.length === 1 ? { axis: int(columns) } : {};
    return nodeOf('DequantizeLinear', last, this.#fresh(`${names[0]}.real`), axis);
  }

  #quantised(
    node: Node,
    { operator, inputs, result }: { operator: string; inputs: readonly string[]; result: readonly [number, number] },
  ): readonly Node[] {
    const attributes = Object.fromEntries(Object.entries(node.attributes).filter(([name]) => !ownAttributes.has(name)));
    const plain = { ...node, opType: operator, domain: '', inputs, attributes };
    const [scale, zero] = result.map((i) => node.inputs[i] ?? '');
    if (scale === '') return [plain];
    const real = this.#fresh(`${node.outputs[0]}.real`);
    const named = node.outputs[0]!;
    return [
      { ...plain, outputs: [real] },
      nodeOf('QuantizeLinear', zero === '' ? [real, scale!] : [real, scale!, zero!], named),
    ];
  }

  #fresh(wanted: string): string {
    let name = wanted;
    while (this.#taken.has(name)) name = `${name}_`;
    this.#taken.add(name);
    return name;
  }
}

const int = (value: number): Attribute => ({ type: 'int', value });

const nodeOf = (
  opType: string,
  inputs: readonly string[],
  output: string,
  attributes: Node['attributes'] = {},
): Node => ({ name: output, opType, domain: '', inputs, outputs: [output], attributes });
