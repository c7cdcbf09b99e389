// A running hub: the data folder locked and opened, everything recovered, the door open; and its end.
import { systemClock, type Clock } from '@sanderling/kit';
import { adminKeyPath, openCapabilities, startCapabilities, type Capabilities } from './capabilities.ts';
import { createApp } from './doors/http/app.ts';
import type { FailureLog } from './doors/http/error-answers.ts';
import { listen } from './doors/http/server.ts';
import { openLinkDoor } from './doors/tcp/link-door.ts';
import { lockFolder } from './folder-lock.ts';
import { parseSettings, type HubSettings, type HubSettingsInput } from './settings.ts';
import { hubVersion } from './version.ts';

/** What {@link startHub} takes. */
export interface HubOptions {
  readonly settings?: HubSettingsInput;
  /** @default the machine's clock */
  readonly clock?: Clock;
  /** Where unexpected failures are told. @default process warnings */
  readonly tell?: FailureLog;
}

/** A hub that runs. */
export interface Hub extends AsyncDisposable {
  /** `http://host:port` */
  readonly url: string;
  readonly port: number;
  /** Port of the door for microcontrollers; undefined when it is closed. */
  readonly linkPort: number | undefined;
  readonly settings: HubSettings;
  /** File with the first admin key. */
  readonly adminKeyPath: string;
  /** For programs that embed a hub and speak to it without HTTP. */
  readonly capabilities: Capabilities;
  /** Lets running requests end, stops the work in the background, closes the data folder. */
  stop(): Promise<void>;
}

/** How long running requests may take to end when the hub stops, milliseconds. */
const graceMs = 5000;

/**
 * Starts a hub; ready for requests when this resolves.
 * @throws INVALID_CONFIG; CONFLICT when another hub has the data folder or the port; CORRUPT when the data folder is damaged.
 */
export async function startHub(options: HubOptions = {}): Promise<Hub> {
  const settings = parseSettings(options.settings ?? {});
  const clock = options.clock ?? systemClock;
  const lock = await lockFolder(settings.data);
  await using undo = new AsyncDisposableStack();
  undo.defer(() => lock.release());
  const capabilities = await openCapabilities(settings, clock);
  undo.defer(() => capabilities.database.destroy());
  const stopping = new AbortController();
  const background = await startCapabilities(capabilities, settings, stopping.signal);
  undo.defer(() => background.ended);
  undo.defer(() => stopping.abort());
  const tell: FailureLog = options.tell ?? ((message, error) => process.emitWarning(`${message}: ${describe(error)}`));
  const app = createApp(capabilities, { version: hubVersion, settings, stopping: stopping.signal, tell });
  const server = await listen(app, settings);
  undo.defer(() => server.close(graceMs));
  const link = await openLinkDoor(capabilities, settings.link, tell);
  undo.defer(() => link?.close());
  undo.defer(() => stopping.abort());
  const end = undo.move();
  let ended: Promise<void> | undefined;
  const stop = (): Promise<void> => (ended ??= end.disposeAsync());
  return {
    url: server.url,
    port: server.port,
    linkPort: link?.port,
    settings,
    adminKeyPath: adminKeyPath(settings),
    capabilities,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
