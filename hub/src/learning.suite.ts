// Test support: the learning half of a hub on real SQLite, real blobs and real worker processes, with devices that do as they are told.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '@sanderling/kit';
import {
  createSigningKey,
  formatToken,
  parseToken,
  type Execution,
  type HubEvent,
  type UpdateStage,
} from '@sanderling/wire';
import { accessMigrations, loadHubKeys } from './access/index.ts';
import { Data, dataMigrations } from './data/index.ts';
import { EventLog, eventMigrations } from './events/index.ts';
import { Fleet, fleetMigrations } from './fleet/index.ts';
import { learningMigrations, openLearning, runLearning, type Learning, type LearningBase } from './learning.ts';
import { Monitoring, monitoringMigrations } from './monitoring/index.ts';
import { projectMigrations, Projects } from './projects/index.ts';
import { DiskBlobs, openDatabase, sqliteDialect } from './store/index.ts';
import type { PoolOptions } from './workers/index.ts';

/** A learning hub without a door. */
export interface House extends LearningBase, Learning, AsyncDisposable {
  readonly folder: string;
}

/** Opens a house in a folder and sets it going. */
export async function openHouse(
  folder: string,
  options: PoolOptions & { readonly start?: boolean } = {},
): Promise<House> {
  await mkdir(folder, { recursive: true });
  const clock = systemClock;
  const database = await openDatabase(sqliteDialect(join(folder, 'hub.sqlite')), [
    eventMigrations,
    accessMigrations,
    projectMigrations,
    dataMigrations,
    monitoringMigrations,
    fleetMigrations,
    ...learningMigrations,
  ]);
  const blobs = new DiskBlobs(join(folder, 'blobs'));
  const events = new EventLog(database, clock);
  const hubKeys = await loadHubKeys(join(folder, 'keys'));
  const projects = new Projects(database, events, clock);
  const data = new Data(database, { blobs, events, projects, clock });
  const reports = new Monitoring(database, clock);
  const fleet = new Fleet(database, { events, clock, releaseKey: hubKeys.release, readings: data, reports, projects });
  const base: LearningBase = { clock, database, blobs, events, hubKeys, projects, data, fleet };
  // Workers as urgent as everything else: on a busy machine a nice one gets a tenth of a core, and a test of seconds takes minutes.
  const { start = true, ...pool } = { niceness: 0, ...options };
  const learning = openLearning(base, pool);
  const stop = new AbortController();
  const running = start ? runLearning(learning, stop.signal) : Promise.resolve();
  return {
    ...base,
    ...learning,
    folder,
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await running;
      await Promise.all([learning.workers.stop(), learning.forecastWorkers.stop()]);
      await database.destroy();
    },
  };
}

/** A project that trains in a few seconds. */
export const smallProject = {
  name: 'room',
  data: { quantity: 'temperature', unit: '°C', newest: 2000, minimum: 200 },
  model: { kind: 'forecaster', horizon: 3, features: ['value', 'hour-of-day'] },
  search: {
    trials: 4,
    population: 2,
    epochs: 2,
    patience: 1,
    parallel: 2,
    seed: 7,
    space: { hidden: { type: 'int', low: 4, high: 8 }, window: { type: 'choice', options: [6, 12] }, batch: 64 },
  },
  gates: [],
  targets: ['linux-x64'],
} as const;

/** Ten-minute temperatures of a room over `rows` rows: a day's swing, slow weather, noise; a `shift` turns the swing around. */
export function roomReadings(
  rows: number,
  options: { readonly from?: number; readonly shift?: number } = {},
): { time: number; value: number }[] {
  const { from = 0, shift = 0 } = options;
  let state = 12_345 + from;
  const noise = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32 - 0.5;
  };
  let weather = 0;
  return Array.from({ length: rows }, (_, i) => {
    weather = 0.95 * weather + 0.3 * noise();
    const swing = 3 * Math.sin((2 * Math.PI * (from + i)) / 144) * (1 - 2 * shift);
    return { time: 1_700_000_000_000 + (from + i) * 600_000, value: 20 + 5 * shift + swing + weather + 0.1 * noise() };
  });
}

/** Stores readings as an import does. */
export async function feed(
  house: House,
  project: string,
  readings: readonly { time: number; value: number }[],
): Promise<void> {
  const { database, data, clock } = house;
  const { tables } = await import('./store/index.ts');
  await tables<object>(database)
    .transaction()
    .execute((tx) => data.store({ project, source: 'test', receivedAt: clock.now() }, readings, tx));
}

/** Waits for an execution's end. */
export async function ended(house: House, id: string): Promise<Execution> {
  for (;;) {
    const execution = await house.pipelines.get(id);
    if (execution.endedAt !== null) return execution;
    await house.clock.sleep(20);
  }
}

/** Waits until there is an event of a type behind a sequence number. */
export async function eventOf(house: House, type: string, after = 0): Promise<HubEvent> {
  for (;;) {
    const [event] = await house.events.list({ types: [type], after, limit: 1 });
    if (event !== undefined) return event;
    await house.clock.sleep(20);
  }
}

/** Enrols a device. @returns its id. */
export async function enrolDevice(house: House, name: string, project = 'room'): Promise<string> {
  const { token } = await house.fleet.createToken(project);
  const request = { token: formatToken(parseToken(token!)), publicKey: createSigningKey().publicKey };
  const answer = await house.fleet.enrol({ ...request, name, target: 'linux-x64', tags: {}, agentVersion: '0.1.0' });
  return answer.device;
}

/** A device that installs whatever it is offered; `stages` is how it goes. */
export async function obey(
  house: House,
  device: string,
  options: { readonly stages?: readonly UpdateStage[]; readonly signal: AbortSignal; readonly project?: string },
): Promise<void> {
  const { stages = ['downloading', 'probation', 'active'], signal, project = 'room' } = options;
  const known = { id: device, project };
  let counter = -1;
  let active: string | null = null;
  while (!signal.aborted) {
    const desired = await house.fleet.desired(device, { have: counter, waitMs: 200 }, signal);
    if (desired.counter === counter) continue;
    counter = desired.counter;
    if (desired.release === null || desired.release === active) continue;
    const previous: string | null = active;
    for (const stage of stages) {
      const installed = stage === 'probation' || stage === 'active';
      active = installed ? desired.release : previous;
      const update = {
        release: desired.release,
        stage,
        progress: 1,
        reason: stage === 'rolled-back' ? 'probation failed' : null,
      };
      await house.fleet.status(known, { counter, active, previous, update, agentVersion: '0.1.0' });
    }
  }
}
