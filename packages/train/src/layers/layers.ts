// Layers: the words in which networks are written. They write an inference graph and collect what is learnt; initial weights are PyTorch's.
import { createRandom, type Random } from '@sanderling/kit';
import { GraphBuilder, modelOf, pruneDead, tensorOf, type DataType, type Value } from '@sanderling/onnx';
import { Algebra, product } from '../algebra.ts';
import type { Network } from '../network.ts';
import { checkMultiple, checkSettings, wrongSetting } from '../settings.ts';
import { attend, type AttentionOptions } from './attention.ts';
import { perAxis, sizeOf, type PerAxis } from './sizes.ts';

/** Settings of a convolution. */
export interface ConvolutionOptions {
  readonly filters: number;
  readonly kernel: PerAxis;
  /** @default 1 */
  readonly stride?: PerAxis;
  /** Zeros on each side. @default what keeps the size at stride 1 (of odd kernels) */
  readonly padding?: PerAxis;
  /** Parts that the channels fall into, each convolved alone; as many as channels: depthwise. @default 1 */
  readonly groups?: number;
  /** @default 1 */
  readonly dilation?: PerAxis;
  /** @default true */
  readonly bias?: boolean;
}

/** Settings of a transposed convolution. */
export interface TransposedConvolutionOptions extends ConvolutionOptions {
  /** Zeros that each side of the result is cut by. @default 0 */
  readonly padding?: PerAxis;
  /** What the result is longer by at its end: of the sizes that a convolution of this stride makes equal, which one. @default 0 */
  readonly outputPadding?: PerAxis;
}

/** Settings of a pool. */
export interface PoolOptions {
  readonly kernel: PerAxis;
  /** @default the kernel */
  readonly stride?: PerAxis;
  /** What is around the edge: nothing for the maximum, zeros that count for the mean. @default 0 */
  readonly padding?: PerAxis;
}

/** Settings of a recurrent layer. */
export interface RecurrentOptions {
  /** Units of a direction. */
  readonly hidden: number;
  /** All states [batch, steps, units] instead of the last [batch, units]. @default false */
  readonly sequence?: boolean;
  /** Forwards and backwards, the states side by side: 2 · hidden units. @default false */
  readonly bidirectional?: boolean;
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

