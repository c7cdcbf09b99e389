// The roll-out as a pure state machine: what devices report and what time does to it, and whom to offer what next.
import { sha256, type Digest } from '@sanderling/kit';
import type { Rollout, UpdateStage } from '@sanderling/wire';

export type MemberState = Rollout['devices'][number]['state'];

/** One device of a roll-out. Times in milliseconds since 1970. */
export interface Member {
  readonly device: string;
  readonly name: string;
  /** Counted from 0. */
  readonly wave: number;
  readonly release: Digest;
  /** What it ran when it was offered the release, and goes back to. */
  readonly previous: Digest | null;
  readonly state: MemberState;
  readonly reason: string | null;
  /** When it was told to run the release; null before, and again once it was told to go back. */
  readonly offeredAt: number | null;
  readonly updatedAt: number;
}

/** A roll-out. */
export interface Plan {
  readonly state: Rollout['state'];
  readonly reason: string | null;
  /** The wave that is under way, counted from 0. */
  readonly wave: number;
  /** Percents. */
  readonly waves: readonly number[];
  /** Failures that abort. */
  readonly abortAfter: number;
  /** A device that is online and says nothing new for this long has failed, milliseconds. */
  readonly stallAfterMs: number;
  /** In the order of the waves. */
  readonly members: readonly Member[];
}

/** A device that may take part. */
export interface Candidate {
  readonly device: string;
  readonly name: string;
  readonly release: Digest;
}

/** What a device says of itself. */
export interface Observation {
  /** The release that the stage is about. */
  readonly release: Digest | null;
  readonly stage: UpdateStage;
  readonly reason: string | null;
  readonly active: Digest | null;
}

/** What is known of the world when a plan goes on. */
export interface Surroundings {
  readonly now: number;
  readonly isOnline: (device: string) => boolean;
  /** What a device runs now. */
  readonly activeOn: (device: string) => Digest | null;
  /** An offered device that is offline blocks for this long, milliseconds. */
  readonly offlineAfterMs: number;
}

/** Tell this device to run this release; null: none. */
export interface Offer {
  readonly device: string;
  readonly release: Digest | null;
}

/** A plan and what to tell devices because of it. */
export interface Step {
  readonly plan: Plan;
  readonly offers: readonly Offer[];
}

const underWay: readonly MemberState[] = ['offered', 'updating', 'probation'];

/** A new roll-out. The order of the devices depends on the version, so that the same device is not always the first to try. */
export function newPlan(
  candidates: readonly Candidate[],
  rollout: Pick<Plan, 'waves' | 'abortAfter' | 'stallAfterMs'> & { readonly version: number },
  now: number,
): Plan {
  const { version, waves, abortAfter, stallAfterMs } = rollout;
  const rank = (candidate: Candidate): string => sha256(`${version}:${candidate.device}`);
  const ordered = candidates.toSorted((a, b) => (rank(a) < rank(b) ? -1 : 1));
  const members = ordered.map(
    (candidate, i): Member => ({
      ...candidate,
      wave: waves.findIndex((percent) => Math.ceil((percent / 100) * ordered.length) > i),
      previous: null,
      state: 'waiting',
      reason: null,
      offeredAt: null,
      updatedAt: now,
    }),
  );
  return { state: 'running', reason: null, wave: 0, waves, abortAfter, stallAfterMs, members };
}

/** Takes in what a device says. News about other releases, or from devices that were not offered this one, change nothing. */
export function observe(plan: Plan, device: string, seen: Observation, now: number): Plan {
  return mapMembers(plan, (member) => {
    if (member.device !== device || member.offeredAt === null) return member;
    if (member.state === 'failed' || member.state === 'rolled-back') return member;
    const next = stateOf(member, seen);
    if (next === undefined || next === member.state) return member;
    return {
      ...member,
      state: next,
      reason: next === 'failed' ? (seen.reason ?? 'no reason given') : null,
      updatedAt: now,
    };
  });
}

/** What a report says about a member: undefined when it is about something else. */
function stateOf({ release, state }: Member, seen: Observation): MemberState | undefined {
  const stage = seen.release === release ? seen.stage : undefined;
  switch (stage) {
    case 'downloading':
    case 'verifying':
    case 'testing':
    case 'switching':
      return state === 'active' ? undefined : 'updating';
    case 'probation':
      return 'probation';
    case 'rolled-back':
    case 'refused':
      return 'failed';
    case 'active':
    case 'idle':
    case undefined:
      return seen.active === release && (stage !== undefined || seen.stage === 'idle') ? 'active' : undefined;
  }
}

/** Goes as far as it can: fails the stalled, aborts, starts waves, ends. Doing it again changes nothing until something happens. */
export function advance(plan: Plan, around: Surroundings): Step {
  if (plan.state !== 'running') return { plan, offers: [] };
  const watched = failStalled(plan, around);
  const failed = watched.members.filter(({ state }) => state === 'failed');
  if (failed.length >= plan.abortAfter) return abort(watched, abortReason(failed), around.now);
  const { plan: settled, offers: back } = sendBack(watched);
  const { plan: next, offers } = startWaves(settled, around);
  return { plan: next, offers: [...back, ...offers] };
}

