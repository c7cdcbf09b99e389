// Ed25519 keys (RFC 8032) as they travel: raw 32-byte public keys and 64-byte signatures in base64url.
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign as signBytes,
  verify as verifyBytes,
  type KeyObject,
} from 'node:crypto';
import { SanderlingError } from '@sanderling/kit';

/** A signing key: the private half as PKCS #8 PEM, the public half raw in base64url (43 characters). */
export interface SigningKey {
  readonly privateKey: string;
  readonly publicKey: string;
}

/** SubjectPublicKeyInfo header of every Ed25519 key (RFC 8410); the 32 raw bytes follow it. */
const spkiHeader = Buffer.from('302a300506032b6570032100', 'hex');

/** A new Ed25519 key pair. */
export function createSigningKey(): SigningKey {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(spkiHeader.length);
  return {
    privateKey: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
    publicKey: raw.toString('base64url'),
  };
}

/** Signs bytes. @returns the signature, 64 bytes. */
export function sign(privateKey: string, data: Uint8Array): Uint8Array {
  return signBytes(null, data, createPrivateKey(privateKey));
}

/** Whether the signature of `data` was made with the private half of `publicKey` (base64url). */
export function verify(publicKey: string, data: Uint8Array, signature: Uint8Array): boolean {
  return signature.length === 64 && verifyBytes(null, data, importPublicKey(publicKey), signature);
}

/** The first 32 hexadecimal characters of the SHA-256 of a public key: enough for people and tokens to tell keys apart and to pin one. */
export function keyFingerprint(publicKey: string): string {
  return createHash('sha256').update(Buffer.from(publicKey, 'base64url')).digest('hex').slice(0, 32);
}

/** Reads a raw public key. @throws INVALID_ARGUMENT when it is not 32 bytes of base64url. */
function importPublicKey(publicKey: string): KeyObject {
  const raw = Buffer.from(publicKey, 'base64url');
  if (raw.length !== 32)
    throw new SanderlingError('INVALID_ARGUMENT', 'an Ed25519 public key has 32 bytes', { where: 'publicKey' });
  return createPublicKey({ key: Buffer.concat([spkiHeader, raw]), format: 'der', type: 'spki' });
}
