// Whether a model computes on this device what it computed on the hub.
import { SanderlingError, toSanderlingError } from '@sanderling/kit';
import type { Predictor } from './predictor.ts';

/** Runs every case of the release's self-test. @throws SELF_TEST_FAILED with the case and the numbers. */
export async function selfTest(predictor: Predictor): Promise<void> {
  const { cases, tolerance } = predictor.manifest.selfTest ?? { cases: [], tolerance: Number.NaN };
  if (!Array.isArray(cases) || cases.length === 0 || !(tolerance >= 0)) throw failed('the release has no self-test');
  for (const [index, { input, expected }] of cases.entries()) {
    const output = await answer(predictor, input, index);
    if (output.length !== expected.length)
      throw failed(`case ${index} gave ${output.length} values instead of ${expected.length}`, { case: index });
    const difference = largestDifference(output, expected);
    if (!(difference <= tolerance))
      throw failed(`case ${index} is off by ${difference}, ${tolerance} is allowed`, {
        case: index,
        difference: Number.isFinite(difference) ? difference : null,
        tolerance,
      });
  }
}

async function answer(predictor: Predictor, input: readonly number[], index: number): Promise<ArrayLike<number>> {
  try {
    return await predictor.run(Float32Array.from(input));
  } catch (error) {
    throw failed(`case ${index} could not be computed: ${toSanderlingError(error).message}`, { case: index });
  }
}

/** NaN when any value is not finite. */
function largestDifference(output: ArrayLike<number>, expected: readonly number[]): number {
  let largest = 0;
  for (const [i, value] of expected.entries()) {
    const difference = Math.abs(output[i]! - value);
    if (!Number.isFinite(difference)) return Number.NaN;
    largest = Math.max(largest, difference);
  }
  return largest;
}

function failed(what: string, details: Readonly<Record<string, unknown>> = {}): SanderlingError {
  return new SanderlingError('SELF_TEST_FAILED', `the self-test failed on this device: ${what}`, { details });
}
