// For tests and benchmarks: models that are broken in one place.
import { createRandom, type Random } from '@sanderling/kit';
import {
  tensorOf,
  toNumbers,
  type Attribute,
  type DataType,
  type Model,
  type Node,
  type Tensor,
} from '@sanderling/onnx';
import { randomQuantisedModel } from './quantised/random-models.ts';
import { randomModel } from './random-models.ts';

const attributeNames = [
  'axis',
  'perm',
  'pads',
  'strides',
  'group',
  'kernel_shape',
  'hidden_size',
  'mode',
  'dilations',
  'direction',
  'transB',
  'axes',
  'block_size',
];

/** A random model with one node damaged: inputs turned round, taken away or exchanged for others, or an attribute set to nonsense. */
export function damagedModel(seed: number): Model {
  const random = createRandom(seed, 'damage');
  return withDamagedNode(randomModel(random.int(1, 1e6)), random);
}

/** A random quantised model with one node or one constant damaged: a scale, a zero point, weights. */
export async function damagedQuantisedModel(seed: number): Promise<Model> {
  const random = createRandom(seed, 'damage-quantised');
  const { model } = await randomQuantisedModel(random.int(1, 1e6));
  return random.next() < 0.5 ? withDamagedNode(model, random) : withDamagedConstant(model, random);
}

function withDamagedNode(model: Model, random: Random): Model {
  const { nodes, initializers } = model.graph;
  const at = random.int(0, nodes.length - 1);
  const names = [model.graph.inputs[0]!.name, ...initializers.keys()];
  const changed = nodes.map((node, i): Node => {
    if (i !== at) return node;
    const how = random.int(0, 5);
    if (how === 0) return { ...node, inputs: node.inputs.toReversed() };
    if (how === 1) return { ...node, inputs: node.inputs.slice(1) };
    if (how <= 3)
      return { ...node, inputs: node.inputs.map((name) => (random.next() < 0.5 ? random.pick(names) : name)) };
    const numbers = Array.from({ length: random.int(0, 5) }, () => random.int(-3, 6));
    const value: Attribute =
      random.next() < 0.5 ? { type: 'int', value: random.int(-4, 9) } : { type: 'ints', value: numbers };
    return { ...node, attributes: { ...node.attributes, [random.pick(attributeNames)]: value } };
  });
  return { ...model, graph: { ...model.graph, nodes: changed, valueInfo: new Map() } };
}

const dtypes: readonly DataType[] = [
  'int8',
  'uint8',
  'int16',
  'int32',
  'int64',
  'float32',
  'float64',
  'float16',
  'bool',
];
const oddNumbers = [0, -1, Number.NaN, Infinity, -Infinity, 1e-45, 3e38];

function withDamagedConstant(model: Model, random: Random): Model {
  const { initializers } = model.graph;
  const name = random.pick([...initializers.keys()]);
  const tensor = damagedTensor(initializers.get(name)!, random);
  return {
    ...model,
    graph: { ...model.graph, initializers: new Map([...initializers, [name, tensor]]), valueInfo: new Map() },
  };
}

/** Another type, a number that is none, one element more or fewer, or a shape of its own. */
function damagedTensor(tensor: Tensor, random: Random): Tensor {
  const values = toNumbers(tensor).map(Number);
  const how = random.int(0, 3);
  if (how === 0) {
    const dtype = random.pick(dtypes);
    const wide = dtype === 'int64';
    const whole = values.map((x) => Math.trunc(Math.min(100, Math.max(-100, x))));
    return tensorOf(dtype, tensor.dims, wide ? whole.map(BigInt) : dtype.startsWith('float') ? values : whole);
  }
  if (how === 1 && tensor.dtype === 'float32') {
    const at = random.int(0, Math.max(values.length - 1, 0));
    return tensorOf(
      'float32',
      tensor.dims,
      values.map((x, i) => (i === at ? random.pick(oddNumbers) : x)),
    );
  }
  const wide = tensor.dtype === 'int64';
  const length = Math.max(0, values.length + random.pick([-1, 1]));
  const other = Array.from({ length }, (_, i) => values[i] ?? 1);
  if (how === 2) return tensorOf(tensor.dtype, [length], wide ? other.map(BigInt) : other);
  return tensorOf(tensor.dtype, [1, values.length], wide ? values.map(BigInt) : values);
}
