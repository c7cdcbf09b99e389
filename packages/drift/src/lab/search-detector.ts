// Search over a detector's options on several goals at once: short delay, few missed drifts, few false alarms. The optimiser is the
// caller's (packages/search: nsga2() fits as it is); scores are those of held-out seeds, as a search overfits the seeds it has seen.
import { availableParallelism } from 'node:os';
import { SanderlingError } from '@sanderling/kit';
import { detectors, isDetectorName, type DetectorRow } from '../detectors.ts';
import { vectorDetectors, isVectorDetectorName, type VectorDetectorRow } from '../vector/vector-detectors.ts';
import { tasksOf, type LabConfig, type LabTask } from './config.ts';
import type { AlarmMetrics } from './metrics.ts';
import { LabPool, sideBySide } from './pool.ts';
import { ResultStore } from './result-store.ts';
import type { LabResult } from './run-task.ts';
import { dominates } from './summary.ts';

/** What a search needs of an optimiser: ask and tell. A `Search` of packages/search is one. */
export interface LabOptimiser {
  /** Parameters to try; undefined when it waits for those asked before, or has no more. */
  ask(): { readonly id: number; readonly params: Readonly<Record<string, unknown>> } | undefined;
  /** Costs in the order of {@link searchGoals}, all to be made small; or that the parameters were refused. */
  tell(
    id: number,
    outcome: { readonly values: readonly number[] } | { readonly state: 'failed'; readonly reason: string },
  ): void;
  /** What the points told so far dominate, up to a reference point. @default the report has none */
  hypervolume?(reference: readonly number[]): number;
}

/** The goals, all to be made small. A drift that was not found counts in `delay` as found at the end of its acceptance window. */
export const searchGoals = ['delay', 'mdr', 'fdPer1000'] as const;

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
  /** Streams for the scores that are reported; needed where streams are recorded, which have no other seeds. @default `streams` */
  readonly heldOutStreams?: LabConfig['streams'];
  readonly seeds: readonly number[];
  /** Seeds for the scores that are reported; none of them in `seeds`. */
  readonly heldOutSeeds: readonly number[];
  readonly acceptance?: LabConfig['acceptance'];
  readonly training?: number;
  /** Most parameters tried. */
  readonly trials: number;
  /** Worst costs that count, in the order of {@link searchGoals}. @default the acceptance's `after`, 1, 10 */
  readonly reference?: readonly number[];
  /** Folder of finished tasks, as for a lab: a search that was stopped goes on. @default nothing is kept */
  readonly folder?: string;
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
  /**
   * The proposal: the point of the front that is nearest to no cost at all, each goal counted in shares of the reference; null when the
   * front is empty.
   */
  readonly knee: FrontPoint | null;
  readonly reference: readonly number[];
  /** Share of the box up to the reference that the front dominates, 0…1; null when the optimiser does not tell. */
  readonly hypervolume: number | null;
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
  checkHeldOut(search);
  await using pool = new LabPool();
  const bench: Bench = { pool, search, store: await ResultStore.open(search.folder) };
  const points: SearchPoint[] = [];
  let refused = 0;
  while (points.length + refused < search.trials) {
    const asked = askMany(optimiser, search.trials - points.length - refused);
    if (asked.length === 0) break;
    const sets = asked.map(({ params }) => optionsOf(search, params));
    const outcomes = await costsOf(bench, sets, { streams: search.streams, seeds: search.seeds });
    asked.forEach(({ id }, i) => {
      const costs = outcomes[i];
      if (costs === undefined) {
        refused += 1;
        optimiser.tell(id, { state: 'failed', reason: 'the options contradict each other' });
        return;
      }
      const point = { options: sets[i] as Readonly<Record<string, number>>, costs };
      points.push(point);
      optimiser.tell(id, { values: costs });
      search.onTrial?.(point);
    });
  }
  const found = points.filter((point) => !points.some((other) => dominates(other.costs, point.costs)));
  const sets = [search.fixed ?? {}, ...found.map(({ options }) => options)];
  const fresh = { streams: search.heldOutStreams ?? search.streams, seeds: search.heldOutSeeds };
  const [defaults, ...heldOut] = await costsOf(bench, sets, fresh);
  const front = found.map((point, i) => ({ ...point, heldOut: heldOut[i] as readonly number[] }));
  const reference = search.reference ?? [search.acceptance?.after ?? 1000, 1, 10];
  const box = reference.reduce((product, side) => product * side, 1);
  const volume = optimiser.hypervolume?.(reference);
  return {
    goals: searchGoals,
    tried: points.length,
    refused,
    front,
    knee: kneeOf(front, reference) ?? null,
    reference,
    hypervolume: volume === undefined ? null : volume / box,
    defaults: defaults as readonly number[],
  };
}

