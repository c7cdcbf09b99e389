// Options of detectors as rules in a table: default, bounds, meaning. All are numbers, so that they travel as JSON and can be searched.
import { SanderlingError } from '@sanderling/kit';

/** One option. */
export interface OptionRule {
  readonly default: number;
  /** Smallest and largest value; `open` leaves both out. */
  readonly min: number;
  readonly max: number;
  readonly open?: boolean;
  readonly whole?: boolean;
  /** What it means, with its unit. */
  readonly about: string;
  /** Sensible range for a search over this option; none: not searched. */
  readonly search?: { readonly low: number; readonly high: number; readonly log?: boolean };
}

/** A rule for each option. */
export type OptionRules<Options> = { readonly [Key in keyof Options]: OptionRule };

/**
 * Options with defaults filled in.
 * @throws INVALID_CONFIG naming the option that is unknown, not a number or out of bounds.
 */
export function resolveOptions<Options>(
  rules: OptionRules<Options>,
  given: Readonly<Record<string, unknown>> | undefined,
  where: string,
): Readonly<Options> {
  const known = rules as Readonly<Record<string, OptionRule>>;
  if (given !== undefined && (typeof given !== 'object' || given === null || Array.isArray(given))) {
    throw badOption(where, 'options are not an object', Object.keys(known));
  }
  const options = given ?? {};
  for (const key of Object.keys(options)) {
    if (!Object.hasOwn(known, key)) throw badOption(`${where}.${key}`, `unknown option “${key}”`, Object.keys(known));
  }
  const filled = Object.entries(known).map(
    ([key, rule]) => [key, checked(rule, options[key], `${where}.${key}`)] as const,
  );
  return Object.freeze(Object.fromEntries(filled)) as Readonly<Options>;
}

/** Refuses options that contradict each other. */
export function requireThat(condition: boolean, where: string, message: string): void {
  if (!condition) throw new SanderlingError('INVALID_CONFIG', message, { where });
}

function checked(rule: OptionRule, value: unknown, where: string): number {
  if (value === undefined) return rule.default;
  const { min, max, open = false, whole = false } = rule;
  const inside = typeof value === 'number' && (open ? value > min && value < max : value >= min && value <= max);
  if (inside && (!whole || Number.isInteger(value))) return value;
  const bounds = open ? `between ${min} and ${max}, both left out` : `from ${min} to ${max}`;
  throw new SanderlingError('INVALID_CONFIG', `${shown(value)} is not a ${whole ? 'whole ' : ''}number ${bounds}`, {
    where,
    fix: `${rule.about}; the default is ${rule.default}`,
  });
}

function badOption(where: string, message: string, names: readonly string[]): SanderlingError {
  return new SanderlingError('INVALID_CONFIG', message, { where, fix: `use ${names.join(', ')}` });
}

/** A value from outside as a short text. */
export function shown(value: unknown): string {
  return typeof value === 'number' || typeof value === 'string' || typeof value === 'boolean'
    ? String(value).slice(0, 60)
    : value === null
      ? 'null'
      : `a value of type ${typeof value}`;
}
