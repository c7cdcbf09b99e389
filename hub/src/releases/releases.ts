// Releases: signed, immutable bundles of one version for one target, and which of them a project's devices run.
import { SanderlingError, type Clock, type Digest } from '@sanderling/kit';
import {
  imageRelease,
  microTargets,
  openBundle,
  releaseTargets,
  type MicroTarget,
  type OpenedBundle,
  type ProjectSpec,
  type Release,
  type SigningKey,
  type Target,
} from '@sanderling/wire';
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
import type { WorkerPool } from '../workers/index.ts';
import { makeBundle } from './make-bundle.ts';
import { buildMicro, type MicroCase } from './micro-release.ts';
import type { ReleaseTables } from './tables.ts';

/** What releases are built on. */
export interface ReleaseParts {
  readonly database: Database;
  readonly blobs: BlobStore;
  readonly events: EventLog;
  readonly clock: Clock;
  readonly registry: Registry;
  readonly key: SigningKey;
  /** Builds images for microcontrollers. */
  readonly pool: WorkerPool;
  /** Of this hub, for the provenance. */
  readonly codeVersion: string;
}

/** A bundle as the device door serves it. */
export interface BundleReader {
  /** Bytes. */
  readonly size: number;
  read(start: number, end: number): Promise<Uint8Array>;
}

/** Work that takes a while: how it is told, and what ends it. */
export interface ReleaseWork {
  readonly signal?: AbortSignal;
  readonly onDoing?: (doing: string) => void;
}

interface Wanted {
  readonly record: VersionRecord;
  readonly spec: ProjectSpec;
  readonly target: Target;
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
   * One release for each of the project's targets that has a runtime. The same version and target again give the same release.
   * @throws UNSUPPORTED when there is no such target, INVALID_CONFIG, DISK_FULL; for microcontrollers TOO_LARGE with what to shrink, and UNAVAILABLE naming
   * the packages when the compiler is not there
   */
  async make(record: VersionRecord, spec: ProjectSpec, work: ReleaseWork = {}): Promise<Release[]> {
    const targets = [...new Set(spec.targets)].filter((target) => releaseTargets.includes(target));
    if (targets.length === 0)
      throw new SanderlingError('UNSUPPORTED', `no release can be made yet for ${spec.targets.join(', ')}`, {
        where: 'targets',
        fix: `add one of ${releaseTargets.join(', ')}`,
      });
    const releases: Release[] = [];
    for (const target of targets) releases.push(await this.#alone(() => this.#makeOne({ record, spec, target }, work)));
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

  /** A release's bundle, opened and checked. @throws NOT_FOUND, CORRUPT */
  async open(digest: Digest): Promise<OpenedBundle> {
    const bundle = await this.bundle(digest);
    return openBundle(await bundle.read(0, bundle.size), this.#parts.key.publicKey, digest);
  }

  /** The release that model images of this name belong to. @param image 64 hexadecimal digits, as a device reports them */
  async byImage(image: string): Promise<Digest | undefined> {
    const row = await this.#db.selectFrom('release').select('digest').where('image', '=', image).executeTakeFirst();
    return row?.digest;
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

  async #makeOne({ record, spec, target }: Wanted, work: ReleaseWork): Promise<Release> {
    const { blobs, clock, events, key, codeVersion, pool } = this.#parts;
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
    const micro = isMicroTarget(target)
      ? await buildMicro({ record, model, spec, target } satisfies MicroCase, sequence, { pool, ...work })
      : undefined;
    const parts = { record, model, spec, target, sequence, createdAt, codeVersion, micro };
    const { digest, bytes } = await makeBundle(parts, key);
    const bundle = await blobs.put(bytes);
    const image = micro === undefined ? null : imageRelease({ project, version, target });
    const row = {
      cost: micro === undefined ? null : JSON.stringify(micro.cost),
      image,
      digest,
      project,
      version,
      target,
      sequence,
      size_bytes: bytes.length,
      bundle,
      created_at: createdAt,
    };
    await this.#db.transaction().execute(async (tx) => {
      await tx.insertInto('release').values(row).execute();
      const cost = micro === undefined ? {} : { cost: micro.cost };
      const data = { version, target, sequence, sizeBytes: bytes.length, ...cost };
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

function isMicroTarget(target: Target): target is MicroTarget {
  return (microTargets as readonly Target[]).includes(target);
}

function toRelease(row: Selectable<ReleaseTables['release']>): Release {
  return {
    digest: row.digest,
    project: row.project,
    version: row.version,
    target: row.target as Target,
    sequence: row.sequence,
    sizeBytes: row.size_bytes,
    cost: row.cost === null ? null : (JSON.parse(row.cost) as Release['cost']),
    createdAt: row.created_at,
  };
}
