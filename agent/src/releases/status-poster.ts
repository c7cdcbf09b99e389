// Tells the hub where the update stands; only the newest state matters.
import { backoff, toSanderlingError, type Clock } from '@sanderling/kit';
import type { StatusRequest } from '@sanderling/wire/device';
import type { UpdateBoard } from './update-board.ts';

/** The hub, as far as status needs it. */
export interface StatusDesk {
  status(request: StatusRequest, signal: AbortSignal): Promise<void>;
}

/** Posts every change until the signal aborts. While the hub cannot be reached, older states are forgotten. */
export async function keepPosting(
  board: UpdateBoard,
  options: { readonly desk: StatusDesk; readonly clock: Clock; readonly random: () => number },
  signal: AbortSignal,
): Promise<void> {
  const { desk, clock, random } = options;
  for (let failures = 0; ; ) {
    if (failures === 0) await board.changed.wait(signal);
    try {
      await desk.status(board.status, signal);
      failures = 0;
    } catch (thrown) {
      if (signal.aborted) throw toSanderlingError(thrown);
      await clock.sleep(backoff(++failures, { baseMs: 500, maxMs: 60_000, random }), signal);
    }
  }
}
