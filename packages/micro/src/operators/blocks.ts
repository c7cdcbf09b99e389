// Sums in blocks of rows: constant matrices are stored so that the rows of a block lie interleaved, and every element of x is read once for all of them.
import { rowsTogether } from '../emit/products.ts';
import type { ElementType } from '../ir.ts';

/** Rows that are summed at once: as many as share an element of x without running out of registers. */
const rowsAtOnce = 4;

/** The sizes of the blocks that `rows` are cut into: all of one size where one from 4 to 2 divides them, else fours and a rest. */
export function blockSizes(rows: number): { readonly size: number; readonly full: number; readonly rest: number } {
  const size = [rowsAtOnce, 3, 2].find((divisor) => rows % divisor === 0) ?? Math.min(rows, rowsAtOnce);
  return { size, full: rows - (rows % size), rest: rows % size };
}

/** A matrix [rows, depth] by its elements. */
export interface Matrix {
  readonly rows: number;
  readonly depth: number;
  readonly at: (row: number, k: number) => number;
}

/** [rows, depth] with the rows of each block of `size` interleaved: block after block, and in it depth × rows of the block. */
export function interleaved({ rows, depth, at }: Matrix, size: number): Float64Array {
  const packed = new Float64Array(rows * depth);
  let next = 0;
  for (let row = 0; row < rows; row += size)
    for (let k = 0; k < depth; k += 1)
      for (let one = row; one < Math.min(rows, row + size); one += 1) packed[next++] = at(one, k);
  return packed;
}

/** The form that the helper `multiply` takes: eights interleaved, then four, the last rows % 4 one after another. */
export function forMultiply({ rows, depth, at }: Matrix): Float64Array {
  const packed = new Float64Array(rows * depth);
  let from = 0;
  for (const size of [rowsTogether, rowsTogether / 2, 1])
    while (rows - from >= size) {
      const first = from;
      packed.set(interleaved({ rows: size, depth, at: (row, k) => at(first + row, k) }, size), first * depth);
      from += size;
    }
  return packed;
}

/** The name of the helper for y = start + W x. */
export const multiplyHelper = (dtype: ElementType): string => (dtype === 'float32' ? 'multiplyf' : 'multiply');
