// What the agent says of its update, to the hub and to whoever watches: the newest state replaces the one before.
import { isDeepStrictEqual } from 'node:util';
import type { Digest } from '@sanderling/kit';
import type { StatusRequest, UpdateStage } from '@sanderling/wire/device';
import { Bell } from '../bell.ts';
import type { Narrator } from '../status/lines.ts';
import type { Pointer } from './pointer.ts';

/** How far an update is. */
export interface UpdateState {
  readonly release: Digest | null;
  readonly stage: UpdateStage;
  /** 0…1 of the download. */
  readonly progress: number;
  readonly reason: string | null;
}

/** Largest reason that the hub takes, characters. */
const maxReason = 2000;

/** The present state of the update. */
export class UpdateBoard {
  readonly #narrate: Narrator;
  readonly #agentVersion: string;
  #status: StatusRequest;
  #shown = false;
  /** Rung at every change. */
  readonly changed = new Bell();

  constructor(narrate: Narrator, agentVersion: string) {
    this.#narrate = narrate;
    this.#agentVersion = agentVersion;
    const update = { release: null, stage: 'idle', progress: 0, reason: null } as const;
    this.#status = { counter: 0, active: null, previous: null, update, agentVersion };
  }

  /** For `POST /status`. */
  get status(): StatusRequest {
    return this.#status;
  }

  /** Shows a stage of the update to `release`. */
  show(pointer: Pointer, { release, stage, progress, reason }: UpdateState): void {
    const { counter, active, previous } = pointer;
    const update = { release, stage, progress, reason: reason?.slice(0, maxReason) ?? null };
    const status = { counter, active, previous, update, agentVersion: this.#agentVersion };
    if (this.#shown && isDeepStrictEqual(status, this.#status)) return;
    this.#shown = true;
    this.#status = status;
    this.#narrate({ type: 'update', counter, active, previous, ...update });
    this.changed.ring();
  }

  /** Shows where the device stands when nothing is going on: by the record alone. */
  rest(pointer: Pointer): void {
    this.show(pointer, restingState(pointer));
  }
}

function restingState({ active, desired, counter, probation, failed }: Pointer): UpdateState {
  const failure = failed.findLast((entry) => entry.release === desired && entry.counter >= counter);
  if (failure !== undefined && desired !== active)
    return { release: failure.release, stage: failure.stage, progress: 0, reason: failure.reason };
  if (active === null) return { release: null, stage: 'idle', progress: 0, reason: null };
  return { release: active, stage: probation === null ? 'active' : 'probation', progress: 1, reason: null };
}
