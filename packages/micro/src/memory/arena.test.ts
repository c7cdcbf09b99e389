// The arena: blocks that live at the same time never overlap, and small cases are as small as can be.
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { packArena, type Block } from './arena.ts';

const block = fc
  .record({ bytes: fc.integer({ min: 1, max: 5000 }), first: fc.nat(30), length: fc.nat(10) })
  .map(({ bytes, first, length }): Block => ({ bytes, first, last: first + length }));

test('no two blocks that live at the same time overlap, and the bound is never undercut', () => {
  fc.assert(
    fc.property(fc.array(block, { maxLength: 40 }), (blocks) => {
      const { offsets, bytes, bound } = packArena(blocks);
      expect(bytes).toBeGreaterThanOrEqual(bound);
      for (const [i, a] of blocks.entries()) {
        expect(offsets[i]! % 8).toBe(0);
        expect(offsets[i]! + a.bytes).toBeLessThanOrEqual(bytes);
        for (const [j, b] of blocks.entries()) {
          const together = j > i && a.first <= b.last && b.first <= a.last;
          if (together) expect(offsets[i]! + a.bytes <= offsets[j]! || offsets[j]! + b.bytes <= offsets[i]!).toBe(true);
        }
      }
    }),
    { numRuns: 60, seed: 3 },
  );
});

test('random plans stay within 1.10 of the bound in the median', () => {
  const ratios = fc
    .sample(fc.array(block, { minLength: 5, maxLength: 30 }), { numRuns: 60, seed: 11 })
    .map((blocks) => {
      const { bytes, bound } = packArena(blocks);
      return bytes / bound;
    });
  expect(ratios.toSorted((a, b) => a - b)[30]).toBeLessThan(1.1);
});

test('a chain needs its two largest neighbours, a residual its three', () => {
  const chain = [400, 800, 200, 1600].map((bytes, i) => ({ bytes, first: i, last: i + 1 }));
  expect(packArena(chain)).toMatchObject({ bytes: 1800, bound: 1800 });
  expect(packArena([{ bytes: 100, first: 0, last: 3 }, ...chain])).toMatchObject({ bound: 1904, bytes: 1904 });
  expect(packArena([])).toMatchObject({ bytes: 0, bound: 0 });
});
