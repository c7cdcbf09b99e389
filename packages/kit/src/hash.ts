// SHA-256 content addresses and the canonical JSON they are taken of (RFC 8785's rules for the values we use).
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { SanderlingError } from './errors.ts';

/** Lower-case hexadecimal SHA-256, 64 characters: the address of every artefact. */
export type Digest = string;

const digestPattern = /^[0-9a-f]{64}$/;

/** Whether a value is a well-formed digest. */
export function isDigest(value: unknown): value is Digest {
  return typeof value === 'string' && digestPattern.test(value);
}

/** SHA-256 of bytes, or of a text's UTF-8. */
export function sha256(data: Uint8Array | string): Digest {
  return createHash('sha256').update(data).digest('hex');
}

/** SHA-256 of a file, read as a stream. */
export async function sha256File(path: string): Promise<Digest> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/**
 * JSON with sorted keys, no white space and no `undefined`: equal values give equal text.
 * @throws INVALID_ARGUMENT for NaN, infinities, functions and symbols, which JSON cannot say.
 */
export function canonicalJson(value: unknown): string {
  return write(value, '$');
}

/** SHA-256 of a value's canonical JSON. */
export function digestOf(value: unknown): Digest {
  return sha256(canonicalJson(value));
}

function write(value: unknown, path: string): string {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'number' && Number.isFinite(value)) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((item, i) => write(item, `${path}[${i}]`)).join(',')}]`;
  if (typeof value === 'object') return writeObject(value, path);
  throw new SanderlingError(
    'INVALID_ARGUMENT',
    `a ${typeof value === 'number' ? String(value) : typeof value} cannot be written as JSON`,
    { where: path },
  );
}

function writeObject(value: object, path: string): string {
  const entries = Object.entries(value)
    .filter(([, field]) => field !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, field]) => `${JSON.stringify(key)}:${write(field, `${path}.${key}`)}`).join(',')}}`;
}
