// Roll-outs at work: what devices report drives their plans, and plans tell devices what to run. Everything is in the database; a restarted hub goes on.
import { newId, SanderlingError, type Clock, type Digest } from '@sanderling/kit';
import {
  updateStages,
  type Device,
  type HubEvent,
  type ProjectSpec,
  type Release,
  type Rollout,
} from '@sanderling/wire';
import type { Kysely } from 'kysely';
import type { EventLog } from '../events/index.ts';
import type { Registry } from '../models/index.ts';
import { defaultPageItems, tables, toPage, type Database, type Page, type PageQuery } from '../store/index.ts';
import type { Releases } from './releases.ts';
import { advance, cancel, newPlan, observe, type Plan, type Step, type Surroundings } from './rollout-plan.ts';
import { insertRollout, readRollouts, toRollout, updateRollout, type StoredRollout } from './rollout-store.ts';
import type { ReleaseTables } from './tables.ts';

/** What roll-outs need of the fleet. */
export interface Fleet {
  /** A project's devices; with `tags`, those that have all of them. */
  devices(query: {
    readonly project: string;
    readonly tags?: Readonly<Record<string, string>>;
  }): Promise<readonly Device[]>;
  /** Tells a device what to run; null: nothing. */
  offer(device: string, release: Digest | null, executor?: Database): Promise<unknown>;
}

/** What roll-outs are built on. */
export interface RolloutParts {
  readonly database: Database;
  readonly events: EventLog;
  readonly clock: Clock;
  readonly registry: Registry;
  readonly releases: Releases;
  readonly fleet: Fleet;
  /** An offered device that is offline blocks its wave for this long, milliseconds. @default 60000 */
  readonly offlineAfterMs?: number;
  /** How often running roll-outs are looked at without news, milliseconds. @default 5000 */
  readonly tickMs?: number;
}

/** A roll-out to start. */
export interface NewRollout {
  readonly spec: ProjectSpec;
  readonly version: number;
  readonly releases: readonly Release[];
  /** The execution that starts it; one execution starts one roll-out. */
  readonly execution: string | null;
}

/** How much longer than its probation a device may be silent, milliseconds. */
const stallAfterProbationMs = 30 * 60_000;

/** The roll-outs of a hub. */
export class Rollouts {
  readonly #db: Kysely<ReleaseTables>;
  readonly #parts: RolloutParts;
  #startedAt: number;

  constructor(parts: RolloutParts) {
    this.#db = tables<ReleaseTables>(parts.database);
    this.#parts = parts;
    this.#startedAt = parts.clock.now();
  }

