// Retention: blobs that no row names go when somebody asks for it. One collection at a time; its state is in memory, for it may begin anew at any time.
import { SanderlingError, toSanderlingError, type Clock, type ErrorBody } from '@sanderling/kit';
import type { EventLog } from '../events/index.ts';
import { collect, type CollectParts, type CollectProgress } from './collect.ts';
import type { BlobFile, Garbage } from './garbage.ts';

/** What to collect. */
export interface CollectionRequest {
  /** How long a blob must have been there, milliseconds; an hour or more. @default one day */
  readonly olderThanMs?: number;
  /** Says what would go, and removes nothing. @default false */
  readonly dryRun?: boolean;
  /** Goes on although more than half of all blobs would go. @default false */
  readonly evenMost?: boolean;
}

/** The newest collection, at work or ended. Times in milliseconds since 1970, sizes in bytes. */
export interface Collection {
  readonly state: 'never' | 'running' | 'done' | 'failed' | 'cancelled';
  readonly dryRun: boolean;
  readonly olderThanMs: number;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  /** How far it is; null before it begins and when it has ended. */
  readonly progress: CollectProgress | null;
  /** What was there. */
  readonly blobs: BlobSum;
  /** Named by no row and old enough. */
  readonly unnamed: BlobSum;
  readonly removed: BlobSum;
  /** Unfinished files of killed writes. */
  readonly partials: number;
  /** The first of the unnamed, {@link mostExamples} at most. */
  readonly examples: readonly BlobFile[];
  readonly error: ErrorBody | null;
}

/** How many, and their bytes together. */
export interface BlobSum {
  readonly count: number;
  readonly bytes: number;
}

/** The shortest age at which a blob may go. */
const shortestAgeMs = 3_600_000;
const longestAgeMs = 100 * 365 * 24 * shortestAgeMs;
const usualAgeMs = 24 * shortestAgeMs;
/** Unnamed blobs that are told by name. */
const mostExamples = 100;

const nothing: BlobSum = { count: 0, bytes: 0 };
const never: Collection = {
  state: 'never',
  dryRun: false,
  olderThanMs: usualAgeMs,
  startedAt: null,
  endedAt: null,
  progress: null,
  blobs: nothing,
  unnamed: nothing,
  removed: nothing,
  partials: 0,
  examples: [],
  error: null,
};

/** What retention is built on. */
export interface RetentionParts extends CollectParts {
  readonly events: EventLog;
  readonly clock: Clock;
}

/** Collects what no row names. */
export class Retention {
  readonly #parts: RetentionParts;
  readonly #stopping = new AbortController();
  #newest: Collection = never;
  #work: { readonly done: Promise<void>; readonly controller: AbortController } | undefined;

  constructor(parts: RetentionParts) {
    this.#parts = parts;
  }

  /** The newest collection. */
  get newest(): Collection {
    return this.#newest;
  }

  /**
   * Begins a collection; follow it with {@link newest}. Everything else goes on meanwhile.
   * @throws CONFLICT while another one runs, INVALID_ARGUMENT for an age that is too short
   */
  begin({ olderThanMs = usualAgeMs, dryRun = false, evenMost = false }: CollectionRequest = {}): Collection {
    if (this.#work !== undefined) throw new SanderlingError('CONFLICT', 'a collection runs already');
    this.#stopping.signal.throwIfAborted();
    if (!(olderThanMs >= shortestAgeMs && olderThanMs <= longestAgeMs))
      throw new SanderlingError(
        'INVALID_ARGUMENT',
        'blobs go at an age of an hour or more, at most of a hundred years',
        {
          where: 'olderThan',
        },
      );
    const controller = new AbortController();
    const startedAt = this.#parts.clock.now();
    this.#newest = { ...never, state: 'running', dryRun, olderThanMs, startedAt };
    const done = this.#run({ before: startedAt - olderThanMs, evenMost }, controller.signal).finally(() => {
      this.#work = undefined;
    });
    this.#work = { done, controller };
    return this.#newest;
  }

  /** Ends the collection that runs, if one does; what it removed stays removed. @returns how it ended */
  async cancel(): Promise<Collection> {
    this.#work?.controller.abort(new SanderlingError('CANCELLED', 'cancelled'));
    await this.#work?.done;
    return this.#newest;
  }

  /** Ends the collection that runs; none begins afterwards. */
  async stop(): Promise<void> {
    const reason = new SanderlingError('UNAVAILABLE', 'the hub stops');
    this.#stopping.abort(reason);
    this.#work?.controller.abort(reason);
    await this.#work?.done;
  }

  /** Never rejects: how it ended is in {@link newest}. */
  async #run(how: { readonly before: number; readonly evenMost: boolean }, signal: AbortSignal): Promise<void> {
    const { events, clock } = this.#parts;
    const { dryRun } = this.#newest;
    const news = {
      progress: (progress: CollectProgress) => this.#note({ progress }),
      found: (garbage: Garbage) => this.#note(summaryOf(garbage)),
      removed: (blob: BlobFile) => this.#note({ removed: plus(this.#newest.removed, blob) }),
    };
    let end: Partial<Collection> = { state: 'done' };
    try {
      await collect(this.#parts, { ...how, dryRun, signal, news });
      const { removed, partials } = this.#newest;
      const data = { removed: removed.count, bytes: removed.bytes, partials };
      if (!dryRun) await events.append({ type: 'storage.collected', data });
    } catch (thrown) {
      const error = toSanderlingError(thrown);
      end = { state: error.code === 'CANCELLED' ? 'cancelled' : 'failed', error: error.toBody() };
    }
    this.#note({ ...end, progress: null, endedAt: clock.now() });
  }

  #note(news: Partial<Collection>): void {
    this.#newest = { ...this.#newest, ...news };
  }
}

function summaryOf({ blobs, bytes, unnamed, partials }: Garbage): Partial<Collection> {
  const examples = unnamed.slice(0, mostExamples);
  const sum = unnamed.reduce(plus, nothing);
  return { blobs: { count: blobs, bytes }, unnamed: sum, partials: partials.length, examples };
}

function plus({ count, bytes }: BlobSum, { size }: BlobFile): BlobSum {
  return { count: count + 1, bytes: bytes + size };
}
