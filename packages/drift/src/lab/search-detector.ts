// Search over a detector's options on several goals at once: short delay, few missed drifts, few false alarms. The optimiser is the
// caller's (packages/search: nsga2() fits as it is); scores are those of held-out seeds, as a search overfits the seeds it has seen.
import { availableParallelism } from 'node:os';
import { SanderlingError } from '@sanderling/kit';
import { detectors, isDetectorName, type DetectorRow } from '../detectors.ts';
import { vectorDetectors, isVectorDetectorName, type VectorDetectorRow } from '../vector/vector-detectors.ts';
import { tasksOf, type LabConfig } from './config.ts';
import { LabPool, sideBySide } from './pool.ts';
import type { LabResult } from './run-task.ts';

/** What a search needs of an optimiser: ask and tell. A `Search` of packages/search is one. */
export interface LabOptimiser {
  /** Parameters to try; undefined when it waits for those asked before, or has no more. */
  ask(): { readonly id: number; readonly params: Readonly<Record<string, unknown>> } | undefined;
  /** Costs in the order of {@link searchGoals}, all to be made small; or that the parameters were refused. */
  tell(
    id: number,
    outcome: { readonly values: readonly number[] } | { readonly state: 'failed'; readonly reason: string },
  ): void;
}

/** The goals, all to be made small. A drift that was not found counts in `mtd` as found at the end of its acceptance window. */
export const searchGoals = ['mtd', 'mdr', 'fdPer1000'] as const;

/** An option that may be searched. */
export interface SearchDimension {
  readonly name: string;
  readonly low: number;
  readonly high: number;
  readonly log: boolean;
  readonly whole: boolean;
}

/** What to search. */
export interface DetectorSearch {
  /** A scalar or vector detector. */
  readonly detector: string;
  /** Options that stay as they are. @default none */
  readonly fixed?: Readonly<Record<string, number>>;
  readonly streams: LabConfig['streams'];
  readonly seeds: readonly number[];
  /** Seeds for the scores that are reported; none of them in `seeds`. */
  readonly heldOutSeeds: readonly number[];
  readonly acceptance?: LabConfig['acceptance'];
  readonly training?: number;
  /** Most parameters tried. */
  readonly trials: number;
  readonly processes?: number;
  readonly signal?: AbortSignal;
  readonly onTrial?: (point: SearchPoint) => void;
}

/** Options and what they cost, in the order of {@link searchGoals}. */
export interface SearchPoint {
  readonly options: Readonly<Record<string, number>>;
  readonly costs: readonly number[];
}

/** A point of the front with the costs on seeds that the search has not seen. */
export interface FrontPoint extends SearchPoint {
  readonly heldOut: readonly number[];
}

/** What a search found. */
export interface SearchReport {
  readonly goals: typeof searchGoals;
  readonly tried: number;
  /** Parameters that the detector refused, options that contradict each other. */
  readonly refused: number;
  /** Points that no other beats in every goal, by the seeds of the search. */
  readonly front: readonly FrontPoint[];
  /** The detector's defaults on the held-out seeds. */
  readonly defaults: readonly number[];
}

/** The options of a detector that a search may vary, from its rules. @throws INVALID_CONFIG for an unknown detector */
export function searchSpaceOf(detector: string): readonly SearchDimension[] {
  const row: DetectorRow | VectorDetectorRow | undefined = isDetectorName(detector)
    ? detectors[detector]
    : isVectorDetectorName(detector)
      ? vectorDetectors[detector]
      : undefined;
  if (row === undefined)
    throw new SanderlingError('INVALID_CONFIG', 'there is no such detector', { where: 'detector' });
  return Object.entries(row.options).flatMap(([name, { search, whole = false }]) =>
    search === undefined ? [] : [{ name, low: search.low, high: search.high, log: search.log ?? false, whole }],
  );
}

