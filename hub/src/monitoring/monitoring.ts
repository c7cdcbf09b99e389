// Monitoring: rolling error, drift score, latency and health over time. Every report is kept for a week, then one an hour for a year.
import type { Clock } from '@sanderling/kit';
import type { DeviceHealth, MonitoringPoint, ReportEntry } from '@sanderling/wire';
import type { Kysely, Selectable } from 'kysely';
import { tables, type Database } from '../store/index.ts';
import type { MonitoringTables } from './tables.ts';

/** How long reports are kept, by the hub's clock. */
export interface Retention {
  /** Days that every report is kept. @default 7 */
  readonly everyDays?: number;
  /** Days that one report an hour is kept. @default 400 */
  readonly hourlyDays?: number;
}

/** Which reports to read, in the order of time. */
export interface MonitoringQuery {
  /** Earliest time of the newest reading, included. Without it, the newest `limit` points. */
  readonly from?: number;
  /** Latest, excluded. */
  readonly to?: number;
  readonly device?: string;
  readonly after?: { readonly time: number; readonly id: number };
  /** @default 1000 */
  readonly limit?: number;
}

/** A point with its number, for paging. */
export interface NumberedPoint {
  readonly id: number;
  readonly point: MonitoringPoint;
}

const hourMs = 3_600_000;
const hoursADay = 24;
/** Hours of devices thinned in one go. */
const thinBatch = 100;

/** The reports of all devices. */
export class Monitoring {
  readonly #db: Kysely<MonitoringTables>;
  readonly #clock: Clock;
  readonly #retention: Required<Retention>;

  constructor(database: Database, clock: Clock, retention: Retention = {}) {
    this.#db = tables<MonitoringTables>(database);
    this.#clock = clock;
    this.#retention = { everyDays: 7, hourlyDays: 400, ...retention };
  }

  /** Thins old reports every hour until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.thin().catch((error: unknown) => {
        process.emitWarning(`old reports could not be thinned, which is tried again in an hour: ${String(error)}`);
      });
      await this.#clock.sleep(hourMs, signal).catch(() => undefined);
    }
  }

  /** Stores reports inside the delivery's transaction. */
  async store(
    from: { readonly project: string; readonly device: string },
    reports: readonly ReportEntry[],
    executor: Database,
  ): Promise<void> {
    const newest = reports.at(-1);
    if (newest === undefined) return;
    const db = tables<MonitoringTables>(executor);
    const hour = Math.floor(this.#clock.now() / hourMs);
    for (let at = 0; at < reports.length; at += 100) {
      const rows = reports.slice(at, at + 100).map((report) => ({ ...from, hour, ...toColumns(report) }));
      await db.insertInto('report').values(rows).execute();
    }
    const report = JSON.stringify(newest);
    await db
      .insertInto('newest_report')
      .values({ device: from.device, report })
      .onConflict((c) => c.column('device').doUpdateSet({ report }))
      .execute();
  }

  /** The newest report of each of these devices. */
  async newest(devices: readonly string[]): Promise<ReadonlyMap<string, ReportEntry>> {
    const found = new Map<string, ReportEntry>();
    for (let at = 0; at < devices.length; at += 500) {
      const some = devices.slice(at, at + 500);
      const rows = await this.#db.selectFrom('newest_report').selectAll().where('device', 'in', some).execute();
      for (const row of rows) found.set(row.device, JSON.parse(row.report) as ReportEntry);
    }
    return found;
  }

  /** Forgets a device that was removed. */
  async forget(device: string, executor: Database): Promise<void> {
    await tables<MonitoringTables>(executor).deleteFrom('newest_report').where('device', '=', device).execute();
  }

  /** Points of a project in the order of time. */
  async points(project: string, query: MonitoringQuery = {}): Promise<NumberedPoint[]> {
    const { from, to, device, after, limit = 1000 } = query;
    const forward = from !== undefined || after !== undefined;
    const order = forward ? 'asc' : 'desc';
    let select = this.#db
      .selectFrom('report')
      .selectAll()
      .where('project', '=', project)
      .orderBy('time', order)
      .orderBy('id', order)
      .limit(limit);
    if (from !== undefined) select = select.where('time', '>=', from);
    if (to !== undefined) select = select.where('time', '<', to);
    if (device !== undefined) select = select.where('device', '=', device);
    if (after !== undefined)
      select = select.where((e) => e(e.refTuple('time', 'id'), '>', e.tuple(after.time, after.id)));
    const points = (await select.execute()).map(toPoint);
    return forward ? points : points.reverse();
  }

  /** Keeps one report an hour of what is older than a week, and none of what is older than a year; a little at a time. */
  async thin(): Promise<void> {
    const now = Math.floor(this.#clock.now() / hourMs);
    await this.#db
      .deleteFrom('report')
      .where('hour', '<', now - this.#retention.hourlyDays * hoursADay)
      .execute();
    while ((await this.#thinSome(now - this.#retention.everyDays * hoursADay)) === thinBatch)
      await this.#clock.sleep(5);
  }

  async #thinSome(before: number): Promise<number> {
    const crowded = await this.#db
      .selectFrom('report')
      .select((e) => ['device', 'hour', e.fn.max('id').as('keep')] as const)
      .where('hour', '<', before)
      .groupBy(['device', 'hour'])
      .having((e) => e.fn.countAll(), '>', 1)
      .limit(thinBatch)
      .execute();
    for (const { device, hour, keep } of crowded)
      await this.#db
        .deleteFrom('report')
        .where('device', '=', device)
        .where('hour', '=', hour)
        .where('id', '!=', keep)
        .execute();
    return crowded.length;
  }
}

function toColumns(report: ReportEntry) {
  return {
    time: report.time,
    release: report.release,
    rolling_error: report.rollingError,
    drift_score: report.driftScore,
    latency_p50: report.latencyMs.p50,
    latency_p99: report.latencyMs.p99,
    predictions: report.predictions,
    health: JSON.stringify(report.health),
  };
}

function toPoint(row: Selectable<MonitoringTables['report']>): NumberedPoint {
  const point = {
    time: row.time,
    device: row.device,
    release: row.release,
    rollingError: row.rolling_error,
    driftScore: row.drift_score,
    latencyP50Ms: row.latency_p50,
    latencyP99Ms: row.latency_p99,
    predictions: row.predictions,
    health: JSON.parse(row.health) as DeviceHealth,
  };
  return { id: row.id, point };
}
