// Layers: the words in which networks are written. They write an inference graph and collect what is learnt; initial weights are PyTorch's.
import { createRandom, SanderlingError, type Random } from '@sanderling/kit';
import { GraphBuilder, modelOf, pruneDead, tensorOf, type Value } from '@sanderling/onnx';
import { Algebra, product } from '../algebra.ts';
import type { Network } from '../network.ts';

/** Settings of a convolution. Sizes apply to every axis of space. */
export interface ConvolutionOptions {
  readonly filters: number;
  readonly kernel: number;
  /** @default 1 */
  readonly stride?: number;
  /** Zeros on each side. @default what keeps the size at stride 1 */
  readonly padding?: number;
  /** @default 1 */
  readonly groups?: number;
  /** @default 1 */
  readonly dilation?: number;
  /** @default true */
  readonly bias?: boolean;
}

/** Settings of a recurrent layer. */
export interface RecurrentOptions {
  readonly hidden: number;
  /** All states [batch, steps, hidden] instead of the last [batch, hidden]. @default false */
  readonly sequence?: boolean;
}

/** Operators and gates of the recurrent layers. */
const cells = {
  gru: { operator: 'GRU', gates: 3 },
  lstm: { operator: 'LSTM', gates: 4 },
  rnn: { operator: 'RNN', gates: 1 },
} as const;

/** Writes one network. */
export class Layers {
  readonly m: Algebra;
  readonly #builder: GraphBuilder;
  readonly #random: Random;
  readonly #parameters: string[] = [];
  readonly #buffers: string[] = [];
  readonly #counts = new Map<string, number>();

