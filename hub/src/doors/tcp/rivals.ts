// Two devices with one identity, as a copied flash makes them: each connection of the one takes the place of the other's, for ever. A device whose old connection
// is dead looks the same at first, so the newcomer wins; only when that goes on is the one in place asked, and keeps it if it answers.
import type { LinkSession } from '@sanderling/wire';

/** A device's connection. */
export interface Connection {
  readonly session: LinkSession;
  /** Address and port of the other end. */
  readonly from: string;
}

/** Places taken within {@link windowMs} after which the one in place is asked. */
const mostTaken = 3;
const windowMs = 60_000;
/** How long the one in place may take to answer, milliseconds. */
const answerMs = 3_000;
/** Least time from one telling of a contest to the next, milliseconds. */
const tellMs = 600_000;
/** Devices that are remembered. */
const mostDevices = 1024;

interface Contest {
  /** When places were taken, the newest last. */
  taken: readonly number[];
  told: number;
}

/** Who holds the place of each device. */
export class Rivals {
  readonly #inPlace = new Map<string, Connection>();
  readonly #contests = new Map<string, Contest>();
  readonly #now: () => number;
  readonly #tell: (device: string, held: Connection, refused: Connection) => Promise<void>;

  /**
   * @param now Milliseconds.
   * @param tell Called when two devices are connected as one, and again after ten minutes if they still are.
   */
  constructor(now: () => number, tell: (device: string, held: Connection, refused: Connection) => Promise<void>) {
    this.#now = now;
    this.#tell = tell;
  }

  /** @returns the one that keeps the place; undefined when the newcomer has it now, and the one that had it is closed. */
  async take(device: string, newcomer: Connection): Promise<Connection | undefined> {
    const held = this.#inPlace.get(device);
    if (held !== undefined) {
      const contest = this.#note(device);
      if (contest.taken.length >= mostTaken && (await answers(held.session))) {
        await this.#tellOf(contest, () => this.#tell(device, held, newcomer));
        return held;
      }
      contest.taken = [...contest.taken, this.#now()];
    }
    // Another one may have come while this one waited for an answer.
    void this.#inPlace.get(device)?.session.close();
    this.#inPlace.set(device, newcomer);
    return undefined;
  }

  /** A connection has ended. */
  leave(device: string, { session }: Connection): void {
    if (this.#inPlace.get(device)?.session === session) this.#inPlace.delete(device);
  }

  #note(device: string): Contest {
    const contest = this.#contests.get(device) ?? { taken: [], told: -Infinity };
    this.#contests.delete(device);
    this.#contests.set(device, contest);
    if (this.#contests.size > mostDevices) this.#contests.delete(this.#contests.keys().next().value!);
    contest.taken = contest.taken.filter((time) => this.#now() - time < windowMs);
    return contest;
  }

  async #tellOf(contest: Contest, tell: () => Promise<void>): Promise<void> {
    if (this.#now() - contest.told < tellMs) return;
    contest.told = this.#now();
    await tell();
  }
}

async function answers(session: LinkSession): Promise<boolean> {
  try {
    await session.status(AbortSignal.timeout(answerMs));
    return true;
  } catch {
    return false;
  }
}
