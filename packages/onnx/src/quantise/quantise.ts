// Static 8-bit quantisation: QuantizeLinear/DequantizeLinear pairs around activations, integer weights and biases behind DequantizeLinear.
// Weights are symmetric per output channel, activations asymmetric; a bias has scale (input scale × weight scale). This is what ONNX Runtime turns into
// integer kernels, and the contract of TFLite's int8 specification where activations are int8.
//
// GRU and LSTM (kernels: 'micro'), a form that ONNX Runtime runs in float and integer kernels can recognise:
//   X           QuantizeLinear → DequantizeLinear, one scale and zero point
//   W, R        int8 initializer of the same shape [directions, gates · hidden, …] → DequantizeLinear with axis = 1: a scale per gate row, zero point 0;
//               the two directions share the scales of a row (perChannel: false: one scale for all)
//   B, P        bias and peepholes stay float32: their scales would be those of W·x and of R·h, which differ
//   Y, Y_h,     QuantizeLinear → DequantizeLinear with one scale and zero point for all of them, from the states of every step; they are the hidden
//   initial_h   state's. An initial_h that is constant stays a float constant; one that is absent is zero
//   Y_c,        the cell of an LSTM stays float32
//   initial_c
import { SanderlingError } from '@sanderling/kit';
import { elementCount, type Graph, type Model, type Node, type Tensor } from '../ir.ts';
import { pruneDead } from '../passes/prune.ts';
import { namesFor } from '../rename.ts';
import { float32Data, tensorOf } from '../tensor.ts';
import { sequenceName, type Range, type Ranges } from './calibrate.ts';
import {
  outputName,
  planQuantisation,
  rangeKeepers,
  type HiddenPlan,
  type PlanOptions,
  type WeightPlan,
} from './plan.ts';

/** How a model is quantised. */
export interface QuantiseOptions extends PlanOptions {
  /** Type of activations. 'uint8' is fast on x86; 'int8' is what microcontrollers want. @default 'uint8', with kernels 'micro' 'int8' */
  readonly activations?: 'uint8' | 'int8';
  /** One scale for each output channel of weights, not one for all. @default true */
  readonly perChannel?: boolean;
}

interface Parameters {
  readonly scale: number;
  readonly zeroPoint: number;
}

/**
 * Scale and zero point of a range: zero is exactly representable, and a range of nothing gets scale 1.
 * @throws INVALID_ARGUMENT for ends that are not finite, or the wrong way round.
 */
export function activationParameters(range: Range, type: 'uint8' | 'int8'): Parameters {
  if (!(Number.isFinite(range.min) && Number.isFinite(range.max) && range.min <= range.max))
    throw new SanderlingError('INVALID_ARGUMENT', `${range.min} … ${range.max} is no range to quantise`);
  const [min, max] = [Math.min(range.min, 0), Math.max(range.max, 0)];
  const lowest = type === 'uint8' ? 0 : -128;
  const scale = Math.fround((max - min) / 255) || 1;
  return { scale, zeroPoint: Math.min(lowest + 255, Math.max(lowest, Math.round(lowest - min / scale))) };
}

/**
 * Quantises a model with ranges from `calibrate`. Fold batch normalisation first.
 * Values without a range stay in float.
 * @throws INVALID_ARGUMENT when the ranges are of another model or none, or the model is quantised already; INVALID_DATA for weights that are not finite.
 */
export function quantise(model: Model, ranges: Ranges, options: QuantiseOptions = {}): Model {
  if (model.graph.nodes.some(({ opType }) => opType === 'QuantizeLinear' || opType === 'QLinearConv'))
    throw new SanderlingError('INVALID_ARGUMENT', 'the model is quantised already');
  const graph = new Quantiser(model.graph, ranges, options).graph();
  return pruneDead({ ...model, graph });
}

/** The nodes that make a node's weights and bias, and the new name of each such input. */
interface Constants {
  readonly nodes: readonly Node[];
  readonly names: ReadonlyMap<string, string>;
}

class Quantiser {
  readonly #graph: Graph;
  readonly #type: 'uint8' | 'int8';
  readonly #perChannel: boolean;
  readonly #parameters = new Map<string, Parameters>();
  readonly #weights: ReadonlyMap<Node, readonly WeightPlan[]>;
  readonly #initializers: Map<string, Tensor>;
  readonly #fresh: (wanted: string) => string;

