// The contract that every scalar detector keeps; each implementation runs it.
import { createRandom, SanderlingError, type Random } from '@sanderling/kit';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Detector, DetectorState } from './detector.ts';
import type { DetectorRow } from './detectors.ts';
import { restoreDetector } from './detectors.ts';
import { alertScore } from './score.ts';

/** Samples of a kind that the detector takes; `moved` after a clear change for the worse. */
export function sample(input: DetectorRow['input'], random: Random, moved: boolean): number {
  if (input === 'real') return random.normal() + (moved ? 4 : 0);
  if (input === 'binary') return Number(random.next() < (moved ? 0.6 : 0.15));
  return Math.min(1, Math.max(0, 0.2 + 0.05 * random.normal() + (moved ? 0.4 : 0)));
}

function stream(input: DetectorRow['input'], seed: number, steady: number, moved: number): number[] {
  const random = createRandom(seed, 'suite');
  return Array.from({ length: steady + moved }, (_, i) => sample(input, random, i >= steady));
}

function alarmsOf(detector: Detector, samples: readonly number[]): number[] {
  return samples.flatMap((x, i) => {
    detector.update(x);
    return detector.driftDetected ? [i] : [];
  });
}

function codeOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    return error instanceof SanderlingError ? error.code : `not coded: ${String(error)}`;
  }
  return 'nothing thrown';
}

function numbersIn(state: DetectorState): number {
  return Object.values(state.memory).flat().length;
}

