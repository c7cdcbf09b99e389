// A hub for tests and benches: listens on a port, keeps what devices deliver in memory, and remembers what must never happen.
import { randomBytes } from 'node:crypto';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { SanderlingError } from '@sanderling/kit';
import {
  LinkSession,
  type DeviceInfo,
  type LinkDesk,
  type LinkEntries,
  type LinkEntry,
  type LinkOptions,
} from '@sanderling/wire';

/** How a test hub listens. */
export interface TestHubOptions {
  readonly link?: LinkOptions;
  /** What stands between the socket and the session. @default nothing */
  readonly wrap?: (socket: Socket) => Duplex;
}

/** A hub with one enrolled device, or a token for one. */
export class TestHub implements AsyncDisposable {
  /** Entries in the order in which they were stored, by outbox. */
  readonly stored = new Map<string, LinkEntry[]>();
  readonly problems: Error[] = [];
  readonly keys = new Map<string, Uint8Array>();
  readonly tokens = new Map<string, Uint8Array>();
  readonly installations = new Map<string, string>();
  hellos = 0;
  /** What devices said of themselves at each hello. */
  readonly infos: DeviceInfo[] = [];
  /** Makes the next stores fail. */
  failStores = 0;
  readonly #server: Server;
  readonly #waiting = new Set<() => void>();
  #session: LinkSession | undefined;

  private constructor(server: Server, options: TestHubOptions) {
    this.#server = server;
    server.on('connection', (socket) => {
      socket.setNoDelay(true);
      void this.#session?.close();
      const session = new LinkSession(options.wrap?.(socket) ?? socket, this.desk(), options.link).start();
      this.#session = session;
      void this.#forget(session);
      for (const wake of this.#waiting) wake();
      this.#waiting.clear();
    });
  }

  static async listen(options: TestHubOptions = {}): Promise<TestHub> {
    const server = createServer();
    const hub = new TestHub(server, options);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return hub;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** The newest connection's session, while it lasts. */
  async session(): Promise<LinkSession> {
    while (this.#session === undefined) await new Promise<void>((resolve) => this.#waiting.add(resolve));
    return this.#session;
  }

  /** Does something with a session, again with the next one when the stream breaks. @throws what is not a broken link. */
  async persist<T>(work: (session: LinkSession) => Promise<T>, tries = 200): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await work(await this.session());
      } catch (error) {
        const code = error instanceof SanderlingError ? error.code : undefined;
        if ((code !== 'UNAVAILABLE' && code !== 'TIMEOUT') || attempt === tries) throw error;
      }
    }
  }

  async #forget(session: LinkSession): Promise<void> {
    await session.ended;
    if (this.#session === session) this.#session = undefined;
  }

  /** All entries of all outboxes. */
  get entries(): LinkEntry[] {
    return [...this.stored.values()].flat();
  }

  /** Resolves when what is stored satisfies `enough`. @throws TIMEOUT */
  async until(enough: (entries: readonly LinkEntry[]) => boolean, timeoutMs = 60_000): Promise<void> {
    const end = Date.now() + timeoutMs;
    while (!enough(this.entries)) {
      if (Date.now() > end) throw new SanderlingError('TIMEOUT', `what was waited for did not come in ${timeoutMs} ms`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session?.close();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** What sessions ask of this hub. */
  desk(): LinkDesk {
    return {
      deviceKey: async (device) => this.keys.get(device),
      tokenKey: async (token) => this.tokens.get(token),
      enrol: async ({ token, installation }) => {
        const before = this.installations.get(token);
        if (before !== undefined && before !== installation)
          throw new SanderlingError('TOKEN_USED', 'the token has been used');
        this.installations.set(token, installation);
        const device = `dev_${token}`;
        const key = this.keys.get(device) ?? randomBytes(32);
        this.keys.set(device, key);
        return { device, key };
      },
      stored: async (_device, outbox) => this.stored.get(outbox)?.at(-1)?.number ?? 0,
      take: async (_device, entries) => this.#take(entries),
      onHello: (_device, info) => {
        this.hellos += 1;
        this.infos.push(info);
      },
      onProblem: (error) => this.problems.push(error),
    };
  }

  async #take({ outbox, entries }: LinkEntries): Promise<number> {
    // As long as a small database takes.
    await new Promise((resolve) => setImmediate(resolve));
    if (this.failStores > 0) {
      this.failStores -= 1;
      throw new SanderlingError('DISK_FULL', 'the disk is full');
    }
    const kept = this.stored.get(outbox) ?? [];
    this.stored.set(outbox, kept);
    for (const entry of entries) if (entry.number > (kept.at(-1)?.number ?? 0)) kept.push(entry);
    return kept.at(-1)?.number ?? 0;
  }
}
