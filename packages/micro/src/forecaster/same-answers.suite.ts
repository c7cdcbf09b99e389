// For tests: the answers of generated code against those of the parts of the predictor.
import { expect } from 'vitest';
import type { Outcome } from './reference-forecaster.ts';
import { answerFlags, type Answer } from './run-forecasters.ts';

/** What an answer must say exactly. */
function decisionsOf(want: Outcome): Pick<Answer, 'status' | 'flags' | 'forecastTime'> {
  const flags =
    (want.forecast.length > 0 ? answerFlags.forecast : 0) |
    (want.residuals.length > 0 ? answerFlags.residual : 0) |
    (want.verdict.alarm ? answerFlags.drift : 0) |
    (want.alarm === 'raised' ? answerFlags.raised : 0) |
    (want.alarm === 'over' ? answerFlags.ended : 0) |
    (want.notFinite ? answerFlags.notFinite : 0);
  return { status: want.status, flags, forecastTime: want.forecast.length > 0 ? want.from : 0 };
}

/** What it must say nearly. */
const numbersOf = (want: Outcome): readonly number[] => [
  want.residuals.at(-1) ?? 0,
  want.verdict.score,
  want.verdict.rollingError ?? -1,
  ...want.forecast,
];

const near = (a: number, b: number): boolean => Math.abs(a - b) <= 1e-4 + 1e-5 * Math.abs(b);

/** Holds answers against what the parts of the predictor gave. */
export function expectSame(answers: readonly Answer[], outcomes: readonly Outcome[]): void {
  expect(answers.map(({ status, flags, forecastTime }) => ({ status, flags, forecastTime }))).toEqual(
    outcomes.map(decisionsOf),
  );
  const far = answers.flatMap(({ residual, driftScore, rollingError, forecast }, at) => {
    const [got, want] = [[residual, driftScore, rollingError, ...forecast], numbersOf(outcomes[at]!)];
    return got.length === want.length && got.every((x, i) => near(x, want[i]!)) ? [] : [{ at, got, want }];
  });
  expect(far).toEqual([]);
}
