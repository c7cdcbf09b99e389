// Brings what the outbox has taken to the disk: every so often, at once when it is urgent, patiently while the disk is full.
import { systemClock, type Clock } from '@sanderling/kit';
import type { Narrator } from '../status/lines.ts';
import type { CommitResult, Outbox } from './outbox.ts';

/** How to commit. */
export interface CommitterOptions {
  /** Longest time that a reading waits in memory, milliseconds: what a power cut can cost. @default 500 */
  readonly everyMs?: number;
  /** Wait between tries while the disk takes nothing, milliseconds. @default 2000 */
  readonly troubleMs?: number;
  readonly clock?: Clock;
  readonly narrate: Narrator;
}

/** Commits until the signal aborts, then once more. */
export async function keepCommitting(outbox: Outbox, options: CommitterOptions, signal: AbortSignal): Promise<void> {
  const { everyMs = 500, troubleMs = 2000, clock = systemClock, narrate } = options;
  let stored = 0;
  const commit = (): void => {
    const wasWell = outbox.state.trouble === undefined;
    const result = outbox.commit();
    stored += result.readings;
    if (result.readings > 0) narrate({ type: 'stored', seq: result.seq, readings: stored });
    const { trouble } = outbox.state;
    if (wasWell && trouble !== undefined) narrate({ type: 'error', about: 'outbox', ...trouble.toBody() });
    if (result.recovered !== undefined) reportRecovery(outbox, result.recovered, clock);
  };
  try {
    while (!signal.aborted) {
      await outbox.taken.wait(signal);
      await (outbox.state.trouble === undefined ? outbox.urgent.wait(signal, everyMs) : clock.sleep(troubleMs, signal));
      commit();
      // What could not be committed is still to do.
      if (outbox.state.trouble !== undefined) outbox.taken.ring();
    }
  } finally {
    commit();
  }
}

function reportRecovery(
  outbox: Outbox,
  { error, dropped }: NonNullable<CommitResult['recovered']>,
  clock: Clock,
): void {
  outbox.add({
    kind: 'event',
    time: clock.now(),
    type: error.code === 'DISK_FULL' ? 'agent.disk-full' : 'agent.disk-failed',
    data: { code: error.code, message: error.message, over: true, dropped },
  });
}
