// What one parameter may be. Dimensions are plain frozen data, so that a space can be written in a file and stored in a database.
import { SanderlingError } from '@sanderling/kit';
import { shown } from './shown.ts';

/** A value that a choice may offer. */
export type ChoiceValue = string | number | boolean | null;

/** The value of any parameter. */
export type ParamValue = ChoiceValue;

/** The parameter exists only where another one has one of these values. */
export interface Condition {
  readonly parameter: string;
  readonly in: readonly ChoiceValue[];
}

/** Whole numbers low, low + step, … up to high, both included. */
export interface IntDimension {
  readonly kind: 'int';
  readonly low: number;
  readonly high: number;
  readonly step: number;
  readonly log: boolean;
}

/** Real numbers in [low, high]. */
export interface FloatDimension {
  readonly kind: 'float';
  readonly low: number;
  readonly high: number;
  readonly log: boolean;
}

/** One of some options without an order. */
export interface ChoiceDimension<T extends ChoiceValue = ChoiceValue> {
  readonly kind: 'choice';
  readonly options: readonly T[];
}

/** What a parameter may be. */
export type Dimension = IntDimension | FloatDimension | ChoiceDimension;

/** A dimension that exists only under a condition. */
export type Conditional<D extends Dimension = Dimension> = D & { readonly when: Condition };

/** How the numbers of a dimension are spread. */
export interface ScaleOptions {
  /** Even steps in the logarithm: for learning rates and sizes. @default false */
  readonly log?: boolean;
}

const mostOptions = 10_000;

/** Whole numbers from low to high. @throws INVALID_CONFIG */
export function int(low: number, high: number, options: ScaleOptions & { readonly step?: number } = {}): IntDimension {
  const { log = false, step = 1 } = options;
  if (!Number.isSafeInteger(low) || !Number.isSafeInteger(high) || low > high) throw badRange(low, high);
  if (!Number.isSafeInteger(step) || step < 1) throw invalid(`step is ${shown(step)}, not a whole number from 1`);
  if (log && low < 1) throw invalid(`a logarithmic whole number starts at 1 or above, not at ${shown(low)}`);
  return Object.freeze({ kind: 'int', low, high: low + Math.floor((high - low) / step) * step, step, log });
}

/** Real numbers from low to high. @throws INVALID_CONFIG */
export function float(low: number, high: number, options: ScaleOptions = {}): FloatDimension {
  const { log = false } = options;
  if (!Number.isFinite(low) || !Number.isFinite(high) || !Number.isFinite(high - low) || low > high)
    throw badRange(low, high);
  if (log && low <= 0) throw invalid(`a logarithmic range starts above 0, not at ${shown(low)}`);
  return Object.freeze({ kind: 'float', low, high, log });
}

/** One of the options. @throws INVALID_CONFIG when there is none, or one twice */
export function choice<const T extends ChoiceValue>(options: readonly T[]): ChoiceDimension<T> {
  if (!Array.isArray(options) || options.length === 0) throw invalid('a choice needs at least one option');
  if (options.length > mostOptions) throw invalid(`a choice has at most ${mostOptions} options`);
  const copy: T[] = [...options];
  if (!copy.every((option) => isChoiceValue(option)))
    throw invalid('options are texts, finite numbers, true, false or null');
  if (new Set(options).size !== options.length) throw invalid('an option stands twice');
  return Object.freeze({ kind: 'choice', options: Object.freeze(copy) });
}

/** A dimension that exists only where `parameter` has one of the values. @throws INVALID_CONFIG */
export function when<D extends Dimension>(
  parameter: string,
  values: readonly ChoiceValue[],
  dimension: D,
): Conditional<D> {
  if (!Array.isArray(values) || values.length === 0 || !values.every(isChoiceValue))
    throw invalid(`the condition on ${shown(parameter)} needs at least one value`);
  const condition: Condition = Object.freeze({ parameter, in: Object.freeze([...values]) });
  const conditional: Conditional<D> = { ...dimension, when: condition };
  Object.freeze(conditional);
  return conditional;
}

/** Whether a value can be an option. */
export function isChoiceValue(value: unknown): value is ChoiceValue {
  return (
    value === null || typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value) // numbers only
  );
}

/** Whether a value lies in the dimension (and on its grid). */
export function contains(dimension: Dimension, value: unknown): boolean {
  switch (dimension.kind) {
    case 'choice':
      return dimension.options.includes(value as ChoiceValue);
    case 'float':
      return typeof value === 'number' && value >= dimension.low && value <= dimension.high;
    case 'int':
      return (
        Number.isSafeInteger(value) &&
        (value as number) >= dimension.low &&
        (value as number) <= dimension.high &&
        ((value as number) - dimension.low) % dimension.step === 0
      );
  }
}

/** How many values a dimension has; Infinity for real numbers. */
export function cardinality(dimension: Dimension): number {
  switch (dimension.kind) {
    case 'choice':
      return dimension.options.length;
    case 'float':
      return dimension.low === dimension.high ? 1 : Infinity;
    case 'int':
      return (dimension.high - dimension.low) / dimension.step + 1;
  }
}

function badRange(low: number, high: number): SanderlingError {
  return invalid(
    `the range from ${shown(low)} to ${shown(high)} is not one`,
    'give two finite numbers, the smaller one first',
  );
}

function invalid(message: string, fix?: string): SanderlingError {
  return new SanderlingError('INVALID_CONFIG', message, fix === undefined ? {} : { fix });
}
