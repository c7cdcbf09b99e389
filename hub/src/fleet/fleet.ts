// The fleet: which devices there are, what each should run, and what each says of itself.
import { SanderlingError, type Digest } from '@sanderling/kit';
import {
  desiredPayload,
  sign,
  type DeliverAnswer,
  type DeliverRequest,
  type DesiredAnswer,
  type Device,
  type Duration,
  type EnrolAnswer,
  type EnrolmentTokenInfo,
  type EnrolRequest,
  type ReportEntry,
  type SignedRequest,
  type StatusRequest,
  type Target,
} from '@sanderling/wire';
import type { Kysely } from 'kysely';
import { tables, type Database } from '../store/index.ts';
import { deliver } from './deliveries.ts';
import { DeviceRequests, isLinked, linkedPrefix, type DeviceRow } from './device-requests.ts';
import { enrol } from './enrolment.ts';
import type { FleetPorts } from './ports.ts';
import { Presence } from './presence.ts';
import type { FleetTables } from './tables.ts';
import { Tokens } from './tokens.ts';
import { WaitingRoom, type WaitEnd } from './waiting.ts';

/** Which devices. */
export interface DeviceQuery {
  readonly project?: string;
  /** Devices that have all of these. */
  readonly tags?: Readonly<Record<string, string>>;
  readonly target?: Target;
  /** Only ids behind this one. */
  readonly after?: string;
  /** @default no limit */
  readonly limit?: number;
}

/** A device that has proven who it is. */
export interface KnownDevice {
  readonly id: string;
  readonly project: string;
}

/** A device may be so far ahead of the hub's counter, after the hub was restored from a backup. */
const maxCounterLead = 1_000_000;

/** The devices of a hub. */
export class Fleet {
  readonly #database: Database;
  readonly #db: Kysely<FleetTables>;
  readonly #ports: FleetPorts;
  readonly #tokens: Tokens;
  readonly #presence: Presence;
  readonly #requests: DeviceRequests;
  readonly #waiting: WaitingRoom;

  constructor(database: Database, ports: FleetPorts) {
    this.#database = database;
    this.#db = tables<FleetTables>(database);
    this.#ports = ports;
    this.#tokens = new Tokens(database, ports);
    this.#presence = new Presence(database, ports.clock);
    this.#requests = new DeviceRequests(this.#db, ports.clock);
    this.#waiting = new WaitingRoom(ports.maxWaiting ?? 2000);
  }

  /** Makes a one-time enrolment token. @throws NOT_FOUND for the project. */
  async createToken(project: string, expiresIn?: Duration): Promise<EnrolmentTokenInfo> {
    await this.#ports.projects.get(project);
    return this.#tokens.create(project, expiresIn);
  }

  /** A project's tokens, newest first. @throws NOT_FOUND for the project. */
  async tokens(
    project: string,
    query: { readonly after?: string; readonly limit: number },
  ): Promise<EnrolmentTokenInfo[]> {
    await this.#ports.projects.get(project);
    return this.#tokens.list(project, query);
  }