/** Runs a search to its end. @throws INVALID_CONFIG; CANCELLED by the signal */
export async function searchDetector(search: DetectorSearch, optimiser: LabOptimiser): Promise<SearchReport> {
  if (search.heldOutSeeds.length === 0 || search.heldOutSeeds.some((seed) => search.seeds.includes(seed))) {
    throw new SanderlingError('INVALID_CONFIG', 'held-out seeds must be some that the search does not use', {
      where: 'heldOutSeeds',
    });
  }
  await using pool = new LabPool();
  const points: SearchPoint[] = [];
  let refused = 0;
  while (points.length + refused < search.trials) {
    const asked = askMany(optimiser, search.trials - points.length - refused);
    if (asked.length === 0) break;
    const outcomes = await costsOf(pool, search, {
      seeds: search.seeds,
      sets: asked.map(({ params }) => optionsOf(search, params)),
    });
    asked.forEach(({ id, params }, i) => {
      const costs = outcomes[i];
      if (costs === undefined) {
        refused += 1;
        optimiser.tell(id, { state: 'failed', reason: 'the options contradict each other' });
        return;
      }
      const point = { options: optionsOf(search, params), costs };
      points.push(point);
      optimiser.tell(id, { values: costs });
      search.onTrial?.(point);
    });
  }
  const front = points.filter((point) => !points.some((other) => dominates(other.costs, point.costs)));
  const sets = [search.fixed ?? {}, ...front.map(({ options }) => options)];
  const [defaults, ...heldOut] = await costsOf(pool, search, { seeds: search.heldOutSeeds, sets });
  return {
    goals: searchGoals,
    tried: points.length,
    refused,
    front: front.map((point, i) => ({ ...point, heldOut: heldOut[i] as readonly number[] })),
    defaults: defaults as readonly number[],
  };
}

/** Whether costs are no worse in every goal and better in one. */
export function dominates(a: readonly number[], b: readonly number[]): boolean {
  return a.every((cost, i) => cost <= (b[i] as number)) && a.some((cost, i) => cost < (b[i] as number));
}

type Asked = NonNullable<ReturnType<LabOptimiser['ask']>>;

/** As many as the optimiser gives before it wants to be told. */
function askMany(optimiser: LabOptimiser, most: number): Asked[] {
  const asked: Asked[] = [];
  const generation = Math.min(most, 64);
  for (let next = optimiser.ask(); next !== undefined; next = asked.length < generation ? optimiser.ask() : undefined)
    asked.push(next);
  return asked;
}

function optionsOf(search: DetectorSearch, params: Readonly<Record<string, unknown>>): Record<string, number> {
  return { ...(params as Readonly<Record<string, number>>), ...search.fixed };
}

/** Mean costs of each set of options; undefined where they are refused. */
async function costsOf(
  pool: LabPool,
  search: DetectorSearch,
  { seeds, sets }: { readonly seeds: readonly number[]; readonly sets: readonly Readonly<Record<string, number>>[] },
): Promise<(readonly number[] | undefined)[]> {
  const jobs = sets.flatMap((options, set) => tasksFor(search, seeds, options).map((task) => ({ set, task })));
  const results = await sideBySide(
    jobs.map(
      ({ task }) =>
        (signal: AbortSignal) =>
          pool.run(task, signal),
    ),
    search.processes ?? availableParallelism(),
    search.signal,
  );
  return sets.map((_, set) => {
    const own = results.filter((_result, i) => jobs[i]?.set === set);
    return own.length === 0 ? undefined : meanCosts(own, search.acceptance?.after ?? 1000);
  });
}

function tasksFor(
  search: DetectorSearch,
  seeds: readonly number[],
  options: Readonly<Record<string, number>>,
): ReturnType<typeof tasksOf> {
  const { detector, streams, acceptance, training } = search;
  try {
    return tasksOf({
      streams,
      seeds,
      detectors: [{ name: detector, detector, options }],
      ...(acceptance === undefined ? {} : { acceptance }),
      ...(training === undefined ? {} : { training }),
    });
  } catch (error) {
    const refusal =
      error instanceof SanderlingError &&
      error.code === 'INVALID_CONFIG' &&
      error.where?.startsWith(`${detector}.`) === true;
    if (refusal) return [];
    throw error;
  }
}

function meanCosts(results: readonly LabResult[], after: number): readonly number[] {
  const mean = (pick: (result: LabResult) => number): number =>
    results.reduce((sum, result) => sum + pick(result), 0) / results.length;
  return [
    mean(({ metrics }) => (1 - (metrics.mdr ?? 0)) * (metrics.mtd ?? 0) + (metrics.mdr ?? 0) * after),
    mean(({ metrics }) => metrics.mdr ?? 0),
    mean(({ metrics }) => metrics.fdPer1000),
  ];
}