  constructor(graph: Graph, ranges: Ranges, options: QuantiseOptions) {
    const { activations, weights, hidden } = planQuantisation(graph, options);
    this.#graph = graph;
    this.#type = options.activations ?? (options.kernels === 'micro' ? 'int8' : 'uint8');
    this.#perChannel = options.perChannel ?? true;
    this.#initializers = new Map(graph.initializers);
    this.#fresh = namesFor(graph);
    this.#weights = Map.groupBy(weights, ({ node }) => node);
    for (const name of activations) {
      const range = ranges.get(name);
      if (range) this.#parameters.set(name, activationParameters(range, this.#type));
    }
    if (activations.size > 0 && this.#parameters.size === 0)
      throw new SanderlingError('INVALID_ARGUMENT', 'the ranges are not of this model', {
        fix: 'calibrate the same model first',
      });
    this.#fixRanges();
    // Once for what only moves a hidden state on, and again since an initial state may be such a value itself.
    for (const plan of hidden) this.#shareHidden(plan, ranges);
    this.#shareRanges();
    for (const plan of hidden) this.#shareHidden(plan, ranges);
  }

  graph(): Graph {
    const inputs = this.#graph.inputs.flatMap(({ name }) => this.#pair(name, name));
    const nodes = this.#graph.nodes.flatMap((node) => this.#rewritten(node));
    const valueInfo = new Map([...this.#graph.valueInfo].filter(([name]) => !this.#parameters.has(name)));
    return { ...this.#graph, nodes: [...inputs, ...nodes], initializers: this.#initializers, valueInfo };
  }

  /**
   * Softmax and Sigmoid give 0…1 in steps of 1/256, whatever was seen: ONNX Runtime's integer Softmax is wrong for other scales, and TFLite asks for it;
   * it asks for −1…1 in steps of 1/128 of Tanh.
   */
  #fixRanges(): void {
    const lowest = this.#type === 'uint8' ? 0 : -128;
    for (const { opType, outputs } of this.#graph.nodes) {
      const name = outputs[0] ?? '';
      if (!this.#parameters.has(name)) continue;
      if (opType === 'Softmax' || opType === 'Sigmoid')
        this.#parameters.set(name, { scale: 1 / 256, zeroPoint: lowest });
      if (opType === 'Tanh') this.#parameters.set(name, { scale: 1 / 128, zeroPoint: lowest + 128 });
    }
  }

  /** The hidden state has one scale, wide enough for all the values that show it. */
  #shareHidden({ node, values }: HiddenPlan, ranges: Ranges): void {
    const seen = [...values, sequenceName(node)].flatMap((name) => ranges.get(name) ?? []);
    if (seen.length === 0) return;
    const min = Math.min(...seen.map((range) => range.min));
    const max = Math.max(...seen.map((range) => range.max));
    for (const name of values) this.#parameters.set(name, activationParameters({ min, max }, this.#type));
  }

  /** An operator that only moves values must have the same parameters before and after. */
  #shareRanges(): void {
    for (const { opType, inputs, outputs } of this.#graph.nodes) {
      const before = this.#parameters.get(inputs[0] ?? '');
      if (before && rangeKeepers.has(opType))
        for (const name of outputs) if (this.#parameters.has(name)) this.#parameters.set(name, before);
    }
  }

  #rewritten(node: Node): readonly Node[] {
    const plans = this.#weights.get(node) ?? [];
    const input = this.#parameters.get(node.inputs[0] ?? '');
    const constants: readonly Constants[] = input ? plans.map((plan) => this.#constants(plan, input)) : [];
    const renamedConstants = new Map(constants.flatMap(({ names }) => [...names]));
    const inputs = node.inputs.map(
      (name) => renamedConstants.get(name) ?? (this.#parameters.has(name) ? `${name}.dequantised` : name),
    );
    const outputs = this.#graph.outputs;
    const pairs = node.outputs.flatMap((name) =>
      outputs.some((info) => info.name === name) ? this.#outputPair(name) : this.#pair(name, name),
    );
    const renamed = node.outputs.map((name) =>
      this.#parameters.has(name) && outputs.some((info) => info.name === name) ? `${name}.float` : name,
    );
    return [...constants.flatMap(({ nodes }) => nodes), { ...node, inputs, outputs: renamed }, ...pairs];
  }

  /** A graph output keeps its name: it is what the pair gives. */
  #outputPair(name: string): readonly Node[] {
    if (!this.#parameters.has(name)) return [];
    const read = this.#graph.nodes.some(({ inputs }) => inputs.includes(name));
    const pair = this.#pair(name, `${name}.float`);
    const copy: Node = {
      name: `${name}.out`,
      opType: 'DequantizeLinear',
      domain: '',
      inputs: [...pair[1]!.inputs],
      outputs: [name],
      attributes: {},
    };
    return read ? [...pair, copy] : [pair[0]!, copy];
  }

  #pair(name: string, source: string): readonly Node[] {
    const parameters = this.#parameters.get(name);
    if (!parameters) return [];
    const [scale, zero] = this.#constantPair(
      name,
      tensorOf('float32', [], [parameters.scale]),
      tensorOf(this.#type, [], [parameters.zeroPoint]),
    );
    const node = (opType: string, from: string, to: string): Node => ({
      name: to,
      opType,
      domain: '',
      inputs: [from, scale, zero],
      outputs: [to],
      attributes: {},
    });
    return [
      node('QuantizeLinear', source, `${name}.quantised`),
      node('DequantizeLinear', `${name}.quantised`, `${name}.dequantised`),
    ];
  }

  #constantPair(name: string, scale: Tensor, zero: Tensor): readonly [string, string] {
    const names = [`${name}.scale`, `${name}.zero`] as const;
    this.#initializers.set(names[0], scale);
    this.#initializers.set(names[1], zero);
    return names;
  }

  /** The integer weights and bias of a node, and what its inputs are called then. A weight that two nodes share is quantised for each. */
  #constants({ node, weight, axis: own, bias }: WeightPlan, input: Parameters): Constants {
    const role = node.inputs.indexOf(weight) === 2 ? 'recurrence' : 'weight';
    const stem = this.#fresh(`${outputName(node)}.${role}`);
    const axis = this.#perChannel ? own : undefined;
    const { data, scales } = quantisedWeights(weight, this.#graph.initializers.get(weight)!, axis);
    this.#initializers.set(`${stem}.quantised`, data);
    const dims = axis === undefined ? [] : [scales.length];
    const pair = this.#constantPair(
      stem,
      tensorOf('float32', dims, scales),
      tensorOf(
        'int8',
        dims,
        scales.map(() => 0),
      ),
    );
    const names = new Map([[weight, stem]]);
    const nodes = [dequantise(stem, [`${stem}.quantised`, ...pair], axis)];
    if (bias !== undefined && node.opType !== 'MatMul') {
      const biasStem = this.#fresh(`${node.outputs[0]}.bias`);
      const made = this.#bias(
        biasStem,
        this.#graph.initializers.get(bias)!,
        scales.map((scale) => Math.fround(scale * input.scale)),
      );
      names.set(bias, biasStem);
      nodes.push(made);
    }
    return { nodes, names };
  }

