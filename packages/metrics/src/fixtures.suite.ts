// What the tests of metrics share: fixtures by name, the code of an error, numbers that are nearly equal.
import { readFileSync } from 'node:fs';
import { SanderlingError } from '@sanderling/kit';
import { expect } from 'vitest';

/** The fixture `classification.json`. */
export interface ClassFixture {
  readonly actual: number[];
  readonly predicted: number[];
  readonly confusion: number[][];
  readonly accuracy: number;
  readonly balancedAccuracy: number;
  readonly precision: number[];
  readonly recall: number[];
  readonly f1: number[];
  readonly support: number[];
  readonly macroF1: number;
  readonly jaccard: number[];
}

/** The content of a fixture. */
export function load(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`fixtures/${name}.json`, import.meta.url), 'utf8'));
}

/** The code of the error that `act` throws. */
export function codeOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    return error instanceof SanderlingError ? error.code : `uncoded: ${String(error)}`;
  }
  return 'no error';
}

/** Expects equal lengths and values. */
export function expectClose(actual: readonly (number | null)[], expected: readonly number[], digits = 12): void {
  expect(actual).toHaveLength(expected.length);
  for (const [i, value] of expected.entries()) expect(actual[i]).toBeCloseTo(value, digits);
}
