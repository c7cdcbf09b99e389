// The half of a hub that learns: tracking, models, releases and roll-outs, pipelines and automations, and the workers that do their heavy work.
import type { Clock } from '@sanderling/kit';
import type { HubKeys } from './access/index.ts';
import type { Data } from './data/index.ts';
import type { EventLog } from './events/index.ts';
import type { Fleet } from './fleet/index.ts';
import { Forecasts, modelMigrations, Registry } from './models/index.ts';
import { Automations, pipelineMigrations, Pipelines } from './pipelines/index.ts';
import type { Projects } from './projects/index.ts';
import { releaseMigrations, Releases, Rollouts } from './releases/index.ts';
import type { BlobStore, Database } from './store/index.ts';
import { Tracking, trackingMigrations } from './tracking/index.ts';
import { hubVersion } from './version.ts';
import { WorkerPool, type PoolOptions } from './workers/index.ts';

/** What learning is built on. */
export interface LearningBase {
  readonly clock: Clock;
  readonly database: Database;
  readonly blobs: BlobStore;
  readonly events: EventLog;
  readonly hubKeys: HubKeys;
  readonly projects: Projects;
  readonly data: Data;
  readonly fleet: Fleet;
}

/** The capabilities of the learning half. */
export interface Learning {
  /** Trials and judgements. */
  readonly workers: WorkerPool;
  /** Forecasts, which never wait for trials. */
  readonly forecastWorkers: WorkerPool;
  readonly tracking: Tracking;
  readonly registry: Registry;
  readonly forecasts: Forecasts;
  readonly releases: Releases;
  readonly rollouts: Rollouts;
  readonly pipelines: Pipelines;
  readonly automations: Automations;
}

/** Migrations of the learning half. */
export const learningMigrations = [trackingMigrations, modelMigrations, releaseMigrations, pipelineMigrations];

/** The forecasts' process stays this long without work, milliseconds. */
const forecastIdleMs = 120_000;

/** Builds the capabilities; nothing runs yet. */
export function openLearning(base: LearningBase, pool: PoolOptions = {}): Learning {
  const { clock, database, blobs, events, hubKeys, projects, data, fleet } = base;
  const workers = new WorkerPool(pool);
  const forecastWorkers = new WorkerPool({ size: 1, niceness: 0, idleMs: forecastIdleMs });
  const tracking = new Tracking(database, blobs, clock);
  const registry = new Registry({ database, blobs, events, clock });
  const forecasts = new Forecasts(registry, data, forecastWorkers);
  const key = hubKeys.release;
  const releases = new Releases({
    database,
    blobs,
    events,
    clock,
    registry,
    key,
    pool: workers,
    codeVersion: hubVersion,
  });
  const rollouts = new Rollouts({ database, events, clock, registry, releases, fleet });
  const ports = { data, blobs, tracking, registry, releases, rollouts, pool: workers };
  const pipelines = new Pipelines({ ...ports, database, events, clock, projects, codeVersion: hubVersion });
  const automations = new Automations({ database, events, clock, projects, data, pipelines, releases, rollouts });
  return { workers, forecastWorkers, tracking, registry, forecasts, releases, rollouts, pipelines, automations };
}

/** Goes on with what a killed hub left half done, and works until the signal aborts. @returns the end of the work. */
export async function runLearning(learning: Learning, signal: AbortSignal): Promise<void> {
  const { pipelines, rollouts, automations, workers, forecastWorkers } = learning;
  await Promise.all([pipelines.start(signal), rollouts.start(signal), automations.start(signal)]);
  await Promise.all([workers.stop(), forecastWorkers.stop()]);
}
