// Keeps the device at what the hub wants: asks, checks the signature and the counter, fetches, verifies, hands over to the manager.
import { rm, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { backoff, SanderlingError, toSanderlingError, type Clock, type Digest, type ErrorCode } from '@sanderling/kit';
import { desiredPayload, verify, type DesiredAnswer } from '@sanderling/wire/device';
import { Bell } from '../bell.ts';
import type { CrashHook } from '../crash-points.ts';
import type { Outbox } from '../outbox/outbox.ts';
import type { Narrator } from '../status/lines.ts';
import { download, type BundleSource } from './download.ts';
import type { ReleaseManager } from './release-manager.ts';
import type { ReleaseStore } from './release-store.ts';
import type { UpdateBoard } from './update-board.ts';

/** The hub, as far as updates need it. */
export interface ReleaseDesk extends BundleSource {
  desired(have: number, waitSeconds: number, signal: AbortSignal): Promise<DesiredAnswer>;
}

/** What an updater works with. */
export interface UpdaterParts {
  readonly desk: ReleaseDesk;
  readonly manager: ReleaseManager;
  readonly store: ReleaseStore;
  readonly board: UpdateBoard;
  readonly outbox: Outbox;
  readonly narrate: Narrator;
  /** This device and the key that signs what it shall run. */
  readonly device: string;
  readonly hubPublicKey: string;
  /** Folder of unfinished downloads. */
  readonly downloads: string;
  /** Seconds that the hub may keep the question waiting. */
  readonly pollSeconds: number;
  readonly maxBundleBytes: number;
  readonly clock: Clock;
  readonly random: () => number;
  readonly crash: CrashHook;
}

/** The release itself is at fault: it is refused and remembered. Everything else is tried again. */
const refusals: ReadonlySet<ErrorCode> = new Set([
  'CORRUPT',
  'BAD_SIGNATURE',
  'UNSUPPORTED',
  'SELF_TEST_FAILED',
  'INVALID_MODEL',
  'INVALID_ARGUMENT',
  'INVALID_CONFIG',
  'INVALID_DATA',
  'TOO_LARGE',
]);

/** A hub that answers at once again and again is asked at most this often, milliseconds. */
const leastPauseMs = 1000;

export class Updater {
  readonly #parts: UpdaterParts;
  readonly #changed = new Bell();
  #job: AbortController | undefined;
  #lastRefused = '';

  constructor(parts: UpdaterParts) {
    this.#parts = parts;
  }

  /** Asks the hub for as long as the signal allows. A new wish ends the work on an old one. */
  async watch(signal: AbortSignal): Promise<void> {
    const { desk, manager, pollSeconds, clock, random, narrate } = this.#parts;
    for (let failures = 0; ; ) {
      const asked = clock.now();
      try {
        const answer = await desk.desired(manager.pointer.counter, pollSeconds, signal);
        const news = await this.#accept(answer);
        if (!news && clock.now() - asked < leastPauseMs) await clock.sleep(leastPauseMs, signal);
        failures = 0;
      } catch (thrown) {
        const error = toSanderlingError(thrown);
        if (signal.aborted) throw error;
        if (failures++ === 0) narrate({ type: 'error', about: 'update', ...error.toBody() });
        await clock.sleep(backoff(failures, { baseMs: 1000, maxMs: 60_000, random }), signal);
      }
    }
  }

  /** Works towards what is wanted, again and again until it is done, refused, or something else is wanted. */
  async converge(signal: AbortSignal): Promise<void> {
    const { random, narrate } = this.#parts;
    for (let failures = 0; ; ) {
      const job = new AbortController();
      this.#job = job;
      try {
        await this.#work(AbortSignal.any([signal, job.signal]));
        failures = 0;
        await this.#changed.wait(signal);
      } catch (thrown) {
        const error = toSanderlingError(thrown);
        if (signal.aborted) throw error;
        if (job.signal.aborted) continue;
        if (failures++ === 0) narrate({ type: 'error', about: 'update', ...error.toBody() });
        await this.#changed.wait(signal, backoff(failures, { baseMs: 1000, maxMs: 60_000, random }));
      }
    }
  }

  /**
   * Checks what the hub wants. @returns whether it is news.
   * @throws BAD_SIGNATURE, CONFLICT for a replay; told once for each such answer.
   */
  async #accept(answer: DesiredAnswer): Promise<boolean> {
    const { manager, device, hubPublicKey, crash } = this.#parts;
    const known = manager.pointer;
    try {
      checkDesired(answer, { device, hubPublicKey, counter: known.counter, desired: known.desired });
    } catch (error) {
      this.#tellRefused(answer, toSanderlingError(error));
      throw error;
    }
    if (answer.counter === known.counter) return false;
    crash('desired-verified');
    await manager.desire(answer.counter, answer.release);
    crash('desired-persisted');
    this.#job?.abort();
    this.#changed.ring();
    return true;
  }

  async #work(signal: AbortSignal): Promise<void> {
    const { manager, board } = this.#parts;
    const { desired, active } = manager.pointer;
    await this.#discardDownloads(desired);
    if (desired === null || desired === active || manager.hasFailed(desired)) {
      board.rest(manager.pointer);
      return;
    }
    try {
      await this.#fetch(desired, signal);
      await manager.install(desired);
    } catch (thrown) {
      const error = toSanderlingError(thrown);
      if (signal.aborted || !refusals.has(error.code)) throw error;
      await manager.refuse(desired, error);
    }
    await manager.collect();
  }

  /** Makes sure that the release is stored and sound. A download that was put together from several tries gets a second chance in one piece. */
  async #fetch(digest: Digest, signal: AbortSignal): Promise<void> {
    const { store, manager, board, crash, downloads } = this.#parts;
    if (await isSound(() => store.open(digest))) return;
    const path = join(downloads, `${digest}.partial`);
    if (!(await isSound(() => store.verifyFile(path, digest)))) {
      const { resumed } = await this.#download(digest, path, signal);
      crash('download-complete');
      board.show(manager.pointer, { release: digest, stage: 'verifying', progress: 1, reason: null });
      try {
        await store.verifyFile(path, digest);
      } catch (error) {
        await rm(path, { force: true });
        if (!resumed) throw error;
        await this.#download(digest, path, signal);
        await this.#verifyOrDiscard(path, digest);
      }
    }
    crash('bundle-verified');
    await store.keep(path, digest);
    crash('release-stored');
  }

  async #verifyOrDiscard(path: string, digest: Digest): Promise<void> {
    try {
      await this.#parts.store.verifyFile(path, digest);
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    }
  }

  #download(digest: Digest, path: string, signal: AbortSignal): Promise<{ readonly resumed: boolean }> {
    const { desk: source, manager, board, clock, random, crash, maxBundleBytes: maxBytes } = this.#parts;
    let shown = Number.NEGATIVE_INFINITY;
    const show = (progress: number, reason: string | null): void => {
      shown = clock.now();
      board.show(manager.pointer, { release: digest, stage: 'downloading', progress, reason });
    };
    let progress = 0;
    show(0, null);
    const onProgress = (done: number, total: number | undefined): void => {
      progress = total === undefined || total === 0 ? 0 : Math.min(1, done / total);
      if (clock.now() - shown >= 500) show(progress, null);
    };
    const onSetback = (error: SanderlingError): void => show(progress, `${error.code}: ${error.message}`);
    return download({ source, digest, path, maxBytes, clock, random, crash, onProgress, onSetback }, signal);
  }

  async #discardDownloads(keep: Digest | null): Promise<void> {
    const { downloads } = this.#parts;
    const names = await readdir(downloads).catch(() => []);
    for (const name of names) if (name !== `${keep}.partial`) await rm(join(downloads, name), { force: true });
  }

  #tellRefused(answer: DesiredAnswer, error: SanderlingError): void {
    const key = JSON.stringify(answer);
    if (key === this.#lastRefused) return;
    this.#lastRefused = key;
    const { outbox, clock } = this.#parts;
    const data = { counter: answer.counter, release: answer.release, ...error.toBody() };
    outbox.add({ kind: 'event', time: Math.round(clock.now()), type: 'agent.desired-refused', data });
  }
}

/** What a desired state is checked against. */
interface DesiredContext {
  readonly device: string;
  readonly hubPublicKey: string;
  readonly counter: number;
  readonly desired: Digest | null;
}

function checkDesired(answer: DesiredAnswer, { device, hubPublicKey, counter, desired }: DesiredContext): void {
  const payload = desiredPayload(device, answer);
  if (!verify(hubPublicKey, payload, Buffer.from(answer.signature, 'base64url')))
    throw new SanderlingError('BAD_SIGNATURE', 'what the device shall run is not signed by this hub for this device');
  if (answer.counter < counter)
    throw new SanderlingError(
      'CONFLICT',
      `what the device shall run is a replay: counter ${answer.counter} after ${counter}`,
    );
  if (answer.counter === counter && counter > 0 && answer.release !== desired)
    throw new SanderlingError('CONFLICT', `the hub signed two different wishes with counter ${counter}`);
}

async function isSound(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch {
    return false;
  }
}
