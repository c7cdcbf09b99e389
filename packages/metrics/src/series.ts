// What every metric checks before it counts: equal lengths, something to count, finite numbers.
import { SanderlingError } from '@sanderling/kit';

/** Numbers in a row: a typed array or a plain one. */
export type Series = Float64Array | Float32Array | readonly number[];

/** Checks one series. @throws INVALID_ARGUMENT when it is no list, TOO_LITTLE_DATA below `least`, INVALID_DATA on NaN or infinities. */
export function checkSeries(name: string, series: Series, least = 1): void {
  if (!isList(series))
    throw new SanderlingError('INVALID_ARGUMENT', `${name} is not a list of numbers`, { where: name });
  if (series.length < least) {
    throw new SanderlingError('TOO_LITTLE_DATA', `${name} has ${series.length} values, ${least} are needed`, {
      where: name,
    });
  }
  for (let i = 0; i < series.length; i++) {
    if (!Number.isFinite(series[i])) throw notFinite(name, i, series[i]);
  }
}

/** Checks two series that belong together, value by value. @throws as checkSeries, and INVALID_DATA on unequal lengths. */
export function checkPair(names: readonly [string, string], a: Series, b: Series): void {
  checkSeries(names[0], a);
  checkSeries(names[1], b);
  if (a.length !== b.length) {
    throw new SanderlingError('INVALID_DATA', `${names[0]} has ${a.length} values but ${names[1]} has ${b.length}`, {
      where: names[1],
      fix: 'give both series for the same rows, in the same order',
    });
  }
}

/** A result that is still a number. @throws INVALID_DATA when the arithmetic left the range of doubles. */
export function finite(name: string, value: number): number {
  if (Number.isFinite(value)) return value;
  throw new SanderlingError('INVALID_DATA', `${name} is too large to be a number`, {
    where: name,
    fix: 'scale the values down',
  });
}

function isList(value: unknown): boolean {
  return Array.isArray(value) || value instanceof Float64Array || value instanceof Float32Array;
}

function notFinite(name: string, index: number, value: unknown): SanderlingError {
  return new SanderlingError('INVALID_DATA', `${name}[${index}] is ${String(value)}, not a finite number`, {
    where: `${name}[${index}]`,
    fix: 'drop or fill missing values before judging',
  });
}
