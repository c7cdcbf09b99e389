// Releases: signed, immutable bundles of one version for one target, and which of them a project's devices run.
import { SanderlingError, type Clock, type Digest } from '@sanderling/kit';
import { agentTargets, type ProjectSpec, type Release, type SigningKey, type Target } from '@sanderling/wire';
import type { Kysely, Selectable } from 'kysely';
import type { EventLog } from '../events/index.ts';
import type { Registry, VersionRecord } from '../models/index.ts';
import {
  defaultPageItems,
  tables,
  toPage,
  type BlobStore,
  type Database,
  type Page,
  type PageQuery,
} from '../store/index.ts';
import { makeBundle } from './make-bundle.ts';
import type { ReleaseTables } from './tables.ts';

/** What releases are built on. */
export interface ReleaseParts {
  readonly database: Database;
  readonly blobs: BlobStore;
  readonly events: EventLog;
  readonly clock: Clock;
  readonly registry: Registry;
  readonly key: SigningKey;
  /** Of this hub, for the provenance. */
  readonly codeVersion: string;
}

/** A bundle as the device door serves it. */
export interface BundleReader {
  /** Bytes. */
  readonly size: number;
  read(start: number, end: number): Promise<Uint8Array>;
}

/** The releases of a hub. */
export class Releases {
  readonly #db: Kysely<ReleaseTables>;
  readonly #parts: ReleaseParts;
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: ReleaseParts) {
    this.#db = tables<ReleaseTables>(parts.database);
    this.#parts = parts;
  }

  /**
   * One release for each of the project's targets that runs an agent. The same version and target again give the same release.
   * @throws UNSUPPORTED when no target runs an agent, INVALID_CONFIG, DISK_FULL
   */
  async make(record: VersionRecord, spec: ProjectSpec): Promise<Release[]> {
    const targets = [...new Set(spec.targets)].filter(isAgentTarget);
    if (targets.length === 0)
      throw new SanderlingError('UNSUPPORTED', `no release can be made yet for ${spec.targets.join(', ')}`, {
        where: 'targets',
        fix: `add one of ${agentTargets.join(', ')}`,
      });
    const releases: Release[] = [];
    for (const target of targets) releases.push(await this.#alone(() => this.#makeOne(record, spec, target)));
    return releases;
  }

  /** @throws NOT_FOUND */
  async get(digest: Digest): Promise<Release> {
    return toRelease(await this.#row(digest));
  }

  /** A project's releases, newest first. */
  async list(project: string, query: PageQuery = {}): Promise<Page<Release>> {
    const { limit = defaultPageItems, cursor } = query;
    let select = this.#db
      .selectFrom('release')
      .selectAll()
      .where('project', '=', project)
      .orderBy('sequence', 'desc')
      .limit(limit + 1);
    if (cursor !== undefined) select = select.where('sequence', '<', Number(cursor) || 0);
    return toPage(await select.execute(), limit, { item: toRelease, cursor: (row) => String(row.sequence) });
  }

  /** A release's bundle, to be read in parts. @throws NOT_FOUND */
  async bundle(digest: Digest): Promise<BundleReader> {
    const { bundle, size_bytes: size } = await this.#row(digest);
    return { size, read: (start, end) => this.#parts.blobs.read(bundle, start, end) };
  }

  /** What devices of a project and target run unless a roll-out says otherwise. */
  async current(project: string, target: string): Promise<Digest | null> {
    const row = await this.#db
      .selectFrom('current_release')
      .select('digest')
      .where('project', '=', project)
      .where('target', '=', target)
      .executeTakeFirst();
    return row?.digest ?? null;
  }

  /** Makes these the project's releases in use. */
  async setCurrent(project: string, releases: Readonly<Record<string, Digest>>, executor: Database): Promise<void> {
    for (const [target, digest] of Object.entries(releases)) {
      await tables<ReleaseTables>(executor)
        .insertInto('current_release')
        .values({ project, target, digest })
        .onConflict((conflict) => conflict.columns(['project', 'target']).doUpdateSet({ digest }))
        .execute();
    }
  }

  async #makeOne(record: VersionRecord, spec: ProjectSpec, target: Target): Promise<Release> {
    const { blobs, clock, events, key, codeVersion } = this.#parts;
    const { project, version } = record;
    const made = await this.#db
      .selectFrom('release')
      .selectAll()
      .where('project', '=', project)
      .where('version', '=', version)
      .where('target', '=', target)
      .executeTakeFirst();
    if (made !== undefined) return toRelease(made);
    const createdAt = clock.now();
    const sequence = await this.#nextSequence(project);
    const model = await blobs.get(record.artifact);
    const parts = { record, model, spec, target, sequence, createdAt, codeVersion };
    const { digest, bytes } = await makeBundle(parts, key);
    const bundle = await blobs.put(bytes);
    const row = { digest, project, version, target, sequence, size_bytes: bytes.length, bundle, created_at: createdAt };
    await this.#db.transaction().execute(async (tx) => {
      await tx.insertInto('release').values(row).execute();
      const data = { version, target, sequence, sizeBytes: bytes.length };
      await events.append({ type: 'release.created', project, subject: digest, data }, tx);
    });
    return toRelease(row);
  }

  async #nextSequence(project: string): Promise<number> {
    const row = await this.#db
      .selectFrom('release')
      .select((e) => e.fn.max('sequence').as('sequence'))
      .where('project', '=', project)
      .executeTakeFirst();
    return Number(row?.sequence ?? 0) + 1;
  }

  async #row(digest: Digest): Promise<Selectable<ReleaseTables['release']>> {
    const row = await this.#db.selectFrom('release').selectAll().where('digest', '=', digest).executeTakeFirst();
    if (row !== undefined) return row;
    throw new SanderlingError('NOT_FOUND', `there is no release ${digest.slice(0, 12)}`);
  }

  /** One bundle at a time: each takes the next sequence number. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work, work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}

function isAgentTarget(target: Target): target is (typeof agentTargets)[number] {
  return (agentTargets as readonly Target[]).includes(target);
}

function toRelease(row: Selectable<ReleaseTables['release']>): Release {
  return {
    digest: row.digest,
    project: row.project,
    version: row.version,
    target: row.target as Target,
    sequence: row.sequence,
    sizeBytes: row.size_bytes,
    createdAt: row.created_at,
  };
}
