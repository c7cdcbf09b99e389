// Data sets in few words: tensors from lists of numbers, and the reader that fits them.
import { SanderlingError } from '@sanderling/kit';
import type { RunTensor } from '@sanderling/onnx';
import { product } from './algebra.ts';
import { rowReader, type BatchReader } from './compile/reader.ts';
import type { Dataset } from './fit/runtime.ts';

/**
 * Numbers as a float32 tensor [rows, …dims]. @param dims The sizes of one row; none for a single number. A Float32Array is used as it is.
 * @throws INVALID_DATA when the numbers make no whole rows.
 */
export function floats(numbers: ArrayLike<number>, dims: readonly number[] = []): RunTensor {
  const data = numbers instanceof Float32Array ? numbers : Float32Array.from(numbers);
  return { dtype: 'float32', dims: [rowsIn(numbers, dims), ...dims], data };
}

/** Class numbers or ids as an int64 tensor [rows, …dims]. @throws INVALID_DATA when they make no whole rows, or one is no whole number. */
export function labels(numbers: ArrayLike<number>, dims: readonly number[] = []): RunTensor {
  const all = Array.from(numbers);
  const bad = all.findIndex((label) => !Number.isSafeInteger(label));
  if (bad >= 0)
    throw new SanderlingError('INVALID_DATA', `${all[bad]} at position ${bad} is no whole number`, { where: 'labels' });
  return { dtype: 'int64', dims: [rowsIn(numbers, dims), ...dims], data: BigInt64Array.from(all, BigInt) };
}

/** The reader of a data set that has a sample a row: every tensor's first axis is the rows. */
export function rowReaderOf(data: Dataset): BatchReader {
  return rowReader(
    Object.fromEntries(Object.entries(data).map(([name, { dtype, dims }]) => [name, { dtype, dims: dims.slice(1) }])),
  );
}

function rowsIn(numbers: ArrayLike<number>, dims: readonly number[]): number {
  const rows = numbers.length / product(dims);
  if (Number.isInteger(rows)) return rows;
  throw new SanderlingError('INVALID_DATA', `${numbers.length} numbers make no whole rows of [${dims.join(', ')}]`, {
    where: 'dims',
  });
}
