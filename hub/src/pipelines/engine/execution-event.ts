// The event of a change in an execution or a step, written in the transaction of the change.
import type { Kysely } from 'kysely';
import type { EventLog } from '../../events/index.ts';
import type { PipelineTables } from '../tables.ts';
import type { Outputs } from './pipeline.ts';

/** Appends an event about execution `id` to its project's events. */
export async function tellExecution(
  events: EventLog,
  tx: Kysely<PipelineTables>,
  { id, type, data }: { readonly id: string; readonly type: string; readonly data: Outputs },
): Promise<void> {
  const row = await tx.selectFrom('execution').select('project').where('id', '=', id).executeTakeFirstOrThrow();
  await events.append({ type, project: row.project, subject: id, data }, tx);
}