export function detectorSuite(name: string, row: DetectorRow): void {
  const changeAt = 1000;

  describe(`detector ${name}`, () => {
    it('alarms soon after a clear change, for most seeds', () => {
      const seeds = Array.from({ length: 10 }, (_, seed) => seed);
      const found = seeds.filter((seed) =>
        alarmsOf(row.create(), stream(row.input, seed, changeAt, 400)).some((at) => at >= changeAt),
      );
      expect(found.length).toBeGreaterThanOrEqual(9);
    });

    it('finds a change after a constant stretch, and none inside it', () => {
      const constant = Array.from({ length: 500 }, () => 0);
      const detector = row.create();
      expect(alarmsOf(detector, constant)).toEqual([]);
      const moved = stream(row.input, 3, 0, 400).map((x) => (row.input === 'real' ? x + 3 : x));
      // A detector of gaps between errors has seen none, so it may need errors before it can compare.
      const later = [...moved, ...Array.from({ length: 400 }, () => 1)];
      expect(alarmsOf(detector, later).length).toBeGreaterThan(0);
    });

    it('keeps flags, evidence and score in step', () => {
      const detector = row.create();
      for (const x of stream(row.input, 5, changeAt, 400)) {
        detector.update(x);
        expect(detector.driftDetected && detector.warningDetected).toBe(false);
        expect(detector.evidence >= 1).toBe(detector.driftDetected);
        expect(detector.score >= alertScore).toBe(detector.driftDetected);
        expect(detector.score >= 0 && detector.score <= 1).toBe(true);
      }
    });

    it('goes on from a state as if never stopped, also through JSON text', () => {
      fc.assert(
        fc.property(fc.nat(1399), fc.nat(50), (cut, seed) => {
          const samples = stream(row.input, seed, changeAt, 400);
          const through = row.create();
          const first = row.create();
          samples.slice(0, cut).forEach((x) => first.update(x));
          const state = JSON.parse(JSON.stringify(first.state())) as DetectorState;
          expect(state).toEqual(first.state());
          const second = restoreDetector(state);
          const alarms = alarmsOf(through, samples);
          expect(alarmsOf(second, samples.slice(cut)).map((at) => at + cut)).toEqual(alarms.filter((at) => at >= cut));
          expect(second.state()).toEqual(through.state());
        }),
        { numRuns: 15 },
      );
    });

    it('is as new after reset', () => {
      const used = row.create();
      stream(row.input, 1, 700, 300).forEach((x) => used.update(x));
      used.reset();
      expect(used.state()).toEqual(row.create().state());
    });

    it('refuses what is no sample and forgets nothing by it', () => {
      const detector = row.create();
      stream(row.input, 2, 150, 0).forEach((x) => detector.update(x));
      const before = detector.state();
      const bad: unknown[] = [Number.NaN, Infinity, -Infinity, 1e200, undefined, null, '1', {}];
      if (row.input !== 'real') bad.push(-0.1, 1.1, 7);
      if (row.input === 'binary') bad.push(0.5);
      for (const x of bad) expect(codeOf(() => detector.update(x as number))).toBe('INVALID_DATA');
      expect(detector.state()).toEqual(before);
    });

    it('survives samples at the edge of the allowed range', () => {
      const edge = row.input === 'real' ? [1e100, -1e100, 0, 1e-300, -0] : [0, 1];
      fc.assert(
        fc.property(fc.array(fc.constantFrom(...edge), { maxLength: 300 }), (samples) => {
          const detector = row.create();
          for (const x of samples) {
            detector.update(x);
            expect(Number.isFinite(detector.evidence)).toBe(true);
          }
          expect(restoreDetector(detector.state()).state()).toEqual(detector.state());
        }),
        { numRuns: 25 },
      );
    });

    it('refuses options that are unknown or out of bounds, naming them', () => {
      expect(codeOf(() => row.create({ nonsense: 1 }))).toBe('INVALID_CONFIG');
      for (const [key, rule] of Object.entries(row.options)) {
        const bad = [
          rule.min - Math.max(1, Math.abs(rule.min)),
          rule.max + Math.max(1, Math.abs(rule.max)),
          Number.NaN,
        ];
        if (rule.open === true) bad.push(rule.min, rule.max);
        if (rule.whole === true) bad.push(rule.min + 0.5);
        for (const value of bad.filter((v) => v !== rule.max || rule.open === true)) {
          expect(codeOf(() => row.create({ [key]: value }))).toBe('INVALID_CONFIG');
        }
      }
    });

    it('has defaults and search ranges inside the bounds', () => {
      for (const rule of Object.values(row.options)) {
        const range = rule.search ?? { low: rule.default, high: rule.default };
        for (const value of [rule.default, range.low, range.high]) {
          expect(
            rule.open === true ? value > rule.min && value < rule.max : value >= rule.min && value <= rule.max,
          ).toBe(true);
        }
      }
    });

    it('calls a damaged state corrupt, whatever was damaged', () => {
      const detector = row.create();
      stream(row.input, 4, 600, 0).forEach((x) => detector.update(x));
      const whole = detector.state();
      const keys = Object.keys(whole.memory);
      const junk = fc.oneof(
        fc.string(),
        fc.constant(undefined),
        fc.constant(Number.NaN),
        fc.constant([Number.NaN]),
        fc.object(),
      );
      fc.assert(
        fc.property(fc.constantFrom(...keys), junk, (key, value) => {
          const damaged = { ...whole, memory: { ...whole.memory, [key]: value } } as unknown as DetectorState;
          expect(codeOf(() => restoreDetector(damaged))).toBe('CORRUPT');
        }),
        { numRuns: 40 },
      );
      for (const state of [null, 7, {}, { ...whole, version: 2 }, { ...whole, memory: null }]) {
        expect(codeOf(() => restoreDetector(state as DetectorState))).toMatch(/^(CORRUPT|INVALID_CONFIG)$/);
      }
    });

    it('stays within its stated memory however long the stream', () => {
      const detector = row.create();
      const random = createRandom(9, 'memory');
      const flags = 3;
      // 10 million samples where one costs less than 100 ns; KSWIN, which sorts, shows the same with fewer.
      const length = name === 'kswin' ? 100_000 : 10_000_000;
      const pool = Array.from({ length: 4096 }, () => sample(row.input, random, false));
      for (let i = 0; i < length; i++) detector.update(pool[(i * 7919) & 4095] as number);
      expect((numbersIn(detector.state()) - flags) * 8).toBeLessThanOrEqual(detector.maxBytes);
    });
  });
}
