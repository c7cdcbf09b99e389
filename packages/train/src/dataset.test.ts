// Data sets from plain lists.
import { describe, expect, test } from 'vitest';
import { floats, labels, rowReaderOf } from './dataset.ts';

describe('data sets', () => {
  test('rows are counted', () => {
    expect(floats([1, 2, 3, 4, 5, 6], [3])).toEqual({
      dtype: 'float32',
      dims: [2, 3],
      data: Float32Array.of(1, 2, 3, 4, 5, 6),
    });
    expect(labels([2, 0])).toEqual({ dtype: 'int64', dims: [2], data: BigInt64Array.of(2n, 0n) });
    const own = new Float32Array(4);
    expect(floats(own, [2, 2]).data).toBe(own);
  });

  test('the reader asks for what is there', () => {
    const reader = rowReaderOf({ x: floats(new Float32Array(12), [2, 3]), target: labels([0, 1]) });
    expect(reader.inputs).toEqual([
      { name: 'x', dtype: 'float32', shape: ['rows', 2, 3] },
      { name: 'target', dtype: 'int64', shape: ['rows'] },
    ]);
  });

  test.each([
    ['half a row', () => floats([1, 2, 3], [2])],
    ['rows of nothing', () => floats([1, 2], [0])],
    ['half a label', () => labels([1, 0.5])],
    ['a label that is no number', () => labels([Number.NaN])],
  ])('refuses %s', (_, make) => {
    expect(make).toThrow(expect.objectContaining({ code: 'INVALID_DATA' }));
  });
});
