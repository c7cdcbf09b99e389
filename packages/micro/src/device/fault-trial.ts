// A device and a hub at work over a bad link: readings are fed, models are updated, good ones and bad ones, and at the end everything must be right.
import { SanderlingError } from '@sanderling/kit';
import type { DeviceInfo, LinkEvent, LinkReading, LinkReport, LinkSession } from '@sanderling/wire';
import type { FaultOptions } from './faulty-stream.ts';
import { hostImage, hostRelease } from './host-image.ts';
import type { TestHub } from './test-hub.ts';

/** What a trial did. */
export interface FaultTrial {
  readonly frames: number;
  readonly readings: number;
  readonly hellos: number;
  /** Updates that became active and were confirmed. */
  readonly updates: number;
  /** Images that were altered on the way into the hub, or failed their self-test: refused. */
  readonly refused: number;
  /** Promises that were broken; empty when all is well. */
  readonly broken: readonly string[];
}

/**
 * Works until so many frames have gone either way, then finishes what is under way.
 * @throws TIMEOUT when the link does not recover.
 */
export async function faultTrial(hub: TestHub, faults: FaultOptions, frames: number): Promise<FaultTrial> {
  const { counts } = faults;
  const work = new Work(hub);
  while (counts.frames < frames) await work.round();
  const readings = await work.finish();
  return {
    frames: counts.frames,
    readings,
    hellos: hub.hellos,
    updates: work.updates,
    refused: work.refused,
    broken: work.broken,
  };
}

class Work {
  readonly #hub: TestHub;
  readonly #fed: { readonly time: number; readonly value: number }[] = [];
  readonly #good = new Set<string>();
  readonly broken: string[] = [];
  updates = 0;
  refused = 0;
  #sequence = 0;
  #round = 0;

  constructor(hub: TestHub) {
    this.#hub = hub;
  }

  async round(): Promise<void> {
    this.#round += 1;
    await this.#feed(this.#round % 3 === 0 ? 40 : 5);
    if (this.#round % 4 === 1) await this.#update();
    if (this.#round % 4 === 3) await this.#badUpdate();
    await this.#check();
  }

  /** Feeds until the hub has an answer for each; what is fed twice is taken once. */
  async #feed(count: number): Promise<void> {
    const some = Array.from({ length: count }, (_, i) => ({
      time: Date.UTC(2026, 0, 1) + (this.#fed.length + i) * 1000,
      value: (this.#fed.length + i) % 40,
    }));
    await this.#hub.persist((session) => session.feed(some));
    this.#fed.push(...some);
  }

  async #update(): Promise<void> {
    const sequence = ++this.#sequence;
    this.#good.add(hostRelease(sequence));
    const slot = await this.#hub.persist((session) =>
      session.update(({ address }) =>
        hostImage({ slotAddress: address, sequence, bytes: 3000 + (sequence % 5) * 1000 }),
      ),
    );
    await this.#activate(slot, sequence);
    await this.#feed(3);
    const info = await this.#hub.persist((session) => session.status());
    if (runningRelease(info) !== hostRelease(sequence) || info.probation)
      this.broken.push(`release ${sequence} was activated and does not run`);
    this.updates += 1;
  }

  /** An answer may be lost although the device has switched; then it says that the slot is in use. */
  async #activate(slot: 0 | 1, sequence: number): Promise<void> {
    const already = async (session: LinkSession): Promise<void> => {
      if (runningRelease(await session.status()) === hostRelease(sequence)) return;
      await session.activate({ slot, predictions: 2 });
    };
    await this.#hub.persist(already);
  }

  /** Altered bytes behind an authentic header, or a model that fails its self-test. */
  async #badUpdate(): Promise<void> {
    const sequence = ++this.#sequence;
    const altered = this.#round % 8 === 3;
    const image = (address: number): Uint8Array => {
      const bytes = hostImage({ slotAddress: address, sequence, behaviour: altered ? 'fine' : 'failsTest' });
      if (altered) bytes[2000]! ^= 4;
      return bytes;
    };
    try {
      const slot = await this.#hub.persist((session) => session.update(({ address }) => image(address)));
      await this.#hub.persist((session) => session.activate({ slot }));
      this.broken.push(`bad image ${sequence} became active`);
    } catch (error) {
      const code = error instanceof SanderlingError ? error.code : 'INTERNAL';
      if (code !== 'CORRUPT' && code !== 'SELF_TEST_FAILED') throw error;
      this.refused += 1;
    }
  }

  async #check(): Promise<void> {
    const info = await this.#hub.persist((session) => session.status());
    const running = runningRelease(info);
    if (running !== undefined && !this.#good.has(running)) this.broken.push(`${running} runs and is no good release`);
  }

  async finish(): Promise<number> {
    const readings = (): LinkReading[] =>
      this.#hub.entries.filter((entry): entry is LinkReading => entry.kind === 'reading');
    await this.#hub.until(() => readings().length >= this.#fed.length, 60_000);
    const got = readings();
    if (got.length !== this.#fed.length) this.broken.push(`${got.length} readings of ${this.#fed.length}`);
    got.forEach(({ time, value }, i) => {
      if (time !== this.#fed[i]?.time || value !== this.#fed[i]?.value)
        this.broken.push(`reading ${i} is not the one that was fed`);
    });
    this.#checkEntries();
    return got.length;
  }

  #checkEntries(): void {
    const entries = this.#hub.entries;
    entries.forEach(({ number }, i) => {
      if (i > 0 && number <= entries[i - 1]!.number) this.broken.push(`entry ${number} came twice or out of order`);
    });
    const activated = entries.filter(
      (entry): entry is LinkEvent => entry.kind === 'event' && entry.type === 'release.activated',
    );
    if (activated.length !== this.updates) this.broken.push(`${activated.length} activations told of ${this.updates}`);
    const reports = entries.filter((entry): entry is LinkReport => entry.kind === 'report');
    const wrong = reports.filter(({ release, residual }) => release !== hostRelease(residual ?? -1));
    if (reports.length === 0 || wrong.length > 0)
      this.broken.push(`${wrong.length} of ${reports.length} reports are of another model`);
  }
}

function runningRelease({ active, slots }: DeviceInfo): string | undefined {
  return active === null ? undefined : slots[active].release;
}
