// e^x, tanh, the logistic function and their kin as C99 in single precision: the same bits from every compiler that rounds each operation, on cores without
// double precision too. No table, no errno; what is rare (huge arguments, NaN, subnormal results) leaves the straight path at one comparison.
// The largest errors over all 2^32 arguments, in units of the last place, are those of `curveErrors`: bench/results/micro-curves.md.
import { literal } from '../c-text.ts';
import { coefficients } from './coefficients.ts';
import type { CurveName } from './fit.ts';

/** Largest error of each curve in units of the last place, over all arguments (bench/src/micro/curves.ts); rounded upwards. */
export const curveErrors = {
  expf: 0.9,
  expm1f: 1.7,
  sigmoidf: 1.7,
  tanhf: 1.4,
  logf: 0.9,
  softplusf: 1.7,
  erff: 1.4,
} as const;

const { polynomials, log2e, ln2, tanhSmall, erfSmall, erfLarge } = coefficients;
const f = (value: number): string => literal(value, 'float32');

/** The bits of a float as a C literal. */
function bits(value: number): string {
  const word = new Uint32Array(Float32Array.of(value).buffer)[0]!;
  return `0x${word.toString(16).toUpperCase().padStart(8, '0')}U`;
}

/** Lines that leave a polynomial of `x` in `p`, by Horner's rule. */
function horner(name: CurveName, x: string): string {
  const [first, ...rest] = polynomials[name].toReversed() as [number, ...number[]];
  const steps = rest.map((c) => `    p = p * ${x} ${c < 0 ? '-' : '+'} ${f(Math.abs(c))};`);
  return [`    float p = ${f(first)};`, ...steps].join('\n');
}

/** 1.5 · 2^23: adding it to a float below 2^22 rounds that to an integer, which is then in the lowest bits. */
const rounder = f(1.5 * 2 ** 23);
const magnitude = 'NAME_bits(x) & 0x7FFFFFFFU';

const punning = `static inline uint32_t NAME_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float NAME_from_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}`;

const power = `/*
 * x = n ln 2 + r with an integer n, |r| <= ln(2) / 2, for |x| < 127: e^x = 2^n (1 + q). Returns q; *whole becomes n in its lowest bits.
 * ln 2 is in two parts, and n times the first is exact; the second part joins at the end, where it is not rounded away.
 */
static inline float NAME_powerf(float x, float *whole)
{
    const float n_bits = x * ${f(log2e)} + ${rounder};
    const float n = n_bits - ${rounder};
    const float high = x - n * ${f(ln2[0])};
    const float low = n * ${f(ln2[1])};
    const float r = high - low;
${horner('exponential', 'r')}
    *whole = n_bits;
    return high + ((r * r) * p - low);
}`;

const exp = `/* Beyond 87: 2^n in two steps, since it may be outside the range of normal numbers. */
static float NAME_far_expf(float x)
{
    if (!(x <= 88.75F)) {
        return x + (float)INFINITY; /* also NaN */
    }
    if (x < -104.0F) {
        return 0.0F;
    }
    float n;
    const float q = NAME_powerf(x, &n);
    const int32_t whole = (int32_t)(n - ${rounder});
    const int32_t half = whole / 2;
    return ((1.0F + q) * NAME_from_bits((uint32_t)(half + 127) << 23)) * NAME_from_bits((uint32_t)(whole - half + 127) << 23);
}

static inline float NAME_expf(float x)
{
    if ((${magnitude}) > ${bits(87)}) {
        return NAME_far_expf(x);
    }
    float n;
    const float q = NAME_powerf(x, &n);
    return NAME_from_bits(NAME_bits(1.0F + q) + (NAME_bits(n) << 23));
}`;

const scale = 'const float scale = NAME_from_bits(0x3F800000U + (NAME_bits(n) << 23));';

const expm1 = `/* e^x - 1 = (2^n - 1) + 2^n q */
static inline float NAME_expm1f(float x)
{
    if ((${magnitude}) > ${bits(87)}) {
        return (x < 0.0F) ? -1.0F : NAME_far_expf(x);
    }
    float n;
    const float q = NAME_powerf(x, &n);
    ${scale}
    return (scale - 1.0F) + scale * q;
}`;

const sigmoid = `/* Beyond 16, with e = e^-|x|: 1 / (1 + e) = 1 - e, e / (1 + e) = e - e^2. */
static float NAME_far_sigmoidf(float x)
{
    const float e = NAME_expf((x > 0.0F) ? -x : x);
    return (x > 0.0F) ? (1.0F - e) : (e - e * e);
}

/* 1 / (1 + e^-x); 1 + e^-x = (1 + 2^n) + 2^n q is rounded once. */
static inline float NAME_sigmoidf(float x)
{
    if ((${magnitude}) > ${bits(16)}) {
        return NAME_far_sigmoidf(x);
    }
    float n;
    const float q = NAME_powerf(-x, &n);
    ${scale}
    return 1.0F / ((1.0F + scale) + scale * q);
}`;

