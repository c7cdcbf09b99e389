// Brings one microcontroller to the release that it should run, and tells the fleet how far it has come, in the words that agents use. It looks at what the device
// says of itself and does the next thing, so that it does not matter where a hub, a device or a connection was stopped.
import { toSanderlingError, type Digest } from '@sanderling/kit';
import type { DesiredAnswer, DeviceInfo, LinkEntry, LinkSession, OpenedBundle, StatusRequest } from '@sanderling/wire';
import type { Fleet, KnownDevice } from '../../fleet/index.ts';
import { imageFor, type DeviceReleases } from './device-releases.ts';

/** What a driver works with. */
export interface DriverParts {
  readonly fleet: Fleet;
  readonly releases: DeviceReleases;
  readonly session: LinkSession;
  readonly device: KnownDevice;
}

type Update = StatusRequest['update'];

/** What a device has in its slots. */
interface Slots {
  readonly active: Digest | null;
  readonly previous: Digest | null;
}

/** Between two looks at a device that has nothing to do: also how its presence is noticed. Milliseconds. */
const calmMs = 20_000;
/** Between two looks at a device on probation, and before another try. Milliseconds. */
const busyMs = 500;
/** Least time between two tellings of the download's progress, milliseconds. */
const progressMs = 250;
/** Failures of the link or of this hub: they say nothing about the release. */
const passing: ReadonlySet<string> = new Set(['UNAVAILABLE', 'TIMEOUT', 'CANCELLED', 'INTERNAL']);

/** Drives one device over one connection. */
export class DeviceDriver {
  readonly #parts: DriverParts;
  #status: StatusRequest | null = null;
  /** Why the device went back, by the image that it went back from. */
  readonly #reasons = new Map<string, string>();
  #wake: (() => void) | undefined;

  constructor(parts: DriverParts) {
    this.#parts = parts;
  }

  /** Entries of the device: events of releases are news. */
  hear(entries: readonly LinkEntry[]): void {
    for (const entry of entries) {
      if (entry.kind !== 'event' || !entry.type.startsWith('release.')) continue;
      if (entry.release !== null && entry.reason !== 'ok') this.#reasons.set(entry.release, entry.reason);
      if (this.#reasons.size > 16) this.#reasons.delete(this.#reasons.keys().next().value!);
      this.#wake?.();
    }
  }

  /** Works until the signal aborts. @throws what ends the connection: NOT_FOUND when the device was removed, failures of the link */
  async run(signal: AbortSignal): Promise<void> {
    const { fleet, device } = this.#parts;
    this.#status = await fleet.lastStatus(device.id);
    let wait = { have: -1, waitMs: 0 };
    while (!signal.aborted) {
      const wish = await this.#wish(wait, signal);
      if (signal.aborted) return;
      const settled = await this.#stepUnlessRestarted(wish, signal);
      wait = { have: wish.counter, waitMs: settled ? calmMs : busyMs };
    }
  }

  /** A device that restarts on the same stream (a serial line behind a bridge) says hello anew; what was asked of it before comes to nothing. */
  async #stepUnlessRestarted(wish: DesiredAnswer, signal: AbortSignal): Promise<boolean> {
    try {
      return await this.#step(wish, signal);
    } catch (error) {
      if (signal.aborted || toSanderlingError(error).code !== 'UNAVAILABLE') throw error;
      const { device } = await this.#parts.session.hello(signal);
      if (device !== this.#parts.device.id) throw error;
      return false;
    }
  }

  /** What the device should run: at once when that changes, otherwise after the wait or with the next news of the device. */
  async #wish(wait: { readonly have: number; readonly waitMs: number }, signal: AbortSignal): Promise<DesiredAnswer> {
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    return this.#parts.fleet.desired(this.#parts.device.id, wait, AbortSignal.any([signal, woken.signal]));
  }

