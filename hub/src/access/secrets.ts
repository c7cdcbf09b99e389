// Secrets: 256 random bits, of which only the digest is kept, compared in constant time.
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { sha256 } from '@sanderling/kit';

/** A new secret: 32 random bytes, hexadecimal. */
export function newSecret(): string {
  return randomBytes(32).toString('hex');
}

/** Whether a secret has this digest, in a time that does not tell how much of it is right. */
export function matchesDigest(secret: string, digest: string): boolean {
  const [given, stored] = [Buffer.from(sha256(secret), 'hex'), Buffer.from(digest, 'hex')];
  return given.length === stored.length && timingSafeEqual(given, stored);
}
