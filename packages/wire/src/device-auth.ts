// How a device proves that a request is its own: an Ed25519 signature over method, path, time and body digest in the Authorization header.
import { SanderlingError, sha256 } from '@sanderling/kit';
import { sign, verify } from './keys.ts';

/** The parts of a request that a device signs. */
export interface SignedRequest {
  readonly method: string;
  /** Path with query, as sent. */
  readonly path: string;
  readonly body: Uint8Array | undefined;
}

/** What the Authorization header of a device says. */
export interface DeviceCredential {
  readonly device: string;
  /** Milliseconds since 1970 by the device's clock, corrected by the hub's when they disagree. */
  readonly time: number;
  readonly signature: Uint8Array;
}

const scheme = 'Sanderling-Device';

/** How far a device's stated time may be from the hub's, milliseconds. The hub's own time comes back with every answer in {@link hubTimeHeader}. */
export const maxClockSkewMs = 5 * 60_000;

/** Response header with the hub's time, milliseconds since 1970. */
export const hubTimeHeader = 'sanderling-time';

/** The Authorization header for a request. */
export function authorise(
  request: SignedRequest,
  device: string,
  options: { readonly privateKey: string; readonly time: number },
): string {
  const signature = sign(options.privateKey, payload(request, options.time));
  return `${scheme} ${device}:${options.time}:${Buffer.from(signature).toString('base64url')}`;
}

/** Reads the header. @throws UNAUTHENTICATED when it is missing or malformed. */
export function readCredential(header: string | undefined): DeviceCredential {
  const match = /^Sanderling-Device ([a-z0-9_]{1,64}):(\d{1,15}):([A-Za-z0-9_-]{86})$/.exec(header ?? '');
  if (match === null)
    throw new SanderlingError(
      'UNAUTHENTICATED',
      'this door is for enrolled devices; the Authorization header is missing or malformed',
    );
  return { device: match[1]!, time: Number(match[2]), signature: Buffer.from(match[3]!, 'base64url') };
}

/** Checks a request against its credential. @throws UNAUTHENTICATED when the time is too far off or the signature is not the device's. */
export function verifyRequest(
  request: SignedRequest,
  credential: DeviceCredential,
  options: { readonly publicKey: string; readonly now: number },
): void {
  if (Math.abs(options.now - credential.time) > maxClockSkewMs) {
    throw new SanderlingError('UNAUTHENTICATED', 'the time of this request is too far from the hub’s', {
      fix: `take the time from the ${hubTimeHeader} header and try again`,
      details: { reason: 'clock-skew' },
    });
  }
  if (!verify(options.publicKey, payload(request, credential.time), credential.signature)) {
    throw new SanderlingError('UNAUTHENTICATED', 'the signature of this request is not the device’s');
  }
}

function payload(request: SignedRequest, time: number): Uint8Array {
  return Buffer.from(`${request.method.toUpperCase()}\n${request.path}\n${time}\n${sha256(request.body ?? '')}`);
}
