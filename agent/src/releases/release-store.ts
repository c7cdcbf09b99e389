// Releases on disk: one folder each, named by its digest, holding the signed bundle as it came. Verified again at every start.
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isDigest, SanderlingError, syncFolder, type Digest } from '@sanderling/kit';
import { localTarget, openBundle, type OpenedBundle } from '@sanderling/wire/device';

/** The releases of a device. */
export class ReleaseStore {
  readonly #folder: string;
  readonly #publicKey: string;

  /** @param publicKey The hub's release key, as pinned at enrolment. */
  constructor(folder: string, publicKey: string) {
    this.#folder = folder;
    this.#publicKey = publicKey;
  }

  /**
   * Opens a stored release and checks it from the signature to the last byte, and that it is made for this device.
   * @throws NOT_FOUND, CORRUPT, BAD_SIGNATURE, UNSUPPORTED for another target.
   */
  async open(digest: Digest): Promise<OpenedBundle> {
    return this.verify(await readBundle(join(this.#folder, digest, 'bundle')), digest);
  }

  /** The same checks for a bundle that is not stored yet. */
  async verifyFile(path: string, digest: Digest): Promise<OpenedBundle> {
    return this.verify(await readBundle(path), digest);
  }

  /** Stores a verified bundle by moving its file: afterwards the folder is there with all of it, or not at all. */
  async keep(path: string, digest: Digest): Promise<void> {
    const folder = join(this.#folder, digest);
    const aside = join(this.#folder, `.${digest}.partial`);
    await rm(aside, { recursive: true, force: true });
    // The folder of all releases may be new too: its name must be as durable as what lies in it.
    const made = await mkdir(aside, { recursive: true });
    if (made !== undefined && made !== aside) await syncFolder(dirname(this.#folder));
    await rename(path, join(aside, 'bundle'));
    await syncFolder(aside);
    await rm(folder, { recursive: true, force: true });
    await rename(aside, folder);
    await syncFolder(this.#folder);
  }

  /** Digests of the stored releases. */
  async list(): Promise<Digest[]> {
    return (await entries(this.#folder)).filter((name) => isDigest(name));
  }

  /** Removes every release but these, and what was left half done. */
  async collect(keep: ReadonlySet<Digest>): Promise<void> {
    for (const name of await entries(this.#folder))
      if (!keep.has(name)) await rm(join(this.#folder, name), { recursive: true, force: true });
  }

  verify(bytes: Uint8Array, digest: Digest): OpenedBundle {
    const bundle = openBundle(bytes, this.#publicKey, digest);
    const { target } = bundle.manifest;
    if (target !== localTarget())
      throw new SanderlingError('UNSUPPORTED', `the release is made for ${target}, this device is ${localTarget()}`, {
        where: 'target',
        fix: 'roll out a release for this target',
      });
    return bundle;
  }
}

async function readBundle(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new SanderlingError('NOT_FOUND', 'this release is not stored on the device', { where: path, cause: error });
  }
}

async function entries(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
