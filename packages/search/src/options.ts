// Checks of algorithm options, once, at the edge.
import { SanderlingError } from '@sanderling/kit';
import { shown } from './shown.ts';

/** The allowed range of one option. */
export interface Rule {
  readonly low: number;
  readonly high: number;
  /** Whole numbers only. @default false */
  readonly whole?: boolean;
}

/** Checks numeric options against their rules. @throws INVALID_CONFIG naming the option; also on options that no rule knows */
export function checkOptions<T extends object>(
  algorithm: string,
  options: T,
  rules: Readonly<Record<string, Rule>>,
): T {
  for (const [name, value] of Object.entries(options)) {
    const rule = Object.hasOwn(rules, name) ? rules[name] : undefined;
    if (rule === undefined) {
      throw new SanderlingError('INVALID_CONFIG', `${algorithm} has no option ${name}`, {
        where: name,
        fix: `its options are ${Object.keys(rules).join(', ')}`,
      });
    }
    const fits = typeof value === 'number' && value >= rule.low && value <= rule.high;
    if (fits && (rule.whole !== true || Number.isInteger(value))) continue;
    const kind = rule.whole === true ? 'a whole number' : 'a number';
    throw new SanderlingError(
      'INVALID_CONFIG',
      `${algorithm}: ${name} is ${shown(value)}, not ${kind} in ${rule.low}…${rule.high}`,
      {
        where: name,
      },
    );
  }
  return options;
}
