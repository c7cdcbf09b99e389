import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { judgeAlarms as judge, type AlarmMetrics } from './metrics.ts';

const judgeAlarms = (...given: Parameters<typeof judge>): AlarmMetrics => judge(...given).metrics;

const drifts = [
  { start: 1000, end: 1001 },
  { start: 2000, end: 2200 },
  { start: 3000, end: 3001 },
];
const stream = { drifts, length: 4000 };

describe('the worth of alarms', () => {
  it('counts by hand', () => {
    // 400 false; 1010 finds the first; 1020 is a second alarm in its window: false; 2100 finds the second; the third is missed.
    const metrics = judgeAlarms([400, 1010, 1020, 2100], stream, { before: 0, after: 500 });
    expect(metrics).toEqual({
      alarms: 4,
      mtd: 55,
      // The third counts as found at 3501, the end of its window.
      delay: (10 + 100 + 501) / 3,
      mdr: 1 / 3,
      fd: 2,
      fdPer1000: 0.5,
      mtfa: 620,
      mtfaAtLeast: false,
      mtr: ((1 - 1 / 3) * 620) / 55,
    });
  });

  it('does not take a late alarm for a hit, nor one that belongs to the next drift', () => {
    expect(judgeAlarms([1600], stream, { before: 0, after: 500 })).toMatchObject({
      mtd: null,
      mdr: 1,
      fd: 1,
      mtr: null,
    });
    expect(judgeAlarms([2000], stream, { before: 0, after: 5000 })).toMatchObject({ mtd: 0, mdr: 2 / 3, fd: 0 });
  });

  it('takes an alarm just ahead for a hit when asked to', () => {
    expect(judgeAlarms([990], stream, { before: 20, after: 500 })).toMatchObject({ mtd: 0, fd: 0 });
  });

  it('shows an always-alarming detector for what it is', () => {
    const always = Array.from({ length: 4000 }, (_, i) => i);
    const metrics = judgeAlarms(always, stream, { before: 0, after: 500 });
    expect(metrics).toMatchObject({ mtd: 0, mdr: 0, fd: 3997, mtfaAtLeast: false });
    expect(metrics.mtfa).toBeLessThan(1.01);
  });

  it('gives a lower bound where there are too few false alarms, and nothing where there is no drift', () => {
    expect(judgeAlarms([], { drifts: [], length: 500 }, { before: 0, after: 10 })).toEqual({
      alarms: 0,
      mtd: null,
      delay: null,
      mdr: null,
      fd: 0,
      fdPer1000: 0,
      mtfa: 500,
      mtfaAtLeast: true,
      mtr: null,
    });
  });

  it('counts every alarm once', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(3999), { maxLength: 60 }), fc.nat(900), (alarms, after) => {
        const sorted = alarms.toSorted((a, b) => a - b);
        const { fd, mdr } = judgeAlarms(sorted, stream, { before: 0, after });
        expect(fd + Math.round((1 - (mdr ?? 0)) * drifts.length)).toBe(sorted.length);
      }),
    );
  });
});
