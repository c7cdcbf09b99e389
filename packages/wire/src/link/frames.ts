// Frames and the reader that finds them in a stream of bytes; the layout stands in protocol.ts.
import { crc32 } from 'node:zlib';
import { SanderlingError } from '@sanderling/kit';
import { linkVersion, maxPayload } from './protocol.ts';

/** One frame. */
export interface Frame {
  readonly type: number;
  readonly seq: number;
  readonly payload: Uint8Array;
}

const headerBytes = 12;
const crcBytes = 4;

/** The bytes 2…9 of a frame, which its seal covers. */
export function frameHead({ type, seq }: Pick<Frame, 'type' | 'seq'>, length: number): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt8(type, 0);
  head.writeUInt8(linkVersion, 1);
  head.writeUInt32LE(seq, 2);
  head.writeUInt16LE(length, 6);
  return head;
}

/** A frame as bytes. @throws TOO_LARGE for a payload above {@link maxPayload}. */
export function encodeFrame(frame: Frame): Buffer {
  const { payload } = frame;
  if (payload.length > maxPayload)
    throw new SanderlingError('TOO_LARGE', `a payload of ${payload.length} bytes; a frame takes ${maxPayload}`);
  const bytes = Buffer.alloc(headerBytes + payload.length + crcBytes);
  bytes.set([0xa5, 0x5a]);
  const head = frameHead(frame, payload.length);
  bytes.set(head, 2);
  bytes.writeUInt16LE(crc32(head) & 0xffff, 10);
  bytes.set(payload, headerBytes);
  bytes.writeUInt32LE(crc32(bytes.subarray(2, -crcBytes)), bytes.length - crcBytes);
  return bytes;
}

/** What a reader has seen. */
export interface FrameCounts {
  /** Sound frames. */
  frames: number;
  /** Sync bytes whose check was bad or whose rest did not come. */
  damaged: number;
}

/** Finds frames in a stream; holds less than two frames' bytes. */
export class FrameReader {
  readonly counts: FrameCounts = { frames: 0, damaged: 0 };
  readonly #timeoutMs: number;
  #held: Buffer = Buffer.alloc(0);
  #lastByte = 0;

  /** @param timeoutMs Longest silence inside a frame, milliseconds. */
  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  /** Whether a frame has begun and not ended. */
  get waiting(): boolean {
    return this.#held.length > 0;
  }

  /** Takes bytes that arrived at `now` (any millisecond clock that never goes back); yields the frames that are whole. */
  *push(bytes: Uint8Array, now: number): Generator<Frame> {
    yield* this.expire(now);
    if (bytes.length > 0) this.#lastByte = now;
    // In pieces, so that a large chunk of garbage is looked at once and not copied again and again.
    for (let at = 0; at < bytes.length; at += maxPayload) {
      this.#held = Buffer.concat([this.#held, bytes.subarray(at, at + maxPayload)]);
      yield* this.#frames();
    }
  }

  /** Gives up a frame whose rest has not come in time; what was held behind its sync bytes may hold a whole one. */
  *expire(now: number): Generator<Frame> {
    while (this.#held.length > 0 && now - this.#lastByte > this.#timeoutMs) {
      this.#skip();
      yield* this.#frames();
    }
  }

  *#frames(): Generator<Frame> {
    for (;;) {
      const start = this.#held.indexOf(0xa5);
      this.#held = start < 0 ? Buffer.alloc(0) : this.#held.subarray(start);
      const found = takeFrame(this.#held);
      if (found === 'more') return;
      if (found === 'bad') this.#skip();
      else {
        this.#held = this.#held.subarray(headerBytes + found.payload.length + crcBytes);
        this.counts.frames += 1;
        yield found;
      }
    }
  }

  #skip(): void {
    if (this.#held.length >= 2 && this.#held[1] === 0x5a) this.counts.damaged += 1;
    this.#held = this.#held.subarray(1);
  }
}

/** A frame at the start of `held`. */
function takeFrame(held: Buffer): Frame | 'more' | 'bad' {
  if (held.length < 2) return 'more';
  if (held[1] !== 0x5a) return 'bad';
  if (held.length < headerBytes) return 'more';
  const length = held.readUInt16LE(8);
  if (held.readUInt16LE(10) !== (crc32(held.subarray(2, 10)) & 0xffff)) return 'bad';
  if (length > maxPayload || held[3] !== linkVersion) return 'bad';
  if (held.length < headerBytes + length + crcBytes) return 'more';
  const end = headerBytes + length;
  if (held.readUInt32LE(end) !== crc32(held.subarray(2, end))) return 'bad';
  return { type: held[2]!, seq: held.readUInt32LE(4), payload: Uint8Array.from(held.subarray(headerBytes, end)) };
}
