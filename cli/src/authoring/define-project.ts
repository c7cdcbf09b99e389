// What authors write in `sanderling.config.ts`: plain data, with short words for the parts that come in kinds.
import { parseProject, type ProjectInput, type ProjectSpec } from '@sanderling/wire';

type Gate = NonNullable<ProjectInput['gates']>[number];
type Automation = NonNullable<ProjectInput['automations']>[number];
type Quantise = Extract<NonNullable<ProjectInput['optimise']>[number], { readonly step: unknown }>;
type Search = NonNullable<ProjectInput['search']>;
type Of<Kind extends Gate['gate']> = Omit<Extract<Gate, { readonly gate: Kind }>, 'gate'>;

/**
 * A project, checked as it is written: the editor completes every field, and a mistake is an INVALID_CONFIG error with the path of the wrong field.
 * @example
 * export default defineProject({ name: 'cellar', model: forecaster({ horizon: 6 }), targets: ['linux-arm64'] });
 */
export function defineProject(project: ProjectInput): ProjectSpec {
  return parseProject(project);
}

/** A network that forecasts the next steps of a series from a window of its past. */
export function forecaster(options: Omit<ProjectInput['model'], 'kind'> = {}): ProjectInput['model'] {
  return { kind: 'forecaster', ...options };
}

/** Genetic search over the space: tournament, crossover, mutation, elitism. */
export function genetic(options: Omit<Search, 'algorithm'> = {}): Search {
  return { algorithm: 'genetic', ...options };
}

/** Random search over the space: the baseline that every search has to beat. */
export function random(options: Omit<Search, 'algorithm'> = {}): Search {
  return { algorithm: 'random', ...options };
}

/** A whole number from `low` to `high`, both included. */
export function int(low: number, high: number): { type: 'int'; low: number; high: number } {
  return { type: 'int', low, high };
}

/** A number from `low` to `high`. */
export function float(low: number, high: number): { type: 'float'; low: number; high: number } {
  return { type: 'float', low, high };
}

/** A number from `low` to `high`, its logarithm spread evenly: for learning rates. */
export function logFloat(low: number, high: number): { type: 'float'; low: number; high: number; log: true } {
  return { type: 'float', low, high, log: true };
}

/** One of the options. */
export function choice<T extends string | number | boolean>(...options: T[]): { type: 'choice'; options: T[] } {
  return { type: 'choice', options };
}

/** Gate: better than a baseline that knows nothing, by a margin. */
export function beats(
  baseline: 'persistence' | 'seasonal-naive',
  options: Omit<Of<'beats-baseline'>, 'baseline'> = {},
): Gate {
  return { gate: 'beats-baseline', baseline, ...options };
}

/** Gate: on the same test data, not worse than what the devices run now, with confidence. */
export function notWorseThanChampion(options: Of<'not-worse-than-champion'> = {}): Gate {
  return { gate: 'not-worse-than-champion', ...options };
}

/** Gate: the model file is at most this large. */
export function size(options: Of<'size'>): Gate {
  return { gate: 'size', ...options };
}

/** Gate: the release takes at most this much RAM on a microcontroller, stack included; measured on an emulated board. */
export function ram(options: Of<'ram'>): Gate {
  return { gate: 'ram', ...options };
}

/** Gate: the release takes at most this much flash on a microcontroller. */
export function flash(options: Of<'flash'>): Gate {
  return { gate: 'flash', ...options };
}

/** Gate: one forecast takes at most this long; on a microcontroller (`target`) by the instructions that the emulated board counts. */
export function latency(options: Of<'latency'>): Gate {
  return { gate: 'latency', ...options };
}

/** Optimisation: int8 values and weights; layers that would break the budget stay in float. */
export function quantiseInt8(options: Omit<Quantise, 'step'> = {}): Quantise {
  return { step: 'quantise-int8', ...options };
}

/** An event turned into actions. */
export function on(when: Automation['when'], options: Omit<Automation, 'when'>): Automation {
  return { when, ...options };
}
