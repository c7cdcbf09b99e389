// Runs a search in this process: several trials at once, those that a restart interrupted first.
import { SanderlingError } from '@sanderling/kit';
import type { Search } from './search.ts';
import type { Outcome, Trial, TrialRecord } from './trial.ts';

/** How to run. */
export interface RunSearchOptions<P extends object> {
  /** Trials at once. @default 1 */
  readonly concurrency?: number;
  /** Stops the search; running trials see it and are left outstanding, for the next run. */
  readonly signal?: AbortSignal;
  /** After every trial, for example to store `search.state()`; the next trial waits for it. */
  readonly onTrial?: (record: TrialRecord<P>) => void | Promise<void>;
}

/** What a trial costs: its value, or its outcome. */
export type Objective<P extends object> = (
  trial: Trial<P>,
  signal: AbortSignal,
) => Promise<Outcome | number> | Outcome | number;

/**
 * Asks, runs and tells until the search is exhausted. A trial that cannot work returns `{ state: 'failed' }`; an objective that throws is taken for a
 * mistake: it aborts the others, waits for them and throws.
 * @throws INVALID_ARGUMENT on a bad concurrency, CANCELLED when the signal stops it, and what the objective throws
 */
export async function runSearch<P extends object>(
  search: Search<P>,
  objective: Objective<P>,
  options: RunSearchOptions<P> = {},
): Promise<Search<P>> {
  const { concurrency = 1, signal, onTrial } = options;
  if (!Number.isSafeInteger(concurrency) || concurrency < 1)
    throw new SanderlingError('INVALID_ARGUMENT', `concurrency is ${concurrency}, not a whole number from 1`, {
      where: 'concurrency',
    });
  const failure = new AbortController();
  const either = signal === undefined ? failure.signal : AbortSignal.any([signal, failure.signal]);
  const again = [...search.outstanding()];
  const running = new Map<number, Promise<void>>();
  const runOne = async (trial: Trial<P>): Promise<void> => {
    try {
      const result = await objective(trial, either);
      if (either.aborted) return;
      search.tell(trial.id, typeof result === 'number' ? { value: result } : result);
      await onTrial?.(search.trials()[trial.id]!);
    } catch (error) {
      if (!either.aborted) failure.abort(error);
    } finally {
      running.delete(trial.id);
    }
  };
  while (!either.aborted) {
    const trial = running.size < concurrency ? (again.shift() ?? search.ask()) : undefined;
    if (trial !== undefined) running.set(trial.id, runOne(trial));
    else if (running.size > 0) await Promise.race(running.values());
    else break;
  }
  await Promise.all(running.values());
  if (failure.signal.aborted) throw failure.signal.reason;
  if (signal?.aborted === true)
    throw new SanderlingError('CANCELLED', 'the search was stopped', { cause: signal.reason });
  return search;
}
