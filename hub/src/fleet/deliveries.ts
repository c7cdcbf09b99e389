// Deliveries: entries of a device's outbox, each stored once whatever happens. One transaction holds the entries and how far the outbox has come.
import { SanderlingError } from '@sanderling/kit';
import type { DeliverAnswer, DeliverRequest, EventEntry, OutboxEntry } from '@sanderling/wire';
import type { Kysely } from 'kysely';
import { tables, type Database } from '../store/index.ts';
import type { FleetPorts } from './ports.ts';
import type { FleetTables } from './tables.ts';

/** Who delivers. */
export interface Deliverer {
  readonly id: string;
  readonly project: string;
}

/** Event types that devices may bring into the log under their own name: nothing that looks like the hub's doing. */
const deviceEvent =
  /^(drift|outbox|agent|sensor)\.|^release\.(switched|activated|rolled-back|refused|damaged)$|^readings\.(rejected|dropped)$/;
/** Longest data of a device's event, characters of JSON. */
const maxEventData = 16_384;

/** What is delivered. */
export interface Delivery {
  readonly device: Deliverer;
  readonly request: DeliverRequest;
  /** Number up to which the delivery reaches, when what it ends with is nothing to store. @default that of the last entry */
  readonly through?: number | undefined;
}

/** Stores what is new in a delivery. Entries up to `acked` are safe, now and after any crash. */
export async function deliver(database: Database, delivery: Delivery, ports: FleetPorts): Promise<DeliverAnswer> {
  const { device, request } = delivery;
  return tables<FleetTables>(database)
    .transaction()
    .execute(async (tx) => {
      const acked = await ackedOf(tx, device.id, request.outbox);
      const fresh = request.entries.filter(({ seq }) => seq > acked);
      const last = Math.max(acked, delivery.through ?? fresh.at(-1)?.seq ?? acked);
      if (last === acked) return { acked };
      await advance(tx, { device: device.id, outbox: request.outbox, acked }, last);
      await store(tx, device, { entries: fresh.map(({ entry }) => entry), ports });
      return { acked: last };
    });
}

async function ackedOf(tx: Kysely<FleetTables>, device: string, outbox: string): Promise<number> {
  const row = await tx
    .selectFrom('outbox')
    .select('acked')
    .where('device', '=', device)
    .where('outbox', '=', outbox)
    .executeTakeFirst();
  if (row !== undefined) return row.acked;
  await tx.insertInto('outbox').values({ device, outbox, acked: 0 }).execute();
  return 0;
}

/** Moves the outbox on, unless another delivery has done so since it was read. */
async function advance(
  tx: Kysely<FleetTables>,
  from: { readonly device: string; readonly outbox: string; readonly acked: number },
  to: number,
): Promise<void> {
  const { numUpdatedRows } = await tx
    .updateTable('outbox')
    .set({ acked: to })
    .where('device', '=', from.device)
    .where('outbox', '=', from.outbox)
    .where('acked', '=', from.acked)
    .executeTakeFirstOrThrow();
  if (numUpdatedRows !== 1n)
    throw new SanderlingError('UNAVAILABLE', 'another delivery of this outbox came between', { fix: 'deliver again' });
}

async function store(
  tx: Database,
  device: Deliverer,
  { entries, ports }: { readonly entries: readonly OutboxEntry[]; readonly ports: FleetPorts },
): Promise<void> {
  const { project, id } = device;
  const readings = entries.filter((entry) => entry.kind === 'reading');
  const reports = entries.filter((entry) => entry.kind === 'report');
  await ports.readings.store({ project, source: id, receivedAt: ports.clock.now() }, readings, tx);
  await ports.reports.store({ project, device: id }, reports, tx);
  for (const entry of entries) if (entry.kind === 'event') await ports.events.append(toEvent(device, entry), tx);
}

function toEvent({ id, project }: Deliverer, entry: EventEntry) {
  const own = deviceEvent.test(entry.type);
  const data = { ...bounded(entry.data), deviceTime: entry.time };
  return {
    type: own ? entry.type : 'device.event',
    project,
    subject: id,
    data: own ? data : { ...data, type: entry.type },
  };
}

/** The data, or a note that they were too much. */
function bounded(data: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  try {
    if (JSON.stringify(data).length <= maxEventData) return data;
  } catch {
    // nested too deeply to be written
  }
  return { truncated: true };
}
