// Schedules against PyTorch's (fixtures/schedules.py).
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { cosine, oneCycle, plateau, stepDecay, warmUp, type Schedule } from './schedules.ts';

const fixture = JSON.parse(readFileSync(new URL('fixtures/schedules.json', import.meta.url), 'utf8')) as Readonly<
  Record<'stepDecay' | 'cosine' | 'warmUp' | 'oneCycle', readonly number[]>
> & { readonly plateau: { readonly losses: readonly number[]; readonly after: readonly number[] } };

describe('schedules', () => {
  test.each([
    ['stepDecay', stepDecay(0.1, { every: 4, factor: 0.5 })],
    ['cosine', cosine(0.1, { steps: 10, floor: 0.01 })],
    ['warmUp', warmUp(0.1, { steps: 5, from: 0.2 })],
    ['oneCycle', oneCycle(0.1, { steps: 20 })],
  ] as const)('%s', (name, schedule: Schedule) => {
    for (const [step, rate] of fixture[name].entries()) expect(schedule(step, [])).toBeCloseTo(rate, 12);
  });
  test('cosine stays at its floor', () =>
    expect(cosine(0.1, { steps: 10, floor: 0.01 })(99, [])).toBeCloseTo(0.01, 12));
  test('plateau', () => {
    const { losses, after } = fixture.plateau;
    const schedule = plateau(0.1, { factor: 0.5, patience: 2 });
    for (const [i, rate] of after.entries()) expect(schedule(0, losses.slice(0, i + 1))).toBeCloseTo(rate, 12);
  });
});
