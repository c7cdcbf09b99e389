// Hyper-parameter search: typed spaces, ask and tell, seeded, resumable.
export {
  choice,
  float,
  int,
  when,
  type ChoiceDimension,
  type ChoiceValue,
  type Condition,
  type Conditional,
  type Dimension,
  type FloatDimension,
  type IntDimension,
  type ParamValue,
} from './dimension.ts';
export {
  checkParams,
  space,
  spaceFromJson,
  spaceToJson,
  type Parameter,
  type Params,
  type Sampled,
  type SampleOf,
  type Space,
  type SpaceShape,
} from './space.ts';
export type { Constraint, Goal } from './goals.ts';
export type { Outcome, Trial, TrialRecord } from './trial.ts';
export type { AlgorithmConfig } from './algorithms.ts';
export { random, type RandomConfig } from './random-search.ts';
export { nsga2, type Nsga2Config, type Nsga2Options } from './nsga2.ts';
export { tpe, type TpeConfig, type TpeOptions } from './tpe.ts';
export { genetic, type GeneticConfig, type GeneticOptions } from './genetic.ts';
export {
  createSearch,
  restoreSearch,
  type BestSoFar,
  type Search,
  type SearchOptions,
  type SearchState,
} from './search.ts';
export { crowdingDistance, nonDominatedSort, paretoFront, type Costs } from './pareto.ts';
export { spread } from './spread.ts';
export { hypervolume } from './hypervolume.ts';
export { createAsha, restoreAsha, type Asha, type AshaOptions, type AshaState, type Verdict } from './asha.ts';
export { runSearch, type Objective, type RunSearchOptions } from './run-search.ts';
