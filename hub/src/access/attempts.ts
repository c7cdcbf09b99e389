// Failed attempts of each remote address: a bucket that fills again with time. Right credentials are never held up, so nobody can lock others out.
import { SanderlingError, type Clock } from '@sanderling/kit';

/** Limits of {@link FailedAttempts}. */
export interface AttemptLimits {
  /** Failures in a row before an address has to wait. @default 20 */
  readonly burst?: number;
  /** Time until one more failure is forgiven, milliseconds. @default 3000 */
  readonly forgiveMs?: number;
  /** Addresses remembered; the one that failed longest ago is forgotten first. @default 10000 */
  readonly addresses?: number;
}

/** Counts failures and says when they are too many. */
export class FailedAttempts {
  readonly #clock: Clock;
  readonly #limits: Required<AttemptLimits>;
  readonly #failures = new Map<string, { count: number; at: number }>();

  constructor(clock: Clock, limits: AttemptLimits = {}) {
    this.#clock = clock;
    this.#limits = { burst: 20, forgiveMs: 3000, addresses: 10_000, ...limits };
  }

  /** Notes a failure. @throws LIMIT_REACHED when this address has failed too often lately. */
  note(address: string): void {
    const count = this.#level(address) + 1;
    this.#failures.delete(address);
    this.#failures.set(address, { count: Math.min(count, this.#limits.burst + 1), at: this.#clock.now() });
    if (this.#failures.size > this.#limits.addresses) this.#failures.delete(this.#failures.keys().next().value!);
    if (count <= this.#limits.burst) return;
    throw new SanderlingError('LIMIT_REACHED', 'too many failed attempts from this address', {
      fix: 'wait a little, then use a valid key or token',
      details: { retryAfterSeconds: Math.ceil(this.#limits.forgiveMs / 1000) },
    });
  }

  #level(address: string): number {
    const seen = this.#failures.get(address);
    if (seen === undefined) return 0;
    const elapsed = Math.max(0, this.#clock.now() - seen.at);
    return Math.max(0, seen.count - Math.floor(elapsed / this.#limits.forgiveMs));
  }
}
