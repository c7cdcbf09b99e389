// Fetching a bundle over a link that breaks: what has come stays, also over restarts; the rest is asked for again; never more than the bound.
import { mkdir, open, rm, stat, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { backoff, SanderlingError, toSanderlingError, type Clock, type Digest } from '@sanderling/kit';
import type { CrashHook } from '../crash-points.ts';
import type { BundlePart } from '../hub/hub-client.ts';

/** Where bundles come from. */
export interface BundleSource {
  bundle(digest: Digest, from: number, signal: AbortSignal): Promise<BundlePart>;
}

/** How to download. */
export interface DownloadOptions {
  readonly source: BundleSource;
  readonly digest: Digest;
  /** The file that grows. */
  readonly path: string;
  /** Largest bundle to take, bytes. */
  readonly maxBytes: number;
  readonly clock: Clock;
  readonly random: () => number;
  readonly crash: CrashHook;
  /** Called now and then. `done` and `total` in bytes; `total` undefined when the hub does not say. */
  readonly onProgress: (done: number, total: number | undefined) => void;
  /** Called when a try failed and another will follow. */
  readonly onSetback: (error: SanderlingError) => void;
}

/** What another try cannot cure. */
const final: ReadonlySet<string> = new Set(['TOO_LARGE', 'CANCELLED']);

/**
 * Brings the whole bundle into `path`, trying for as long as it takes.
 * @returns whether bytes of an earlier try are part of it.
 * @throws TOO_LARGE beyond the bound, CANCELLED.
 */
export async function download(options: DownloadOptions, signal: AbortSignal): Promise<{ readonly resumed: boolean }> {
  const { path, clock, random, onSetback } = options;
  await mkdir(dirname(path), { recursive: true });
  let resumed = (await sizeOf(path)) > 0;
  let attempt = 1;
  for (;;) {
    const before = await sizeOf(path);
    try {
      await fetchRest(options, before, signal);
      return { resumed };
    } catch (thrown) {
      const error = toSanderlingError(thrown);
      if (signal.aborted || final.has(error.code)) throw error;
      onSetback(error);
    }
    const progress = (await sizeOf(path)) > before;
    resumed ||= progress;
    attempt = progress ? 1 : attempt + 1;
    await clock.sleep(backoff(attempt, { baseMs: 500, maxMs: 60_000, random }), signal);
  }
}

async function fetchRest(options: DownloadOptions, have: number, signal: AbortSignal): Promise<void> {
  const { source, digest, path, maxBytes, crash } = options;
  const part = await source.bundle(digest, have, signal);
  try {
    if (part.total !== undefined && part.total > maxBytes) throw tooLarge(part.total, maxBytes);
    await using file = await open(path, have === 0 ? 'w' : 'r+');
    await file.truncate(part.from);
    crash('download-started');
    await append(file, part, options);
    await file.sync();
  } catch (error) {
    if (toSanderlingError(error).code === 'TOO_LARGE') await rm(path, { force: true });
    throw error;
  } finally {
    part.destroy();
  }
}

async function append(file: FileHandle, part: BundlePart, options: DownloadOptions): Promise<void> {
  const { maxBytes, crash, onProgress } = options;
  let at = part.from;
  for await (const chunk of part.body) {
    if (at + chunk.length > maxBytes) throw tooLarge(at + chunk.length, maxBytes);
    await writeAll(file, chunk, at);
    at += chunk.length;
    onProgress(at, part.total);
    crash('download-halfway');
  }
  if (part.total !== undefined && at !== part.total)
    throw new SanderlingError('UNAVAILABLE', `the download ended after ${at} of ${part.total} bytes`);
}

async function writeAll(file: FileHandle, chunk: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < chunk.length; ) {
    const { bytesWritten } = await file.write(chunk, done, chunk.length - done, at + done);
    done += bytesWritten;
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch {
    return 0;
  }
}

function tooLarge(size: number, maxBytes: number): SanderlingError {
  return new SanderlingError('TOO_LARGE', `the bundle has at least ${size} bytes, this device takes ${maxBytes}`, {
    fix: 'make the model smaller, or raise the bound with --max-bundle-mb',
    details: { maxBytes },
  });
}
