// What a test does with a device that may restart at any moment: each thing is tried until it is done, and not done twice.
import type { DeviceInfo, LinkEvent, SlotInfo } from '@sanderling/wire';
import type { BoardModel } from './board-image.ts';
import { hostRelease } from './host-image.ts';
import type { TestHub } from './test-hub.ts';

/** A reading as it is fed. */
export interface Reading {
  readonly time: number;
  readonly value: number;
}

/** A model of a trial. */
export type CutModel = Omit<BoardModel, 'board' | 'slotAddress'>;

const began = Date.UTC(2026, 0, 1);

/** What an event of a release says: type, reason, sequence. */
export const releaseNews = ({ type, reason, numbers }: LinkEvent): string => `${type} ${numbers['sequence']} ${reason}`;

/** Works on one device. */
export class CutHands {
  readonly hub: TestHub;
  /** All readings that the device has taken. */
  readonly fed: Reading[];
  readonly #imageFor: (model: CutModel) => (slot: SlotInfo) => Promise<Uint8Array>;

  constructor(
    hub: TestHub,
    imageFor: (model: CutModel) => (slot: SlotInfo) => Promise<Uint8Array>,
    fed: readonly Reading[],
  ) {
    this.hub = hub;
    this.#imageFor = imageFor;
    this.fed = [...fed];
  }

  /** Feeds the next readings; the device ignores those that it already has. */
  async feed(count: number): Promise<void> {
    const some = Array.from({ length: count }, (_, i) => {
      const index = this.fed.length + i;
      return { time: began + index * 1000, value: (index % 30) + 1 };
    });
    await this.hub.persist((session) => session.feed(some));
    this.fed.push(...some);
  }

  status(): Promise<DeviceInfo> {
    return this.hub.persist((session) => session.status());
  }

  /** Puts a model into the slot that is not in use. @returns the slot */
  write(model: CutModel): Promise<0 | 1> {
    return this.hub.persist((session) => session.update(this.#imageFor(model)));
  }

  /** The same, but only until the device has so many bytes of it. */
  async writeSome(model: CutModel, bytes: number): Promise<void> {
    const stop = new AbortController();
    const onProgress = (done: number): void => {
      if (done >= bytes) stop.abort();
    };
    const session = await this.hub.session();
    await session.update(this.#imageFor(model), { signal: stop.signal, onProgress }).catch((error: unknown) => {
      if (!stop.signal.aborted) throw error;
    });
  }

  /** Lets the model of a slot take over. The answer may be lost although it has, and it may even have been given up since. */
  async switchTo(slot: 0 | 1, sequence: number): Promise<void> {
    await this.hub.persist(async (session) => {
      const { active, slots } = await session.status();
      if (active === slot && slots[slot].release === hostRelease(sequence)) return;
      await this.settled();
      if (this.news().includes(`release.switched ${sequence} ok`)) return;
      await session.activate({ slot, predictions: 2 });
    });
  }

  /** Feeds readings until the model of a slot has proved itself. */
  async prove(slot: 0 | 1): Promise<void> {
    for (let fed = 0; fed < 12; fed += 1) {
      const { active, probation } = await this.status();
      if (active === slot && !probation) return;
      await this.feed(1);
    }
  }

  /** Lets a device have a model that has proved itself. */
  async install(sequence: number): Promise<void> {
    const slot = await this.write({ sequence, ballast: 500 });
    await this.switchTo(slot, sequence);
    await this.prove(slot);
  }

  /** What has come of releases. */
  news(): readonly string[] {
    return this.hub.entries
      .filter((entry): entry is LinkEvent => entry.kind === 'event' && entry.type.startsWith('release.'))
      .map(releaseNews);
  }

  /** Resolves when the device has delivered all that it has. */
  async settled(): Promise<void> {
    while ((await this.status()).waiting > 0) await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
