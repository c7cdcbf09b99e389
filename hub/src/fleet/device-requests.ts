// Whose request is this? The device named in the Authorization header, if the signature is its own; statuses are taken once only.
import { SanderlingError, type Clock } from '@sanderling/kit';
import { maxClockSkewMs, readCredential, verifyRequest, type SignedRequest } from '@sanderling/wire';
import type { Selectable } from 'kysely';
import type { FleetTables } from './tables.ts';

/** A device as the database has it. */
export type DeviceRow = Selectable<FleetTables['device']>;

/** Signatures remembered against replay; the oldest is forgotten first. */
const remembered = 10_000;

/** Authenticates device requests. */
export class DeviceRequests {
  readonly #find: (device: string) => Promise<DeviceRow | undefined>;
  readonly #clock: Clock;
  readonly #seen = new Map<string, number>();

  constructor(find: (device: string) => Promise<DeviceRow | undefined>, clock: Clock) {
    this.#find = find;
    this.#clock = clock;
  }

  /**
   * The device that made this request. @param once refuses a request that was seen before.
   * @throws UNAUTHENTICATED; with `details.reason` `clock-skew`, `unknown-device` or `replay` where that helps.
   */
  async authenticate(header: string | undefined, request: SignedRequest, once: boolean): Promise<DeviceRow> {
    const credential = readCredential(header);
    const device = await this.#find(credential.device);
    if (device === undefined)
      throw new SanderlingError('UNAUTHENTICATED', 'this device is not known here', {
        fix: 'enrol it again',
        details: { reason: 'unknown-device' },
      });
    const now = this.#clock.now();
    verifyRequest(request, credential, { publicKey: device.public_key, now });
    if (once) this.#refuseReplay(Buffer.from(credential.signature).toString('base64'), now);
    return device;
  }

  #refuseReplay(signature: string, now: number): void {
    const until = this.#seen.get(signature);
    if (until !== undefined && until > now)
      throw new SanderlingError('UNAUTHENTICATED', 'this request was sent before', { details: { reason: 'replay' } });
    this.#seen.set(signature, now + 2 * maxClockSkewMs);
    if (this.#seen.size > remembered) this.#seen.delete(this.#seen.keys().next().value!);
  }
}
