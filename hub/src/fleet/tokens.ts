// One-time enrolment tokens: made for a project, good for an hour unless told otherwise, used once. The hub keeps a digest.
import { newId, SanderlingError, sha256, type Clock } from '@sanderling/kit';
import {
  durationMs,
  formatToken,
  keyFingerprint,
  parseToken,
  type Duration,
  type EnrolmentTokenInfo,
  type SigningKey,
} from '@sanderling/wire';
import type { Kysely, Selectable } from 'kysely';
import { matchesDigest, newSecret } from '../access/index.ts';
import type { EventLog } from '../events/index.ts';
import { tables, type Database } from '../store/index.ts';
import type { FleetTables } from './tables.ts';

type Row = Selectable<FleetTables['enrolment_token']>;

/** Longest life of a token. */
const maxLife = '30d' as const;
/** How long a dead token is still listed, milliseconds. */
const listedMs = 30 * 86_400_000;

/** The enrolment tokens of a hub. */
export class Tokens {
  readonly #db: Kysely<FleetTables>;
  readonly #events: EventLog;
  readonly #clock: Clock;
  readonly #fingerprint: string;

  constructor(
    database: Database,
    ports: { readonly events: EventLog; readonly clock: Clock; readonly releaseKey: SigningKey },
  ) {
    this.#db = tables<FleetTables>(database);
    this.#events = ports.events;
    this.#clock = ports.clock;
    this.#fingerprint = keyFingerprint(ports.releaseKey.publicKey);
  }

  /** Makes a token; its text is in the answer and nowhere else. @throws INVALID_ARGUMENT for a life of more than 30 days. */
  async create(project: string, expiresIn: Duration = '1h'): Promise<EnrolmentTokenInfo> {
    const life = durationMs(expiresIn);
    if (life <= 0 || life > durationMs(maxLife))
      throw new SanderlingError('INVALID_ARGUMENT', `a token lives for at most ${maxLife}`, { where: 'expiresIn' });
    const now = this.#clock.now();
    const secret = newSecret();
    const row: Row = {
      id: newId('tok', this.#clock),
      project,
      secret_digest: sha256(secret),
      created_at: now,
      expires_at: now + life,
      used_by: null,
    };
    await this.#db.transaction().execute(async (tx) => {
      await tx
        .deleteFrom('enrolment_token')
        .where('expires_at', '<', now - listedMs)
        .execute();
      await tx.insertInto('enrolment_token').values(row).execute();
      await this.#events.append(
        { type: 'token.created', project, subject: row.id, data: { expiresAt: row.expires_at } },
        tx,
      );
    });
    const id = row.id.slice('tok_'.length);
    return { ...toInfo(row), token: formatToken({ id, secret, fingerprint: this.#fingerprint }) };
  }

  /** A project's tokens, newest first; never their text. */
  async list(
    project: string,
    query: { readonly after?: string; readonly limit: number },
  ): Promise<EnrolmentTokenInfo[]> {
    let select = this.#db
      .selectFrom('enrolment_token')
      .selectAll()
      .where('project', '=', project)
      .orderBy('id', 'desc')
      .limit(query.limit);
    if (query.after !== undefined) select = select.where('id', '<', query.after);
    return (await select.execute()).map(toInfo);
  }

  /** A token by its id (the middle part of its text), used or not. */
  find(id: string, db: Kysely<FleetTables> = this.#db): Promise<Row | undefined> {
    return db.selectFrom('enrolment_token').selectAll().where('id', '=', `tok_${id}`).executeTakeFirst();
  }

  /** The token that a text stands for, used or not. @throws UNAUTHENTICATED when it is none of this hub's. */
  async recognise(text: string, tx: Kysely<FleetTables>): Promise<Row> {
    const { id, secret, fingerprint } = parseToken(text);
    const row = await this.find(id, tx);
    if (row !== undefined && matchesDigest(secret, row.secret_digest) && fingerprint === this.#fingerprint) return row;
    throw new SanderlingError('UNAUTHENTICATED', 'this enrolment token is not valid here', {
      fix: 'make one with: sanderling devices token',
    });
  }
}

function toInfo(row: Row): EnrolmentTokenInfo {
  return {
    id: row.id,
    project: row.project,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    usedBy: row.used_by,
  };
}
