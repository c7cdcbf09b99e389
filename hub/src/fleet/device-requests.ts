// Whose request is this? The device named in the Authorization header, if the signature is its own; statuses are taken once only.
import { SanderlingError, type Clock } from '@sanderling/kit';
import { maxClockSkewMs, readCredential, verifyRequest, type SignedRequest } from '@sanderling/wire';
import type { Kysely, Selectable } from 'kysely';
import type { FleetTables } from './tables.ts';

/** A device as the database has it. */
export type DeviceRow = Selectable<FleetTables['device']>;

/** What stands for a public key where a device has none: it shares a key with the hub. No public key looks like it. */
export const linkedPrefix = 'link:';

/** Whether a device shares a key with the hub instead of signing. */
export function isLinked({ public_key: key }: Pick<DeviceRow, 'public_key'>): boolean {
  return key.startsWith(linkedPrefix);
}

/** Authenticates device requests. */
export class DeviceRequests {
  readonly #db: Kysely<FleetTables>;
  readonly #clock: Clock;

  constructor(db: Kysely<FleetTables>, clock: Clock) {
    this.#db = db;
    this.#clock = clock;
  }

  /**
   * The device that made this request. @param once refuses a request that was seen before, also before a restart.
   * @throws UNAUTHENTICATED; with `details.reason` `clock-skew`, `unknown-device` or `replay` where that helps.
   */
  async authenticate(header: string | undefined, request: SignedRequest, once: boolean): Promise<DeviceRow> {
    const credential = readCredential(header);
    const device = await this.#db
      .selectFrom('device')
      .selectAll()
      .where('id', '=', credential.device)
      .executeTakeFirst();
    if (device === undefined)
      throw new SanderlingError('UNAUTHENTICATED', 'this device is not known here', {
        fix: 'enrol it again',
        details: { reason: 'unknown-device' },
      });
    if (isLinked(device))
      throw new SanderlingError('UNAUTHENTICATED', 'this device speaks over the link, where it has another key', {
        details: { reason: 'linked-device' },
      });
    const now = this.#clock.now();
    verifyRequest(request, credential, { publicKey: device.public_key, now });
    if (once) await this.#refuseReplay(Buffer.from(credential.signature).toString('base64'), now);
    return device;
  }

  /** What is remembered is bounded by what devices can say in twice the time that a signature is believed. */
  async #refuseReplay(signature: string, now: number): Promise<void> {
    const isNew = await this.#db.transaction().execute(async (tx) => {
      await tx.deleteFrom('seen_request').where('until', '<=', now).execute();
      const { numInsertedOrUpdatedRows } = await tx
        .insertInto('seen_request')
        .values({ signature, until: now + 2 * maxClockSkewMs })
        .onConflict((conflict) => conflict.doNothing())
        .executeTakeFirstOrThrow();
      return numInsertedOrUpdatedRows === 1n;
    });
    if (!isNew)
      throw new SanderlingError('UNAUTHENTICATED', 'this request was sent before', { details: { reason: 'replay' } });
  }
}
