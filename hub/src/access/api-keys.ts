// API keys: `sdk_<id>_<secret>`, made, listed, revoked and recognised. The text is shown once; the hub keeps a digest.
import { newId, readFileIfPresent, SanderlingError, sha256, writeFileAtomic, type Clock } from '@sanderling/kit';
import type { ApiKey, ApiScope } from '@sanderling/wire';
import type { Kysely, Selectable } from 'kysely';
import type { EventLog } from '../events/index.ts';
import { tables, type Database } from '../store/index.ts';
import { matchesDigest, newSecret } from './secrets.ts';
import type { AccessTables } from './tables.ts';

/** A key that was just made; `key` is shown this once. */
export interface CreatedApiKey extends ApiKey {
  readonly key: string;
}

const pattern = /^sdk_([0-9a-z]{26})_([0-9a-f]{64})$/;
const ranks = { read: 0, write: 1, admin: 2 } as const satisfies Record<ApiScope, number>;

/** How long a key is believed without looking it up again, milliseconds: a key revoked by another process dies this much later. */
const believedMs = 5000;
/** Most keys remembered. */
const rememberedKeys = 1000;
/** How often the time of last use is written down, milliseconds. */
const useNotedMs = 60_000;

/** Whether a key of scope `has` may do what `wanted` allows: admin may write, write may read. */
export function permits(has: ApiScope, wanted: ApiScope): boolean {
  return ranks[has] >= ranks[wanted];
}

type Row = Selectable<AccessTables['api_key']>;

/** The keys to the public API. */
export class ApiKeys {
  readonly #db: Kysely<AccessTables>;
  readonly #events: EventLog;
  readonly #clock: Clock;
  readonly #remembered = new Map<string, { readonly row: Row; readonly until: number }>();
  readonly #noted = new Map<string, number>();

  constructor(database: Database, events: EventLog, clock: Clock) {
    this.#db = tables<AccessTables>(database);
    this.#events = events;
    this.#clock = clock;
  }

  /**
   * Makes sure that somebody can get in: without any working admin key, makes one and writes it to `path`, readable by its owner only.
   * The file comes first: a hub killed in between takes the key over from the file.
   */
  async ensureAdmin(path: string): Promise<void> {
    const admins = await this.#db
      .selectFrom('api_key')
      .select('id')
      .where('scope', '=', 'admin')
      .where('revoked_at', 'is', null)
      .execute();
    if (admins.length > 0) return;
    const found = pattern.exec(
      Buffer.from((await readFileIfPresent(path)) ?? '')
        .toString()
        .trim(),
    );
    const known = found === null ? undefined : await this.#find(`key_${found[1]!}`);
    const secret = found !== null && known === undefined ? found[2]! : newSecret();
    const id = found !== null && known === undefined ? `key_${found[1]!}` : newId('key', this.#clock);
    await writeFileAtomic(path, `${formatKey(id, secret)}\n`, 0o600);
    await this.#insert({ name: 'bootstrap', scope: 'admin' }, id, secret);
  }

  /** Makes a key. Its text is in the answer and nowhere else. */
  async create(wanted: { readonly name: string; readonly scope: ApiScope }): Promise<CreatedApiKey> {
    return this.#insert(wanted, newId('key', this.#clock), newSecret());
  }

  /** Every key, revoked ones too, oldest first. */
  async list(): Promise<ApiKey[]> {
    return (await this.#db.selectFrom('api_key').selectAll().orderBy('id').execute()).map(toApiKey);
  }

  /** Takes a key out of use at once. Revoking twice changes nothing. @throws NOT_FOUND; CONFLICT for the last admin key. */
  async revoke(id: string): Promise<ApiKey> {
    const row = await this.#db.transaction().execute(async (tx) => {
      const found = await tx.selectFrom('api_key').selectAll().where('id', '=', id).executeTakeFirst();
      if (found === undefined) throw new SanderlingError('NOT_FOUND', `there is no API key ${id.slice(0, 40)}`);
      if (found.revoked_at !== null) return found;
      if (found.scope === 'admin') await refuseLastAdmin(tx, id);
      const revoked = { ...found, revoked_at: this.#clock.now() };
      await tx.updateTable('api_key').set({ revoked_at: revoked.revoked_at }).where('id', '=', id).execute();
      await this.#events.append(
        { type: 'key.revoked', subject: id, data: { name: found.name, scope: found.scope } },
        tx,
      );
      return revoked;
    });
    this.#remembered.delete(id);
    return toApiKey(row);
  }

