// The constants of curves.ts: which function each polynomial stands for, where, and how its error counts. Nothing is copied from a library of functions:
// `node packages/micro/src/emit/curves/write-coefficients.ts` computes them.
import { minimax, type Fit } from './minimax.ts';

/** Σ term(k) · x^k. */
const series =
  (terms: number, term: (k: number) => number) =>
  (x: number): number => {
    let sum = 0;
    for (let k = terms; k >= 0; k -= 1) sum = sum * x + term(k);
    return sum;
  };

const factorial = (n: number): number => (n < 2 ? 1 : n * factorial(n - 1));
const powers = (count: number): readonly number[] => Array.from({ length: count }, (_, k) => k);

/** ln 2 in two parts: the first has 17 bits, so that its product with an exponent is exact. */
const ln2High = Math.round(Math.LN2 * 2 ** 17) / 2 ** 17;

/** A little more than half of ln 2: what is left of an argument after whole powers of two. */
const halfLn2 = (Math.LN2 / 2) * 1.001;

/** (e^r − 1 − r) / r² */
const exponential = series(20, (k) => 1 / factorial(k + 2));

/** (tanh x − x) / x³ as a function of z = x². */
function tangent(z: number): number {
  const x = Math.sqrt(z);
  const first = [-1 / 3, 2 / 15, -17 / 315, 62 / 2835, -1382 / 155_925, 21_844 / 6_081_075, -929_569 / 638_512_875];
  return z < 0.01 ? series(6, (k) => first[k]!)(z) : (Math.tanh(x) - x) / (x * z);
}

/** (ln(1 + f) − f + f²/2) / f³ */
function logarithm(f: number): number {
  if (Math.abs(f) < 0.1) return series(20, (k) => (k % 2 === 0 ? 1 : -1) / (k + 3))(f);
  return (Math.log1p(f) - f + (f * f) / 2) / f ** 3;
}

/** (erf x − x) / x as a function of z = x², by the power series. */
const errorFunction = (z: number): number =>
  (2 / Math.sqrt(Math.PI)) * series(40, (k) => (k % 2 === 0 ? 1 : -1) / (factorial(k) * (2 * k + 1)))(z) - 1;

/** −ln(1 − erf x): by the series below 2, above by the continued fraction of erfc (Abramowitz and Stegun 7.1.14). */
function complement(x: number): number {
  if (x < 2) return -Math.log1p(-x * (1 + errorFunction(x * x)));
  let fraction = x;
  for (let k = 120; k > 0; k -= 1) fraction = x + k / 2 / fraction;
  return x * x + Math.log(fraction * Math.sqrt(Math.PI));
}

/** Up to here tanh is a polynomial, beyond 1 − 2 / (e^2x + 1). */
const tanhSmall = 0.55;
/** Up to here erf is a polynomial, up to the second number 1 − exp(−polynomial), beyond 1. */
const [erfSmall, erfLarge] = [0.9, 3.93];

/** Errors count relative to the function itself, in units of its value. */
const fits = {
  exponential: {
    low: -halfLn2,
    high: halfLn2,
    value: exponential,
    weight: (r) => (r * r) / Math.exp(r),
    powers: powers(5),
  },
  tangent: {
    low: 0,
    high: tanhSmall ** 2,
    value: tangent,
    weight: (z) => (z === 0 ? 1 : (z * Math.sqrt(z)) / Math.tanh(Math.sqrt(z))),
    powers: powers(5),
  },
  logarithm: {
    low: Math.SQRT1_2 - 1,
    high: Math.SQRT2 - 1,
    value: logarithm,
    weight: (f) => (Math.abs(f) < 1e-6 ? f * f : Math.abs(f ** 3 / Math.log1p(f))),
    powers: powers(9),
  },
  errorFunction: {
    low: 0,
    high: erfSmall ** 2,
    value: errorFunction,
    weight: (z) => 1 / (1 + errorFunction(z)),
    powers: powers(7),
  },
  complement: {
    low: erfSmall,
    high: erfLarge,
    value: complement,
    weight: (x) => Math.exp(-complement(x)) / (1 - Math.exp(-complement(x))),
    powers: powers(9),
  },
} as const satisfies Record<string, Fit>;

/** The polynomials by name. */
export type CurveName = keyof typeof fits;

/** Coefficients by name, lowest power first, and what else the curves are written with. */
export interface Coefficients {
  readonly polynomials: Readonly<Record<CurveName, readonly number[]>>;
  /** Largest errors of the polynomials in units of 2^-24 of the function that they are part of. */
  readonly errors: Readonly<Record<CurveName, number>>;
  readonly log2e: number;
  readonly ln2: readonly [number, number];
  readonly tanhSmall: number;
  readonly erfSmall: number;
  readonly erfLarge: number;
}

/** Computes all. Takes some seconds. */
export function fitCurves(): Coefficients {
  const names = Object.keys(fits) as CurveName[];
  const fitted = names.map((name) => [name, minimax(fits[name])] as const);
  return {
    polynomials: Object.fromEntries(fitted.map(([name, { coefficients }]) => [name, coefficients])) as Record<
      CurveName,
      readonly number[]
    >,
    errors: Object.fromEntries(
      fitted.map(([name, { error }]) => [name, Number((error * 2 ** 24).toPrecision(2))]),
    ) as Record<CurveName, number>,
    log2e: Math.fround(Math.LOG2E),
    ln2: [ln2High, Math.fround(Math.LN2 - ln2High)],
    tanhSmall: Math.fround(tanhSmall),
    erfSmall: Math.fround(erfSmall),
    erfLarge: Math.fround(erfLarge),
  };
}
