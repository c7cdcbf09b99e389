// What an automation does next, as pure functions of its row: arm, wait for fresh readings, start, try again, give up.
import type { AutomationSpec } from '@sanderling/wire';
import { durationMs } from '@sanderling/wire';

/** An automation's state. Times in milliseconds; reading time unless said otherwise. */
export interface AutomationState {
  readonly project: string;
  /** Place in the project's list. */
  readonly position: number;
  readonly state: 'idle' | 'armed' | 'running';
  /** Id of the event that set it off. */
  readonly cause: string | null;
  readonly freshFrom: number | null;
  readonly waitUntilTime: number | null;
  readonly waitUntilCount: number | null;
  /** Starts for the same cause. */
  readonly tries: number;
  readonly execution: string | null;
  readonly lastStart: number | null;
  /** Hub time at which a schedule is due. */
  readonly dueAt: number | null;
}

/** How much a project has. */
export interface Readings {
  readonly count: number;
  readonly lastTime: number | null;
}

/** Something that sets an automation off. */
export interface Trigger {
  readonly cause: string;
  readonly time: number;
  /** Where fresh readings begin; null when the cause says nothing about them. */
  readonly freshFrom: number | null;
}

/** Starts for one cause: when gates still say no, a person has to look. Starts that found too little data are not counted: they only came too early. */
export const mostTries = 3;

/** Readings worth another try, at least. */
const leastMore = 20;

/** An automation that has never done anything. */
export function idle(project: string, position: number): AutomationState {
  const nothing = { cause: null, freshFrom: null, waitUntilTime: null, waitUntilCount: null, execution: null };
  return { project, position, state: 'idle', tries: 0, lastStart: null, dueAt: null, ...nothing };
}

/** Arms an automation. @returns the state, or why nothing happens. */
export function arm(
  state: AutomationState,
  spec: AutomationSpec,
  { trigger, readings }: { readonly trigger: Trigger; readonly readings: Readings },
): AutomationState | string {
  if (state.state === 'armed') return 'it waits for fresh readings already';
  if (state.state === 'running') return `execution ${state.execution} is under way already`;
  const since = state.lastStart === null ? Number.POSITIVE_INFINITY : trigger.time - state.lastStart;
  if (since < durationMs(spec.cooldown)) return `its cooldown of ${spec.cooldown} is not over`;
  const { cause, freshFrom } = trigger;
  const wait = waitFor(spec, { from: freshFrom ?? trigger.time, readings });
  return { ...state, ...wait, state: 'armed', cause, freshFrom, tries: 1, execution: null };
}

/** Whether an armed automation has waited enough. */
export function isReady({ state, waitUntilTime, waitUntilCount }: AutomationState, readings: Readings): boolean {
  if (state !== 'armed') return false;
  const timeCame = waitUntilTime === null || (readings.lastTime !== null && readings.lastTime >= waitUntilTime);
  return timeCame && (waitUntilCount === null || readings.count >= waitUntilCount);
}

/** What follows from the end of its execution. @returns the state and, unless all is well, why it ends or tries again. */
export function settle(
  state: AutomationState,
  spec: AutomationSpec,
  { end, code, readings }: { readonly end: string; readonly code: string | null; readonly readings: Readings },
): { readonly state: AutomationState; readonly reason: string | null } {
  const done = { ...state, ...idle(state.project, state.position), lastStart: state.lastStart, dueAt: state.dueAt };
  if (end === 'succeeded') return { state: done, reason: null };
  if (end !== 'stopped')
    return { state: done, reason: `its execution ${end === 'failed' ? 'failed' : 'was cancelled'}` };
  const wait = waitFor(spec, { from: readings.lastTime ?? 0, readings });
  const rearmed = { ...state, state: 'armed' as const, execution: null };
  if (code === 'TOO_LITTLE_DATA')
    return {
      state: { ...rearmed, ...(spec.collect === undefined ? someMore(readings) : wait) },
      reason: 'its execution found too little data; it waits for more',
    };
  if (spec.collect === undefined)
    return { state: done, reason: 'its execution was stopped, and it collects no fresh readings to try again with' };
  if (state.tries >= mostTries) return { state: done, reason: `given up after ${state.tries} tries` };
  return {
    state: { ...rearmed, ...wait, tries: state.tries + 1 },
    reason: `its execution was stopped; try ${state.tries + 1} of ${mostTries} follows with more readings`,
  };
}

/** Without a rule of the user's: a tenth more than there are, so that the number of tries grows only as the logarithm of the readings. */
function someMore({ count }: Readings): Pick<AutomationState, 'waitUntilTime' | 'waitUntilCount'> {
  return { waitUntilTime: null, waitUntilCount: count + Math.max(leastMore, Math.ceil(count / 10)) };
}

function waitFor(
  { collect }: AutomationSpec,
  { from, readings }: { readonly from: number; readonly readings: Readings },
): Pick<AutomationState, 'waitUntilTime' | 'waitUntilCount'> {
  if (collect === undefined) return { waitUntilTime: null, waitUntilCount: null };
  if (typeof collect === 'string') return { waitUntilTime: from + durationMs(collect), waitUntilCount: null };
  return { waitUntilTime: null, waitUntilCount: readings.count + collect.readings };
}