  /** Does the next thing. @returns whether there is nothing more to do for this wish. */
  async #step(wish: DesiredAnswer, signal: AbortSignal): Promise<boolean> {
    const { session, fleet, device, releases } = this.#parts;
    const info = await session.status(signal);
    await fleet.seen(device.id);
    const slots: Slots = {
      active: await releases.inSlot(info.active === null ? undefined : info.slots[info.active]),
      previous: await releases.inSlot(info.previous === null ? undefined : info.slots[info.previous]),
    };
    const tell = (update: Update): Promise<void> => this.#tell(wish, { info, slots, update });
    const about = { release: wish.release, progress: 1, reason: null };
    if (wish.release === null) {
      await tell({ release: null, stage: 'idle', progress: 0, reason: null });
      return true;
    }
    if (slots.active === wish.release) {
      await tell({ ...about, stage: info.probation ? 'probation' : 'active' });
      return !info.probation;
    }
    const ended = await this.#ended(wish, info);
    if (ended !== undefined) {
      await tell(ended);
      return true;
    }
    if (info.probation) return this.#leaveProbation(wish, slots, signal);
    await this.#install(wish, { info, slots }, signal);
    return false;
  }

  /** What has come to its end for this wish and is not tried again. */
  async #ended({ counter, release }: DesiredAnswer, info: DeviceInfo): Promise<Update | undefined> {
    const before = this.#status;
    if (before?.counter !== counter || before.update.release !== release) return undefined;
    const { stage } = before.update;
    if (stage === 'refused' || stage === 'rolled-back') return before.update;
    if (stage !== 'probation' || info.probation) return undefined;
    const bundle = await this.#parts.releases.open(release!).catch(() => undefined);
    const word = this.#reasons.get(bundle?.manifest.images?.[0]?.release ?? '');
    const why = word === undefined ? '' : ` (${word})`;
    return { release, stage: 'rolled-back', progress: 1, reason: `the device went back to its release before${why}` };
  }

  /** Another release is on probation: back from it where that is what is wanted, otherwise its end is waited for. */
  async #leaveProbation(wish: DesiredAnswer, { previous }: Slots, signal: AbortSignal): Promise<boolean> {
    if (previous === wish.release) await this.#parts.session.rollback(signal);
    return false;
  }

  async #install(
    wish: DesiredAnswer,
    on: { readonly info: DeviceInfo; readonly slots: Slots },
    signal: AbortSignal,
  ): Promise<void> {
    const at = (stage: Update['stage'], progress = 1): Promise<void> =>
      this.#tell(wish, { ...on, update: { release: wish.release, stage, progress, reason: null } });
    try {
      await at('downloading', 0);
      const bundle = await this.#parts.releases.open(wish.release!);
      const stepBack = bundle.manifest.sequence < on.info.floor;
      const slot = await this.#download(bundle, { stepBack, signal }, (share) => at('downloading', share));
      await at('testing');
      await this.#parts.session.selfTest(slot, signal);
      await at('switching');
      await this.#parts.session.activate({ slot, stepBack, ...probationOf(bundle) }, signal);
    } catch (thrown) {
      const error = toSanderlingError(thrown);
      if (passing.has(error.code) || signal.aborted) throw error;
      // The device's word for it, where it has one: it is on probation after all, or the slot is in use.
      if (error.details?.['status'] === 'on-probation') return;
      const update: Update = { release: wish.release, stage: 'refused', progress: 1, reason: error.message };
      await this.#tell(wish, { ...on, update });
    }
  }

  async #download(
    bundle: OpenedBundle,
    options: { readonly stepBack: boolean; readonly signal: AbortSignal },
    tell: (share: number) => Promise<void>,
  ): Promise<0 | 1> {
    let told = performance.now();
    let telling: Promise<void> = Promise.resolve();
    const onProgress = (done: number, total: number): void => {
      if (performance.now() - told < progressMs || done === total) return;
      told = performance.now();
      telling = telling.then(() => tell(done / total));
    };
    const slot = await this.#parts.session.update((where) => imageFor(bundle, where), { ...options, onProgress });
    await telling;
    return slot;
  }

  async #tell(
    { counter }: DesiredAnswer,
    { info, slots, update }: { readonly info: DeviceInfo; readonly slots: Slots; readonly update: Update },
  ): Promise<void> {
    const { fleet, device } = this.#parts;
    const status: StatusRequest = { counter, ...slots, update, agentVersion: `firmware ${info.firmware}` };
    if (JSON.stringify(status) === JSON.stringify(this.#status)) return;
    await fleet.status(device, status);
    this.#status = status;
  }
}

/** The release's probation in the device's terms. */
function probationOf({ manifest }: OpenedBundle): { predictions: number; minutes: number; maxError: number } {
  const { predictions, minutes, maxErrorRatio } = manifest.probation;
  const mae = manifest.provenance.metrics['mae'] ?? 0;
  return {
    predictions: Math.min(predictions, 65_535),
    minutes: Math.max(1, Math.ceil(minutes)),
    maxError: mae > 0 ? maxErrorRatio * mae : 0,
  };
}
