// What the fleet needs of the rest of the hub.
import type { Clock } from '@sanderling/kit';
import type { ReadingEntry, ReportEntry, SigningKey } from '@sanderling/wire';
import type { EventLog } from '../events/index.ts';
import type { Database } from '../store/index.ts';

/** Where devices' readings go. */
export interface ReadingSink {
  store(
    batch: { readonly project: string; readonly source: string; readonly receivedAt: number },
    readings: readonly Pick<ReadingEntry, 'time' | 'value'>[],
    executor: Database,
  ): Promise<void>;
}

/** Where devices' reports go, and come back from. */
export interface ReportDesk {
  store(
    from: { readonly project: string; readonly device: string },
    reports: readonly ReportEntry[],
    executor: Database,
  ): Promise<void>;
  newest(devices: readonly string[]): Promise<ReadonlyMap<string, ReportEntry>>;
  forget(device: string, executor: Database): Promise<void>;
}

/** Everything that a fleet is built on. */
export interface FleetPorts {
  readonly events: EventLog;
  readonly clock: Clock;
  /** The hub's release key: signs desired states. */
  readonly releaseKey: SigningKey;
  readonly readings: ReadingSink;
  readonly reports: ReportDesk;
  readonly projects: { get(name: string): Promise<unknown> };
  /** Most devices that wait for news at the same time. @default 2000 */
  readonly maxWaiting?: number;
}
