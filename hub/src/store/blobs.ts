// Content-addressed bytes. The port that capabilities use; `disk-blobs.ts` is the embedded implementation.
import type { Digest } from '@sanderling/kit';

/** A store of immutable bytes under their SHA-256. Putting the same bytes twice is one blob. */
export interface BlobStore {
  /** Stores bytes durably. @throws DISK_FULL */
  put(bytes: Uint8Array): Promise<Digest>;
  /** All bytes, checked against the address. @throws NOT_FOUND, CORRUPT */
  get(digest: Digest): Promise<Uint8Array>;
  /** Size in bytes. @throws NOT_FOUND */
  size(digest: Digest): Promise<number>;
  /** A part of a blob: bytes `start` to `end`, the last excluded. @throws NOT_FOUND */
  read(digest: Digest, start: number, end: number): Promise<Uint8Array>;
}
