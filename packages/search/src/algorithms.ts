// Every algorithm by its kind.
import { SanderlingError } from '@sanderling/kit';
import type { Algorithm } from './algorithm.ts';
import { createGenetic, genetic, type GeneticConfig } from './genetic.ts';
import { createNsga2, nsga2, type Nsga2Config } from './nsga2.ts';
import { createRandomSearch, random, type RandomConfig } from './random-search.ts';
import { createTpe, tpe, type TpeConfig } from './tpe.ts';
import { shown } from './shown.ts';

/** An algorithm and its options, as plain data. */
export type AlgorithmConfig = RandomConfig | TpeConfig | GeneticConfig | Nsga2Config;

type Kind = AlgorithmConfig['kind'];

interface Entry<C> {
  /** Checks options and gives the config. @throws INVALID_CONFIG */
  readonly configure: (options: Omit<C, 'kind'>) => C;
  readonly create: (config: C) => Algorithm;
  /** Whether it can serve several goals. */
  readonly manyGoals: boolean;
}

const table = {
  random: { configure: random, create: createRandomSearch, manyGoals: true },
  tpe: { configure: tpe, create: createTpe, manyGoals: true },
  nsga2: { configure: nsga2, create: createNsga2, manyGoals: true },
  genetic: { configure: genetic, create: createGenetic, manyGoals: false },
} satisfies { readonly [K in Kind]: Entry<Extract<AlgorithmConfig, { kind: K }>> };

/** A checked config from a config or its stored form. @throws INVALID_CONFIG */
export function checkAlgorithm(config: unknown, goals: number): AlgorithmConfig {
  const { kind, ...options } = (typeof config === 'object' && config !== null ? config : {}) as AlgorithmConfig;
  if (!Object.hasOwn(table, kind ?? '')) {
    throw new SanderlingError('INVALID_CONFIG', `${shown(kind)} is no search algorithm`, {
      where: 'algorithm',
      fix: `the algorithms are ${Object.keys(table).join(', ')}`,
    });
  }
  const entry = table[kind] as Entry<AlgorithmConfig>;
  if (goals > 1 && !entry.manyGoals) {
    throw new SanderlingError('INVALID_CONFIG', `${kind} serves one goal, not ${goals}`, {
      where: 'algorithm',
      fix: 'use nsga2 for several goals, or make one of them a constraint',
    });
  }
  return entry.configure(options);
}

/** The algorithm at work. */
export function createAlgorithm(config: AlgorithmConfig): Algorithm {
  return (table[config.kind] as Entry<AlgorithmConfig>).create(config);
}