  /** An input [batch, …dims]. @param dtype int64 for ids. */
  input(name: string, dims: readonly number[], dtype: DataType = 'float32'): Value {
    checkSettings('count', { [name]: dims });
    return this.#builder.input(name, dtype, ['batch', ...dims]);
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

  /** x W ᵀ + b over the last axis: [batch, …, inputs] → [batch, …, units]. */
  dense(x: Value, units: number, name = this.#name('dense')): Value {
    checkSettings('count', { units });
    const inputs = sizeOf(x, (x.shape?.length ?? 2) - 1);
    const bound = 1 / Math.sqrt(inputs);
    const [weight, bias] = [
      this.uniform(`${name}.weight`, [units, inputs], bound),
      this.uniform(`${name}.bias`, [units], bound),
    ];
    if (x.shape?.length === 2) return this.m.gemm(x, weight, { transB: true, plus: bias });
    return this.m.add(this.m.matmul(x, this.m.transpose(weight, [1, 0])), bias);
  }

  /** A convolution of [batch, channels, …space]. */
  convolution(x: Value, options: ConvolutionOptions, name = this.#name('conv')): Value {
    const { filters, groups = 1, bias = true } = options;
    const channels = this.#channels(x, options);
    checkMultiple('the number of filters', filters, { name: 'groups', number: groups });
    const form = this.#form(x, options);
    const pads = form.kernel.map((k, i) => Math.floor(((form.dilation[i] as number) * (k - 1)) / 2));
    const padding = options.padding === undefined ? pads : perAxis(x, options.padding);
    const bound = 1 / Math.sqrt((channels / groups) * product(form.kernel));
    const weight = this.uniform(`${name}.weight`, [filters, channels / groups, ...form.kernel], bound);
    const inputs = bias ? [x, weight, this.uniform(`${name}.bias`, [filters], bound)] : [x, weight];
    return this.m.op('Conv', inputs, { ...form.attributes, pads: [...padding, ...padding] });
  }

  /** A transposed convolution of [batch, channels, …space]: each axis becomes (size − 1) · stride − 2 · padding + dilation · (kernel − 1) + outputPadding + 1 long. */
  transposedConvolution(x: Value, options: TransposedConvolutionOptions, name = this.#name('transposed')): Value {
    const { filters, groups = 1, padding = 0, outputPadding = 0, bias = true } = options;
    checkSettings('whole', { outputPadding });
    const channels = this.#channels(x, options);
    checkMultiple('the number of filters', filters, { name: 'groups', number: groups });
    const form = this.#form(x, options);
    const [cut, longer] = [perAxis(x, padding), perAxis(x, outputPadding)];
    const bound = 1 / Math.sqrt((filters / groups) * product(form.kernel));
    const weight = this.uniform(`${name}.weight`, [channels, filters / groups, ...form.kernel], bound);
    const inputs = bias ? [x, weight, this.uniform(`${name}.bias`, [filters], bound)] : [x, weight];
    const ends = { pads: [...cut, ...cut], output_padding: longer };
    return this.m.op('ConvTranspose', inputs, { ...form.attributes, ...ends });
  }

  /** A transposed convolution that enlarges every axis by `stride` (kernel = stride). */
  enlargement(x: Value, { filters, stride }: { filters: number; stride: number }, name = this.#name('enlarge')): Value {
    return this.transposedConvolution(x, { filters, kernel: stride, stride }, name);
  }

  /** Batch normalisation; running statistics follow with momentum 0.1 as PyTorch counts it. */
  batchNorm(x: Value, name = this.#name('norm')): Value {
    const channels = [sizeOf(x, 1)];
    const statistics = [this.#buffer(`${name}.mean`, channels, 0), this.#buffer(`${name}.variance`, channels, 1)];
    const learnt = [this.filled(`${name}.scale`, channels, 1), this.filled(`${name}.bias`, channels, 0)];
    return this.m.op('BatchNormalization', [x, ...learnt, ...statistics], { epsilon: 1e-5, momentum: 0.9 });
  }

  /** Layer normalisation over the last axis. */
  layerNorm(x: Value, name = this.#name('norm')): Value {
    const units = [sizeOf(x, (x.shape?.length ?? 1) - 1)];
    const learnt = [this.filled(`${name}.scale`, units, 1), this.filled(`${name}.bias`, units, 0)];
    return this.m.op('LayerNormalization', [x, ...learnt], { axis: -1, epsilon: 1e-5 });
  }

  /** Group normalisation over channels; groups must divide them. */
  groupNorm(x: Value, groups: number, name = this.#name('norm')): Value {
    const channels = [sizeOf(x, 1)];
    checkSettings('count', { groups });
    checkMultiple('the number of channels', sizeOf(x, 1), { name: 'groups', number: groups });
    const learnt = [this.filled(`${name}.scale`, channels, 1), this.filled(`${name}.bias`, channels, 0)];
    return this.m.op('GroupNormalization', [x, ...learnt], { num_groups: groups, epsilon: 1e-5 });
  }

  /** Drops a share (at least 0, below 1) in training; nothing in inference. */
  dropout(x: Value, ratio: number): Value {
    checkSettings('share', { ratio });
    return ratio === 0 ? x : this.m.op('Dropout', [x, this.m.number(ratio)]);
  }

  /** The maximum of tiles side by side, or of other windows; a rest that no window reaches is dropped. */
  maxPool(x: Value, pool: number | PoolOptions): Value {
    return this.m.op('MaxPool', [x], this.#window(x, pool));
  }

  /** The mean of tiles side by side, or of other windows; a rest that no window reaches is dropped. */
  averagePool(x: Value, pool: number | PoolOptions): Value {
    const window = this.#window(x, pool);
    return this.m.op('AveragePool', [x], { ...window, ...(window.pads === undefined ? {} : { count_include_pad: 1 }) });
  }

  /** The mean over space, [batch, channels]. */
  globalAverage(x: Value): Value {
    return this.flatten(this.m.op('GlobalAveragePool', [x]));
  }

  /** The maximum over space, [batch, channels]. */
  globalMaximum(x: Value): Value {
    return this.flatten(this.m.op('GlobalMaxPool', [x]));
  }

  /** Every entry repeated `factor` times along every axis of space. */
  upsample(x: Value, factor: number): Value {
    checkSettings('count', { factor });
    const scales = [1, 1, ...perAxis(x, factor)];
    const form = { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' };
    return this.m.op(
      'Resize',
      [x, undefined, this.m.scope.constant(tensorOf('float32', [scales.length], scales))],
      form,
    );
  }

  /** [batch, everything else]. */
  flatten(x: Value): Value {
    return this.m.op('Flatten', [x], { axis: 1 });
  }

  /** Rows of a learnt table [rows, width] for ids int64 [batch, …]: [batch, …, width]. */
  embedding(ids: Value, { rows, width }: { rows: number; width: number }, name = this.#name('embedding')): Value {
    checkSettings('count', { rows, width });
    if (ids.dtype !== 'int64' && ids.dtype !== 'int32')
      throw wrongSetting(`ids are int64, not ${ids.dtype}`, ids.name, "layers.input(name, dims, 'int64')");
    const table = this.#learnt(`${name}.weight`, [rows, width], () => this.#random.normal());
    return this.m.gather(table, ids, 0);
  }

  /** A GRU, an LSTM or a plain recurrent layer (tanh) over [batch, steps, features]. */
  recurrent(x: Value, cell: 'gru' | 'lstm' | 'rnn', options: RecurrentOptions): Value {
    if (!Object.hasOwn(cells, cell))
      throw wrongSetting(`there is no cell ${String(cell)}`, 'cell', 'use gru, lstm or rnn');
    const { hidden, sequence = false, bidirectional = false } = options;
    checkSettings('count', { hidden });
    const { m } = this;
    const { operator, gates } = cells[cell];
    const [name, ways, steps] = [this.#name(cell), bidirectional ? 2 : 1, sizeOf(x, 1)];
    const bound = 1 / Math.sqrt(hidden);
    const weights = [
      this.uniform(`${name}.input_weight`, [ways, gates * hidden, sizeOf(x, 2)], bound),
      this.uniform(`${name}.recurrent_weight`, [ways, gates * hidden, hidden], bound),
      this.uniform(`${name}.bias`, [ways, 2 * gates * hidden], bound),
    ];
    const form = {
      hidden_size: hidden,
      ...(cell === 'gru' ? { linear_before_reset: 1 } : {}),
      ...(bidirectional ? { direction: 'bidirectional' } : {}),
    };
    const [all, last] = m.scope.ops(operator, [m.transpose(x, [1, 0, 2]), ...weights], form, 2) as [Value, Value];
    if (!bidirectional && !sequence) return m.op('Squeeze', [last, m.int64([0])]);
    if (!bidirectional) return m.transpose(m.op('Squeeze', [all, m.int64([1])]), [1, 0, 2]);
    if (!sequence) return m.reshape(m.transpose(last, [1, 0, 2]), [0, 2 * hidden]);
    return m.reshape(m.transpose(all, [2, 0, 1, 3]), [0, steps, 2 * hidden]);
  }

  /**
   * Multi-head attention of [batch, steps, width] to itself or to `context`, projected in and out: [batch, steps, width].
   * @param heads Must divide the width.
   */
  attention(x: Value, heads: number, options: AttentionOptions = {}): Value {
    return attend(this, x, heads, { ...options, name: this.#name('attention') });
  }

  /** The finished network. @throws INVALID_ARGUMENT without outputs. */
  network(outputs: Readonly<Record<string, Value>>): Network {
    if (Object.keys(outputs).length === 0) throw wrongSetting('a network needs an output', 'outputs');
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

  /** The channels of what a convolution reads. @throws INVALID_ARGUMENT when its settings do not fit them. */
  #channels(x: Value, { filters, groups = 1 }: ConvolutionOptions): number {
    checkSettings('count', { filters, groups });
    const channels = sizeOf(x, 1);
    checkMultiple('the number of channels', channels, { name: 'groups', number: groups });
    return channels;
  }

  /** A convolution's geometry, one entry an axis. */
  #form(x: Value, { kernel, stride = 1, dilation = 1, groups = 1, padding }: ConvolutionOptions) {
    checkSettings('count', { kernel, stride, dilation });
    checkSettings('whole', { padding });
    const [kernels, strides, dilations] = [kernel, stride, dilation].map((one) => perAxis(x, one)) as [
      number[],
      number[],
      number[],
    ];
    const attributes = { kernel_shape: kernels, strides, dilations, group: groups };
    return { kernel: kernels, dilation: dilations, attributes };
  }

  /** A pool's geometry. */
  #window(x: Value, pool: number | PoolOptions) {
    const { kernel, stride, padding = 0 } = typeof pool === 'number' ? { kernel: pool } : pool;
    checkSettings('count', { kernel, stride });
    checkSettings('whole', { padding });
    const pads = perAxis(x, padding);
    return {
      kernel_shape: perAxis(x, kernel),
      strides: perAxis(x, stride ?? kernel),
      ...(pads.some((count) => count > 0) ? { pads: [...pads, ...pads] } : {}),
    };
  }
}
