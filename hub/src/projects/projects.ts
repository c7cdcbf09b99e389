// The projects that a hub serves: what their authors wrote, checked, with every change an event.
import { canonicalJson, SanderlingError, type Clock } from '@sanderling/kit';
import { parseProject, type Project } from '@sanderling/wire';
import type { Kysely, Selectable } from 'kysely';
import type { EventLog } from '../events/index.ts';
import { tables, type Database } from '../store/index.ts';
import type { ProjectTables } from './tables.ts';

/** Which projects to list, by name. */
export interface ProjectQuery {
  /** Only names behind this one. */
  readonly after?: string;
  /** @default 1000 */
  readonly limit?: number;
}

/** The projects of a hub. */
export class Projects {
  readonly #db: Kysely<ProjectTables>;
  readonly #events: EventLog;
  readonly #clock: Clock;

  constructor(database: Database, events: EventLog, clock: Clock) {
    this.#db = tables<ProjectTables>(database);
    this.#events = events;
    this.#clock = clock;
  }

  /** Creates a project or replaces its specification; the same specification again changes nothing. @throws INVALID_CONFIG with the path of every wrong field. */
  async put(input: unknown): Promise<Project> {
    const spec = parseProject(input);
    const [text, now] = [canonicalJson(spec), this.#clock.now()];
    const row = await this.#db.transaction().execute(async (tx) => {
      const known = await tx.selectFrom('project').selectAll().where('name', '=', spec.name).executeTakeFirst();
      if (known?.spec === text) return known;
      const saved = { name: spec.name, spec: text, created_at: known?.created_at ?? now, updated_at: now };
      await tx
        .insertInto('project')
        .values(saved)
        .onConflict((c) => c.column('name').doUpdateSet({ spec: text, updated_at: now }))
        .execute();
      await this.#events.append(
        { type: 'project.saved', project: spec.name, data: { created: known === undefined } },
        tx,
      );
      return saved;
    });
    return toProject(row);
  }

  /** @throws NOT_FOUND */
  async get(name: string): Promise<Project> {
    const row = await this.#db.selectFrom('project').selectAll().where('name', '=', name).executeTakeFirst();
    if (row !== undefined) return toProject(row);
    throw new SanderlingError('NOT_FOUND', `there is no project "${name.slice(0, 63)}"`, {
      fix: 'create it by sending its specification',
    });
  }

  /** Projects in the order of their names. */
  async list(query: ProjectQuery = {}): Promise<Project[]> {
    const rows = await this.#db
      .selectFrom('project')
      .selectAll()
      .where('name', '>', query.after ?? '')
      .orderBy('name')
      .limit(query.limit ?? 1000)
      .execute();
    return rows.map(toProject);
  }
}

/** Parsed again, so that fields that came with a later version have their defaults. */
function toProject(row: Selectable<ProjectTables['project']>): Project {
  return {
    name: row.name,
    spec: parseProject(JSON.parse(row.spec)),
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
