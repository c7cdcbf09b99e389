// Which release serves: starts it, switches to a new one, watches its probation, and goes back by itself. The record on disk always names a
// release that can run; what changes is written before it happens, and every step may be the last one of the process.
import { toSanderlingError, type Clock, type Digest, type ErrorCode, type SanderlingError } from '@sanderling/kit';
import type { OpenedBundle } from '@sanderling/wire/device';
import type { CrashHook } from '../crash-points.ts';
import type { Engine } from '../inference/engine.ts';
import type { ModelRuntime } from '../inference/model-runtime.ts';
import { Predictor, type Prediction } from '../inference/predictor.ts';
import { selfTest } from '../inference/self-test.ts';
import type { Outbox } from '../outbox/outbox.ts';
import { Turn } from '../turn.ts';
import type { FailedRelease, Pointer, PointerFile } from './pointer.ts';
import { Probation, type Shortcoming } from './probation.ts';
import type { ReleaseStore } from './release-store.ts';
import type { UpdateBoard } from './update-board.ts';

/** What a manager works with. */
export interface ReleaseManagerParts {
  readonly store: ReleaseStore;
  readonly pointer: PointerFile;
  readonly engine: Engine;
  readonly outbox: Outbox;
  readonly board: UpdateBoard;
  readonly runtime: ModelRuntime;
  readonly clock: Clock;
  readonly crash: CrashHook;
  /** Largest median time of a forecast during probation, milliseconds. */
  readonly maxForecastMs: number;
}

/** Processes that may die during one probation before the device goes back. */
const maxDeaths = 3;

/** Failures that are the release's own; a damaged file is the disk's, and the release is fetched again. */
const ownFault: ReadonlySet<ErrorCode> = new Set([
  'INVALID_MODEL',
  'UNSUPPORTED',
  'INVALID_ARGUMENT',
  'INVALID_CONFIG',
  'SELF_TEST_FAILED',
]);

export class ReleaseManager {
  readonly #parts: ReleaseManagerParts;
  readonly #turn = new Turn();
  #probation: Probation | undefined;
  /** What could not be written for want of space. */
  #owed: Partial<Pointer> | undefined;

  constructor(parts: ReleaseManagerParts) {
    this.#parts = parts;
  }

  /** The record as it stands. */
  get pointer(): Pointer {
    return this.#parts.pointer.value;
  }

