// The Parzen estimator of multivariate TPE (Bergstra et al. 2011; Falkner et al. 2018; defaults as in Optuna 5): a mixture of one product kernel for each
// observation and one wide prior kernel. Where an observation lacks a conditional parameter its kernel is the prior's, so that the density stays whole.
import type { Random } from '@sanderling/kit';
import { buildParams, fromUnit, toUnit, type Numeric } from './coordinate.ts';
import { cardinality, type ChoiceDimension, type IntDimension, type ParamValue } from './dimension.ts';
import { isActive, type AnySpace, type Parameter, type Params } from './space.ts';
import { logDensity, logMass, sampleTruncated, truncatedNormal, type TruncatedNormal } from './truncated-normal.ts';

/** The kernels of one parameter, one for each component of the mixture. */
interface Kernels {
  /** Logarithms of the density (or mass) of a value under every component, added to `out`. */
  addLogs(value: ParamValue, out: Float64Array): void;
  sample(component: number, random: Random): ParamValue;
}

/** A density over the samples of a space. */
export class ParzenEstimator {
  readonly #space: AnySpace;
  readonly #kernels: ReadonlyMap<Parameter, Kernels>;
  readonly #logWeights: Float64Array;
  readonly #cumulative: Float64Array;

  /**
   * Observations in the order of their trials; the prior is the last component.
   * @param given one weight an observation, where the prior weighs one. @default all alike up to 25, the older ones less beyond
   */
  constructor(space: AnySpace, observations: readonly Params[], given = weightsByAge(observations.length)) {
    this.#space = space;
    this.#kernels = new Map(
      space.parameters.map((parameter) => [parameter, kernelsOf(parameter, observations)] as const),
    );
    const total = given.reduce((sum, weight) => sum + weight, 1);
    const weights = Float64Array.from([...given, 1], (weight) => weight / total);
    this.#logWeights = weights.map(Math.log);
    let sum = 0;
    this.#cumulative = weights.map((weight) => (sum += weight));
  }

  /** A sample: one component is drawn, then each of its kernels. */
  sample(random: Random): Params {
    const draw = random.next();
    const found = this.#cumulative.findIndex((sum) => draw < sum);
    const component = found < 0 ? this.#cumulative.length - 1 : found;
    return buildParams(this.#space, (parameter) => this.#kernels.get(parameter)!.sample(component, random));
  }

  /** Logarithm of the density of a sample; a density by coordinate for real numbers, a probability for the rest. */
  logDensity(params: Params): number {
    const logs = Float64Array.from(this.#logWeights);
    for (const [parameter, kernels] of this.#kernels) {
      if (isActive(parameter, params)) kernels.addLogs(params[parameter.name]!, logs);
    }
    return logSumExp(logs);
  }
}

/** One for each of up to 25 observations, beyond that the older ones less, down to 1/n. */
function weightsByAge(count: number): readonly number[] {
  const weights = Array<number>(count).fill(1);
  const ramp = count - 25;
  for (let i = 0; i < ramp; i++) weights[i] = 1 / count + (ramp === 1 ? 0 : (i / (ramp - 1)) * (1 - 1 / count));
  return weights;
}

function kernelsOf(parameter: Parameter, observations: readonly Params[]): Kernels {
  const values = observations.map((params) =>
    Object.hasOwn(params, parameter.name) ? params[parameter.name] : undefined,
  );
  return parameter.kind === 'choice'
    ? new ChoiceKernels(parameter, values)
    : new NumericKernels(parameter, values as (number | undefined)[]);
}

/** Truncated normals around the observations; the widths follow the distances to the neighbours. */
class NumericKernels implements Kernels {
  readonly #dimension: Numeric;
  readonly #components: readonly TruncatedNormal[];
  readonly #single: boolean;
  readonly #masses = new Map<number, Float64Array>();

  constructor(dimension: Numeric, values: readonly (number | undefined)[]) {
    this.#dimension = dimension;
    this.#single = cardinality(dimension) === 1;
    const prior = truncatedNormal(0.5, 1);
    const units = values.map((value) => (value === undefined ? undefined : toUnit(dimension, value)));
    const sigmas = widths(units);
    this.#components = [
      ...units.map((unit, i) => (unit === undefined ? prior : truncatedNormal(unit, sigmas[i]!))),
      prior,
    ];
  }

  addLogs(value: ParamValue, out: Float64Array): void {
    if (this.#single) return;
    if (this.#dimension.kind === 'int') {
      const masses = this.#massesOf(this.#dimension, value as number);
      for (let i = 0; i < out.length; i++) out[i]! += masses[i]!;
      return;
    }
    const unit = toUnit(this.#dimension, value as number);
    for (let i = 0; i < out.length; i++) out[i]! += logDensity(this.#components[i]!, unit);
  }

  /** Kept by value: candidates share few whole numbers, and a mass costs far more than a density. */
  #massesOf(dimension: IntDimension, value: number): Float64Array {
    const known = this.#masses.get(value);
    if (known !== undefined) return known;
    const [from, to] = cellOf(dimension, value);
    const masses = Float64Array.from(this.#components, (component) => logMass(component, from, to));
    this.#masses.set(value, masses);
    return masses;
  }

  sample(component: number, random: Random): number {
    return fromUnit(this.#dimension, sampleTruncated(this.#components[component]!, random));
  }
}

/** The coordinates that round to a whole number. */
function cellOf(dimension: IntDimension, value: number): readonly [number, number] {
  const half = dimension.step / 2;
  const from = value === dimension.low ? 0 : toUnit(dimension, value - half);
  const to = value === dimension.high ? 1 : toUnit(dimension, value + half);
  return [from, to];
}

/**
 * Kernel widths: the larger distance to the two neighbours, at least 1 / min(100, kernels + 1) of the range ("magic clip"), at most the range.
 * The outermost look inwards only, unless there is just one.
 */
function widths(units: readonly (number | undefined)[]): Float64Array {
  const order = units
    .flatMap((unit, i) => (unit === undefined ? [] : [i]))
    .sort((a, b) => units[a]! - units[b]! || a - b);
  const least = 1 / Math.min(100, order.length + 2);
  const sigmas = new Float64Array(units.length).fill(1);
  for (const [rank, i] of order.entries()) {
    const own = units[i]!;
    const alone = order.length === 1;
    const before = rank > 0 ? own - units[order[rank - 1]!]! : alone ? own : 0;
    const after = rank < order.length - 1 ? units[order[rank + 1]!]! - own : alone ? 1 - own : 0;
    sigmas[i] = Math.min(1, Math.max(least, before, after));
  }
  return sigmas;
}

/** Each observation favours its own option; all options keep the prior's share. */
class ChoiceKernels implements Kernels {
  readonly #options: readonly ParamValue[];
  readonly #values: readonly (ParamValue | undefined)[];
  readonly #logOwn: number;
  readonly #logOther: number;
  readonly #own: number;

  constructor({ options }: ChoiceDimension, values: readonly (ParamValue | undefined)[]) {
    this.#options = options;
    this.#values = values;
    const kernels = values.length + 1;
    const total = 1 + options.length / kernels;
    this.#own = 1 / total;
    this.#logOwn = Math.log((1 + 1 / kernels) / total);
    this.#logOther = Math.log(1 / kernels / total);
  }

  addLogs(value: ParamValue, out: Float64Array): void {
    const even = -Math.log(this.#options.length);
    for (let i = 0; i < out.length; i++) {
      const seen = this.#values[i];
      out[i]! += seen === undefined ? even : seen === value ? this.#logOwn : this.#logOther;
    }
  }

  sample(component: number, random: Random): ParamValue {
    const seen = this.#values[component];
    return seen !== undefined && random.next() < this.#own ? seen : random.pick(this.#options);
  }
}

function logSumExp(logs: Float64Array): number {
  let most = -Infinity;
  for (const log of logs) if (log > most) most = log;
  if (most === -Infinity) return -Infinity;
  let sum = 0;
  for (const log of logs) sum += Math.exp(log - most);
  return most + Math.log(sum);
}
