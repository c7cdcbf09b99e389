// What a link session asks of the hub: keys, enrolment, and a place for the device's entries. Thin: it translates and calls the fleet.
import { SanderlingError } from '@sanderling/kit';
import {
  outboxEntry,
  toOutboxEntry,
  type EntryContext,
  type LinkDesk,
  type LinkEnrolment,
  type LinkEntries,
  type LinkEntry,
  type LinkIdentity,
  type OutboxEntry,
} from '@sanderling/wire';
import { linkKey, type HubKeys } from '../../access/index.ts';
import type { Fleet } from '../../fleet/index.ts';
import type { Durable } from '../../store/index.ts';
import type { DeviceReleases } from './device-releases.ts';

/** What all desks share. */
export interface DeskParts {
  readonly fleet: Fleet;
  readonly durable: Durable;
  readonly hubKeys: Pick<HubKeys, 'link'>;
  readonly releases: DeviceReleases;
}

/** What the door wants to hear of one connection. */
export interface DeskEars {
  /** Entries that are stored now. */
  onEntries(entries: readonly LinkEntry[]): void;
  onProblem(error: Error): void;
}

/** What devices on the link are as targets. */
const linkTarget = 'stm32h745';

/** The desk of one connection. */
export class ConnectionDesk implements LinkDesk {
  readonly #parts: DeskParts;
  readonly #ears: DeskEars;

  constructor(parts: DeskParts, ears: DeskEars) {
    this.#parts = parts;
    this.#ears = ears;
  }

  async deviceKey(device: string): Promise<Uint8Array | undefined> {
    const { fleet, hubKeys } = this.#parts;
    return (await fleet.linked(device)) === undefined ? undefined : linkKey(hubKeys, device);
  }

  async tokenKey(token: string): Promise<Uint8Array | undefined> {
    const digest = await this.#parts.fleet.tokenDigest(token);
    return digest === undefined ? undefined : Buffer.from(digest, 'hex');
  }

  async enrol({ token, installation, board, firmware }: LinkEnrolment): Promise<LinkIdentity> {
    const { fleet, hubKeys, durable } = this.#parts;
    const { device } = await fleet.enrolLinked(token, {
      installation,
      name: `${linkTarget}-${installation.slice(0, 6)}`,
      target: linkTarget,
      tags: { board },
      agentVersion: `firmware ${firmware}`,
    });
    await durable.sync();
    return { device, key: linkKey(hubKeys, device) };
  }

  stored(device: string, outbox: string): Promise<number> {
    return this.#parts.fleet.acked(device, outbox);
  }

  async take(id: string, { outbox, entries }: LinkEntries): Promise<number> {
    const { fleet, durable, releases } = this.#parts;
    const device = await fleet.linked(id);
    if (device === undefined) throw new SanderlingError('NOT_FOUND', `the device ${id} has been removed`);
    const context = await releases.about(entries.flatMap(imagesOf));
    const known = entries.flatMap((entry) => translated(entry, context));
    const { acked } = await fleet.deliver(device, { outbox, entries: known }, entries.at(-1)?.number);
    await durable.sync();
    await fleet.seen(id);
    this.#ears.onEntries(entries);
    return acked;
  }

  onProblem(error: Error): void {
    this.#ears.onProblem(error);
  }
}

function imagesOf(entry: LinkEntry): readonly string[] {
  return entry.kind === 'reading' || entry.release === null ? [] : [entry.release];
}

/**
 * An entry in the hub's words. A report of a release that this hub never made is dropped; what is beyond all bounds (a float that is no number, a time that
 * cannot be) is told as an event, for the device would send it again and again.
 */
function translated(entry: LinkEntry, context: EntryContext): readonly { seq: number; entry: OutboxEntry }[] {
  const seq = entry.number;
  const told = toOutboxEntry(entry, context);
  if (told === undefined) return [];
  const { success } = outboxEntry.safeParse(told);
  if (success) return [{ seq, entry: told }];
  const data = { number: seq, kind: entry.kind, reason: 'a value or a time is out of bounds' };
  const time = Number.isSafeInteger(entry.time) && Math.abs(entry.time) <= 8.64e15 ? entry.time : 0;
  return [{ seq, entry: { kind: 'event', time, type: 'readings.rejected', data } }];
}
