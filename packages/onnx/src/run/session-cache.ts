// Sessions shared by content: opening the same bytes with the same options twice loads them once.
import { canonicalJson, SanderlingError, sha256, sha256File } from '@sanderling/kit';
import {
  openSession,
  type Feeds,
  type RunOptions,
  type RunTensor,
  type Session,
  type SessionOptions,
} from './session.ts';
import type { ValueInfo } from '../ir.ts';

/** A borrowed session. Closing gives it back; it runs like a session of one's own. */
export interface Lease extends AsyncDisposable {
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  run(feeds: Feeds, options?: RunOptions): Promise<Readonly<Record<string, RunTensor>>>;
  close(): Promise<void>;
}

interface Entry {
  readonly session: Promise<Session>;
  users: number;
}

/** How many sessions are kept. */
export interface SessionCacheOptions {
  /** Sessions kept although nobody uses them; the longest unused goes first. @default 4 */
  readonly idle?: number;
  /** Sessions in all. @default 64 */
  readonly limit?: number;
}

/** Keeps open sessions by the digest of their model and their options. */
export class SessionCache implements AsyncDisposable {
  readonly #idle: number;
  readonly #limit: number;
  readonly #entries = new Map<string, Entry>();

  constructor({ idle = 4, limit = 64 }: SessionCacheOptions = {}) {
    this.#idle = idle;
    this.#limit = limit;
  }

  /** Sessions that are open now. */
  get size(): number {
    return this.#entries.size;
  }

  /** Borrows a session. @throws LIMIT_REACHED when all allowed sessions are in use; else as `openSession`. */
  async borrow(source: Uint8Array | string, options: SessionOptions = {}): Promise<Lease> {
    const { signal: _, ...rest } = options;
    const digest = typeof source === 'string' ? await digestOfFile(source) : sha256(source);
    const key = `${digest} ${typeof source === 'string' ? source : ''} ${canonicalJson(rest)}`;
    if (!this.#entries.has(key)) await this.#makeRoom();
    const entry = this.#entries.get(key) ?? { session: openSession(source, options), users: 0 };
    entry.users += 1;
    // Used last: moves to the end of the map.
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    try {
      return new SessionLease(await entry.session, () => this.#giveBack(key, entry));
    } catch (error) {
      this.#entries.delete(key);
      throw error;
    }
  }

  /** Closes every session, borrowed ones too. */
  async close(): Promise<void> {
    const entries = [...this.#entries.values()];
    this.#entries.clear();
    for (const entry of entries) await entry.session.then((session) => session.close()).catch(() => undefined);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #makeRoom(): Promise<void> {
    if (this.#entries.size >= this.#limit) await this.#evict(1);
    if (this.#entries.size >= this.#limit)
      throw new SanderlingError('LIMIT_REACHED', `all ${this.#limit} sessions are in use`, {
        fix: 'close a lease first',
      });
  }

  async #giveBack(key: string, entry: Entry): Promise<void> {
    entry.users -= 1;
    const unused = [...this.#entries.values()].filter(({ users }) => users === 0).length;
    if (this.#entries.get(key) === entry) await this.#evict(unused - this.#idle);
  }

  async #evict(count: number): Promise<void> {
    const unused = [...this.#entries].filter(([, { users }]) => users === 0).slice(0, Math.max(0, count));
    for (const [key] of unused) this.#entries.delete(key);
    for (const [, { session }] of unused) await (await session).close();
  }
}

async function digestOfFile(path: string): Promise<string> {
  try {
    return await sha256File(path);
  } catch (cause) {
    throw new SanderlingError('NOT_FOUND', `there is no model at ${path}`, { where: path, cause });
  }
}

class SessionLease implements Lease {
  readonly #session: Session;
  readonly #giveBack: () => Promise<void>;
  #closed = false;

  constructor(session: Session, giveBack: () => Promise<void>) {
    this.#session = session;
    this.#giveBack = giveBack;
  }

  get inputs(): readonly ValueInfo[] {
    return this.#session.inputs;
  }

  get outputs(): readonly ValueInfo[] {
    return this.#session.outputs;
  }

  async run(feeds: Feeds, options?: RunOptions): Promise<Readonly<Record<string, RunTensor>>> {
    if (this.#closed) throw new SanderlingError('UNAVAILABLE', 'the session was given back');
    return this.#session.run(feeds, options);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#giveBack();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