  /** Brings back the release that served when the last process ended, or the one before it, so that the device predicts again. */
  boot(): Promise<void> {
    return this.#turn.take(async () => {
      await this.#countDeath();
      const { active, previous } = this.pointer;
      for (const digest of [active, previous]) {
        if (digest === null) continue;
        if (await this.#bootWith(digest)) break;
      }
      this.#parts.board.rest(this.pointer);
    });
  }

  /**
   * After both copies of the record were damaged: the stored release of the highest sequence serves again. The counter begins anew, so
   * that until the hub speaks, an older wish of its could be replayed.
   */
  async recover(): Promise<void> {
    const { store, pointer } = this.#parts;
    const found: OpenedBundle[] = [];
    for (const digest of await store.list()) {
      try {
        found.push(await store.open(digest));
      } catch {
        // A release that is not sound is no candidate.
      }
    }
    const [best, next] = found.sort((a, b) => b.manifest.sequence - a.manifest.sequence).map(({ digest }) => digest);
    await pointer.write({ active: best ?? null, previous: next ?? null });
    this.#event('agent.pointer-recovered', { active: best ?? null, previous: next ?? null });
  }

  /**
   * Tests a stored release and puts it in charge, on probation. The release that served goes on until the new one is ready.
   * @throws SELF_TEST_FAILED, INVALID_MODEL … and then nothing has changed.
   */
  install(digest: Digest): Promise<void> {
    const { store, pointer, engine, outbox, board, runtime, clock, crash } = this.#parts;
    return this.#turn.take(async () => {
      board.show(this.pointer, { release: digest, stage: 'testing', progress: 1, reason: null });
      const next = await Predictor.open(await store.open(digest), runtime);
      const { active, previous, probation, counter } = this.pointer;
      // The release to return to is the last one that proved itself.
      const good = probation === null ? active : previous;
      const startedAt = clock.now();
      try {
        await selfTest(next);
        crash('self-test-passed');
        board.show(this.pointer, { release: digest, stage: 'switching', progress: 1, reason: null });
        crash('switch-begun');
        await pointer.write({
          active: digest,
          previous: good === digest ? null : good,
          probation: { release: digest, startedAt, deaths: 0, running: true },
        });
      } catch (error) {
        await next.close();
        throw error;
      }
      crash('pointer-written');
      this.#watch(next, startedAt);
      await engine.replace(next, outbox.recent);
      crash('switch-done');
      this.#event('release.switched', { release: digest, from: active, counter, version: next.manifest.version });
      board.rest(this.pointer);
    });
  }

  /** Looks at a prediction; during probation it may send the device back to the previous release. */
  async judge(prediction: Prediction): Promise<void> {
    if (this.#probation === undefined || prediction.release !== this.pointer.active) return;
    const verdict = this.#probation.observe(prediction);
    this.#parts.crash('probation-prediction');
    if (verdict.state !== 'going') await this.#turn.take(() => this.#conclude(prediction.release, verdict));
  }

  /** To be called every second or so: ends a probation whose time is over, writes what is owed. */
  async tick(): Promise<void> {
    await this.#turn.take(async () => {
      if (this.#owed !== undefined) await this.#write(this.#owed);
      const { active } = this.pointer;
      const verdict = this.#probation?.atTime(this.#parts.clock.now());
      if (active !== null && verdict !== undefined && verdict.state !== 'going') await this.#conclude(active, verdict);
    });
  }

  /** Remembers what the hub asks for; only after its signature was checked. */
  desire(counter: number, desired: Digest | null): Promise<void> {
    return this.#turn.take(async () => {
      await this.#parts.pointer.write({ counter, desired });
    });
  }

  /** Whether the desired release was tried for this or a higher counter and failed. */
  hasFailed(digest: Digest): boolean {
    return this.pointer.failed.some(({ release, counter }) => release === digest && counter >= this.pointer.counter);
  }

  /** Remembers that a release was refused before it ever ran. */
  refuse(digest: Digest, error: SanderlingError): Promise<void> {
    return this.#turn.take(async () => {
      const { counter } = this.pointer;
      const entry = { release: digest, counter, stage: 'refused', code: error.code, reason: error.message } as const;
      await this.#write({ failed: this.#withFailed(entry) });
      this.#event('release.refused', { release: digest, counter, ...error.toBody() });
      this.#parts.board.rest(this.pointer);
    });
  }

  /** Keeps what runs, what can be returned to and what is wanted; everything else goes. What cannot be removed now goes another time. */
  async collect(): Promise<void> {
    const { active, previous, desired } = this.pointer;
    const keep = [active, previous, desired].filter((digest) => digest !== null);
    await this.#parts.store.collect(new Set(keep)).catch(() => undefined);
    this.#parts.crash('collect-done');
  }

  /** A clean end: the next process must not count this one as dead. */
  async stop(): Promise<void> {
    await this.#turn.take(async () => {
      const { probation } = this.pointer;
      if (probation !== null) await this.#write({ probation: { ...probation, running: false } });
      await this.#parts.engine.replace(undefined, []);
    });
  }

  async #countDeath(): Promise<void> {
    const { active, probation } = this.pointer;
    if (probation === null || active === null) return;
    const deaths = probation.deaths + (probation.running ? 1 : 0);
    if (deaths < maxDeaths) {
      await this.#write({ probation: { ...probation, deaths, running: true } });
      return;
    }
    const reason = `the agent died ${deaths} times during its probation`;
    await this.#goBack(active, { code: 'INTERNAL', reason, numbers: { deaths } });
  }

  /** Puts a stored release in charge at start-up. @returns false when it cannot run; the record then names the other one. */
  async #bootWith(digest: Digest): Promise<boolean> {
    const { engine, outbox } = this.#parts;
    try {
      const predictor = await this.#open(digest);
      predictor.restore(outbox.recall('monitor'));
      await engine.replace(predictor, outbox.recent);
      const { active, probation } = this.pointer;
      if (active !== digest) await this.#write({ active: digest, previous: null, probation: null });
      else if (probation !== null) this.#watch(predictor, probation.startedAt);
      return true;
    } catch (thrown) {
      const error = toSanderlingError(thrown);
      const { active, previous, counter, failed } = this.pointer;
      const remains = digest === active ? previous : null;
      const entry = {
        release: digest,
        counter,
        stage: 'rolled-back',
        code: error.code,
        reason: error.message,
      } as const;
      const blamed = ownFault.has(error.code) ? this.#withFailed(entry) : failed;
      await this.#write({ active: remains, previous: null, probation: null, failed: blamed });
      this.#event('release.damaged', { release: digest, to: remains, ...error.toBody() });
      return false;
    }
  }

  #watch({ manifest }: Predictor, startedAt: number): void {
    this.#probation = new Probation(manifest, { startedAt, maxForecastMs: this.#parts.maxForecastMs });
  }

  async #conclude(
    release: Digest,
    verdict: Exclude<ReturnType<Probation['atTime']>, { state: 'going' }>,
  ): Promise<void> {
    if (this.#probation === undefined || this.pointer.active !== release) return;
    if (verdict.state === 'failed') {
      await this.#goBack(release, verdict.shortcoming);
      return;
    }
    this.#parts.crash('commit-begun');
    // Without space to write, the release serves on and the next tick tries again.
    if (!(await this.#write({ probation: null }))) return;
    this.#probation = undefined;
    this.#parts.crash('commit-done');
    const { previous, counter } = this.pointer;
    this.#event('release.activated', { release, previous, counter, ...verdict.numbers });
    this.#parts.board.rest(this.pointer);
    await this.collect();
  }

  async #goBack(release: Digest, { code, reason, numbers }: Shortcoming): Promise<void> {
    const { crash, engine, outbox, board } = this.#parts;
    crash('rollback-begun');
    this.#probation = undefined;
    const { previous, counter } = this.pointer;
    const earlier = previous === null ? undefined : await this.#openIfSound(previous);
    const to = earlier?.digest ?? null;
    const entry: FailedRelease = { release, counter, stage: 'rolled-back', code, reason };
    await this.#write({ active: to, previous: null, probation: null, failed: this.#withFailed(entry) });
    crash('rollback-written');
    await engine.replace(earlier, outbox.recent);
    this.#event('release.rolled-back', { release, to, counter, code, reason, numbers });
    crash('rollback-done');
    board.show(this.pointer, { release, stage: 'rolled-back', progress: 0, reason });
  }

  async #open(digest: Digest): Promise<Predictor> {
    return Predictor.open(await this.#parts.store.open(digest), this.#parts.runtime);
  }

  async #openIfSound(digest: Digest): Promise<Predictor | undefined> {
    try {
      return await this.#open(digest);
    } catch (error) {
      this.#event('release.damaged', { release: digest, to: null, ...toSanderlingError(error).toBody() });
      return undefined;
    }
  }

  #withFailed(entry: FailedRelease): readonly FailedRelease[] {
    return [...this.pointer.failed.filter(({ release }) => release !== entry.release), entry];
  }

  /** Writes the record; when the disk is full, the change is owed and the device goes on. */
  async #write(changes: Partial<Pointer>): Promise<boolean> {
    const all = { ...this.#owed, ...changes };
    try {
      await this.#parts.pointer.write(all);
      this.#owed = undefined;
      return true;
    } catch {
      this.#owed = all;
      return false;
    }
  }

  #event(type: string, data: Readonly<Record<string, unknown>>): void {
    const { outbox, clock } = this.#parts;
    outbox.add({ kind: 'event', time: Math.round(clock.now()), type, data });
  }
}
