// The normal distribution cut to [0, 1]: density, mass of a cell, and samples.
import type { Random } from '@sanderling/kit';

const rootTwoPi = Math.sqrt(2 * Math.PI);

/** A normal distribution cut to [0, 1], for a mean inside it. */
export interface TruncatedNormal {
  readonly mean: number;
  readonly sigma: number;
  /** Share of the uncut distribution inside [0, 1]. */
  readonly inside: number;
  /** Logarithm of the density at the mean. */
  readonly logPeak: number;
}

/** The distribution for a mean in [0, 1] and a sigma of at most 1. */
export function truncatedNormal(mean: number, sigma: number): TruncatedNormal {
  const inside = normalMass(-mean / sigma, (1 - mean) / sigma);
  return { mean, sigma, inside, logPeak: -Math.log(sigma * rootTwoPi * inside) };
}

/** Logarithm of the density at a point of [0, 1]. */
export function logDensity({ mean, sigma, logPeak }: TruncatedNormal, unit: number): number {
  const z = (unit - mean) / sigma;
  return logPeak - 0.5 * z * z;
}

/** Logarithm of the probability of [from, to] inside [0, 1]. */
export function logMass({ mean, sigma, inside }: TruncatedNormal, from: number, to: number): number {
  return Math.log(normalMass((from - mean) / sigma, (to - mean) / sigma) / inside);
}

/** A sample: draws until one lies inside, at most three times on average as the mean lies inside and sigma is at most 1. */
export function sampleTruncated({ mean, sigma }: TruncatedNormal, random: Random): number {
  for (;;) {
    const unit = mean + sigma * random.normal();
    if (unit >= 0 && unit <= 1) return unit;
  }
}

/** P(from < Z < to) of a standard normal, exact in both tails. */
export function normalMass(from: number, to: number): number {
  if (from > 0) return upperTail(from) - upperTail(to);
  if (to < 0) return upperTail(-to) - upperTail(-from);
  return 1 - upperTail(-from) - upperTail(to);
}

/** P(Z > z) for z ≥ 0: the series of the error function near zero, its continued fraction beyond (Abramowitz & Stegun 26.2.10, 26.2.14). */
export function upperTail(z: number): number {
  if (z > 38.6) return 0;
  const density = Math.exp(-0.5 * z * z) / rootTwoPi;
  if (z < 2.5) {
    let term = z;
    let sum = z;
    for (let k = 3; term > sum * 1e-17; k += 2) sum += term *= (z * z) / k;
    return 0.5 - density * sum;
  }
  let fraction = z;
  for (let k = Math.ceil(16 + 220 / (z * z)); k >= 1; k--) fraction = z + k / fraction;
  return density / fraction;
}
