// Gates decide by numbers and say so in a sentence; the comparison with the champion tells a difference from a coin flip.
import { createRandom, SanderlingError } from '@sanderling/kit';
import { pairedBootstrap } from '@sanderling/metrics';
import { expect, test } from 'vitest';
import { beatsBaseline, emulatedLatency, judgeGates, notWorse, type GateCase } from './gates.ts';

const prepared = { preprocessing: { unit: '°C' } } as Parameters<typeof beatsBaseline>[2];

test('the baseline gate names both errors and the margin', () => {
  const better = beatsBaseline({ name: 'persistence', mae: 0.53, byPercent: 10 }, 0.41, prepared);
  expect(better.passed).toBe(true);
  expect(better.message).toBe('the test error of 0.410 °C is 22.6 % below persistence (0.530 °C); 10 % below is asked');
  const close = beatsBaseline({ name: 'persistence', mae: 0.53, byPercent: 10 }, 0.5, prepared);
  expect(close.passed).toBe(false);
  expect(close.message).toContain('only 5.7 % below persistence');
  const worse = beatsBaseline({ name: 'seasonal-naive', mae: 0.4, byPercent: 0 }, 0.5, prepared);
  expect(worse.message).toContain('25 % above seasonal-naive');
  expect(beatsBaseline({ name: 'persistence', mae: 0, byPercent: 10 }, 0.1, prepared).passed).toBe(false);
});

/** Errors of two models on the same windows, neighbours alike; the candidate's are `factor` times the champion's in the mean. */
function judge(factor: number, seed: number) {
  const random = createRandom(seed, 'errors');
  let [common, own] = [0, 0];
  const [ours, theirs]: [number[], number[]] = [[], []];
  for (let i = 0; i < 400; i++) {
    common = 0.8 * common + 0.6 * random.normal();
    own = 0.8 * own + 0.6 * random.normal();
    const difficulty = 1 + 0.3 * Math.abs(common);
    theirs.push(difficulty);
    ours.push(factor * (difficulty + 0.1 * own));
  }
  const result = pairedBootstrap(ours, theirs, { blockLength: 12, seed });
  const numbers = { candidateMae: result.a, championMae: result.b, relative: result.relativeDifference!, windows: 400 };
  const comparison = { ...numbers, low: result.relativeLow!, high: result.relativeHigh! };
  return notWorse(comparison, { marginPercent: 2, confidence: 0.95 }, { unit: '°C', version: 3 });
}

test('a clearly better candidate passes, a clearly worse one fails, whatever the noise', () => {
  for (let seed = 0; seed < 30; seed++) {
    expect(judge(0.9, seed).passed).toBe(true);
    expect(judge(1.1, seed).passed).toBe(false);
  }
});

test('a candidate exactly at the margin passes seldom: luck does not ship models', () => {
  let lucky = 0;
  for (let seed = 0; seed < 60; seed++) lucky += judge(1.02, seed).passed ? 1 : 0;
  // The upper end of a 95 % interval is below the truth in 2.5 % of cases: 1.5 of 60 expected.
  expect(lucky).toBeLessThanOrEqual(6);
});

test('the sentence has the errors, the champion’s version, the interval and the margin', () => {
  const comparison = { candidateMae: 0.44, championMae: 0.4, relative: 0.1, low: 0.02, high: 0.19, windows: 250 };
  const verdict = notWorse(comparison, { marginPercent: 2, confidence: 0.95 }, { unit: '°C', version: 3 });
  expect(verdict.message).toBe(
    'the error of 0.440 °C on 250 test windows is 10 % worse than the champion (version 3: 0.400 °C), with 95 % confidence between +2 % and +19 %; at most +2 % is allowed',
  );
});

test('gates of a microcontroller say what was emulated, and what a model that is too large should shrink', async () => {
  const cost = {
    instructions: 480_000,
    megahertz: 480,
    memoryBytes: 20_480,
    stackBytes: 512,
    imageBytes: 30_720,
    constantBytes: 5000,
  };
  const slow = emulatedLatency(cost, { maxMs: 1.2, target: 'stm32h745', cyclesPerInstruction: 1.5 });
  expect(slow).toMatchObject({ passed: false, numbers: { ms: 1.5 } });
  expect(slow.message).toBe(
    'one forecast takes 480000 instructions (emulated), 1.50 ms on the stm32h745 at 480 MHz and 1.5 cycles an instruction; at most 1.20 ms are allowed',
  );
  let asked = 0;
  const of = { cost: async () => (asked++, cost) } as unknown as GateCase;
  const target = 'stm32h745' as const;
  const results = await judgeGates(
    [
      { gate: 'ram', maxKb: 20.5, target },
      { gate: 'ram', maxKb: 20, target },
      { gate: 'flash', maxKb: 30, target },
      { gate: 'latency', maxMs: 1, target, cyclesPerInstruction: 1 },
    ],
    of,
  );
  expect(results.map(({ gate, passed }) => [gate, passed])).toEqual([
    ['ram', true],
    ['ram', false],
    ['flash', true],
    ['latency stm32h745', true],
  ]);
  expect(results[1]!.message).toBe(
    'on the stm32h745 it takes 20.5 KB of RAM (20480 bytes of working memory, 512 of stack; emulated); at most 20.0 KB are allowed',
  );
  expect(asked).toBe(4);
  const large = new SanderlingError('TOO_LARGE', 'AXI is 9 bytes too small', { fix: 'shorten the window' });
  const [refused] = await judgeGates([{ gate: 'ram', maxKb: 64, target }], {
    cost: () => Promise.reject(large),
  } as unknown as GateCase);
  expect(refused).toMatchObject({ passed: false, message: 'AXI is 9 bytes too small (shorten the window)' });
});
