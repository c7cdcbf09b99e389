import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  encodeSeries,
  parsePreprocessing,
  resample,
  WindowBuffer,
  type FeatureName,
  type Preprocessing,
  type Reading,
} from './index.ts';

const minute = 60_000;
const allFeatures: FeatureName[] = [
  'value',
  'difference',
  'hour-sin',
  'hour-cos',
  'weekday-sin',
  'weekday-cos',
  'year-sin',
  'year-cos',
];

function preprocessing(given: Partial<Preprocessing> = {}): Preprocessing {
  return parsePreprocessing({
    version: 1,
    stepMs: 10 * minute,
    offsetMs: 0,
    window: 4,
    horizon: 2,
    features: allFeatures,
    mean: 20,
    std: 2,
    differenceStd: 0.5,
    clampSigma: 8,
    maxInterpolateSteps: 1,
    unit: '°C',
    ...given,
  });
}

/** What the batch makes of the same readings: the last window, or undefined when it is not complete. */
function batchWindow(readings: readonly Reading[], p: Preprocessing): Float32Array | undefined {
  const grid = resample(readings, p);
  if (grid.values.length < p.window || grid.values.subarray(-p.window).some(Number.isNaN)) return undefined;
  return encodeSeries(grid, p).series.slice(-p.window * p.features.length);
}

const settings = fc.record({
  window: fc.integer({ min: 1, max: 6 }),
  maxInterpolateSteps: fc.integer({ min: 0, max: 3 }),
  offsetMs: fc.constantFrom(0, 61_000, 299_999),
});

describe('WindowBuffer', () => {
  it('gives, for any stream without stale readings, exactly the window of the batch', () => {
    const start = 1.6e12;
    // Steps forward, back a little, and not at all; holes of several cells; several readings in a cell.
    const moves = fc.array(fc.tuple(fc.integer({ min: -25, max: 40 }), fc.double({ min: -10, max: 60, noNaN: true })), {
      minLength: 1,
      maxLength: 60,
    });
    let complete = 0;
    fc.assert(
      fc.property(moves, settings, (list, given) => {
        const p = preprocessing(given);
        const buffer = new WindowBuffer(p, { keepRows: 1000, staleBeforeRestart: 1000 });
        const readings: Reading[] = [];
        let time = start;
        for (const [minutes, value] of list) {
          time += minutes * minute;
          readings.push({ time, value });
          expect(buffer.push({ time, value })).not.toBe('stale');
          const expected = batchWindow(readings, p);
          expect(buffer.ready).toBe(expected !== undefined);
          if (expected === undefined) continue;
          complete++;
          expect(buffer.window()).toEqual(expected);
        }
      }),
      { numRuns: 300 },
    );
    expect(complete).toBeGreaterThan(200);
  });

  it('survives a restart anywhere: its stored state goes on as if nothing had happened', () => {
    const readings = fc.array(fc.tuple(fc.integer({ min: 0, max: 15 }), fc.double({ min: 0, max: 40, noNaN: true })), {
      maxLength: 40,
    });
    fc.assert(
      fc.property(readings, fc.nat(40), (list, cut) => {
        const p = preprocessing();
        const [kept, restarted] = [new WindowBuffer(p), new WindowBuffer(p)];
        let time = 1.6e12;
        let second = restarted;
        for (const [i, [minutes, value]] of list.entries()) {
          time += minutes * minute;
          if (i === cut) {
            second = new WindowBuffer(p);
            second.restore(JSON.parse(JSON.stringify(restarted.state())) as ReturnType<WindowBuffer['state']>);
          }
          expect(second.push({ time, value })).toBe(kept.push({ time, value }));
          if (kept.ready) expect(second.window()).toEqual(kept.window());
        }
      }),
    );
  });

  it('says what became of each reading', () => {
    const buffer = new WindowBuffer(preprocessing({ window: 2 }), { now: () => 100 * minute, keepRows: 0 });
    const push = (minutes: number, value = 20): string => buffer.push({ time: minutes * minute, value });
    expect(push(0)).toBe('filling');
    expect(push(10)).toBe('ready');
    expect(push(10, 21)).toBe('duplicate');
    expect(buffer.lastValue).toBe(21);
    expect(push(9)).toBe('late');
    expect(push(30)).toBe('ready');
    expect(push(70)).toBe('gap');
    expect(push(80)).toBe('ready');
    expect(push(0)).toBe('stale');
    expect(push(90, Number.NaN)).toBe('invalid');
    expect(push(100 + 1441)).toBe('future');
    expect(buffer.lastTime).toBe(80 * minute);
  });

  it('starts over when the clock has gone back for good, but not for one stray reading', () => {
    const buffer = new WindowBuffer(preprocessing({ window: 2 }), { keepRows: 0 });
    for (const minutes of [1000, 1010, 1020]) buffer.push({ time: minutes * minute, value: 20 });
    expect(buffer.push({ time: 0, value: 20 })).toBe('stale');
    expect(buffer.push({ time: 1030 * minute, value: 20 })).toBe('ready');
    const back = [0, 10, 20, 30, 40, 50].map((minutes) => buffer.push({ time: minutes * minute, value: 20 }));
    expect(back).toEqual(['stale', 'stale', 'stale', 'stale', 'restarted', 'ready']);
  });

  it('goes on under a new release with a longer window, and with another step', () => {
    const old = new WindowBuffer(preprocessing({ window: 4 }));
    for (let i = 0; i < 12; i++) old.push({ time: i * 10 * minute, value: i });
    const longer = new WindowBuffer(preprocessing({ window: 8 }));
    longer.restore(old.state());
    expect(longer.ready).toBe(true);
    const coarser = new WindowBuffer(preprocessing({ window: 4, stepMs: 30 * minute }));
    coarser.restore(old.state());
    expect(coarser.ready).toBe(true);
    expect(coarser.lastTime).toBe(120 * minute);
    expect(coarser.lastValue).toBe(11);
  });

  it('averages dense readings in bounded memory', () => {
    const p = preprocessing({ window: 2, features: ['value'], mean: 0, std: 1, clampSigma: 1e9 });
    const buffer = new WindowBuffer(p);
    let sum = 0;
    const from = 10 * minute - 5 * minute;
    for (let second = -600; second < 600; second++) {
      buffer.push({ time: from + second * 1000, value: second });
      if (second >= 0) sum += second;
    }
    expect(buffer.window()[1]).toBeCloseTo(sum / 600, 3);
    const stored = buffer.state().cells.reduce((count, cell) => count + cell.times.length, 0);
    expect(stored).toBeLessThan(10);
  });

  it('refuses a damaged state with CORRUPT and is then empty', () => {
    const buffer = new WindowBuffer(preprocessing({ window: 1 }));
    buffer.push({ time: 0, value: 1 });
    const good = buffer.state();
    const damaged: unknown[] = [
      undefined,
      {},
      { ...good, version: 2 },
      { ...good, cells: 'x' },
      { ...good, stepMs: Number.NaN },
      { ...good, cells: [{ ...good.cells[0], times: [] }] },
      { ...good, cells: [good.cells[0], good.cells[0]] },
    ];
    for (const state of damaged) {
      expect(() => buffer.restore(state as typeof good)).toThrow(expect.objectContaining({ code: 'CORRUPT' }));
      expect(buffer.ready).toBe(false);
      expect(() => buffer.window()).toThrow(expect.objectContaining({ code: 'TOO_LITTLE_DATA' }));
    }
  });
});
