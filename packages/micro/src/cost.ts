// What a layer takes, estimated: multiply-accumulates × instructions for each, plus elements × instructions for each, at one instruction a cycle. The numbers were counted
// exactly on an emulated Cortex-M7 (bench/results/micro-instructions.md; -O2, no contraction to fused operations). Real cores differ: an M7 issues up to two
// instructions a cycle, and flash has wait states; measure where it matters (`sanderling micro bench`).
import { intAttribute } from '@sanderling/onnx';
import { countOf, type Layer } from './ir.ts';

/** Instructions for each multiply-accumulate, each output element and each element of the first input. */
interface Cost {
  readonly mac?: number;
  readonly output?: number;
  readonly input?: number;
}

/** Layers that call a function of the C library for each element. */
const libraryCurves = 'Pow Sin Cos Tan Sinh Cosh Asin Acos Atan Asinh Acosh Atanh';

/** Instructions of layers that call one of the functions of emit/curves for each element. */
const ownCurves = {
  Celu: 24,
  Elu: 25,
  Selu: 26,
  Exp: 34,
  Sigmoid: 36,
  Swish: 37,
  Tanh: 43,
  Erf: 46,
  Gelu: 46,
  Softmax: 48,
  LogSoftmax: 49,
  Log: 49,
  Softplus: 85,
  Mish: 128,
};

const costs: Readonly<Record<string, Cost>> = {
  Conv: { mac: 2.8, output: 4 },
  ConvTranspose: { mac: 3.5, output: 4 },
  Gemm: { mac: 2.2, output: 4 },
  MatMul: { mac: 2.2, output: 4 },
  GRU: { mac: 2.25 },
  LSTM: { mac: 2.25 },
  RNN: { mac: 2.25 },
  LayerNormalization: { output: 20 },
  MaxPool: { output: 31 },
  AveragePool: { output: 14 },
  GlobalAveragePool: { input: 4 },
  GlobalMaxPool: { input: 4 },
  Int8Conv: { mac: 1, output: 16 },
  Int8ConvTranspose: { mac: 2.5, output: 8 },
  Int8Dense: { mac: 1.2, output: 20 },
  Int8DepthwiseConv: { mac: 4.5, output: 8 },
  planes: { mac: 1.3, output: 2, input: 2.2 },
  Int8GRU: { mac: 2.3 },
  Int8LSTM: { mac: 2.3 },
  Int8MaxPool: { output: 16 },
  Int8AveragePool: { input: 5, output: 28 },
  Int8Quantise: { output: 26 },
  Int8Dequantise: { output: 8 },
  Int8Softmax: { output: 100 },
  Int8Add: { output: 18 },
  Int8Mul: { output: 16 },
  Int8Table: { output: 4 },
  Int8Concat: { output: 1 },
  ...Object.fromEntries(libraryCurves.split(' ').map((name) => [name, { output: 70 }])),
  ...Object.fromEntries(Object.entries(ownCurves).map(([name, output]) => [name, { output }])),
};

/** What any other layer takes for each element of its output or, where that is larger, of its first input. */
const usual = 6;

/** Instructions of an activation of a gate, in float and in int8. */
const perGate = { float: 40, int8: 25 };

/** Values of gates that a recurrent layer computes. */
function gateValues({ inputs, integer }: Layer): number {
  if (integer?.kind === 'recurrent') {
    const { steps, batch, hidden, directions, cell } = integer;
    return steps * batch * hidden * directions.length * (cell === 'GRU' ? 3 : 4);
  }
  const [x, w] = inputs;
  return x && w ? x.dims[0]! * x.dims[1]! * w.dims[0]! * w.dims[1]! : 0;
}

/** What multiply-accumulates cost where it is not what the table says: with weights that are not known when the code is written, and of single planes. */
function macCost({ operator, inputs, node }: Layer, usual: number): number {
  if (['Conv', 'Gemm', 'MatMul'].includes(operator) && !inputs[1]?.data) return 9;
  return operator === 'Conv' && intAttribute(node, 'group', 1) > 1 ? 2.9 : usual;
}

/** Estimated instructions of a layer. `macs`: its multiply-accumulates. */
export function estimatedInstructions(layer: Layer, macs: number): number {
  const planes = layer.integer?.kind === 'depthwise' && layer.integer.planes;
  const cost = costs[planes ? 'planes' : layer.operator];
  const of = (value: Layer['inputs'][number]): number => (value ? countOf(value) : 0);
  const output = layer.outputs.reduce((sum, value) => sum + of(value), 0);
  const input = of(layer.inputs[0]);
  if (!cost) return Math.round(usual * Math.max(output, input));
  const gates = /GRU|LSTM|RNN/.test(layer.operator)
    ? gateValues(layer) * (layer.operator.startsWith('Int8') ? perGate.int8 : perGate.float)
    : 0;
  const products = macs === 0 ? 0 : macCost(layer, cost.mac ?? 0) * macs;
  return Math.round(products + (cost.output ?? 0) * output + (cost.input ?? 0) * input + gates);
}
