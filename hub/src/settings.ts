// Environment settings: where a hub listens, where its data lie, how much it takes. Defaults are here and only here.
import { configError } from '@sanderling/wire';
import { z } from 'zod';

/** Schema of a hub's settings. */
export const hubSettings = z.strictObject({
  /** Address to listen on. Loopback until told otherwise. */
  host: z.string().min(1).max(255).default('127.0.0.1'),
  /** 0 takes any free port. */
  port: z.int().min(0).max(65_535).default(7411),
  /** Folder of the hub's data. */
  data: z.string().min(1).default('.sanderling'),
  /** The door for microcontrollers: a link over TCP. Off unless a port is given. */
  link: z
    .strictObject({
      /** 0 takes any free port. */
      port: z.int().min(0).max(65_535).optional(),
      /** Address to listen on. Loopback until told otherwise. */
      host: z.string().min(1).max(255).default('127.0.0.1'),
      /** Most connections at the same time; more are closed at once. */
      connections: z.int().min(1).max(65_536).default(1000),
      /** How long a connection may last before its device has proved who it is, seconds. */
      helloSeconds: z.number().positive().max(3600).default(30),
    })
    .prefault({}),
  workers: z
    .strictObject({
      /** Nice value of the processes that train and judge: 0 is as urgent as the hub itself, 19 the lowest priority. */
      niceness: z.int().min(0).max(19).default(10),
    })
    .prefault({}),
  limits: z
    .strictObject({
      /** Largest body of a request, megabytes. */
      bodyMb: z.number().positive().max(64).default(1),
      /** Largest upload of readings, megabytes. */
      uploadMb: z.number().positive().max(65_536).default(512),
      /** Most devices that wait for news at the same time. */
      waitingDevices: z.int().min(1).max(100_000).default(2000),
      /** Failed attempts of one address before it has to wait; one is forgiven every three seconds. */
      failedAttempts: z.int().min(1).max(1_000_000).default(20),
      /** Most clients that follow the events at the same time. */
      eventStreams: z.int().min(1).max(10_000).default(100),
    })
    .prefault({}),
});

/** A hub's settings, defaults filled in. */
export type HubSettings = z.output<typeof hubSettings>;
/** A hub's settings as people write them. */
export type HubSettingsInput = z.input<typeof hubSettings>;

/** Checks settings and fills in the defaults. @throws INVALID_CONFIG with the path of every wrong field. */
export function parseSettings(input: unknown): HubSettings {
  const result = hubSettings.safeParse(input);
  if (result.success) return result.data;
  throw configError('the settings', result.error);
}
