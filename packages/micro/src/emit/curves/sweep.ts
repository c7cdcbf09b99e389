// For tests and benchmarks: the curves of generated code at many arguments, held against the C library in double precision.
import { GraphBuilder, type Model } from '@sanderling/onnx';

/** The curves: the ONNX operator whose generated code calls each. */
export const curveOperators = {
  expf: 'Exp',
  expm1f: 'Elu',
  sigmoidf: 'Sigmoid',
  tanhf: 'Tanh',
  logf: 'Log',
  softplusf: 'Softplus',
  erff: 'Erf',
} as const;

export type CurveFunction = keyof typeof curveOperators;

/** A model of one input x [count] with one output for each curve. */
export function curvesModel(count: number): Model {
  const b = new GraphBuilder('curves');
  const x = b.input('x', 'float32', [count]);
  for (const [name, operator] of Object.entries(curveOperators)) b.output(name, b.op(operator, [x]));
  return b.model();
}

/** What a sweep found of one curve. Errors in units of the last place of the exact value; a fall is a value below that of a smaller argument. */
export interface Sweep {
  readonly curve: CurveFunction;
  readonly arguments: number;
  readonly error: number;
  readonly worst: number;
  readonly falls: number;
  readonly deepestFall: number;
  /** Arguments that are no number and give one, and the other way round. */
  readonly wrongNaN: number;
  /** Of all results' bits in order, where nothing was compared. */
  readonly hash: string;
}

/** Reads what the program of {@link sweepProgram} prints. */
export function sweepsFrom(text: string): readonly Sweep[] {
  return text
    .trim()
    .split('\n')
    .map((line) => {
      const [curve, count, error, worst, falls, deepestFall, wrongNaN, hash] = line.split(' ');
      return {
        curve: curve as CurveFunction,
        arguments: Number(count),
        error: Number(error),
        worst: Number(worst),
        falls: Number(falls),
        deepestFall: Number(deepestFall),
        wrongNaN: Number(wrongNaN),
        hash: hash!,
      };
    });
}

/**
 * C of a program that includes PREFIX.c, generated from {@link curvesModel}. Its arguments: the step from one bit pattern to the next, 1 to compare or 0 for the
 * hash, and the number of a curve, if not all are wanted. Every pattern is a float: negative ones from the greatest down, then positive ones, then NaN.
 */
export const sweepProgram = (prefix: string): string => `#include "${prefix}.c"
#include <stdio.h>
#include <stdlib.h>

static double sigmoid(double x) { return (x < 0.0) ? exp(x) / (1.0 + exp(x)) : 1.0 / (1.0 + exp(-x)); }
static double softplus(double x) { return ((x > 0.0) ? x : 0.0) + log1p(exp((x > 0.0) ? -x : x)); }
/* Below 2^-30 the exact value is that of the first terms of a power series, from 128 on that of a line, as far as a double can tell. */
typedef struct {
    const char *name;
    float (*own)(float);
    double (*exact)(double);
    double small[3], low, high[2];
} curve;
static const curve curves[] = {
    {"expf", ${prefix}_expf, exp, {1.0, 1.0, 0.5}, 0.0, {(double)INFINITY, 0.0}},
    {"expm1f", ${prefix}_expm1f, expm1, {0.0, 1.0, 0.5}, -1.0, {(double)INFINITY, 0.0}},
    {"sigmoidf", ${prefix}_sigmoidf, sigmoid, {0.5, 0.25, 0.0}, 0.0, {1.0, 0.0}},
    {"tanhf", ${prefix}_tanhf, tanh, {0.0, 1.0, 0.0}, -1.0, {1.0, 0.0}},
    {"logf", ${prefix}_logf, log, {(double)NAN, 0.0, 0.0}, 0.0, {0.0, 0.0}},
    {"softplusf", ${prefix}_softplusf, softplus, {0.693147180559945309417, 0.5, 0.125}, 0.0, {0.0, 1.0}},
    {"erff", ${prefix}_erff, erf, {0.0, 1.12837916709551257390, 0.0}, -1.0, {1.0, 0.0}}};

static double exact_of(const curve *c, double x)
{
    const double size = fabs(x);
    if (isnan(x) || isnan(c->small[0])) { return c->exact(x); }
    if (size < 9.3132257461547852e-10) { return c->small[0] + x * (c->small[1] + x * c->small[2]); }
    if (size < 128.0) { return c->exact(x); }
    return (x < 0.0) ? c->low : ((c->high[1] == 0.0) ? c->high[0] : x);
}

/* Units in the last place of a float near x: 2^(23 - exponent), that of subnormal numbers being -126. */
static double units(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    const uint64_t exponent = (bits >> 52) & 2047U;
    bits = (2046U + 23U - ((exponent < 897U) ? 897U : exponent)) << 52;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static double error_of(float got, double exact)
{
    const double overflow = ldexp(1.0, 128) - ldexp(1.0, 103);
    if (fabs(exact) >= overflow) { return (isinf(got) && (got > 0.0F) == (exact > 0.0)) ? 0.0 : 1e9; }
    return isinf(got) ? 1e9 : fabs((double)got - exact) * units(exact);
}

int main(int argc, char **argv)
{
    const uint64_t step = strtoull(argv[1], NULL, 10);
    const int compare = atoi(argv[2]);
    for (int c = 0; c < (int)(sizeof curves / sizeof curves[0]); c++) {
        if (argc > 3 && atoi(argv[3]) != c) { continue; }
        double error = 0.0, deepest = 0.0;
        float worst = 0.0F, last = -INFINITY;
        uint64_t count = 0, falls = 0, wrong = 0, hash = 14695981039346656037U;
        for (uint64_t i = 0; i <= UINT32_MAX; i += step) {
            const uint32_t place = (uint32_t)i;
            const uint32_t beyond = place - 0xFF000002U;
            const uint32_t pattern = (place <= 0x7F800000U) ? 0xFF800000U - place
                : ((place <= 0xFF000001U) ? place - 0x7F800001U : (((beyond & 1U) << 31) | (0x7F800001U + (beyond >> 1))));
            float x;
            memcpy(&x, &pattern, sizeof x);
            const float got = curves[c].own(x);
            count++;
            if (!compare) {
                uint32_t bits;
                memcpy(&bits, &got, sizeof bits);
                hash = (hash ^ (isnan(got) ? 0x7FC00000U : bits)) * 1099511628211U;
                continue;
            }
            const double exact = exact_of(&curves[c], (double)x);
            if (isnan(got) || isnan(exact)) { wrong += (isnan(got) && isnan(exact)) ? 0U : 1U; continue; }
            if (got != (float)exact) { /* else it is the nearest float */
                const double found = error_of(got, exact);
                if (found > error) { error = found; worst = x; }
            }
            if (got < last) {
                falls++;
                const double fall = ((double)last - (double)got) * units((double)last);
                deepest = (fall > deepest) ? fall : deepest;
            }
            last = got;
        }
        printf("%s %llu %.4f %.9g %llu %.1f %llu %016llx\\n", curves[c].name, (unsigned long long)count, error, (double)worst,
            (unsigned long long)falls, deepest, (unsigned long long)wrong, (unsigned long long)hash);
        (void)fflush(stdout);
    }
    return 0;
}
`;
