// What settings must be. Checked where a layer, network, loss or optimiser is made, so that a wrong number is named before anything is computed.
import { SanderlingError } from '@sanderling/kit';

const kinds = {
  count: { text: 'a positive whole number', holds: (x) => Number.isSafeInteger(x) && x >= 1 },
  whole: { text: 'a whole number of at least 0', holds: (x) => Number.isSafeInteger(x) && x >= 0 },
  positive: { text: 'above 0', holds: (x) => x > 0 && x < Number.POSITIVE_INFINITY },
  notNegative: { text: 'at least 0', holds: (x) => x >= 0 && x < Number.POSITIVE_INFINITY },
  share: { text: 'at least 0 and below 1', holds: (x) => x >= 0 && x < 1 },
  part: { text: 'between 0 and 1', holds: (x) => x >= 0 && x <= 1 },
} as const satisfies Record<string, { readonly text: string; readonly holds: (x: number) => boolean }>;

/** What kind of number a setting is. */
export type SettingKind = keyof typeof kinds;

/** A wrong setting. */
export const wrongSetting = (what: string, where: string, fix?: string): SanderlingError =>
  new SanderlingError('INVALID_ARGUMENT', what, { where, ...(fix === undefined ? {} : { fix }) });

/** @throws INVALID_ARGUMENT naming the first setting, or entry of a list, that is not of the kind; undefined settings are left to their defaults. */
export function checkSettings(
  kind: SettingKind,
  settings: Readonly<Record<string, number | readonly number[] | undefined>>,
): void {
  const { text, holds } = kinds[kind];
  for (const [name, setting] of Object.entries(settings)) {
    const bad = (typeof setting === 'object' ? setting : [setting]).find((x) => x !== undefined && !holds(x));
    if (bad !== undefined) throw wrongSetting(`${name} must be ${text}, not ${bad}`, name);
  }
}

/** @throws INVALID_ARGUMENT when a number is no multiple of another. */
export function checkMultiple(
  what: string,
  number: number,
  of: { readonly name: string; readonly number: number },
): void {
  if (number % of.number === 0) return;
  throw wrongSetting(`${what} is ${number}, which is no multiple of ${of.name} ${of.number}`, of.name);
}
