// A condition that tasks wait for: rung by one side, heard by the other, never missed.
import { SanderlingError } from '@sanderling/kit';

/** Rings once for whoever waits, or for the next who comes. */
export class Bell {
  #rung = false;
  #wake: (() => void) | undefined;

  /** Wakes the waiter; without one, the next {@link wait} returns at once. */
  ring(): void {
    this.#rung = true;
    this.#wake?.();
  }

  /**
   * Resolves when the bell rings, at the latest after `withinMs` when given. One waiter at a time.
   * @throws CANCELLED when the signal aborts.
   */
  async wait(signal: AbortSignal, withinMs?: number): Promise<void> {
    if (!this.#rung) await this.#sleep(signal, withinMs);
    this.#rung = false;
  }

  #sleep(signal: AbortSignal, withinMs: number | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (finish: () => void): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', cancel);
        this.#wake = undefined;
        finish();
      };
      const cancel = (): void => end(() => reject(new SanderlingError('CANCELLED', 'cancelled while waiting')));
      const timer = withinMs === undefined ? undefined : setTimeout(() => end(resolve), withinMs);
      this.#wake = () => end(resolve);
      if (signal.aborted) return cancel();
      signal.addEventListener('abort', cancel, { once: true });
    });
  }
}
