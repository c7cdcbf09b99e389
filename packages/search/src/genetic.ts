// A genetic algorithm for one goal (Goldberg 1989): tournament selection, blend crossover BLX-α (Eshelman & Schaffer 1993) of numbers and uniform
// crossover of choices, Gaussian mutation of numbers and another option for choices, elitism without evaluating the elite again.
import type { Random } from '@sanderling/kit';
import { newParams, streamOf, type Algorithm, type Study } from './algorithm.ts';
import { buildParams, drawValue, fromUnit, toUnit, type Numeric } from './coordinate.ts';
import { cardinality, type ChoiceDimension, type ParamValue } from './dimension.ts';
import { latinHypercube } from './latin-hypercube.ts';
import { checkOptions } from './options.ts';
import { compareJudged } from './ranking.ts';
import type { Parameter, Params } from './space.ts';
import type { Judged } from './trial.ts';

/** How the genetic algorithm breeds. */
export interface GeneticOptions {
  /** Trials in a generation; the next one starts when all are finished. Small ones win on budgets of 50 to 200 trials. @default 10 */
  readonly population?: number;
  /** Candidates for each parent; more is greedier. @default 3 */
  readonly tournament?: number;
  /** Probability that a child has two parents. @default 0.9 */
  readonly crossover?: number;
  /** How far beyond its parents a child's number may lie, in their distances (BLX-α). @default 0.5 */
  readonly blend?: number;
  /** Probability that a parameter mutates. @default 1 / the number of parameters, at most 0.5 */
  readonly mutation?: number;
  /** Standard deviation of a number's mutation, as a share of its range. @default 0.1 */
  readonly sigma?: number;
  /** The best of all earlier generations that stay parents. @default 2 */
  readonly elite?: number;
}

/** A genetic algorithm, as plain data. */
export interface GeneticConfig extends GeneticOptions {
  readonly kind: 'genetic';
}

const rules = {
  population: { low: 2, high: 10_000, whole: true },
  tournament: { low: 1, high: 100, whole: true },
  crossover: { low: 0, high: 1 },
  blend: { low: 0, high: 10 },
  mutation: { low: 0, high: 1 },
  sigma: { low: 1e-6, high: 10 },
  elite: { low: 0, high: 10_000, whole: true },
} as const;

/** A genetic algorithm for one goal. @throws INVALID_CONFIG on options out of range */
export function genetic(options: GeneticOptions = {}): GeneticConfig {
  return Object.freeze({ ...checkOptions('genetic', options, rules), kind: 'genetic' });
}

export function createGenetic(config: GeneticConfig): Algorithm {
  return new Genetic(config);
}

type Settings = Required<GeneticOptions>;

class Genetic implements Algorithm {
  readonly #options: GeneticConfig;
  /** Parents of generation g + 1 at index g; derived from the trials alone. */
  readonly #parents: (readonly Judged[])[] = [];

  constructor(options: GeneticConfig) {
    this.#options = options;
  }

  propose(id: number, study: Study): Params | undefined {
    const settings = this.#settle(study);
    const generation = Math.floor(id / settings.population);
    if (study.finishedBelow < generation * settings.population) return undefined;
    const stream = streamOf(study, id);
    if (generation === 0) {
      const first = latinHypercube(study, settings.population, id);
      let fresh: Params | undefined = first;
      return newParams(study, stream, () => {
        const params = fresh ?? buildParams(study.space, (parameter) => drawValue(parameter, stream));
        fresh = undefined;
        return params;
      });
    }
    const parents = this.#parentsOf(generation, study, settings);
    return newParams(study, stream, () => breed(parents, study, { settings, stream }));
  }

  #settle(study: Study): Settings {
    const mutation = Math.min(0.5, 1 / study.space.parameters.length);
    return {
      population: 10,
      tournament: 3,
      crossover: 0.9,
      blend: 0.5,
      mutation,
      sigma: 0.1,
      elite: 2,
      ...this.#options,
    };
  }

  /** The elite of the parents before, and the trials of the generation before. */
  #parentsOf(generation: number, study: Study, { population, elite }: Settings): readonly Judged[] {
    for (let g = this.#parents.length; g < generation; g++) {
      const children = Array.from({ length: population }, (_, i) => study.judged(g * population + i));
      const kept = (this.#parents[g - 1] ?? []).toSorted(compareJudged).slice(0, elite);
      this.#parents.push([...kept, ...children]);
    }
    return this.#parents[generation - 1]!;
  }
}

interface Breeding {
  readonly settings: Settings;
  readonly stream: Random;
}

/** A child of two parents (or of one), mutated. */
function breed(parents: readonly Judged[], study: Study, breeding: Breeding): Params {
  const { settings, stream } = breeding;
  const mother = select(parents, breeding).params;
  const father = stream.next() < settings.crossover ? select(parents, breeding).params : mother;
  return buildParams(study.space, (parameter) => {
    const inherited = inherit(parameter, [mother[parameter.name], father[parameter.name]], breeding);
    return stream.next() < settings.mutation ? mutate(parameter, inherited, breeding) : inherited;
  });
}

/** The best of some that are drawn. */
function select(parents: readonly Judged[], { settings, stream }: Breeding): Judged {
  let best = stream.pick(parents);
  for (let i = 1; i < settings.tournament; i++) {
    const rival = stream.pick(parents);
    if (compareJudged(rival, best) < 0) best = rival;
  }
  return best;
}

/** A parameter that neither parent has is drawn, one that a single parent has is copied, the rest is crossed. */
function inherit(
  parameter: Parameter,
  [a, b]: readonly [ParamValue | undefined, ParamValue | undefined],
  { settings, stream }: Breeding,
): ParamValue {
  if (a === undefined && b === undefined) return drawValue(parameter, stream);
  if (a === undefined || b === undefined) return (a === undefined ? b : a) as ParamValue;
  if (parameter.kind === 'choice') return stream.next() < 0.5 ? a : b;
  if (a === b) return a;
  return fromUnit(
    parameter,
    blend([toUnit(parameter, a as number), toUnit(parameter, b as number)], settings.blend, stream),
  );
}

/** Uniform between the parents and a share of their distance beyond, inside the range. */
function blend([a, b]: readonly [number, number], share: number, stream: Random): number {
  const reach = share * Math.abs(a - b);
  return stream.uniform(Math.max(0, Math.min(a, b) - reach), Math.min(1, Math.max(a, b) + reach));
}

function mutate(parameter: Parameter, value: ParamValue, { settings, stream }: Breeding): ParamValue {
  if (cardinality(parameter) === 1) return value;
  if (parameter.kind === 'choice') return otherOption(parameter, value, stream);
  return nudge(parameter, value as number, settings.sigma * stream.normal());
}

function otherOption({ options }: ChoiceDimension, value: ParamValue, stream: Random): ParamValue {
  return stream.pick(options.filter((option) => option !== value));
}

/** Moves a number, reflected at the ends of its range; a whole number moves by at least one step. */
function nudge(dimension: Numeric, value: number, move: number): number {
  const moved = fromUnit(dimension, reflect(toUnit(dimension, value) + move));
  if (moved !== value || dimension.kind === 'float') return moved;
  const next = value + (move < 0 ? -dimension.step : dimension.step);
  return next < dimension.low ? value + dimension.step : next > dimension.high ? value - dimension.step : next;
}

function reflect(unit: number): number {
  const folded = Math.abs(unit) % 2;
  return folded > 1 ? 2 - folded : folded;
}
