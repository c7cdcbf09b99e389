// What a hub is made of: the store, the log, and every capability, each built from the ones before it.
import { join } from 'node:path';
import type { Clock } from '@sanderling/kit';
import { accessMigrations, ApiKeys, loadHubKeys, type HubKeys } from './access/index.ts';
import { Data, dataMigrations } from './data/index.ts';
import { EventLog, eventMigrations } from './events/index.ts';
import { Fleet, fleetMigrations } from './fleet/index.ts';
import { learningMigrations, openLearning, runLearning, type Learning } from './learning.ts';
import { Monitoring, monitoringMigrations } from './monitoring/index.ts';
import { projectMigrations, Projects } from './projects/index.ts';
import { Retention } from './retention/index.ts';
import type { HubSettings } from './settings.ts';
import { DiskBlobs, openDatabase, sqliteDialect, WriteAheadLog, type Database, type Durable } from './store/index.ts';

/** Every capability of a running hub. */
export interface Capabilities extends Learning {
  readonly clock: Clock;
  readonly database: Database;
  /** Awaited before anything is acknowledged. */
  readonly durable: Durable;
  readonly blobs: DiskBlobs;
  readonly events: EventLog;
  readonly keys: ApiKeys;
  readonly hubKeys: HubKeys;
  readonly projects: Projects;
  readonly data: Data;
  readonly monitoring: Monitoring;
  readonly fleet: Fleet;
  readonly retention: Retention;
}

/** Every capability's migrations. One line each. */
const migrations = [
  eventMigrations,
  accessMigrations,
  projectMigrations,
  dataMigrations,
  monitoringMigrations,
  fleetMigrations,
  ...learningMigrations,
];

/** Opens the data folder, which is there and locked, and builds the capabilities. Nothing runs yet: see {@link startCapabilities}. */
export async function openCapabilities(settings: HubSettings, clock: Clock): Promise<Capabilities> {
  const databasePath = join(settings.data, 'hub.sqlite');
  const durable = new WriteAheadLog(databasePath);
  const database = await openDatabase(sqliteDialect(databasePath, durable), migrations);
  const blobs = new DiskBlobs(join(settings.data, 'blobs'));
  const events = new EventLog(database, clock);
  const hubKeys = await loadHubKeys(keysFolder(settings));
  const keys = new ApiKeys(database, events, clock);
  const projects = new Projects(database, events, clock);
  const data = new Data(database, { blobs, events, projects, clock });
  const monitoring = new Monitoring(database, clock);
  const fleet = new Fleet(database, {
    events,
    clock,
    releaseKey: hubKeys.release,
    readings: data,
    reports: monitoring,
    projects,
    maxWaiting: settings.limits.waitingDevices,
  });
  const retention = new Retention({ database: databasePath, blobs, durable, events, clock });
  const base = { clock, database, durable, blobs, events, keys, hubKeys, projects, data, monitoring, fleet };
  return { ...base, retention, ...openLearning(base, { niceness: settings.workers.niceness }) };
}

/**
 * Recovers what a killed hub left half done and sets everything going; work in the background ends when the signal aborts.
 * @returns when recovery is done, with a promise of the background's end.
 */
export async function startCapabilities(
  capabilities: Capabilities,
  settings: HubSettings,
  signal: AbortSignal,
): Promise<{ readonly ended: Promise<void> }> {
  await capabilities.keys.ensureAdmin(adminKeyPath(settings));
  await capabilities.data.start();
  signal.throwIfAborted();
  const background = [
    capabilities.monitoring.run(signal),
    runLearning(capabilities, signal),
    ended(signal).then(() => capabilities.data.stop()),
    ended(signal).then(() => capabilities.retention.stop()),
  ];
  return { ended: Promise.all(background).then(() => undefined) };
}

function ended(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** Where the first admin key is written. */
export function adminKeyPath(settings: HubSettings): string {
  return join(keysFolder(settings), 'admin.key');
}

function keysFolder(settings: HubSettings): string {
  return join(settings.data, 'keys');
}
