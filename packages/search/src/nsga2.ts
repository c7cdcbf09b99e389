// NSGA-II (Deb, Pratap, Agarwal & Meyarivan 2002): elitist survival by non-dominated fronts and crowding, crowded binary tournaments, simulated binary
// crossover within bounds (Deb & Agrawal 1995) and polynomial mutation; choices are exchanged, and mutate to another option.
import { createRandom, type Random } from '@sanderling/kit';
import { newParams, streamOf, type Algorithm, type Study } from './algorithm.ts';
import { buildParams, drawParams, drawValue, fromUnit, toUnit } from './coordinate.ts';
import { cardinality, type ParamValue } from './dimension.ts';
import { checkOptions } from './options.ts';
import { polynomialMutation, simulatedBinary } from './real-operators.ts';
import type { Parameter, Params } from './space.ts';
import { survive, type Ranked } from './survival.ts';
import type { Judged } from './trial.ts';

/** How NSGA-II breeds. */
export interface Nsga2Options {
  /** Trials in a generation; the next one starts when all are finished. @default 50 */
  readonly population?: number;
  /** Probability that a pair is crossed. @default 0.9 */
  readonly crossover?: number;
  /** Spread of crossover: larger keeps children nearer to their parents. @default 15 */
  readonly crossoverEta?: number;
  /** Probability that a parameter mutates. @default 1 / the number of parameters, at most 0.5 */
  readonly mutation?: number;
  /** Spread of mutation: larger is smaller steps. @default 20 */
  readonly mutationEta?: number;
}

/** NSGA-II, as plain data. */
export interface Nsga2Config extends Nsga2Options {
  readonly kind: 'nsga2';
}

const rules = {
  population: { low: 4, high: 10_000, whole: true },
  crossover: { low: 0, high: 1 },
  crossoverEta: { low: 0, high: 1000 },
  mutation: { low: 0, high: 1 },
  mutationEta: { low: 0, high: 1000 },
} as const;

/** NSGA-II for one goal or several. @throws INVALID_CONFIG on options out of range */
export function nsga2(options: Nsga2Options = {}): Nsga2Config {
  return Object.freeze({ ...checkOptions('nsga2', options, rules), kind: 'nsga2' });
}

export function createNsga2(config: Nsga2Config): Algorithm {
  return new Nsga2(config);
}

type Settings = Required<Nsga2Options>;

/** What one generation breeds from; derived from the trials before it alone. */
interface Generation {
  readonly survivors: readonly Ranked[];
  /** Winners of tournaments, one for each child. */
  readonly pool: readonly Ranked[];
}

class Nsga2 implements Algorithm {
  readonly #config: Nsga2Config;
  readonly #generations: Generation[] = [];

  constructor(config: Nsga2Config) {
    this.#config = config;
  }

  propose(id: number, study: Study): Params | undefined {
    const settings = this.#settle(study);
    const number = Math.floor(id / settings.population);
    if (study.finishedBelow < number * settings.population) return undefined;
    const stream = streamOf(study, id);
    if (number === 0) return newParams(study, stream, () => drawParams(study.space, stream));
    const { survivors, pool } = this.#generation(number, study, settings);
    const child = id % settings.population;
    let pair: readonly [Ranked, Ranked] = [pool[child - (child % 2)]!, pool[(child - (child % 2) + 1) % pool.length]!];
    return newParams(study, stream, () => {
      const params = breed(pair, study, { settings, stream });
      pair = [winner(survivors, stream), winner(survivors, stream)];
      return params;
    });
  }

  #settle(study: Study): Settings {
    const mutation = Math.min(0.5, 1 / study.space.parameters.length);
    return { population: 50, crossover: 0.9, crossoverEta: 15, mutationEta: 20, mutation, ...this.#config };
  }

  #generation(number: number, study: Study, { population }: Settings): Generation {
    for (let g = this.#generations.length; g < number; g++) {
      const children = Array.from({ length: population }, (_, i): Judged => study.judged(g * population + i));
      const before = this.#generations[g - 1]?.survivors ?? [];
      const survivors = survive([...before.map(({ judged }) => judged), ...children], population);
      const stream = createRandom(study.seed, `tournaments-${g + 1}`);
      this.#generations[g] = { survivors, pool: tournaments(survivors, population, stream) };
    }
    return this.#generations[number - 1]!;
  }
}

/** Crowded tournaments over shuffled survivors, so that each of them stands in the same number of tournaments. */
function tournaments(survivors: readonly Ranked[], count: number, stream: Random): readonly Ranked[] {
  const winners: Ranked[] = [];
  while (winners.length < count) {
    const order = stream.shuffle(survivors);
    for (let i = 0; i + 1 < order.length && winners.length < count; i += 2)
      winners.push(better(order[i]!, order[i + 1]!));
  }
  return winners;
}

function winner(survivors: readonly Ranked[], stream: Random): Ranked {
  return better(stream.pick(survivors), stream.pick(survivors));
}

function better(a: Ranked, b: Ranked): Ranked {
  if (a.rank !== b.rank) return a.rank < b.rank ? a : b;
  return a.crowding >= b.crowding ? a : b;
}

interface Breeding {
  readonly settings: Settings;
  readonly stream: Random;
}

function breed([a, b]: readonly [Ranked, Ranked], study: Study, { settings, stream }: Breeding): Params {
  const [mother, father] =
    stream.next() < 0.5 ? [a.judged.params, b.judged.params] : [b.judged.params, a.judged.params];
  const crossed = stream.next() < settings.crossover;
  return buildParams(study.space, (parameter) => {
    const [first, second] = [mother[parameter.name], father[parameter.name]];
    if (first === undefined && second === undefined) return drawValue(parameter, stream);
    const own = (first === undefined ? second : first) as ParamValue;
    const inherited =
      crossed && first !== undefined && second !== undefined
        ? cross(parameter, [first, second], { settings, stream })
        : own;
    return stream.next() < settings.mutation ? mutate(parameter, inherited, { settings, stream }) : inherited;
  });
}

/** Half of the parameters are crossed, as in the reference code of the authors. */
function cross(
  parameter: Parameter,
  [a, b]: readonly [ParamValue, ParamValue],
  { settings, stream }: Breeding,
): ParamValue {
  if (stream.next() < 0.5) return a;
  if (parameter.kind === 'choice') return b;
  const units = [toUnit(parameter, a as number), toUnit(parameter, b as number)] as const;
  return a === b ? a : fromUnit(parameter, simulatedBinary(units, settings.crossoverEta, stream));
}

function mutate(parameter: Parameter, value: ParamValue, { settings, stream }: Breeding): ParamValue {
  if (cardinality(parameter) === 1) return value;
  if (parameter.kind === 'choice') return stream.pick(parameter.options.filter((option) => option !== value));
  return fromUnit(parameter, polynomialMutation(toUnit(parameter, value as number), settings.mutationEta, stream));
}