  #bias(stem: string, bias: Tensor, scales: readonly number[]): Node {
    const values = Array.from(float32Data(bias), (value, i) =>
      clamp32(Math.round(value / scales[scales.length === 1 ? 0 : i]!)),
    );
    const dims = scales.length === 1 ? [] : [scales.length];
    this.#initializers.set(`${stem}.quantised`, tensorOf('int32', bias.dims, values));
    const pair = this.#constantPair(
      stem,
      tensorOf('float32', dims, scales),
      tensorOf(
        'int32',
        dims,
        scales.map(() => 0),
      ),
    );
    return dequantise(stem, [`${stem}.quantised`, ...pair], scales.length === 1 ? undefined : 0);
  }
}

const clamp32 = (value: number): number => Math.min(2 ** 31 - 1, Math.max(-(2 ** 31), value));

function dequantise(output: string, inputs: readonly string[], axis: number | undefined): Node {
  const attributes: Node['attributes'] = axis === undefined ? {} : { axis: { type: 'int', value: axis } };
  return { name: output, opType: 'DequantizeLinear', domain: '', inputs, outputs: [output], attributes };
}

/** Symmetric int8 weights in −127…127, with a scale for each place along an axis, or one. */
function quantisedWeights(
  name: string,
  tensor: Tensor,
  axis: number | undefined,
): { data: Tensor; scales: readonly number[] } {
  const values = float32Data(tensor);
  const channels = axis === undefined ? 1 : tensor.dims[axis]!;
  const block = axis === undefined ? values.length : elementCount(tensor.dims.slice(axis + 1));
  const channelOf = (index: number): number => Math.floor(index / block) % channels;
  const largest = new Float64Array(channels);
  for (const [i, value] of values.entries()) {
    if (!Number.isFinite(value))
      throw new SanderlingError('INVALID_DATA', `the weights "${name}" hold ${value}, which cannot be quantised`, {
        where: name,
      });
    largest[channelOf(i)] = Math.max(largest[channelOf(i)]!, Math.abs(value));
  }
  const scales = Array.from(largest, (most) => Math.fround(most / 127) || 1);
  const codes = Int8Array.from(values, (value, i) =>
    Math.min(127, Math.max(-127, roundEven(value / scales[channelOf(i)]!))),
  );
  return { data: tensorOf('int8', tensor.dims, codes), scales };
}

function roundEven(value: number): number {
  const floor = Math.floor(value);
  return value - floor === 0.5 ? floor + (floor % 2 === 0 ? 0 : 1) : Math.round(value);
}
