// Constants behind DequantizeLinear must not be folded into floats before integer layers are found: while folding runs, they pose as inputs.
import { tensorOf, toNumbers, type Graph, type Model, type Node, type Tensor } from '@sanderling/onnx';
import { stridesOf } from '../ir.ts';
import { roundEven } from './fixed-point.ts';

/** A model whose quantised constants cannot be folded, and the way back. */
interface Protected {
  readonly model: Model;
  readonly restored: (folded: Model) => Model;
}

/** Hides the constant codes of DequantizeLinear; codes that QuantizeLinear makes of constants are worked out here. */
export function protectCodes(model: Model): Protected {
  const hidden = new Map<string, Tensor>();
  const known = constantsOf(model.graph);
  const names = new Set([
    ...model.graph.inputs.map(({ name }) => name),
    ...model.graph.nodes.flatMap(({ outputs }) => outputs),
    ...model.graph.initializers.keys(),
  ]);
  const nodes = model.graph.nodes.map((node): Node => {
    if (node.opType !== 'DequantizeLinear' || node.domain !== '') return node;
    const codes = known.get(node.inputs[0]!);
    if (!codes) return node;
    let name = `${node.inputs[0]}.codes`;
    while (names.has(name) && !hidden.has(name)) name = `${name}_`;
    hidden.set(name, codes);
    return { ...node, inputs: [name, ...node.inputs.slice(1)] };
  });
  if (hidden.size === 0) return { model, restored: (folded) => folded };
  const posing = [...hidden].map(([name, { dtype, dims }]) => ({ name, dtype, shape: dims }));
  return {
    model: { ...model, graph: { ...model.graph, nodes, inputs: [...model.graph.inputs, ...posing] } },
    restored: (folded) => revealed(folded, hidden),
  };
}

function revealed(folded: Model, hidden: ReadonlyMap<string, Tensor>): Model {
  const { graph } = folded;
  const read = new Set(graph.nodes.flatMap(({ inputs }) => inputs));
  const inputs = graph.inputs.filter(({ name }) => !hidden.has(name));
  const initializers = new Map([...graph.initializers, ...[...hidden].filter(([name]) => read.has(name))]);
  return { ...folded, graph: { ...graph, inputs, initializers } };
}

/** Constant tensors by name: initializers, Constant nodes, and what QuantizeLinear makes of such. */
function constantsOf(graph: Graph): ReadonlyMap<string, Tensor> {
  const fed = new Set(graph.inputs.map(({ name }) => name));
  const known = new Map([...graph.initializers].filter(([name]) => !fed.has(name)));
  for (const node of graph.nodes) {
    const tensor = constantOf(node, known);
    if (tensor) known.set(node.outputs[0]!, tensor);
  }
  return known;
}

function constantOf(node: Node, known: ReadonlyMap<string, Tensor>): Tensor | undefined {
  const value = node.attributes['value'];
  if (node.opType === 'Constant') return value?.type === 'tensor' ? value.value : undefined;
  if (node.opType === 'Identity') return known.get(node.inputs[0]!);
  return node.opType === 'QuantizeLinear' && node.domain === '' ? quantised(node, known) : undefined;
}

const limits = { int8: [-128, 127], uint8: [0, 255] } as const;

/** Codes of constant real numbers, with one scale or one for each place along an axis. */
function quantised(node: Node, known: ReadonlyMap<string, Tensor>): Tensor | undefined {
  const [x, scale, zero] = node.inputs.map((name) => known.get(name));
  const dtype = zero?.dtype ?? 'uint8';
  if (!x || !scale || x.dtype !== 'float32' || x.external || scale.dtype !== 'float32') return undefined;
  if (!(dtype === 'int8' || dtype === 'uint8') || (node.inputs[2] && !zero)) return undefined;
  const [reals, scales] = [toNumbers(x), toNumbers(scale)];
  const zeros = zero ? toNumbers(zero) : Array.from(scales, () => 0);
  const given = Number(node.attributes['axis']?.value ?? 1);
  const axis = given < 0 ? given + x.dims.length : given;
  if (zeros.length !== scales.length || scale.dims.length > 1) return undefined;
  if (scales.length > 1 && x.dims[axis] !== scales.length) return undefined;
  if (Number(node.attributes['block_size']?.value ?? 0) !== 0) return undefined;
  const step = stridesOf(x.dims)[axis] ?? 1;
  const [low, high] = limits[dtype];
  const codes = Array.from(reals, (real, i) => {
    const place = scales.length === 1 ? 0 : Math.floor(i / step) % scales.length;
    return Math.min(high, Math.max(low, roundEven(Math.fround(real / scales[place]!)) + zeros[place]!));
  });
  return codes.some(Number.isNaN) ? undefined : tensorOf(dtype, x.dims, codes);
}
