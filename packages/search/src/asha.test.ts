import { createRandom, SanderlingError } from '@sanderling/kit';
import { anything, array, assert, double, integer, property, tuple } from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createAsha, restoreAsha } from './index.ts';

describe('ASHA', () => {
  test('of each rung the best quarter goes on, at least the best', () => {
    const asha = createAsha({ reduction: 4 });
    const verdicts = [5, 6, 4, 7, 8, 4.5, 3, 9].map((value, trial) => asha.report(trial, 1, value));
    // With 8 at the rung two places are open; 4.5 came third of six when one place was open.
    expect(verdicts).toEqual(['continue', 'stop', 'continue', 'stop', 'stop', 'stop', 'continue', 'stop']);
    expect(asha.report(8, 1, 3.5)).toBe('continue');
  });

  test('between rungs nothing is stopped, and a repeated report is answered the same', () => {
    const asha = createAsha({ minResource: 2, reduction: 3 });
    asha.report(0, 2, 1);
    expect(asha.report(1, 1, 99)).toBe('continue');
    expect(asha.report(1, 2, 2)).toBe('stop');
    expect(asha.report(1, 2, 0)).toBe('stop');
    expect(asha.report(0, 5, 50)).toBe('continue');
    asha.report(2, 6, 0.5);
    expect(asha.report(0, 6, 50)).toBe('stop');
  });

  test('a trial that ran to the end is not stopped', () => {
    const asha = createAsha({ reduction: 2, maxResource: 4 });
    asha.report(0, 4, 1);
    asha.report(1, 1, 0.5);
    asha.report(1, 2, 0.5);
    expect(asha.report(1, 4, 9)).toBe('continue');
  });

  test('a loss that is no number stops the trial, and counts as the worst', () => {
    const asha = createAsha();
    expect(asha.report(0, 1, Number.NaN)).toBe('stop');
    expect(asha.report(1, 1, -Infinity)).toBe('stop');
    expect(asha.report(2, 1, 1e9)).toBe('continue');
    expect(createAsha({ direction: 'maximize' }).report(0, 1, Infinity)).toBe('stop');
  });

  test('maximising is minimising the negative', () => {
    assert(
      property(array(tuple(integer({ min: 0, max: 20 }), integer({ min: 1, max: 64 }), integer())), (reports) => {
        const up = createAsha({ direction: 'maximize', reduction: 2 });
        const down = createAsha({ reduction: 2 });
        for (const [trial, step, value] of reports)
          expect(up.report(trial, step, value)).toBe(down.report(trial, step, -value));
      }),
    );
  });

  test('whoever is the best of its rung goes on, and a restored scheduler says the same', () => {
    assert(
      property(
        array(
          tuple(integer({ min: 0, max: 30 }), integer({ min: 1, max: 256 }), double({ noNaN: true, min: -9, max: 9 })),
        ),
        (reports) => {
          let asha = createAsha({ brackets: 2 });
          const copy = createAsha({ brackets: 2 });
          let best = Infinity;
          for (const [trial, step, value] of reports) {
            const fresh = asha.state().rungs.every(({ costs }) => !costs.some(([id]) => id === trial));
            const verdict = asha.report(trial, step, value);
            if (fresh && value < best) expect(verdict).toBe('continue');
            best = Math.min(best, value);
            expect(copy.report(trial, step, value)).toBe(verdict);
            asha = restoreAsha(JSON.parse(JSON.stringify(asha.state())));
          }
        },
      ),
      { numRuns: 50 },
    );
  });

  test('spends a fraction of the steps and still runs one of the best trials to the end', () => {
    const shares: number[] = [];
    const places: number[] = [];
    for (let seed = 0; seed < 20; seed++) {
      const random = createRandom(seed);
      const asha = createAsha({ reduction: 3, maxResource: 81 });
      const ends = Array.from({ length: 100 }, () => ({ final: random.next(), rate: random.uniform(0.5, 2) }));
      let steps = 0;
      const finished: number[] = [];
      for (const [trial, { final, rate }] of ends.entries()) {
        for (let step = 1; step <= 81; step++) {
          steps++;
          if (asha.report(trial, step, final + rate / step) === 'stop') break;
          if (step === 81) finished.push(final);
        }
      }
      shares.push(steps / 8100);
      places.push(ends.filter(({ final }) => final < Math.min(...finished)).length);
    }
    const median = (values: number[]) => values.toSorted((a, b) => a - b)[10]!;
    expect(median(shares)).toBeLessThan(0.25);
    expect(median(places)).toBeLessThanOrEqual(4);
  });

  test('refuses what is no trial, no step, no option, no state', () => {
    const asha = createAsha();
    for (const [trial, step] of [
      [-1, 1],
      [0.5, 1],
      [0, 0],
      [0, Number.NaN],
      [0, Infinity],
    ] as const) {
      expect(() => asha.report(trial, step, 1)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    }
    expect(() => createAsha({ reduction: 1 })).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG' }));
    expect(() => createAsha({ direction: 'up' as never })).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG' }));
    assert(
      property(anything(), (json) => {
        expect(() => restoreAsha({ version: 1, options: {}, rungs: [json] })).toThrow(SanderlingError);
      }),
    );
  });
});