  /** Makes a device known. @throws UNAUTHENTICATED, TOKEN_EXPIRED, TOKEN_USED, CONFLICT */
  enrol(request: EnrolRequest): Promise<EnrolAnswer> {
    return enrol(this.#database, request, { tokens: this.#tokens, ports: this.#ports });
  }

  /** The device that made a request. @param once refuses a request that was seen before. @throws UNAUTHENTICATED */
  async authenticate(header: string | undefined, request: SignedRequest, once: boolean): Promise<KnownDevice> {
    const { id, project } = await this.#requests.authenticate(header, request, once);
    await this.#presence.note(id);
    return { id, project };
  }

  /**
   * Makes a device known that shares a key with the hub. It has proved that it holds the token; the same `installation` again is the same device.
   * @throws UNAUTHENTICATED, TOKEN_EXPIRED, TOKEN_USED, CONFLICT
   */
  enrolLinked(
    proved: string,
    { installation, ...request }: Omit<EnrolRequest, 'token' | 'publicKey'> & { readonly installation: string },
  ): Promise<EnrolAnswer> {
    const full = { ...request, token: '', publicKey: linkedPrefix + installation };
    return enrol(this.#database, full, { tokens: this.#tokens, ports: this.#ports, proved });
  }

  /** What the hub keeps of a token's secret: its SHA-256, hexadecimal. Undefined for a token that is none, or that is too old and was never used. */
  async tokenDigest(id: string): Promise<string | undefined> {
    const row = await this.#tokens.find(id);
    const isDead = row === undefined || (row.used_by === null && row.expires_at <= this.#ports.clock.now());
    return isDead ? undefined : row.secret_digest;
  }

  /** A device that shares a key with the hub; undefined for any other. */
  async linked(id: string): Promise<KnownDevice | undefined> {
    const row = await this.#find(id);
    return row !== undefined && isLinked(row) ? { id: row.id, project: row.project } : undefined;
  }

  /** Notes that a device was heard of. */
  seen(device: string): Promise<void> {
    return this.#presence.note(device);
  }

  /** The state that a device, or the door for it, told last; null before the first. @throws NOT_FOUND */
  async lastStatus(device: string): Promise<StatusRequest | null> {
    const { status } = await this.#row(device);
    return status === null ? null : (JSON.parse(status) as StatusRequest);
  }

  /** How far a device's outbox has been taken over. */
  async acked(device: string, outbox: string): Promise<number> {
    const row = await this.#db
      .selectFrom('outbox')
      .select('acked')
      .where('device', '=', device)
      .where('outbox', '=', outbox)
      .executeTakeFirst();
    return row?.acked ?? 0;
  }

  /** Stores entries of a device's outbox, each once. @param through Number that the delivery reaches, when it ends with nothing to store. */
  deliver(device: KnownDevice, request: DeliverRequest, through?: number): Promise<DeliverAnswer> {
    return deliver(this.#database, { device, request, through }, this.#ports);
  }

  /** What a device should run; waits up to `waitMs` for something other than counter `have`. @throws LIMIT_REACHED */
  async desired(
    device: string,
    wish: { readonly have: number; readonly waitMs: number },
    signal: AbortSignal,
  ): Promise<DesiredAnswer> {
    const until = this.#ports.clock.now() + wish.waitMs;
    for (let end: WaitEnd = 'news'; ; ) {
      const since = this.#waiting.wakes;
      const row = await this.#row(device);
      const left = until - this.#ports.clock.now();
      if (wish.have > row.counter) await this.#catchUp(row, wish.have);
      else if (row.counter !== wish.have || end !== 'news' || left <= 0) return this.#signed(row);
      else end = await this.#waiting.wait(device, { ms: left, since }, signal);
    }
  }

  /** Sets what a device should run and tells it at once. @throws NOT_FOUND */
  async offer(device: string, release: Digest | null, executor: Database = this.#database): Promise<void> {
    const { numUpdatedRows } = await tables<FleetTables>(executor)
      .updateTable('device')
      .set((e) => ({ desired: release, counter: e('counter', '+', 1) }))
      .where('id', '=', device)
      .executeTakeFirstOrThrow();
    if (numUpdatedRows !== 1n) throw unknownDevice(device);
    this.#waiting.wake(device);
  }

  /** Takes a device's state; what changed in it is an event. */
  async status(device: KnownDevice, status: StatusRequest): Promise<void> {
    const { id, project } = device;
    await this.#db.transaction().execute(async (tx) => {
      const row = await tx.selectFrom('device').select(['status']).where('id', '=', id).executeTakeFirst();
      if (row === undefined) throw unknownDevice(id);
      const data = gist(status);
      const before = row.status === null ? undefined : gist(JSON.parse(row.status) as StatusRequest);
      await tx
        .updateTable('device')
        .set({ status: JSON.stringify(status), agent_version: status.agentVersion })
        .where('id', '=', id)
        .execute();
      if (JSON.stringify(before) === JSON.stringify(data)) return;
      await this.#ports.events.append({ type: 'device.status', project, subject: id, data }, tx);
    });
  }

  /** Devices in the order of their enrolment. */
  async devices(query: DeviceQuery = {}): Promise<Device[]> {
    const { project, tags = {}, target, after, limit = Number.POSITIVE_INFINITY } = query;
    let select = this.#db.selectFrom('device').selectAll().orderBy('id');
    if (project !== undefined) select = select.where('project', '=', project);
    if (target !== undefined) select = select.where('target', '=', target);
    if (after !== undefined) select = select.where('id', '>', after);
    const wanted = Object.entries(tags);
    if (wanted.length === 0 && Number.isFinite(limit)) select = select.limit(limit);
    const rows = (await select.execute())
      .filter((row) => hasTags(JSON.parse(row.tags) as Record<string, string>, wanted))
      .slice(0, limit);
    const reports = await this.#ports.reports.newest(rows.map((row) => row.id));
    return rows.map((row) => this.#toDevice(row, reports.get(row.id)));
  }

  /** @throws NOT_FOUND */
  async device(id: string): Promise<Device> {
    const row = await this.#row(id);
    return this.#toDevice(row, (await this.#ports.reports.newest([id])).get(id));
  }

  /** Replaces a device's tags. @throws NOT_FOUND */
  async tag(id: string, tags: Readonly<Record<string, string>>): Promise<Device> {
    await this.#db.transaction().execute(async (tx) => {
      const row = await tx.selectFrom('device').select(['project', 'tags']).where('id', '=', id).executeTakeFirst();
      if (row === undefined) throw unknownDevice(id);
      const text = JSON.stringify(tags);
      if (text === row.tags) return;
      await tx.updateTable('device').set({ tags: text }).where('id', '=', id).execute();
      await this.#ports.events.append({ type: 'device.tagged', project: row.project, subject: id, data: { tags } }, tx);
    });
    return this.device(id);
  }

  /** Forgets a device: its key is worth nothing from now on. Its readings and events stay. @throws NOT_FOUND */
  async remove(id: string): Promise<void> {
    await this.#db.transaction().execute(async (tx) => {
      const row = await tx.deleteFrom('device').where('id', '=', id).returning(['project', 'name']).executeTakeFirst();
      if (row === undefined) throw unknownDevice(id);
      await tx.deleteFrom('outbox').where('device', '=', id).execute();
      await this.#ports.reports.forget(id, tx);
      const data = { name: row.name };
      await this.#ports.events.append({ type: 'device.removed', project: row.project, subject: id, data }, tx);
    });
    this.#presence.forget(id);
    this.#waiting.wake(id);
  }

  async #catchUp({ id, counter }: DeviceRow, have: number): Promise<void> {
    if (have - counter > maxCounterLead)
      throw new SanderlingError('INVALID_ARGUMENT', 'the device claims to know far more than the hub ever said', {
        where: 'query.have',
      });
    await this.#db
      .updateTable('device')
      .set({ counter: have + 1 })
      .where('id', '=', id)
      .where('counter', '<', have)
      .execute();
  }

  #signed({ id, counter, desired }: DeviceRow): DesiredAnswer {
    const signature = sign(this.#ports.releaseKey.privateKey, desiredPayload(id, { counter, release: desired }));
    return { counter, release: desired, signature: Buffer.from(signature).toString('base64url') };
  }

  #find(device: string): Promise<DeviceRow | undefined> {
    return this.#db.selectFrom('device').selectAll().where('id', '=', device).executeTakeFirst();
  }

  async #row(device: string): Promise<DeviceRow> {
    const row = await this.#find(device);
    if (row === undefined) throw unknownDevice(device);
    return row;
  }

  #toDevice(row: DeviceRow, report: ReportEntry | undefined): Device {
    const status = row.status === null ? undefined : (JSON.parse(row.status) as StatusRequest);
    const lastSeenAt = this.#presence.lastSeen(row.id, row.last_seen_at);
    return {
      id: row.id,
      name: row.name,
      project: row.project,
      target: row.target,
      tags: JSON.parse(row.tags) as Record<string, string>,
      agentVersion: row.agent_version,
      enrolledAt: row.enrolled_at,
      lastSeenAt,
      online: this.#waiting.has(row.id) || this.#presence.isRecent(lastSeenAt),
      desired: row.desired,
      active: status?.active ?? null,
      update: status === undefined || status.update.stage === 'idle' ? null : updateOf(status),
      report: report === undefined ? null : { ...report },
    };
  }
}

function updateOf({ update }: StatusRequest): NonNullable<Device['update']> {
  return { stage: update.stage, progress: update.progress, reason: update.reason };
}

/** What of a status is worth an event: everything but the progress. */
function gist({ counter, active, previous, update }: StatusRequest) {
  const { release, stage, reason } = update;
  return { counter, release, stage, reason, active, previous };
}

function hasTags(tags: Readonly<Record<string, string>>, wanted: readonly (readonly [string, string])[]): boolean {
  return wanted.every(([name, value]) => tags[name] === value);
}

function unknownDevice(id: string): SanderlingError {
  return new SanderlingError('NOT_FOUND', `there is no device ${id.slice(0, 64)}`);
}