  /** @param seed Seed of the initial weights. */
  constructor(name: string, seed: number | string = 0) {
    this.#builder = new GraphBuilder(name);
    this.#random = createRandom(seed, 'weights');
    this.m = new Algebra(this.#builder);
  }

  /** An input [batch, …dims], float32. */
  input(name: string, dims: readonly number[]): Value {
    return this.#builder.input(name, 'float32', ['batch', ...dims]);
  }

  /**
   * Puts an existing network into this one: its inputs, weights and nodes. Returns every value by its old name, so that new layers can go on
   * from any of them; what no output needs is dropped by `network`.
   */
  append({ graph, parameters, buffers }: Network): ReadonlyMap<string, Value> {
    const values = this.#builder.append(graph);
    const now = (name: string) => values.get(name)?.name ?? name;
    this.#parameters.push(...parameters.map(now));
    this.#buffers.push(...buffers.map(now));
    return values;
  }

  /** A learnt tensor, uniform in ±bound (0: zeros). */
  uniform(name: string, dims: readonly number[], bound: number): Value {
    return this.#learnt(name, dims, () => (bound === 0 ? 0 : this.#random.uniform(-bound, bound)));
  }

  /** A learnt tensor filled with one number. */
  filled(name: string, dims: readonly number[], number: number): Value {
    return this.#learnt(name, dims, () => number);
  }

  /** x W ᵀ + b over the last axis: [batch, inputs] → [batch, units]. */
  dense(x: Value, units: number, name = this.#name('dense')): Value {
    const inputs = size(x, 1);
    const bound = 1 / Math.sqrt(inputs);
    const weight = this.uniform(`${name}.weight`, [units, inputs], bound);
    return this.m.gemm(x, weight, { transB: true, plus: this.uniform(`${name}.bias`, [units], bound) });
  }

  /** A convolution of [batch, channels, …space]. */
  convolution(x: Value, options: ConvolutionOptions, name = this.#name('conv')): Value {
    const { filters, kernel, stride = 1, dilation = 1, groups = 1, bias = true } = options;
    const { padding = Math.floor((dilation * (kernel - 1)) / 2) } = options;
    const axes = this.#axes(x);
    const perGroup = size(x, 1) / groups;
    const bound = 1 / Math.sqrt(perGroup * kernel ** axes);
    const weight = this.uniform(`${name}.weight`, [filters, perGroup, ...repeat(kernel, axes)], bound);
    const inputs = bias ? [x, weight, this.uniform(`${name}.bias`, [filters], bound)] : [x, weight];
    return this.m.op('Conv', inputs, {
      kernel_shape: repeat(kernel, axes),
      strides: repeat(stride, axes),
      dilations: repeat(dilation, axes),
      pads: repeat(padding, 2 * axes),
      group: groups,
    });
  }

  /** A transposed convolution that enlarges every axis by `stride` (kernel = stride). */
  enlargement(x: Value, { filters, stride }: { filters: number; stride: number }, name = this.#name('enlarge')): Value {
    const axes = this.#axes(x);
    const bound = 1 / Math.sqrt(filters * stride ** axes);
    const weight = this.uniform(`${name}.weight`, [size(x, 1), filters, ...repeat(stride, axes)], bound);
    const shape = { kernel_shape: repeat(stride, axes), strides: repeat(stride, axes) };
    return this.m.op('ConvTranspose', [x, weight, this.uniform(`${name}.bias`, [filters], bound)], shape);
  }

  /** Batch normalisation; running statistics follow with momentum 0.1 as PyTorch counts it. */
  batchNorm(x: Value, name = this.#name('norm')): Value {
    const channels = [size(x, 1)];
    const statistics = [this.#buffer(`${name}.mean`, channels, 0), this.#buffer(`${name}.variance`, channels, 1)];
    const learnt = [this.filled(`${name}.scale`, channels, 1), this.filled(`${name}.bias`, channels, 0)];
    return this.m.op('BatchNormalization', [x, ...learnt, ...statistics], { epsilon: 1e-5, momentum: 0.9 });
  }

  /** Layer normalisation over the last axis. */
  layerNorm(x: Value, name = this.#name('norm')): Value {
    const units = [size(x, (x.shape?.length ?? 1) - 1)];
    const learnt = [this.filled(`${name}.scale`, units, 1), this.filled(`${name}.bias`, units, 0)];
    return this.m.op('LayerNormalization', [x, ...learnt], { axis: -1, epsilon: 1e-5 });
  }

  /** Group normalisation over channels. */
  groupNorm(x: Value, groups: number, name = this.#name('norm')): Value {
    const channels = [size(x, 1)];
    const learnt = [this.filled(`${name}.scale`, channels, 1), this.filled(`${name}.bias`, channels, 0)];
    return this.m.op('GroupNormalization', [x, ...learnt], { num_groups: groups, epsilon: 1e-5 });
  }

  /** Drops a share in training; nothing in inference. */
  dropout(x: Value, ratio: number): Value {
    return ratio === 0 ? x : this.m.op('Dropout', [x, this.m.number(ratio)]);
  }

  /** The maximum of non-overlapping tiles. */
  maxPool(x: Value, tile: number): Value {
    const shape = repeat(tile, this.#axes(x));
    return this.m.op('MaxPool', [x], { kernel_shape: shape, strides: shape });
  }

  /** The mean of non-overlapping tiles. */
  averagePool(x: Value, tile: number): Value {
    const shape = repeat(tile, this.#axes(x));
    return this.m.op('AveragePool', [x], { kernel_shape: shape, strides: shape });
  }

  /** The mean over space, [batch, channels]. */
  globalAverage(x: Value): Value {
    return this.flatten(this.m.op('GlobalAveragePool', [x]));
  }

  /** Every entry repeated `factor` times along every axis of space. */
  upsample(x: Value, factor: number): Value {
    const scales = this.#builder.constant(
      tensorOf('float32', [this.#axes(x) + 2], [1, 1, ...repeat(factor, this.#axes(x))]),
    );
    const form = { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' };
    return this.m.op('Resize', [x, undefined, scales], form);
  }

  /** [batch, everything else]. */
  flatten(x: Value): Value {
    return this.m.op('Flatten', [x], { axis: 1 });
  }

  /** Rows of a learnt table [rows, width] for ids int64. */
  embedding(ids: Value, { rows, width }: { rows: number; width: number }, name = this.#name('embedding')): Value {
    const table = this.#learnt(`${name}.weight`, [rows, width], () => this.#random.normal());
    return this.m.gather(table, ids, 0);
  }

  /** A GRU, an LSTM or a plain recurrent layer (tanh) over [batch, steps, features]. */
  recurrent(x: Value, cell: 'gru' | 'lstm' | 'rnn', options: RecurrentOptions): Value {
    const { hidden, sequence = false } = options;
    const { operator, gates } = cells[cell];
    const name = this.#name(cell);
    const bound = 1 / Math.sqrt(hidden);
    const weights = [
      this.uniform(`${name}.input_weight`, [1, gates * hidden, size(x, 2)], bound),
      this.uniform(`${name}.recurrent_weight`, [1, gates * hidden, hidden], bound),
      this.uniform(`${name}.bias`, [1, 2 * gates * hidden], bound),
    ];
    const form = cell === 'gru' ? { hidden_size: hidden, linear_before_reset: 1 } : { hidden_size: hidden };
    const outputs = this.#builder.ops(operator, [this.m.transpose(x, [1, 0, 2]), ...weights], form, 2);
    if (!sequence) return this.m.op('Squeeze', [outputs[1], this.m.int64([0])]);
    return this.m.transpose(this.m.op('Squeeze', [outputs[0], this.m.int64([1])]), [1, 0, 2]);
  }

  /** Multi-head self-attention over [batch, steps, width] (Vaswani et al. 2017), projected in and out. */
  attention(x: Value, heads: number): Value {
    const { m } = this;
    const name = this.#name('attention');
    const [steps, width] = [size(x, 1), size(x, 2)];
    const depth = width / heads;
    const bound = 1 / Math.sqrt(width);
    const project = (value: Value, part: string, units: number) =>
      m.add(
        m.matmul(value, this.uniform(`${name}.${part}_weight`, [width, units], bound)),
        this.uniform(`${name}.${part}_bias`, [units], 0),
      );
    const parts = m.split(project(x, 'in', 3 * width), 2, [width, width, width]);
    const byHead = (value: Value, perm: number[]) => m.transpose(m.reshape(value, [0, steps, heads, depth]), perm);
    const [query, key, value] = parts as [Value, Value, Value];
    const scores = m.mul(m.matmul(byHead(query, [0, 2, 1, 3]), byHead(key, [0, 2, 3, 1])), 1 / Math.sqrt(depth));
    const mixed = m.matmul(m.op('Softmax', [scores], { axis: -1 }), byHead(value, [0, 2, 1, 3]));
    return project(m.reshape(m.transpose(mixed, [0, 2, 1, 3]), [0, steps, width]), 'out', width);
  }

  /** The finished network. */
  network(outputs: Readonly<Record<string, Value>>): Network {
    for (const [name, value] of Object.entries(outputs)) this.#builder.output(name, value);
    const { graph } = pruneDead(modelOf(this.#builder.build()));
    const isKept = (name: string) => graph.initializers.has(name);
    return { graph, parameters: this.#parameters.filter(isKept), buffers: this.#buffers.filter(isKept) };
  }

  #learnt(name: string, dims: readonly number[], each: () => number): Value {
    this.#parameters.push(name);
    return this.#builder.initializer(
      name,
      tensorOf('float32', dims, Float32Array.from({ length: product(dims) }, each)),
    );
  }

  #buffer(name: string, dims: readonly number[], number: number): Value {
    this.#buffers.push(name);
    return this.#builder.initializer(name, tensorOf('float32', dims, new Float32Array(product(dims)).fill(number)));
  }

  /** conv1, conv2 … */
  #name(kind: string): string {
    const count = (this.#counts.get(kind) ?? 0) + 1;
    this.#counts.set(kind, count);
    return `${kind}${count}`;
  }

  #axes(x: Value): number {
    return (x.shape?.length ?? 0) - 2;
  }
}

const repeat = (number: number, count: number): number[] => Array.from({ length: count }, () => number);

/** The size of an axis that must be known. @throws INVALID_ARGUMENT when it is not. */
function size(x: Value, axis: number): number {
  const dim = x.shape?.[axis];
  if (typeof dim === 'number') return dim;
  throw new SanderlingError(
    'INVALID_ARGUMENT',
    `a layer needs to know axis ${axis} of ${x.name} [${x.shape?.join(', ') ?? '?'}]`,
    { where: x.name },
  );
}
