// A recurrent (or dense) forecaster: the last value plus a learnt change, so that an untrained net says "as now" (persistence).
import type { Value } from '@sanderling/onnx';
import { Layers } from '../layers/layers.ts';
import type { Network } from '../network.ts';
import { checkSettings, wrongSetting } from '../settings.ts';

/** What carries the past: a gated recurrent unit, long short-term memory, a plain recurrent layer, or two dense layers over the whole window. */
export const forecasterCells = ['gru', 'lstm', 'rnn', 'dense'] as const;
/** The name of a cell. */
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

/**
 * The network: input `window` float32 [batch, window, features], normalised by the caller; output `forecast` [batch, horizon] =
 * last value of feature 0 + head(last hidden state). The head starts at zero.
 * @throws INVALID_ARGUMENT for sizes that are no positive whole numbers.
 */
export function forecasterNetwork(options: ForecasterOptions): Network {
  check(options);
  const { cell, window, features, horizon, hidden, dropout = 0, seed = 0 } = options;
  const layers = new Layers('forecaster', seed);
  const { m } = layers;
  const input = layers.input('window', [window, features]);
  const memory = cell === 'dense' ? dense(layers, input, hidden) : layers.recurrent(input, cell, { hidden });
  const head = {
    weight: layers.uniform('head.weight', [horizon, hidden], 0),
    bias: layers.uniform('head.bias', [horizon], 0),
  };
  const change = m.gemm(layers.dropout(memory, dropout), head.weight, { transB: true, plus: head.bias });
  const last = m.op('Squeeze', [
    m.slices(
      input,
      [1, 2],
      [
        [window - 1, window],
        [0, 1],
      ],
    ),
    m.int64([2]),
  ]);
  return layers.network({ forecast: m.add(change, last) });
}

/** Two dense layers over the flattened window, [batch, hidden]. */
function dense(layers: Layers, input: Value, hidden: number): Value {
  const { m } = layers;
  return m.relu(layers.dense(m.relu(layers.dense(layers.flatten(input), hidden)), hidden));
}

function check({ cell, window, features, horizon, hidden, dropout }: ForecasterOptions): void {
  checkSettings('count', { window, features, horizon, hidden });
  checkSettings('share', { dropout });
  if (!forecasterCells.includes(cell))
    throw wrongSetting(`there is no cell ${String(cell)}`, 'cell', `use one of ${forecasterCells.join(', ')}`);
}