function checkHeldOut({ streams, heldOutStreams, seeds, heldOutSeeds, reference = [1, 1, 1] }: DetectorSearch): void {
  const bad = (where: string, message: string): SanderlingError =>
    new SanderlingError('INVALID_CONFIG', message, { where: `search.${where}` });
  const otherStreams = heldOutStreams?.every(({ name }) => streams.every((stream) => stream.name !== name)) === true;
  if (heldOutStreams === undefined && streams.some((stream) => 'file' in stream))
    throw bad('heldOutStreams', 'a recorded stream has no other seeds: name streams that the search does not use');
  if (heldOutStreams !== undefined && !otherStreams)
    throw bad('heldOutStreams', 'held-out streams must be some that the search does not use');
  if (heldOutSeeds.length === 0 || (!otherStreams && heldOutSeeds.some((seed) => seeds.includes(seed))))
    throw bad('heldOutSeeds', 'held-out seeds must be some that the search does not use');
  if (reference.length !== searchGoals.length || !reference.every((side) => side > 0))
    throw bad('reference', 'the reference is three numbers above 0');
}

/** The point nearest to no cost at all, goals in shares of the reference. */
export function kneeOf<P extends SearchPoint>(front: readonly P[], reference: readonly number[]): P | undefined {
  const far = ({ costs }: P): number => Math.hypot(...costs.map((cost, i) => cost / (reference[i] as number)));
  return front.toSorted((a, b) => far(a) - far(b))[0];
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

/** What a search runs on. */
interface Bench {
  readonly pool: LabPool;
  readonly store: ResultStore;
  readonly search: DetectorSearch;
}

/** Mean costs of each set of options; undefined where they are refused. */
async function costsOf(
  bench: Bench,
  sets: readonly Readonly<Record<string, number>>[],
  on: Pick<LabConfig, 'streams' | 'seeds'>,
): Promise<(readonly number[] | undefined)[]> {
  const { pool, store, search } = bench;
  const jobs = sets.flatMap((options, set) => tasksFor(search, options, on).map((task) => ({ set, task })));
  const run = async (task: LabTask, signal: AbortSignal): Promise<LabResult> => {
    const result = await pool.run(task, signal);
    await store.keep(task, result);
    return result;
  };
  const results = await sideBySide(
    jobs.map(
      ({ task }) =>
        async (signal: AbortSignal) =>
          store.get(task) ?? run(task, signal),
    ),
    search.processes ?? availableParallelism(),
    search.signal,
  );
  return sets.map((_, set) => {
    const own = results.filter((_result, i) => jobs[i]?.set === set);
    return own.length === 0 ? undefined : meanCosts(own);
  });
}

function tasksFor(
  search: DetectorSearch,
  options: Readonly<Record<string, number>>,
  on: Pick<LabConfig, 'streams' | 'seeds'>,
): readonly LabTask[] {
  const { detector, acceptance, training } = search;
  try {
    return tasksOf({
      ...on,
      detectors: [{ name: detector, detector, options }],
      ...(acceptance === undefined ? {} : { acceptance }),
      ...(training === undefined ? {} : { training }),
    });
  } catch (error) {
    const refusal =
      error instanceof SanderlingError &&
      error.code === 'INVALID_CONFIG' &&
      error.where?.startsWith('detectors[0].options') === true;
    if (refusal) return [];
    throw error;
  }
}

function meanCosts(results: readonly LabResult[]): readonly number[] {
  // Steady streams have no delay to count, only false alarms.
  const mean = (pick: (metrics: AlarmMetrics) => number | null): number => {
    const counted = results.map(({ metrics }) => pick(metrics)).filter((value) => value !== null);
    return counted.reduce((sum, value) => sum + value, 0) / Math.max(1, counted.length);
  };
  return [mean(({ delay }) => delay), mean(({ mdr }) => mdr), mean(({ fdPer1000 }) => fdPer1000)];
}
