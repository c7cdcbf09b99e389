// Small functions that generated code shares; only those that a model needs are written into it. Prefixed with the model's name.
import { integerHelpers } from '../quantised/support.ts';

/** A helper's C text; NAME stands for the prefix. `constantBytes`: of its tables. */
interface Helper {
  readonly text: string;
  readonly constantBytes?: number;
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

/** `s0 += w[0] * a;` for four rows at each of some elements of x. */
const fourRows = (elements: readonly string[], indent: string): string =>
  elements.flatMap((x, k) => [0, 1, 2, 3].map((row) => `${indent}s${row} += w[${4 * k + row}] * ${x};`)).join('\n');

const multiply = (name: string, c: string): Helper => ({
  text: `/*
 * y += W x for a matrix of rows x depth. Four rows lie interleaved, so that each element of x is read once for all of them;
 * the last rows % 4 lie one after another.
 */
static void NAME_${name}(${c} *y, const ${c} *w, const ${c} *x, int32_t rows, int32_t depth)
{
    for (int32_t four = rows / 4; four > 0; four--) {
        const ${c} *v = x;
        ${c} s0 = y[0];
        ${c} s1 = y[1];
        ${c} s2 = y[2];
        ${c} s3 = y[3];
        for (int32_t k = depth / 4; k > 0; k--) {
${fourRows(['v[0]', 'v[1]', 'v[2]', 'v[3]'], '            ')}
            w += 16;
            v += 4;
        }
        for (int32_t k = depth % 4; k > 0; k--) {
${fourRows(['v[0]'], '            ')}
            w += 4;
            v++;
        }
        y[0] = s0;
        y[1] = s1;
        y[2] = s2;
        y[3] = s3;
        y += 4;
    }
    for (int32_t row = 0; row < rows % 4; row++) {
        const ${c} *v = x;
        ${c} sum = y[row];
        for (int32_t k = depth / 4; k > 0; k--) {
            sum += w[0] * v[0];
            sum += w[1] * v[1];
            sum += w[2] * v[2];
            sum += w[3] * v[3];
            w += 4;
            v += 4;
        }
        for (int32_t k = depth % 4; k > 0; k--) {
            sum += w[0] * v[0];
            w++;
            v++;
        }
        y[row] = sum;
    }
}`,
});

/** All helpers by name. */
export const helpers = {
  ...integerHelpers,
  sigmoidf: {
    text: `static float NAME_sigmoidf(float x)
{
    return 1.0F / (1.0F + expf(-x));
}`,
  },
  sigmoid: {
    text: `static double NAME_sigmoid(double x)
{
    return 1.0 / (1.0 + exp(-x));
}`,
  },
  softplusf: {
    text: `static float NAME_softplusf(float x)
{
    return (x > 0.0F) ? (x + log1pf(expf(-x))) : log1pf(expf(x));
}`,
  },
  softplus: {
    text: `static double NAME_softplus(double x)
{
    return (x > 0.0) ? (x + log1p(exp(-x))) : log1p(exp(x));
}`,
  },
  multiplyf: multiply('multiplyf', 'float'),
  multiply: multiply('multiply', 'double'),
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

/** The text of a helper for a model. */
export function helperText(name: HelperName, prefix: string): string {
  return helpers[name].text.replaceAll('NAME_', `${prefix}_`);
}
