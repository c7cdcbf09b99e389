// What an agent and the hub say to each other, as plain types (the agent loads no schema library; the hub checks with `device-schemas.ts`).
import type { Digest } from '@sanderling/kit';
import type { Target } from './target.ts';

/** A device asks to be known. The token is used up by the first answer that succeeds. */
export interface EnrolRequest {
  readonly token: string;
  /** Ed25519, raw, base64url: the device's own key. Sending the same key with a used token returns the same device, so that a lost answer does no harm. */
  readonly publicKey: string;
  /** What people call it; unique in a hub or made so by a suffix. */
  readonly name: string;
  readonly target: Target;
  readonly tags: Readonly<Record<string, string>>;
  readonly agentVersion: string;
}

/** The hub's answer to {@link EnrolRequest}. */
export interface EnrolAnswer {
  readonly device: string;
  readonly name: string;
  readonly project: string;
  /** The hub's release key; the agent checks it against the token's fingerprint. */
  readonly hubPublicKey: string;
}

/** A reading, as the device's outbox holds it. */
export interface ReadingEntry {
  readonly kind: 'reading';
  /** Milliseconds since 1970, by the sensor. */
  readonly time: number;
  readonly value: number;
}

/** What a device says of its model's work, at most every few seconds. */
export interface ReportEntry {
  readonly kind: 'report';
  /** Time of the newest reading, milliseconds since 1970. */
  readonly time: number;
  readonly release: Digest;
  /** Forecasts made since this release became active. */
  readonly predictions: number;
  /** Mean absolute error of matured forecasts over the recent window, in the data's unit. */
  readonly rollingError: number | null;
  /** 0…1; 0.7 alerts. */
  readonly driftScore: number;
  /** Time of one forecast, milliseconds. */
  readonly latencyMs: { readonly p50: number; readonly p99: number };
  /** The newest forecast, one value a step ahead. */
  readonly forecast: readonly { readonly time: number; readonly value: number }[];
  readonly health: DeviceHealth;
}

/** The state of the device itself. */
export interface DeviceHealth {
  readonly residentMb: number;
  readonly uptimeSeconds: number;
  readonly outboxEntries: number;
  readonly outboxDropped: number;
  readonly diskFreeMb: number | null;
}

/** Something happened on the device: `drift.alarm`, `release.activated`, `release.rolled-back`, `release.refused`, `readings.dropped` … */
export interface EventEntry {
  readonly kind: 'event';
  /** Milliseconds since 1970: the newest reading's time for what readings cause, the device's clock otherwise. */
  readonly time: number;
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** One entry of the outbox. */
export type OutboxEntry = ReadingEntry | ReportEntry | EventEntry;

/** Entries in the order of their sequence numbers. */
export interface DeliverRequest {
  /** Identity of this outbox file: a device whose disk was replaced starts a new one at sequence 1. */
  readonly outbox: string;
  readonly entries: readonly { readonly seq: number; readonly entry: OutboxEntry }[];
}

/** Everything up to `acked` is stored for good and may be deleted on the device. */
export interface DeliverAnswer {
  readonly acked: number;
}

/** What a device should run. Signed by the release key over {@link desiredPayload}. */
export interface DesiredAnswer {
  /** Grows whenever the hub changes its mind; a lower one is refused as a replay. */
  readonly counter: number;
  /** `null`: nothing yet. */
  readonly release: Digest | null;
  /** Base64url. */
  readonly signature: string;
}

/** How far an update has come on the device. */
export const updateStages = [
  'idle',
  'downloading',
  'verifying',
  'testing',
  'switching',
  'probation',
  'active',
  'rolled-back',
  'refused',
] as const;
export type UpdateStage = (typeof updateStages)[number];

/** The device's present state; the newest replaces the one before. */
export interface StatusRequest {
  /** The desired counter that this state answers. */
  readonly counter: number;
  readonly active: Digest | null;
  readonly previous: Digest | null;
  readonly update: {
    readonly release: Digest | null;
    readonly stage: UpdateStage /** 0…1 of the download. */;
    readonly progress: number;
    readonly reason: string | null;
  };
  readonly agentVersion: string;
}

/** Largest batch of entries in one delivery. */
export const maxDeliverEntries = 2000;

/** The bytes that the hub signs so that a device knows that a desired state is the hub's and meant for it. */
export function desiredPayload(device: string, desired: Pick<DesiredAnswer, 'counter' | 'release'>): Uint8Array {
  return Buffer.from(`sanderling-desired\n${device}\n${desired.counter}\n${desired.release ?? ''}`);
}
