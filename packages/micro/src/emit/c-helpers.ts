// Small functions that generated code shares; only those that a model needs are written into it. Prefixed with the model's name.
import { integerHelpers } from '../quantised/support.ts';
import { curveHelpers } from './curves/curves.ts';
import { productHelpers } from './products.ts';

/** A helper's C text; NAME stands for the prefix. `constantBytes`: of its tables. `needs`: helpers that it calls, which stand before it. */
interface Helper {
  readonly text: string;
  readonly constantBytes?: number;
  readonly needs?: readonly string[];
}

const convert = (name: string, to: string, low: string, high: string): Helper => ({
  text: `/* To ${to}: towards zero, saturating, NaN to 0. */
static ${to} NAME_${name}(double x)
{
    if (!(x > ${low})) {
        return (x <= ${low}) ? (${to})${low} : (${to})0;
    }
    return (x >= ${high}) ? (${to})${high} : (${to})x;
}`,
});

const wide = (
  name: string,
  to: string,
  [low, high]: readonly [string, string],
  limits: readonly [string, string],
): Helper => ({
  text: `/* To ${to}: towards zero, saturating, NaN to 0. */
static ${to} NAME_${name}(double x)
{
    if (!(x > ${low})) {
        return (x <= ${low}) ? ${limits[0]} : (${to})0;
    }
    return (x >= ${high}) ? ${limits[1]} : (${to})x;
}`,
});

/** All helpers by name. */
export const helpers = {
  ...integerHelpers,
  ...curveHelpers,
  ...productHelpers,
  sigmoid: {
    text: `static double NAME_sigmoid(double x)
{
    return 1.0 / (1.0 + exp(-x));
}`,
  },
  softplus: {
    text: `static double NAME_softplus(double x)
{
    return (x > 0.0) ? (x + log1p(exp(-x))) : log1p(exp(x));
}`,
  },
  to_int8: convert('to_int8', 'int8_t', '-128.0', '127.0'),
  to_int16: convert('to_int16', 'int16_t', '-32768.0', '32767.0'),
  to_int32: convert('to_int32', 'int32_t', '-2147483648.0', '2147483647.0'),
  to_int64: wide(
    'to_int64',
    'int64_t',
    ['-9223372036854775808.0', '9223372036854775808.0'],
    ['INT64_MIN', 'INT64_MAX'],
  ),
  to_uint8: convert('to_uint8', 'uint8_t', '0.0', '255.0'),
  to_uint16: convert('to_uint16', 'uint16_t', '0.0', '65535.0'),
  to_uint32: convert('to_uint32', 'uint32_t', '0.0', '4294967295.0'),
  to_uint64: wide('to_uint64', 'uint64_t', ['0.0', '18446744073709551616.0'], ['0U', 'UINT64_MAX']),
  place: {
    text: `/* An index from the front or (negative) from the back, kept within 0 ... size - 1. */
static int32_t NAME_place(int64_t index, int32_t size)
{
    const int64_t front = (index < 0) ? (index + size) : index;
    return (front < 0) ? 0 : ((front >= size) ? (size - 1) : (int32_t)front);
}`,
  },
} as const satisfies Record<string, Helper>;

/** Whether there is a helper of this name. */
export type HelperName = keyof typeof helpers;

/** Bytes of the tables of a helper. */
export const helperConstantBytes = (name: HelperName): number => (helpers[name] as Helper).constantBytes ?? 0;

/** The helpers that are asked for and those that they need, in the order in which they stand in a file. */
export function helpersFor(asked: ReadonlySet<HelperName>): readonly HelperName[] {
  const all = new Set<string>();
  const add = (name: string): void => {
    if (all.has(name)) return;
    all.add(name);
    for (const other of (helpers[name as HelperName] as Helper).needs ?? []) add(other);
  };
  for (const name of asked) add(name);
  return (Object.keys(helpers) as HelperName[]).filter((name) => all.has(name));
}

/** The text of a helper for a model. */
export function helperText(name: HelperName, prefix: string): string {
  return helpers[name].text.replaceAll('NAME_', `${prefix}_`);
}
