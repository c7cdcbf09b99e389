// Batches cut inside the graph: the data set is fed once and stays in one tensor; a step gathers its batch by index.
import { tensorOf, type DataType, type Shape, type Value } from '@sanderling/onnx';
import type { Algebra } from '../algebra.ts';

/** One tensor of a data set, as the graph declares it. */
export interface DataInput {
  readonly name: string;
  readonly dtype: DataType;
  readonly shape: Shape;
}

/** How a batch is made from the data set and an index. */
export interface BatchReader {
  readonly inputs: readonly DataInput[];
  /** @param index int32 [batch]. @returns The network's inputs by name, and `target`. */
  read(m: Algebra, index: Value, data: ReadonlyMap<string, Value>): ReadonlyMap<string, Value>;
  /** How many samples a data set has: the index may hold 0 … positions − 1. @param dims The sizes of a data input. */
  positions(dims: (name: string) => readonly number[]): number;
}

/** The name under which a reader gives what is right. */
export const targetName = 'target';

/** One column of a data set that holds a sample a row. */
export interface Column {
  readonly dtype: DataType;
  /** The sizes of one sample. */
  readonly dims: readonly number[];
}

/** Samples as rows of tensors: `{ x: …, target: … }`; the index is the row number. */
export function rowReader(columns: Readonly<Record<string, Column>>): BatchReader {
  const entries = Object.entries(columns);
  return {
    inputs: entries.map(([name, { dtype, dims }]) => ({ name, dtype, shape: ['rows', ...dims] })),
    positions: (dims) => Math.min(...entries.map(([name]) => dims(name)[0] ?? 0)),
    read: (m, index, data) => new Map(entries.map(([name]) => [name, m.gather(data.get(name) as Value, index, 0)])),
  };
}

/** Windows of a series. Lengths in rows. */
export interface SeriesWindows {
  readonly window: number;
  readonly horizon: number;
  readonly features: number;
}

/**
 * Windows of one series [rows, features]; the index is a window's first row. A sample that starts at s reads rows s … s+window−1 as `window`
 * and feature 0 of rows s+window … s+window+horizon−1 as target, so overlapping windows take no memory.
 */
export function seriesReader({ window, horizon, features }: SeriesWindows): BatchReader {
  const rowsFrom = (m: Algebra, index: Value, [first, count]: readonly [number, number]) => {
    const offsets = Int32Array.from({ length: count }, (_, i) => first + i);
    return m.add(m.op('Unsqueeze', [index, m.int64([1])]), m.scope.constant(tensorOf('int32', [1, count], offsets)));
  };
  return {
    positions: (dims) => Math.max(0, (dims('series')[0] ?? 0) - window - horizon + 1),
    inputs: [{ name: 'series', dtype: 'float32', shape: ['rows', features] }],
    read: (m, index, data) => {
      const series = data.get('series') as Value;
      const ahead = m.gather(series, rowsFrom(m, index, [window, horizon]), 0);
      const target = m.op('Squeeze', [m.slice(ahead, 2, [0, 1]), m.int64([2])]);
      return new Map([
        ['window', m.gather(series, rowsFrom(m, index, [0, window]), 0)],
        [targetName, target],
      ]);
    },
  };
}
