// The hub's own keys, in files that only their owner can read; made at the first start.
import { join } from 'node:path';
import { readFileIfPresent, SanderlingError, writeFileAtomic } from '@sanderling/kit';
import { createSigningKey, sign, verify, type SigningKey } from '@sanderling/wire';

/** Keys that the hub signs with. */
export interface HubKeys {
  /** Signs releases and desired states; devices pin it at enrolment. */
  readonly release: SigningKey;
}

/** Reads the keys of a data folder, making them at the first start. @throws CORRUPT when a key file is damaged. */
export async function loadHubKeys(folder: string): Promise<HubKeys> {
  const path = join(folder, 'release.json');
  const bytes = await readFileIfPresent(path);
  if (bytes !== undefined) return { release: parseKey(bytes, path) };
  const release = createSigningKey();
  await writeFileAtomic(path, `${JSON.stringify(release, null, 2)}\n`, 0o600);
  return { release };
}

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