  /** The key of an Authorization header `Bearer sdk_…`. @throws UNAUTHENTICATED */
  async authenticate(header: string | undefined): Promise<ApiKey> {
    const match = pattern.exec(/^Bearer +(\S+)$/i.exec(header ?? '')?.[1] ?? '');
    if (match === null) {
      throw new SanderlingError('UNAUTHENTICATED', 'an API key is needed: Authorization: Bearer sdk_…', {
        fix: 'the first one is in keys/admin.key of the hub’s data folder',
      });
    }
    const row = await this.#recall(`key_${match[1]!}`);
    if (row === undefined || !matchesDigest(match[2]!, row.secret_digest) || row.revoked_at !== null)
      throw new SanderlingError('UNAUTHENTICATED', 'this API key is not valid here');
    await this.#noteUse(row.id);
    return toApiKey(row);
  }

  async #insert(
    wanted: { readonly name: string; readonly scope: ApiScope },
    id: string,
    secret: string,
  ): Promise<CreatedApiKey> {
    const row: Row = {
      id,
      name: wanted.name,
      scope: wanted.scope,
      secret_digest: sha256(secret),
      created_at: this.#clock.now(),
      last_used_at: null,
      revoked_at: null,
    };
    await this.#db.transaction().execute(async (tx) => {
      await tx.insertInto('api_key').values(row).execute();
      await this.#events.append({ type: 'key.created', subject: id, data: { name: row.name, scope: row.scope } }, tx);
    });
    return { ...toApiKey(row), key: formatKey(id, secret) };
  }

  async #recall(id: string): Promise<Row | undefined> {
    const now = this.#clock.now();
    const remembered = this.#remembered.get(id);
    if (remembered !== undefined && remembered.until > now) return remembered.row;
    const row = await this.#find(id);
    if (row === undefined) return undefined;
    if (this.#remembered.size >= rememberedKeys) this.#remembered.clear();
    this.#remembered.set(id, { row, until: now + believedMs });
    return row;
  }

  #find(id: string): Promise<Row | undefined> {
    return this.#db.selectFrom('api_key').selectAll().where('id', '=', id).executeTakeFirst();
  }

  async #noteUse(id: string): Promise<void> {
    const now = this.#clock.now();
    if (now - (this.#noted.get(id) ?? Number.NEGATIVE_INFINITY) < useNotedMs) return;
    this.#noted.set(id, now);
    await this.#db.updateTable('api_key').set({ last_used_at: now }).where('id', '=', id).execute();
  }
}

async function refuseLastAdmin(tx: Kysely<AccessTables>, id: string): Promise<void> {
  const others = await tx
    .selectFrom('api_key')
    .select('id')
    .where('scope', '=', 'admin')
    .where('revoked_at', 'is', null)
    .where('id', '!=', id)
    .executeTakeFirst();
  if (others === undefined)
    throw new SanderlingError('CONFLICT', 'this is the last admin key', { fix: 'make another admin key first' });
}

function formatKey(id: string, secret: string): string {
  return `sdk_${id.slice('key_'.length)}_${secret}`;
}

function toApiKey(row: Row): ApiKey {
  return {
    id: row.id,
    name: row.name,
    scope: row.scope,
    createdAt: row.created_at,
    lastUsedAt: row.last_used_at,
    revokedAt: row.revoked_at,
  };
}