/** Ends a roll-out at once; every device that was offered the release is offered the one before. */
export function abort(plan: Plan, reason: string, now: number): Step {
  const touched = plan.members.filter(({ offeredAt, state }) => offeredAt !== null && state !== 'rolled-back');
  const members = plan.members.map((member): Member => {
    if (!touched.includes(member) || member.state === 'failed') return member;
    return { ...member, state: 'rolled-back', reason, updatedAt: now };
  });
  return {
    plan: { ...plan, state: 'aborted', reason, members },
    offers: touched.map(({ device, previous }) => ({ device, release: previous })),
  };
}

/** Stops a roll-out where it stands: devices that have not finished go back, those that have finished stay. */
export function cancel(plan: Plan, reason: string, now: number): Step {
  const unfinished = plan.members.filter(({ state }) => underWay.includes(state));
  const members = plan.members.map(
    (member): Member =>
      unfinished.includes(member) ? { ...member, state: 'rolled-back', reason, updatedAt: now } : member,
  );
  return {
    plan: { ...plan, state: 'cancelled', reason, members },
    offers: unfinished.map(({ device, previous }) => ({ device, release: previous })),
  };
}

/** A failed device is told to keep the release before, also when nothing is aborted. */
function sendBack(plan: Plan): Step {
  const failed = plan.members.filter(({ state, offeredAt }) => state === 'failed' && offeredAt !== null);
  return {
    plan: mapMembers(plan, (member) => (failed.includes(member) ? { ...member, offeredAt: null } : member)),
    offers: failed.map(({ device, previous }) => ({ device, release: previous })),
  };
}

function failStalled(plan: Plan, { now, isOnline }: Surroundings): Plan {
  return mapMembers(plan, (member) => {
    const silent = now - Math.max(member.updatedAt, member.offeredAt ?? 0);
    if (!underWay.includes(member.state) || !isOnline(member.device) || silent < plan.stallAfterMs) return member;
    const reason = `no progress for ${Math.round(silent / 60_000)} minutes while ${member.state}`;
    return { ...member, state: 'failed', reason, updatedAt: now };
  });
}

function startWaves(plan: Plan, around: Surroundings): Step {
  const offers: Offer[] = [];
  let next = plan;
  for (;;) {
    const begun = mapMembers(next, (member) => (member.wave === next.wave ? offered(member, around) : member));
    for (const [i, { device, release }] of begun.members.entries())
      if (begun.members[i] !== next.members[i]) offers.push({ device, release });
    next = begun;
    const begunMembers = next.members.filter((member) => member.wave <= next.wave);
    if (begunMembers.some((member) => blocks(member, around)) || waitsForProof(begunMembers)) break;
    if (next.wave === plan.waves.length - 1) {
      const end = ending(next, around.now);
      return { plan: end.plan, offers: [...offers, ...end.offers] };
    }
    next = { ...next, wave: next.wave + 1 };
  }
  return { plan: next, offers };
}

/** Offline devices alone prove nothing: going on needs one device on which the release is good, or nobody left to wait for. */
function waitsForProof(begun: readonly Member[]): boolean {
  return begun.some(({ state }) => underWay.includes(state)) && !begun.some(({ state }) => state === 'active');
}

function ending(plan: Plan, now: number): Step {
  const failed = plan.members.filter(({ state }) => state === 'failed');
  const active = plan.members.some(({ state }) => state === 'active');
  if (!active && failed.length > 0) return abort(plan, abortReason(failed), now);
  return { plan: { ...plan, state: 'succeeded', reason: noteOf(plan.members) }, offers: [] };
}

function offered(member: Member, { now, activeOn }: Surroundings): Member {
  if (member.state !== 'waiting') return member;
  const previous = activeOn(member.device);
  const state = previous === member.release ? 'active' : 'offered';
  return { ...member, state, previous, offeredAt: now, updatedAt: now };
}

function blocks({ device, state, offeredAt }: Member, { now, isOnline, offlineAfterMs }: Surroundings): boolean {
  if (!underWay.includes(state)) return false;
  return isOnline(device) || now - (offeredAt ?? now) < offlineAfterMs;
}

function noteOf(members: readonly Member[]): string | null {
  const late = members.filter(({ state }) => underWay.includes(state)).length;
  const bad = members.filter(({ state }) => state === 'failed').length;
  const notes = [
    ...(members.length === 0 ? ['no device yet: devices get it when they enrol'] : []),
    ...(late === 0 ? [] : [`${late} offline ${late === 1 ? 'device gets' : 'devices get'} it on coming back`]),
    ...(bad === 0 ? [] : [`${bad} ${bad === 1 ? 'device' : 'devices'} failed and kept the release before`]),
  ];
  return notes.length === 0 ? null : notes.join('; ');
}

function abortReason(failed: readonly Member[]): string {
  const [first] = failed;
  const more = failed.length > 1 ? ` and ${failed.length - 1} more` : '';
  return `${first!.name}${more} failed: ${first!.reason ?? 'no reason given'}`;
}

function mapMembers(plan: Plan, change: (member: Member) => Member): Plan {
  const members = plan.members.map(change);
  return members.every((member, i) => member === plan.members[i]) ? plan : { ...plan, members };
}