  /** Goes on with running roll-outs and follows the devices until the signal aborts. */
  async start(signal: AbortSignal): Promise<void> {
    this.#startedAt = this.#parts.clock.now();
    await Promise.all([
      this.#parts.events.consume('rollouts', (event) => this.#note(event), signal, [
        'device.status',
        'device.enrolled',
      ]),
      this.#tick(signal),
    ]);
  }

  /** Starts a roll-out; a running one of the project is superseded. The same execution again gives the roll-out that it started. */
  async begin({ spec, version, releases, execution }: NewRollout): Promise<Rollout> {
    const { clock, events, fleet } = this.#parts;
    const started = execution === null ? undefined : await this.#byExecution(execution);
    if (started !== undefined) return toRollout(started);
    const byTarget = new Map(releases.map((release) => [release.target as string, release.digest]));
    const devices = await fleet.devices({ project: spec.name, tags: spec.rollout.group });
    const candidates = devices.flatMap((device) => {
      const release = byTarget.get(device.target);
      return release === undefined ? [] : [{ device: device.id, name: device.name, release }];
    });
    const now = clock.now();
    const { waves, abortAfter, probation } = spec.rollout;
    const stallAfterMs = probation.minutes * 60_000 + stallAfterProbationMs;
    const rollout: StoredRollout = {
      id: newId('rol', clock),
      project: spec.name,
      version,
      releases: Object.fromEntries(byTarget),
      createdAt: now,
      endedAt: null,
      plan: newPlan(candidates, { version, waves, abortAfter, stallAfterMs }, now),
    };
    await this.#db.transaction().execute(async (tx) => {
      await this.#supersede(tx, spec.name, version);
      await insertRollout(tx, rollout, execution);
      const data = { version, devices: candidates.length, waves };
      await events.append({ type: 'rollout.started', project: spec.name, subject: rollout.id, data }, tx);
    });
    await this.#advance(rollout.id, spec.name);
    return this.get(rollout.id);
  }

  /** @throws NOT_FOUND */
  async get(id: string): Promise<Rollout> {
    return toRollout(await this.#stored(id));
  }

  /** A project's roll-outs, newest first. */
  async list(project: string, query: PageQuery = {}): Promise<Page<Rollout>> {
    const { limit = defaultPageItems, cursor } = query;
    let select = this.#db
      .selectFrom('rollout')
      .selectAll()
      .where('project', '=', project)
      .orderBy('id', 'desc')
      .limit(limit + 1);
    if (cursor !== undefined) select = select.where('id', '<', cursor);
    const rollouts = await readRollouts(this.#db, await select.execute());
    return toPage(rollouts, limit, { item: toRollout, cursor: (rollout) => rollout.id });
  }

  /** Version of the newest roll-out that is under way or has succeeded. */
  async newestVersion(project: string): Promise<number | undefined> {
    const row = await this.#db
      .selectFrom('rollout')
      .select('version')
      .where('project', '=', project)
      .where('state', 'in', ['running', 'succeeded'])
      .orderBy('id', 'desc')
      .executeTakeFirst();
    return row?.version;
  }

  /** Stops a roll-out where it stands: unfinished devices go back. @throws NOT_FOUND, CONFLICT when it has ended */
  async cancel(id: string): Promise<Rollout> {
    const { project } = await this.#stored(id);
    await this.#change(id, project, ({ plan }) => {
      if (plan.state !== 'running') throw new SanderlingError('CONFLICT', `the roll-out has ended: ${plan.state}`);
      return cancel(plan, 'cancelled', this.#parts.clock.now());
    });
    return this.get(id);
  }

  async #note(event: HubEvent): Promise<void> {
    if (event.project === null || event.subject === null) return;
    if (event.type === 'device.status') await this.#observe(event.subject, event);
    if (event.type === 'device.enrolled') await this.#welcome(event.project, event.subject);
  }

  /** A new device gets the project's release in use. */
  async #welcome(project: string, id: string): Promise<void> {
    const { fleet, releases } = this.#parts;
    const device = (await fleet.devices({ project })).find((candidate) => candidate.id === id);
    if (device === undefined || device.desired !== null) return;
    const current = await releases.current(project, device.target);
    if (current !== null) await fleet.offer(id, current);
  }

  async #observe(device: string, event: HubEvent): Promise<void> {
    const seen = observationOf(event.data);
    const row = await this.#db
      .selectFrom('rollout_device')
      .innerJoin('rollout', 'rollout.id', 'rollout_device.rollout')
      .select(['rollout.id as id', 'rollout.project as project'])
      .where('rollout_device.device', '=', device)
      .where('rollout.state', 'in', ['running', 'succeeded'])
      .orderBy('rollout.id', 'desc')
      .limit(1)
      .executeTakeFirst();
    if (row === undefined) return;
    await this.#change(row.id, row.project, ({ plan }, around) => {
      const offeredAt = plan.members.find((member) => member.device === device)?.offeredAt ?? 0;
      const observed = event.time < offeredAt ? plan : observe(plan, device, seen, around.now);
      return advance(observed, around);
    });
  }

  async #tick(signal: AbortSignal): Promise<void> {
    const { clock, tickMs = 5000 } = this.#parts;
    while (!signal.aborted) {
      await this.#advanceAll().catch((error: unknown) => {
        process.emitWarning(`roll-outs could not be looked at, trying again: ${String(error)}`);
      });
      await clock.sleep(tickMs, signal).catch(() => undefined);
    }
  }

  async #advanceAll(): Promise<void> {
    const running = await this.#db
      .selectFrom('rollout')
      .select(['id', 'project'])
      .where('state', '=', 'running')
      .execute();
    for (const { id, project } of running) await this.#advance(id, project);
  }

  #advance(id: string, project: string): Promise<void> {
    return this.#change(id, project, ({ plan }, around) => advance(plan, around));
  }

  #surroundings(devices: readonly Device[]): Surroundings {
    const { clock, offlineAfterMs = 60_000 } = this.#parts;
    const byId = new Map(devices.map((device) => [device.id, device]));
    const now = clock.now();
    // Right after a start nobody has called yet: everybody counts as online for a while.
    const justStarted = now - this.#startedAt < offlineAfterMs;
    return {
      now,
      isOnline: (device) => byId.get(device)?.online === true || (justStarted && byId.has(device)),
      activeOn: (device) => byId.get(device)?.active ?? null,
      offlineAfterMs,
    };
  }

  /** One step of one roll-out: plan, offers, events and what follows from its end, all in one transaction. */
  async #change(
    id: string,
    project: string,
    step: (rollout: StoredRollout, around: Surroundings) => Step,
  ): Promise<void> {
    const devices = await this.#parts.fleet.devices({ project });
    const around = this.#surroundings(devices);
    await this.#db.transaction().execute(async (tx) => {
      const rollout = await this.#stored(id, tx);
      const { plan, offers } = step(rollout, around);
      await updateRollout(tx, rollout, plan, around.now);
      for (const { device, release } of offers) await this.#parts.fleet.offer(device, release, tx);
      await this.#tell(rollout, plan, tx);
      if (rollout.plan.state === 'running' && plan.state === 'succeeded') await this.#succeed(rollout, devices, tx);
    });
  }

  async #tell(rollout: StoredRollout, plan: Plan, tx: Database): Promise<void> {
    const { events, clock } = this.#parts;
    const { project, version, id: subject } = rollout;
    const about = { project, subject };
    for (const [i, member] of plan.members.entries()) {
      const before = rollout.plan.members[i]!;
      if (member.state === before.state) continue;
      const { device, name, state, reason } = member;
      await events.append({ type: 'rollout.device', ...about, data: { device, name, state, reason, version } }, tx);
    }
    const isFirst = rollout.plan.members.every(({ offeredAt }) => offeredAt === null) && rollout.plan.wave === 0;
    const begun = plan.members.some(({ offeredAt }) => offeredAt !== null);
    if (plan.wave !== rollout.plan.wave || (isFirst && begun)) {
      const devices = plan.members.filter((member) => member.wave <= plan.wave).length;
      const data = { version, wave: plan.wave + 1, waves: plan.waves.length, percent: plan.waves[plan.wave], devices };
      await events.append({ type: 'rollout.wave', ...about, data }, tx);
    }
    if (rollout.plan.state === 'running' && plan.state !== 'running') {
      const seconds = (clock.now() - rollout.createdAt) / 1000;
      const data = { version, reason: plan.reason, seconds };
      await events.append({ type: `rollout.${plan.state}`, ...about, data }, tx);
    }
  }

  /** The release is the project's now: the champion moves, devices that came late get it too. */
  async #succeed(rollout: StoredRollout, devices: readonly Device[], tx: Database): Promise<void> {
    const { releases, registry, fleet } = this.#parts;
    await releases.setCurrent(rollout.project, rollout.releases, tx);
    await registry.setAlias(rollout.project, 'champion', rollout.version, tx);
    const members = new Set(rollout.plan.members.map(({ device }) => device));
    for (const { id, target, desired } of devices) {
      const release = rollout.releases[target];
      if (desired === null && release !== undefined && !members.has(id)) await fleet.offer(id, release, tx);
    }
  }

  async #supersede(tx: Kysely<ReleaseTables>, project: string, version: number): Promise<void> {
    const rows = await tx
      .selectFrom('rollout')
      .selectAll()
      .where('project', '=', project)
      .where('state', '=', 'running')
      .execute();
    for (const rollout of await readRollouts(tx, rows)) {
      const plan: Plan = { ...rollout.plan, state: 'superseded', reason: `version ${version} took its place` };
      await updateRollout(tx, rollout, plan, this.#parts.clock.now());
      await this.#tell(rollout, plan, tx);
    }
  }

  async #byExecution(execution: string): Promise<StoredRollout | undefined> {
    const rows = await this.#db.selectFrom('rollout').selectAll().where('execution', '=', execution).execute();
    return (await readRollouts(this.#db, rows))[0];
  }

  async #stored(id: string, executor: Database = this.#db): Promise<StoredRollout> {
    const db = tables<ReleaseTables>(executor);
    const rows = await db.selectFrom('rollout').selectAll().where('id', '=', id).execute();
    const [rollout] = await readRollouts(db, rows);
    if (rollout === undefined) throw new SanderlingError('NOT_FOUND', `there is no roll-out ${id}`);
    return rollout;
  }
}

function observationOf(data: HubEvent['data']): Parameters<typeof observe>[2] {
  const text = (value: unknown): string | null => (typeof value === 'string' ? value : null);
  const stage = updateStages.find((known) => known === data['stage']) ?? 'idle';
  return { release: text(data['release']), stage, reason: text(data['reason']), active: text(data['active']) };
}
