// Releases as the link needs them: opened bundles, and which release the image in a device's slot belongs to.
import { SanderlingError, toSanderlingError, type Digest } from '@sanderling/kit';
import type { EntryContext, OpenedBundle, SlotInfo } from '@sanderling/wire';

/** Where releases come from. */
export interface ReleaseShelf {
  open(digest: Digest): Promise<OpenedBundle>;
  byImage(image: string): Promise<Digest | undefined>;
}

/** Bundles that stay open. */
const keptBundles = 8;

/** The releases of a hub, for all devices on the link. */
export class DeviceReleases {
  readonly #shelf: ReleaseShelf;
  readonly #open = new Map<Digest, Promise<OpenedBundle>>();

  constructor(shelf: ReleaseShelf) {
    this.#shelf = shelf;
  }

  /** A release's bundle. @throws NOT_FOUND, CORRUPT */
  open(digest: Digest): Promise<OpenedBundle> {
    const known = this.#open.get(digest);
    this.#open.delete(digest);
    const bundle = known ?? this.#shelf.open(digest);
    this.#open.set(digest, bundle);
    if (known === undefined) bundle.catch(() => this.#open.delete(digest));
    if (this.#open.size > keptBundles) this.#open.delete(this.#open.keys().next().value!);
    return bundle;
  }

  /** The release that a slot holds, as far as this hub knows it. */
  async inSlot(slot: SlotInfo | undefined): Promise<Digest | null> {
    if (slot?.state !== 'ready') return null;
    return (await this.#shelf.byImage(slot.release)) ?? null;
  }

  /** What the entries of a device want to know of these images. */
  async about(images: Iterable<string>): Promise<EntryContext> {
    const known = new Map<string, { readonly digest: Digest; readonly stepMs: number }>();
    for (const image of new Set(images)) {
      const digest = await this.#shelf.byImage(image);
      if (digest !== undefined) known.set(image, { digest, stepMs: await this.#stepMs(digest) });
    }
    return { release: (image) => known.get(image)?.digest, stepMs: (image) => known.get(image)?.stepMs ?? 0 };
  }

  /** Zero for a bundle that is gone: what a device says of its work is still worth keeping. */
  async #stepMs(digest: Digest): Promise<number> {
    try {
      const { manifest } = await this.open(digest);
      return Number(manifest.preprocessing['stepMs'] ?? 0);
    } catch (error) {
      if (['NOT_FOUND', 'CORRUPT'].includes(toSanderlingError(error).code)) return 0;
      throw error;
    }
  }
}

/** The image of a bundle for a slot. @throws UNSUPPORTED when the release has none for it */
export function imageFor({ manifest, files }: OpenedBundle, slot: SlotInfo): Uint8Array {
  const listed = manifest.images?.find(({ slotAddress }) => slotAddress === slot.address);
  const bytes = listed === undefined ? undefined : files.get(listed.file);
  if (bytes !== undefined) return bytes;
  throw new SanderlingError(
    'UNSUPPORTED',
    `the release has no image for a slot at 0x${slot.address.toString(16)}; it is made for ${manifest.target}`,
  );
}
