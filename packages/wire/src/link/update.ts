// Sending an image: begin, chunks from wherever the device stands, end; again after every break, as long as it gets further.
import { SanderlingError, toSanderlingError } from '@sanderling/kit';
import { FieldWriter, type FieldReader } from './fields.ts';
import type { DeviceInfo, SlotInfo } from './info.ts';
import { chunkBytes, type RequestName } from './protocol.ts';
import { imageTag } from './secrets.ts';

/** Options of an update. */
export interface UpdateOptions {
  /** Allow a lower sequence than the device has run. @default false */
  readonly stepBack?: boolean;
  /** Breaks in a row without progress before it gives up. @default 8 */
  readonly attempts?: number;
  /** Called after every chunk. Bytes. */
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** What an update needs of its session. */
export interface UpdateParts {
  device(): Promise<{ readonly info: DeviceInfo; readonly key: Uint8Array }>;
  ask(name: RequestName, body: Uint8Array): Promise<FieldReader>;
  imageFor(slot: SlotInfo): Uint8Array | Promise<Uint8Array>;
}

const headerBytes = 128;
/** Failures that another try may cure. */
const passing: ReadonlySet<string> = new Set(['UNAVAILABLE', 'TIMEOUT']);
const passingStatus: ReadonlySet<unknown> = new Set(['wrong-offset', 'no-update']);

/** See {@link LinkSession.update}. */
export async function sendImage(parts: UpdateParts, options: UpdateOptions): Promise<0 | 1> {
  const { attempts = 8 } = options;
  const progress = { best: -1 };
  for (let failures = 0; ; ) {
    const before = progress.best;
    try {
      return await sendOnce(parts, options, progress);
    } catch (thrown) {
      const error = toSanderlingError(thrown);
      const cured = passing.has(error.code) || passingStatus.has(error.details?.['status']);
      if (options.signal?.aborted) throw new SanderlingError('CANCELLED', 'the update was cancelled', { cause: error });
      if (!cured) throw error;
      failures = progress.best > before ? 1 : failures + 1;
      if (failures >= attempts) throw error;
    }
  }
}

async function sendOnce(parts: UpdateParts, options: UpdateOptions, progress: { best: number }): Promise<0 | 1> {
  const { info, key } = await parts.device();
  const slot = info.active === 0 ? 1 : 0;
  const image = await parts.imageFor(info.slots[slot]);
  if (image.length < headerBytes)
    throw new SanderlingError('INVALID_MODEL', `an image of ${image.length} bytes has no header`);
  const header = image.subarray(0, headerBytes);
  const begin = new FieldWriter().u8(slot).u8(options.stepBack === true ? 1 : 0);
  begin.u16(0).bytes(imageTag(key, header)).bytes(header);
  let position = (await parts.ask('updateBegin', begin.done())).u32();
  // The device goes back only where a power cut left half a word: once a sector at most.
  for (let back = 0; position < image.length; ) {
    const chunk = image.subarray(position, position + chunkBytes);
    const next = (await parts.ask('updateChunk', new FieldWriter().u32(position).bytes(chunk).done())).u32();
    if (next <= position && ++back > 16)
      throw new SanderlingError('DISK_FULL', `the device's flash does not take byte ${position} of the image`);
    position = next;
    progress.best = Math.max(progress.best, position);
    options.onProgress?.(position, image.length);
  }
  await parts.ask('updateEnd', new Uint8Array(0));
  return slot;
}
