// The record that says which release runs: small, in two copies written in turn, each whole or absent, each with its own checksum.
import {
  canonicalJson,
  readFileIfPresent,
  sha256,
  writeFileAtomic,
  type Digest,
  type ErrorCode,
} from '@sanderling/kit';

/** A release that was tried and found wanting; it is not tried again until the hub asks with a higher counter. */
export interface FailedRelease {
  readonly release: Digest;
  /** The desired counter that it was tried for. */
  readonly counter: number;
  /** `refused`: it never ran. `rolled-back`: it ran and failed. */
  readonly stage: 'refused' | 'rolled-back';
  readonly code: ErrorCode;
  readonly reason: string;
}

/** The first predictions of a new release. */
export interface ProbationRecord {
  readonly release: Digest;
  /** Milliseconds since 1970, by the device's clock. */
  readonly startedAt: number;
  /** Processes that ended without saying so while this release was on probation. */
  readonly deaths: number;
  /** Whether a process is at it; true at start-up means that the last one died. */
  readonly running: boolean;
}

/** What the device runs and has been told. */
export interface Pointer {
  readonly active: Digest | null;
  /** The release to return to. */
  readonly previous: Digest | null;
  /** Highest counter that the hub has signed for this device: a lower one is a replay. */
  readonly counter: number;
  /** The release that came with it. */
  readonly desired: Digest | null;
  readonly probation: ProbationRecord | null;
  /** The newest last; {@link maxFailed} at most. */
  readonly failed: readonly FailedRelease[];
}

/** What a device starts with. */
export const emptyPointer: Pointer = Object.freeze({
  active: null,
  previous: null,
  counter: 0,
  desired: null,
  probation: null,
  failed: [],
});

const maxFailed = 16;

interface Copy {
  readonly revision: number;
  readonly pointer: Pointer;
}

/** Reads and writes the two copies. */
export class PointerFile {
  readonly #paths: readonly [string, string];
  #current: Copy;

  private constructor(paths: readonly [string, string], current: Copy) {
    this.#paths = paths;
    this.#current = current;
  }

  /** Opens the record; `lost` when both copies are damaged, so that the caller can say so. Missing copies are no damage. */
  static async open(paths: readonly [string, string]): Promise<{ readonly file: PointerFile; readonly lost: boolean }> {
    const copies = await Promise.all(paths.map(readCopy));
    const sound = copies.filter((copy) => typeof copy === 'object');
    const newest = sound.sort((a, b) => b.revision - a.revision)[0];
    const lost = newest === undefined && copies.includes('damaged');
    return { file: new PointerFile(paths, newest ?? { revision: 0, pointer: emptyPointer }), lost };
  }

  /** The record as last written. */
  get value(): Pointer {
    return this.#current.pointer;
  }

  /** Writes changes durably, over the older copy. @throws DISK_FULL … and then nothing has changed. */
  async write(changes: Partial<Pointer>): Promise<Pointer> {
    const failed = (changes.failed ?? this.value.failed).slice(-maxFailed);
    const next = { revision: this.#current.revision + 1, pointer: { ...this.value, ...changes, failed } };
    const path = this.#paths[next.revision % 2 === 0 ? 0 : 1];
    await writeFileAtomic(path, `${JSON.stringify({ ...next, checksum: checksum(next) })}\n`);
    this.#current = next;
    return next.pointer;
  }
}

async function readCopy(path: string): Promise<Copy | 'missing' | 'damaged'> {
  const bytes = await readFileIfPresent(path);
  if (bytes === undefined) return 'missing';
  try {
    const { checksum: stated, ...copy } = JSON.parse(Buffer.from(bytes).toString('utf8')) as Copy & {
      checksum: string;
    };
    return checksum(copy) === stated ? copy : 'damaged';
  } catch {
    return 'damaged';
  }
}

const checksum = (copy: Copy): string => sha256(canonicalJson({ revision: copy.revision, pointer: copy.pointer }));
