// One collection of blobs that no row names: search, doubt, remove. It may be killed at any point; what it left is found by the next one.
import { rm } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import { SanderlingError, toSanderlingError, type Digest, type ErrorBody } from '@sanderling/kit';
import type { Durable } from '../store/index.ts';
import type { BlobFile, Garbage, GarbageProgress, GarbageQuery } from './garbage.ts';

/** What a collection works on. */
export interface CollectParts {
  /** The database's file. */
  readonly database: string;
  readonly blobs: {
    /** Where they lie. */
    readonly folder: string;
    /** Removes a blob unless it was put meanwhile or is not older than `before`. @returns whether it was removed */
    remove(digest: Digest, before: number): Promise<boolean>;
  };
  readonly durable: Durable;
}

/** How to collect. */
export interface CollectOptions {
  /** Only what is older than this is removed, milliseconds since 1970. */
  readonly before: number;
  /** Removes nothing. */
  readonly dryRun: boolean;
  /** Goes on although more than half of all blobs would go. */
  readonly evenMost: boolean;
  readonly signal: AbortSignal;
  /** Hears how it goes. */
  readonly news: {
    progress(at: CollectProgress): void;
    found(garbage: Garbage): void;
    removed(blob: BlobFile): void;
  };
}

/** How far it is. */
export type CollectProgress =
  | GarbageProgress
  | { readonly phase: 'removing'; readonly done: number; readonly total: number };

/** What the searching thread says. */
export type GarbageNews =
  | { readonly kind: 'progress'; readonly at: GarbageProgress }
  | { readonly kind: 'found'; readonly garbage: Garbage }
  | { readonly kind: 'failed'; readonly error: ErrorBody };

/** @throws CORRUPT for a damaged database; CONFLICT when most blobs would go; CANCELLED; FORBIDDEN … as the disk */
export async function collect({ blobs, database, durable }: CollectParts, options: CollectOptions): Promise<void> {
  const { before, dryRun, evenMost, signal, news } = options;
  const found = await search({ database, blobs: blobs.folder, before }, options);
  const { unnamed, partials } = found;
  news.found(found);
  if (dryRun) return;
  if (!evenMost) refuseMost(found);
  // What the rows say must be on the disk first: a power cut must not bring back a row whose blob is gone.
  await durable.sync();
  for (const [i, blob] of unnamed.entries()) {
    signal.throwIfAborted();
    news.progress({ phase: 'removing', done: i, total: unnamed.length });
    if (await blobs.remove(blob.digest, before)) news.removed(blob);
  }
  for (const path of partials) await rm(path, { force: true });
}

/** A database that knows less than half of what is there is perhaps another one, or an old one from a backup. */
function refuseMost({ blobs, unnamed }: Garbage): void {
  if (unnamed.length * 2 <= blobs) return;
  throw new SanderlingError('CONFLICT', `the database names only ${blobs - unnamed.length} of ${blobs} blobs`, {
    fix: 'make sure that database and blobs belong together; then collect with --even-most',
  });
}

async function search(query: GarbageQuery, { signal, news: listener }: CollectOptions): Promise<Garbage> {
  signal.throwIfAborted();
  const worker = new Worker(new URL('./garbage-worker.ts', import.meta.url), { workerData: query });
  const end = Promise.withResolvers<Garbage>();
  const abort = (): void => end.reject(toSanderlingError(signal.reason));
  signal.addEventListener('abort', abort, { once: true });
  worker.on('message', (news: GarbageNews) => {
    if (news.kind === 'progress') listener.progress(news.at);
    else if (news.kind === 'found') end.resolve(news.garbage);
    else end.reject(SanderlingError.fromBody(news.error));
  });
  worker.once('error', end.reject);
  worker.once('exit', (code) => end.reject(new Error(`the search ended with ${code}`)));
  try {
    return await end.promise;
  } finally {
    signal.removeEventListener('abort', abort);
    await worker.terminate();
  }
}
