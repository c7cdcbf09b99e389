// Retrying with exponential back-off and full jitter (Brooker, AWS Architecture Blog 2015).
import { systemClock, type Clock } from './clock.ts';
import { toSanderlingError, type SanderlingError } from './errors.ts';

/** How to retry. */
export interface RetryOptions {
  /** Tries in all, the first included. @default 5 */
  readonly attempts?: number;
  /** Upper bound of the first wait, milliseconds; doubles each time. @default 100 */
  readonly baseMs?: number;
  /** Upper bound of any wait, milliseconds. @default 30000 */
  readonly maxMs?: number;
  /** Which failures are worth another try. @default UNAVAILABLE, TIMEOUT and LIMIT_REACHED */
  readonly when?: (error: SanderlingError) => boolean;
  readonly signal?: AbortSignal;
  readonly clock?: Clock;
  /** A source of uniform numbers in [0, 1). @default Math.random */
  readonly random?: () => number;
}

const transient = (error: SanderlingError): boolean =>
  error.code === 'UNAVAILABLE' || error.code === 'TIMEOUT' || error.code === 'LIMIT_REACHED';

/** Runs `work` until it succeeds, fails for good, or the attempts are used up; then throws the last failure. */
export async function retry<T>(work: (attempt: number) => Promise<T>, options: RetryOptions = {}): Promise<T> {
  const { attempts = 5, when = transient, clock = systemClock, signal } = options;
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted();
    try {
      return await work(attempt);
    } catch (thrown) {
      const error = toSanderlingError(thrown);
      if (attempt >= attempts || !when(error)) throw error;
    }
    await clock.sleep(backoff(attempt, options), signal);
  }
}

/** The wait before try `attempt + 1`, milliseconds: uniform in [0, min(max, base · 2^(attempt−1))). */
export function backoff(attempt: number, options: Pick<RetryOptions, 'baseMs' | 'maxMs' | 'random'> = {}): number {
  const { baseMs = 100, maxMs = 30_000, random = Math.random } = options;
  return random() * Math.min(maxMs, baseMs * 2 ** Math.min(attempt - 1, 30));
}
