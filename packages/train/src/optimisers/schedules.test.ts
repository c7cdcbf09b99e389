// Schedules against PyTorch's (fixtures/schedules.py).
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { cosine, oneCycle, plateau, stepDecay, warmUp, type Schedule } from './schedules.ts';

const fixture = JSON.parse(readFileSync(new URL('fixtures/schedules.json', import.meta.url), 'utf8')) as Readonly<
  Record<'stepDecay' | 'cosine' | 'warmUp' | 'oneCycle', readonly number[]>
> & { readonly plateau: { readonly losses: readonly number[]; readonly after: readonly number[] } };

const same = (schedule: Schedule, want: readonly number[]) => {
  for (const [step, rate] of want.entries()) expect(schedule(step, [])).toBeCloseTo(rate, 12);
};

describe('schedules', () => {
  test('stepDecay', () => same(stepDecay(0.1, { every: 4, factor: 0.5 }), fixture.stepDecay));
  test('cosine', () => same(cosine(0.1, { steps: 10, floor: 0.01 }), fixture.cosine));
  test('cosine stays at its floor', () =>
    expect(cosine(0.1, { steps: 10, floor: 0.01 })(99, [])).toBeCloseTo(0.01, 12));
  test('warmUp', () => same(warmUp(0.1, { steps: 5, from: 0.2 }), fixture.warmUp));
  test('oneCycle', () => same(oneCycle(0.1, { steps: 20 }), fixture.oneCycle));
  test('plateau', () => {
    const { losses, after } = fixture.plateau;
    const schedule = plateau(0.1, { factor: 0.5, patience: 2 });
    for (const [i, rate] of after.entries()) expect(schedule(0, losses.slice(0, i + 1))).toBeCloseTo(rate, 12);
  });
});
