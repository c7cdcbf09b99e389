// A recurrent (or dense) forecaster: the last value plus a learnt change, so that an untrained net says "as now" (persistence).
import { createRandom, SanderlingError, type Random } from '@sanderling/kit';
import { GraphBuilder, tensorOf, type Value } from '@sanderling/onnx';
import { Algebra, product } from '../algebra.ts';
import type { Network } from '../network.ts';

/** What carries the past: a gated recurrent unit, long short-term memory, or two dense layers over the whole window. */
export const forecasterCells = ['gru', 'lstm', 'dense'] as const;
export type ForecasterCell = (typeof forecasterCells)[number];

/** The shape of a forecaster. */
export interface ForecasterOptions {
  readonly cell: ForecasterCell;
  /** Rows of the past. */
  readonly window: number;
  /** Columns of a row; column 0 is what is forecast. */
  readonly features: number;
  /** Rows of the future. */
  readonly horizon: number;
  /** Hidden units. */
  readonly hidden: number;
  /** Share of hidden units dropped in training, 0 ≤ dropout < 1. @default 0 */
  readonly dropout?: number;
  /** Seed of the initial weights. @default 0 */
  readonly seed?: number | string;
}

/** Writes a network and collects its parameters. */
class Parameters {
  readonly names: string[] = [];
  readonly #builder: GraphBuilder;
  readonly #random: Random;

  constructor(builder: GraphBuilder, random: Random) {
    this.#builder = builder;
    this.#random = random;
  }

  /** Uniform in ±bound, as PyTorch initialises; bound 0 gives zeros. */
  uniform(name: string, dims: readonly number[], bound: number): Value {
    this.names.push(name);
    const numbers = Float32Array.from({ length: product(dims) }, () =>
      bound === 0 ? 0 : this.#random.uniform(-bound, bound),
    );
    return this.#builder.initializer(name, tensorOf('float32', dims, numbers));
  }
}

/**
 * The network: input `window` float32 [batch, window, features], normalised by the caller; output `forecast` [batch, horizon] =
 * last value of feature 0 + head(last hidden state). The head starts at zero.
 * @throws INVALID_ARGUMENT for sizes that are no positive whole numbers.
 */
export function forecasterNetwork(options: ForecasterOptions): Network {
  check(options);
  const { cell, window, features, horizon, hidden, dropout = 0, seed = 0 } = options;
  const builder = new GraphBuilder('forecaster');
  const m = new Algebra(builder);
  const parameters = new Parameters(builder, createRandom(seed, 'weights'));
  const input = builder.input('window', 'float32', ['batch', window, features]);
  const memory =
    cell === 'dense' ? dense(m, input, { parameters, options }) : recurrent(m, input, { parameters, options });
  const kept = dropout === 0 ? memory : m.op('Dropout', [memory, m.number(dropout)]);
  const change = m.gemm(kept, parameters.uniform('head.weight', [horizon, hidden], 0), {
    transB: true,
    plus: parameters.uniform('head.bias', [horizon], 0),
  });
  const last = m.slices(
    input,
    [1, 2],
    [
      [window - 1, window],
      [0, 1],
    ],
  );
  builder.output('forecast', m.add(change, m.op('Squeeze', [last, m.int64([2])])));
  return { graph: builder.build(), parameters: parameters.names, buffers: [] };
}

interface Making {
  readonly parameters: Parameters;
  readonly options: ForecasterOptions;
}

/** The last hidden state of a GRU or LSTM over the window, [batch, hidden]. */
function recurrent(m: Algebra, input: Value, { parameters, options }: Making): Value {
  const { cell, features, hidden } = options;
  const [operator, gates] = cell === 'gru' ? (['GRU', 3] as const) : (['LSTM', 4] as const);
  const bound = 1 / Math.sqrt(hidden);
  const weights = [
    parameters.uniform(`${cell}.input_weight`, [1, gates * hidden, features], bound),
    parameters.uniform(`${cell}.recurrent_weight`, [1, gates * hidden, hidden], bound),
    parameters.uniform(`${cell}.bias`, [1, 2 * gates * hidden], bound),
  ];
  const form = cell === 'gru' ? { hidden_size: hidden, linear_before_reset: 1 } : { hidden_size: hidden };
  const outputs = m.scope.ops(operator, [m.transpose(input, [1, 0, 2]), ...weights], form, 2);
  return m.op('Squeeze', [outputs[1], m.int64([0])]);
}

/** Two dense layers over the flattened window, [batch, hidden]. */
function dense(m: Algebra, input: Value, { parameters, options }: Making): Value {
  const { window, features, hidden } = options;
  const layer = (x: Value, name: string, inputs: number) => {
    const bound = 1 / Math.sqrt(inputs);
    const weight = parameters.uniform(`${name}.weight`, [hidden, inputs], bound);
    return m.relu(m.gemm(x, weight, { transB: true, plus: parameters.uniform(`${name}.bias`, [hidden], bound) }));
  };
  return layer(layer(m.op('Flatten', [input], { axis: 1 }), 'dense1', window * features), 'dense2', hidden);
}

function check({ cell, window, features, horizon, hidden, dropout = 0 }: ForecasterOptions): void {
  for (const [name, size] of Object.entries({ window, features, horizon, hidden })) {
    if (Number.isSafeInteger(size) && size > 0) continue;
    throw new SanderlingError('INVALID_ARGUMENT', `${name} must be a positive whole number, not ${size}`, {
      where: name,
    });
  }
  if (!(dropout >= 0 && dropout < 1))
    throw new SanderlingError('INVALID_ARGUMENT', `dropout must be at least 0 and below 1, not ${dropout}`, {
      where: 'dropout',
    });
  if (!forecasterCells.includes(cell)) {
    throw new SanderlingError('INVALID_ARGUMENT', `there is no cell ${String(cell)}`, {
      where: 'cell',
      fix: `use one of ${forecasterCells.join(', ')}`,
    });
  }
}
