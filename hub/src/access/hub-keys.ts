// The hub's own keys, in files that only their owner can read; made at the first start.
import { createHmac, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { readFileIfPresent, SanderlingError, writeFileAtomic } from '@sanderling/kit';
import { createSigningKey, sign, verify, type SigningKey } from '@sanderling/wire';

/** Keys that the hub signs with. */
export interface HubKeys {
  /** Signs releases and desired states; devices pin it at enrolment. */
  readonly release: SigningKey;
  /** 32 bytes from which the keys of devices on the link are derived: {@link linkKey}. */
  readonly link: Uint8Array;
}

/** Reads the keys of a data folder, making them at the first start. @throws CORRUPT when a key file is damaged. */
export async function loadHubKeys(folder: string): Promise<HubKeys> {
  return {
    release: await loadReleaseKey(join(folder, 'release.json')),
    link: await loadSecret(join(folder, 'link.key')),
  };
}

/**
 * The key that a microcontroller shares with the hub (it has no room for signatures): HMAC-SHA-256(secret, its id). Nothing is kept for a device, and nobody can
 * tell one device's key from another's. A device that was removed is refused by its id, which is never given again.
 */
export function linkKey({ link }: Pick<HubKeys, 'link'>, device: string): Uint8Array {
  return createHmac('sha256', link).update(`sanderling-device-key/1\0${device}`).digest();
}

async function loadReleaseKey(path: string): Promise<SigningKey> {
  const bytes = await readFileIfPresent(path);
  if (bytes !== undefined) return parseKey(bytes, path);
  const release = createSigningKey();
  await writeFileAtomic(path, `${JSON.stringify(release, null, 2)}\n`, 0o600);
  return release;
}

async function loadSecret(path: string): Promise<Uint8Array> {
  const bytes = await readFileIfPresent(path);
  if (bytes === undefined) {
    const secret = randomBytes(secretBytes);
    await writeFileAtomic(path, `${secret.toString('hex')}\n`, 0o600);
    return secret;
  }
  const text = Buffer.from(bytes).toString('utf8').trim();
  if (/^[0-9a-f]{64}$/.test(text)) return Buffer.from(text, 'hex');
  throw new SanderlingError('CORRUPT', 'the secret of the link is damaged', {
    where: path,
    fix: 'restore the file from a backup: enrolled microcontrollers accept no other',
  });
}

const secretBytes = 32;

function parseKey(bytes: Uint8Array, path: string): SigningKey {
  try {
    const { privateKey, publicKey } = JSON.parse(Buffer.from(bytes).toString('utf8')) as SigningKey;
    const probe = Buffer.from('sanderling');
    if (verify(publicKey, probe, sign(privateKey, probe))) return { privateKey, publicKey };
  } catch {
    // told below
  }
  throw new SanderlingError('CORRUPT', 'the hub’s release key is damaged', {
    where: path,
    fix: 'restore the file from a backup: enrolled devices accept no other key',
  });
}