const tanh = `/* Near 0 an odd polynomial, else 1 - 2 / (1 + e^2|x|) with the sign of x. */
static inline float NAME_tanhf(float x)
{
    const uint32_t sign = NAME_bits(x) & 0x80000000U;
    const uint32_t size = ${magnitude};
    const float positive = NAME_from_bits(size);
    float y;
    if (size < ${bits(tanhSmall)}) {
        const float z = positive * positive;
${horner('tangent', 'z').replaceAll('    ', '        ')}
        y = positive + positive * (z * p);
    } else {
        if (size > ${bits(9.25)}) {
            return (size > 0x7F800000U) ? x : NAME_from_bits(0x3F800000U | sign);
        }
        float n;
        const float q = NAME_powerf(positive + positive, &n);
        ${scale}
        y = 1.0F - 2.0F / ((1.0F + scale) + scale * q);
    }
    return NAME_from_bits(NAME_bits(y) | sign);
}`;

const log = `/* ln(2^n (1 + f)) with 1 + f between the roots of 1/2 and 2; ln(1 + f) = f - f^2 / 2 + f^3 p. */
static inline float NAME_logarithmf(float n, float f)
{
${horner('logarithm', 'f')}
    const float square = f * f;
    return ((f * square) * p + n * ${f(ln2[1])} - 0.5F * square) + f + n * ${f(ln2[0])};
}`;

const logOf = `/* Zero, negative and subnormal numbers, infinity, NaN. */
static float NAME_far_logf(float x)
{
    if (!(x > 0.0F)) {
        return (x == 0.0F) ? -(float)INFINITY : (float)NAN;
    }
    if (x > ${f(1)}) {
        return x;
    }
    const uint32_t shifted = NAME_bits(x * 8388608.0F) + (0x3F800000U - ${bits(Math.SQRT1_2)}); /* 2^23: normal */
    const float n = (float)((int32_t)(shifted >> 23) - 150);
    return NAME_logarithmf(n, NAME_from_bits((shifted & 0x007FFFFFU) + ${bits(Math.SQRT1_2)}) - 1.0F);
}

static inline float NAME_logf(float x)
{
    const uint32_t pattern = NAME_bits(x);
    if (pattern - 0x00800000U >= 0x7F000000U) {
        return NAME_far_logf(x);
    }
    const uint32_t shifted = pattern + (0x3F800000U - ${bits(Math.SQRT1_2)});
    const float n = (float)((int32_t)(shifted >> 23) - 127);
    return NAME_logarithmf(n, NAME_from_bits((shifted & 0x007FFFFFU) + ${bits(Math.SQRT1_2)}) - 1.0F);
}`;

const softplus = `/* ln(1 + e^x) = max(x, 0) + ln(1 + u), u = e^-|x|; a large u as 1 + u = 2 (1 + (u - 1) / 2). */
static inline float NAME_softplusf(float x)
{
    const float u = NAME_expf(NAME_from_bits(NAME_bits(x) | 0x80000000U));
    const int large = u > ${f(Math.SQRT2 - 1)};
    const float rest = NAME_logarithmf(large ? 1.0F : 0.0F, large ? (u - 1.0F) * 0.5F : u);
    return (x > 0.0F) ? (x + rest) : rest;
}`;

const erf = `/* Near 0 an odd polynomial, else 1 - e^-p(|x|) with the sign of x. */
static inline float NAME_erff(float x)
{
    const uint32_t sign = NAME_bits(x) & 0x80000000U;
    const uint32_t size = ${magnitude};
    if (size < ${bits(erfSmall)}) {
        const float z = x * x;
${horner('errorFunction', 'z').replaceAll('    ', '        ')}
        return x + x * p;
    }
    if (size > ${bits(erfLarge)}) {
        return (size > 0x7F800000U) ? x : NAME_from_bits(0x3F800000U | sign);
    }
    const float positive = NAME_from_bits(size);
${horner('complement', 'positive')}
    return NAME_from_bits(NAME_bits(1.0F - NAME_expf(-p)) | sign);
}`;

/** The curves as helpers of generated files; each names those that it calls. */
export const curveHelpers = {
  float_bits: { text: punning, needs: [] },
  powerf: { text: power, needs: ['float_bits'] },
  expf: { text: exp, needs: ['powerf', 'float_bits'] },
  expm1f: { text: expm1, needs: ['expf', 'powerf', 'float_bits'] },
  sigmoidf: { text: sigmoid, needs: ['expf', 'powerf', 'float_bits'] },
  tanhf: { text: tanh, needs: ['powerf', 'float_bits'] },
  logarithmf: { text: log, needs: [] },
  logf: { text: logOf, needs: ['logarithmf', 'float_bits'] },
  softplusf: { text: softplus, needs: ['expf', 'logarithmf', 'float_bits'] },
  erff: { text: erf, needs: ['expf', 'float_bits'] },
} as const;
