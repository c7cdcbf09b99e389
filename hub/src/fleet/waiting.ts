// Devices that wait for news: each at most once, all of them at most so many, each for at most so long.
import { SanderlingError } from '@sanderling/kit';

/** Why a wait ended. */
export type WaitEnd = 'news' | 'replaced' | 'over';

/** Wakes the devices that wait. */
export class WaitingRoom {
  readonly #waiting = new Map<string, (end: WaitEnd) => void>();
  readonly #most: number;
  #wakes = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** Grows with every wake: a wait that knows the number from before it looked for news cannot miss any. */
  get wakes(): number {
    return this.#wakes;
  }

  /** Whether this device waits. */
  has(device: string): boolean {
    return this.#waiting.has(device);
  }

  /** Ends with `news` when the device is woken, `replaced` when it comes again, `over` after `ms` milliseconds or when the signal aborts. @throws LIMIT_REACHED */
  async wait(
    device: string,
    wait: { readonly ms: number; readonly since: number },
    signal: AbortSignal,
  ): Promise<WaitEnd> {
    this.#waiting.get(device)?.('replaced');
    if (signal.aborted) return 'over';
    if (wait.since !== this.#wakes) return 'news';
    if (this.#waiting.size >= this.#most) {
      throw new SanderlingError('LIMIT_REACHED', 'too many devices wait for news at the same time', {
        fix: 'raise limits.waitingDevices of the hub',
        details: { retryAfterSeconds: 15 },
      });
    }
    return new Promise<WaitEnd>((resolve) => {
      const done = (end: WaitEnd): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', over);
        if (this.#waiting.get(device) === done) this.#waiting.delete(device);
        resolve(end);
      };
      const over = (): void => done('over');
      const timer = setTimeout(over, wait.ms);
      signal.addEventListener('abort', over);
      this.#waiting.set(device, done);
    });
  }

  /** Wakes a device if it waits. */
  wake(device: string): void {
    this.#wakes++;
    this.#waiting.get(device)?.('news');
  }
}
