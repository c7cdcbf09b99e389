// Roll-outs in the database: a plan as rows, and back.
import type { Digest } from '@sanderling/kit';
import type { Rollout } from '@sanderling/wire';
import type { Kysely, Selectable } from 'kysely';
import type { Member, Plan } from './rollout-plan.ts';
import type { ReleaseTables } from './tables.ts';

type Row = Selectable<ReleaseTables['rollout']>;

/** A stored roll-out with its plan. */
export interface StoredRollout {
  readonly id: string;
  readonly project: string;
  readonly version: number;
  /** Target → release. */
  readonly releases: Readonly<Record<string, Digest>>;
  readonly createdAt: number;
  readonly endedAt: number | null;
  readonly plan: Plan;
}

/** Stores a new roll-out. */
export async function insertRollout(
  db: Kysely<ReleaseTables>,
  rollout: StoredRollout,
  execution: string | null,
): Promise<void> {
  const { id, project, version, releases, plan, createdAt } = rollout;
  await db
    .insertInto('rollout')
    .values({
      id,
      project,
      version,
      releases: JSON.stringify(releases),
      state: plan.state,
      reason: plan.reason,
      wave: plan.wave,
      waves: JSON.stringify(plan.waves),
      abort_after: plan.abortAfter,
      stall_after_ms: plan.stallAfterMs,
      execution,
      created_at: createdAt,
      ended_at: rollout.endedAt,
    })
    .execute();
  const rows = plan.members.map((member, position) => ({ rollout: id, position, ...memberRow(member) }));
  for (let at = 0; at < rows.length; at += 500)
    await db
      .insertInto('rollout_device')
      .values(rows.slice(at, at + 500))
      .execute();
}

/** Stores what changed between two plans of a roll-out. */
export async function updateRollout(
  db: Kysely<ReleaseTables>,
  rollout: StoredRollout,
  next: Plan,
  now: number,
): Promise<void> {
  const { plan, id } = rollout;
  if (next === plan) return;
  const ended = plan.state === 'running' && next.state !== 'running' ? { ended_at: now } : {};
  await db
    .updateTable('rollout')
    .set({ state: next.state, reason: next.reason, wave: next.wave, ...ended })
    .where('id', '=', id)
    .execute();
  for (const [i, member] of next.members.entries()) {
    if (member === plan.members[i]) continue;
    const { device, ...row } = memberRow(member);
    await db.updateTable('rollout_device').set(row).where('rollout', '=', id).where('device', '=', device).execute();
  }
}

/** Roll-outs of the rows, with their devices. */
export async function readRollouts(db: Kysely<ReleaseTables>, rows: readonly Row[]): Promise<StoredRollout[]> {
  const rollouts: StoredRollout[] = [];
  for (const row of rows) {
    const devices = await db
      .selectFrom('rollout_device')
      .selectAll()
      .where('rollout', '=', row.id)
      .orderBy('position')
      .execute();
    rollouts.push(toStored(row, devices.map(toMember)));
  }
  return rollouts;
}

/** The public form. Waves are counted from 1. */
export function toRollout({ id, project, version, releases, plan, createdAt, endedAt }: StoredRollout): Rollout {
  return {
    id,
    project,
    version,
    releases: Object.values(releases),
    state: plan.state,
    reason: plan.reason,
    wave: plan.wave + 1,
    waves: [...plan.waves],
    devices: plan.members.map(({ device, name, state, reason, updatedAt }) => ({
      device,
      name,
      state,
      reason,
      updatedAt,
    })),
    createdAt,
    endedAt,
  };
}

function toStored(row: Row, members: readonly Member[]): StoredRollout {
  return {
    id: row.id,
    project: row.project,
    version: row.version,
    releases: JSON.parse(row.releases) as Record<string, Digest>,
    createdAt: row.created_at,
    endedAt: row.ended_at,
    plan: {
      state: row.state as Plan['state'],
      reason: row.reason,
      wave: row.wave,
      waves: JSON.parse(row.waves) as number[],
      abortAfter: row.abort_after,
      stallAfterMs: row.stall_after_ms,
      members,
    },
  };
}

function memberRow(member: Member): Omit<ReleaseTables['rollout_device'], 'rollout' | 'position'> {
  const { device, name, wave, release, previous, state, reason, offeredAt, updatedAt } = member;
  return { device, name, wave, release, previous, state, reason, offered_at: offeredAt, updated_at: updatedAt };
}

function toMember(row: Selectable<ReleaseTables['rollout_device']>): Member {
  return {
    device: row.device,
    name: row.name,
    wave: row.wave,
    release: row.release,
    previous: row.previous,
    state: row.state as Member['state'],
    reason: row.reason,
    offeredAt: row.offered_at,
    updatedAt: row.updated_at,
  };
}
