// Keys of the link and what is computed with them: HMAC-SHA-256 (RFC 2104, FIPS 180-4) under a label for each purpose.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { frameHead, type Frame } from './frames.ts';
import { idBytes, sealBytes } from './protocol.ts';

/** What an HMAC under a device key or a token says. */
export type Purpose = 'hub' | 'device' | 'session' | 'enrol' | 'enrolled' | 'key';

/** Bytes of a device key. */
export const keyBytes = 32;
/** Bytes of a nonce. */
export const nonceBytes = 16;

/** HMAC(key, "sanderling-link/1 purpose", zero byte, parts). */
export function prove(key: Uint8Array, purpose: Purpose, ...parts: readonly Uint8Array[]): Buffer {
  const mac = createHmac('sha256', key).update(`sanderling-link/1 ${purpose}\0`);
  for (const part of parts) mac.update(part);
  return mac.digest();
}

/** The tag that authenticates an image for one device: HMAC(device key, "sanderling-image/1", zero byte, the image's 128-byte header). */
export function imageTag(key: Uint8Array, header: Uint8Array): Buffer {
  return createHmac('sha256', key).update('sanderling-image/1\0').update(header).digest();
}

/** Both sides' nonces and the id, in the order in which they are proved. */
export function handshakeParts(
  device: string,
  deviceNonce: Uint8Array,
  hubNonce: Uint8Array,
): readonly [Uint8Array, Uint8Array, Uint8Array] {
  const id = Buffer.alloc(idBytes);
  id.write(device, 'latin1');
  return [id, deviceNonce, hubNonce];
}

/** Whether two secrets are the same, in constant time. */
export function sameSecret(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

/** Ends a payload with its seal. */
export function seal(session: Uint8Array, frame: Frame): Frame {
  const mac = sealOf(session, frame, frame.payload);
  return { ...frame, payload: Buffer.concat([frame.payload, mac]) };
}

/** The payload of a sealed frame, or undefined when the seal is not this session's. */
export function unseal(session: Uint8Array, frame: Frame): Uint8Array | undefined {
  const body = frame.payload.subarray(0, Math.max(0, frame.payload.length - sealBytes));
  const mac = frame.payload.subarray(body.length);
  return sameSecret(mac, sealOf(session, frame, body)) ? body : undefined;
}

function sealOf(session: Uint8Array, frame: Frame, body: Uint8Array): Buffer {
  const head = frameHead(frame, body.length + sealBytes);
  return createHmac('sha256', session).update(head).update(body).digest().subarray(0, sealBytes);
}
