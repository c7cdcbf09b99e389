// The door for microcontrollers: a TCP port where each connection is a link session. It translates and calls the fleet; it decides nothing.
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { SanderlingError, toSanderlingError } from '@sanderling/kit';
import { LinkSession, type LinkEntry } from '@sanderling/wire';
import type { Capabilities } from '../../capabilities.ts';
import type { HubSettings } from '../../settings.ts';
import { DeviceDriver } from './device-driver.ts';
import { DeviceReleases } from './device-releases.ts';
import { ConnectionDesk, type DeskParts } from './link-desk.ts';
import { Rivals } from './rivals.ts';

type LinkSettings = HubSettings['link'];
type Parts = Pick<Capabilities, 'fleet' | 'durable' | 'hubKeys' | 'releases' | 'events' | 'clock'>;
/** Where failures are told that nobody asked for. */
type Tell = (message: string, error: unknown) => void;

/** Refused hellos and enrolments after which a connection is closed. */
const mostRefusals = 20;
/** How long a device is kept waiting whose place another one has, milliseconds: it would be back at once. */
const heldMs = 30_000;
/** What ends connections every day. */
const usual: ReadonlySet<string> = new Set(['UNAVAILABLE', 'TIMEOUT', 'CANCELLED', 'UNAUTHENTICATED', 'NOT_FOUND']);

/** Opens the door, if it has a port. @throws CONFLICT when the port is taken */
export async function openLinkDoor(hub: Parts, settings: LinkSettings, tell: Tell): Promise<LinkDoor | undefined> {
  if (settings.port === undefined) return undefined;
  const door = new LinkDoor(hub, settings, tell);
  await door.listen(settings.port);
  return door;
}

/** A listening door. */
export class LinkDoor {
  readonly #parts: DeskParts;
  readonly #clock: Capabilities['clock'];
  readonly #settings: LinkSettings;
  readonly #tell: Tell;
  readonly #server: Server;
  readonly #stop = new AbortController();
  readonly #open = new Map<LinkSession, Promise<void>>();
  readonly #rivals: Rivals;

  constructor(hub: Parts, settings: LinkSettings, tell: Tell) {
    const { fleet, durable, hubKeys, clock, events } = hub;
    this.#rivals = new Rivals(
      () => performance.now(),
      async (device, held, refused) => {
        const message = 'two devices say that they are this one, and both know its key: has a flash been copied?';
        const data = { code: 'CONFLICT', message, connected: held.from, refused: refused.from };
        const project = (await fleet.linked(device))?.project ?? null;
        await events.append({ type: 'device.connected-twice', project, subject: device, data });
      },
    );
    this.#parts = { fleet, durable, hubKeys, releases: new DeviceReleases(hub.releases) };
    this.#clock = clock;
    this.#settings = settings;
    this.#tell = tell;
    this.#server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 }, (socket) =>
      this.#accept(socket),
    );
    this.#server.maxConnections = settings.connections;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async listen(port: number): Promise<void> {
    const { host } = this.#settings;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (error) => {
        const { code, message } = toSanderlingError(error);
        const fix = 'choose another port with SANDERLING_LINK_PORT, or 0 for any free one';
        reject(new SanderlingError(code, `cannot listen on ${host}:${port}: ${message}`, { fix, cause: error }));
      });
      this.#server.listen(port, host, resolve);
    });
    this.#server.on('error', (error) => this.#tell('the door for microcontrollers', error));
  }

  /** Closes every connection; devices keep what was not confirmed. */
  async close(): Promise<void> {
    this.#stop.abort();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    await Promise.all([...this.#open.keys()].map((session) => session.close()));
    await Promise.all(this.#open.values());
    await closed;
  }

  #accept(socket: Socket): void {
    const driver: { current: DeviceDriver | undefined } = { current: undefined };
    let refusals = 0;
    const desk = new ConnectionDesk(this.#parts, {
      onEntries: (entries: readonly LinkEntry[]) => driver.current?.hear(entries),
      onProblem: (error) => {
        const { code } = toSanderlingError(error);
        // Whoever has not proved to be a device may send what it likes.
        if (this.#isUsual(error) || (code === 'INVALID_DATA' && driver.current === undefined)) refusals++;
        else this.#tell('a microcontroller', error);
        if (refusals > mostRefusals) socket.destroy();
      },
    });
    const helloMs = this.#settings.helloSeconds * 1000;
    const session = new LinkSession(socket, desk, { helloMs, clock: this.#clock }).start();
    const served = this.#serve(session, socket, driver).finally(() => this.#open.delete(session));
    this.#open.set(session, served);
  }

  /** Drives the device behind a session until one of them ends. */
  async #serve(session: LinkSession, socket: Socket, holder: { current: DeviceDriver | undefined }): Promise<void> {
    const over = new AbortController();
    void session.ended.then(() => over.abort());
    const signal = AbortSignal.any([over.signal, this.#stop.signal]);
    const connection = { session, from: `${socket.remoteAddress}:${socket.remotePort}` };
    let id = '';
    try {
      ({ device: id } = await session.hello(signal));
      const device = await this.#parts.fleet.linked(id);
      if (device === undefined) return;
      // Until it is decided who has the place, this one is not listened to.
      socket.pause();
      const other = await this.#rivals.take(id, connection);
      if (other !== undefined) return await hold(session, other.session, this.#stop.signal);
      socket.resume();
      holder.current = new DeviceDriver({ ...this.#parts, session, device });
      await holder.current.run(signal);
    } catch (error) {
      if (!this.#isUsual(error)) this.#tell(`the microcontroller ${id}`, error);
    } finally {
      this.#rivals.leave(id, connection);
      await session.close();
    }
  }

  #isUsual(error: unknown): boolean {
    const { code } = toSanderlingError(error);
    return this.#stop.signal.aborted || usual.has(code) || code.startsWith('TOKEN_');
  }
}

/** Keeps a connection open without hearing it, while another one has its place. */
async function hold(session: LinkSession, other: LinkSession, signal: AbortSignal): Promise<void> {
  const until = AbortSignal.any([signal, AbortSignal.timeout(heldMs)]);
  if (until.aborted) return;
  await Promise.race([once(until, 'abort'), other.ended, session.ended]);
}
