// Who this device is: its own key, made once and never sent anywhere, and what the hub enrolled it as.
import { chmod, stat } from 'node:fs/promises';
import { readFileIfPresent, SanderlingError, writeFileAtomic } from '@sanderling/kit';
import { createSigningKey, type SigningKey } from '@sanderling/wire/device';

/** What the hub calls this device, and the key that it pinned. */
export interface Enrolment {
  readonly device: string;
  readonly name: string;
  readonly project: string;
  /** The hub's release key, checked against the token's fingerprint. */
  readonly hubPublicKey: string;
  /** That fingerprint. */
  readonly fingerprint: string;
}

/** The content of `identity.json`. */
export interface Identity {
  readonly version: 1;
  readonly key: SigningKey;
  readonly enrolment: Enrolment | null;
}

/**
 * Reads the identity; makes the key when there is none. The file is whole or absent, and readable by its owner only.
 * @throws CORRUPT when the file is not an identity: a device must not silently become another one.
 */
export async function loadIdentity(path: string): Promise<Identity> {
  const bytes = await readFileIfPresent(path);
  if (bytes === undefined) return saveIdentity(path, { version: 1, key: createSigningKey(), enrolment: null });
  if (((await stat(path)).mode & 0o077) !== 0) await chmod(path, 0o600);
  return parseIdentity(Buffer.from(bytes).toString('utf8'), path);
}

/** Writes the identity. @returns it. */
export async function saveIdentity(path: string, identity: Identity): Promise<Identity> {
  await writeFileAtomic(path, `${JSON.stringify(identity, undefined, 2)}\n`, 0o600);
  return identity;
}

function parseIdentity(text: string, path: string): Identity {
  let value: Partial<Identity> | null = null;
  try {
    value = JSON.parse(text) as Partial<Identity> | null;
  } catch {
    value = null;
  }
  const { key, enrolment } = value ?? {};
  const texts = [key?.privateKey, key?.publicKey, ...(enrolment == null ? [] : enrolmentTexts(enrolment))];
  if (value?.version === 1 && texts.every((field) => typeof field === 'string'))
    return { version: 1, key: key!, enrolment: enrolment ?? null };
  throw new SanderlingError('CORRUPT', `${path} is not the identity of a device`, {
    where: path,
    fix: 'restore it from a copy, or remove it and enrol again with a new token',
  });
}

function enrolmentTexts({ device, name, project, hubPublicKey, fingerprint }: Enrolment): readonly unknown[] {
  return [device, name, project, hubPublicKey, fingerprint];
}
