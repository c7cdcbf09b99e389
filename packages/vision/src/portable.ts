// Portable grey and colour maps (PGM, PPM; P2, P3, P5, P6 of the Netpbm manual), read without a library.
import { SanderlingError } from '@sanderling/kit';
import { checkPixels, type Picture } from './picture.ts';

const [space, hash, newline] = [/[\s\v]/, 0x23, 0x0a];

/** Whether bytes begin as a portable map. */
export const isPortable = (bytes: Uint8Array): boolean =>
  bytes[0] === 0x50 && [0x32, 0x33, 0x35, 0x36].includes(bytes[1] ?? 0) && isSpace(bytes[2]);

/**
 * Reads the first picture of a PGM or PPM file; sixteen-bit samples are scaled to eight bits.
 * @throws CORRUPT for a header that makes no sense or too few samples; TOO_LARGE for more pixels than allowed, before they are read.
 */
export function readPortable(bytes: Uint8Array, maximumPixels: number): Picture {
  const form = bytes[1] as number;
  const reader = new Words(bytes);
  const [width, height, maximum] = [reader.number('width'), reader.number('height'), reader.number('maximum')];
  if (width < 1 || height < 1 || maximum < 1 || maximum > 65535)
    throw corrupt(`${width} × ${height} pixels up to ${maximum}`);
  checkPixels({ width, height }, maximumPixels);
  const channels = form === 0x32 || form === 0x35 ? 1 : 3;
  const count = width * height * channels;
  const samples = form >= 0x35 ? binary(bytes, { at: reader.at + 1, count, maximum }) : text(reader, count);
  return { width, height, channels, data: toBytes(samples, maximum) };
}

function binary(
  bytes: Uint8Array,
  { at, count, maximum }: { at: number; count: number; maximum: number },
): ArrayLike<number> {
  const wide = maximum > 255;
  if (bytes.length - at < count * (wide ? 2 : 1)) throw corrupt(`it ends before its ${count} samples do`);
  if (!wide) return bytes.subarray(at, at + count);
  const view = new DataView(bytes.buffer, bytes.byteOffset + at);
  return Uint16Array.from({ length: count }, (_, i) => view.getUint16(2 * i));
}

function text(reader: Words, count: number): ArrayLike<number> {
  if (reader.left < 2 * count - 1) throw corrupt(`it ends before its ${count} samples do`);
  return Uint16Array.from({ length: count }, () => reader.number('sample'));
}

function toBytes(samples: ArrayLike<number>, maximum: number): Uint8Array {
  return Uint8Array.from(samples, (sample) => {
    if (sample > maximum) throw corrupt(`a sample is ${sample}, above ${maximum}`);
    return maximum === 255 ? sample : Math.round((sample * 255) / maximum);
  });
}

/** Numbers in plain text, with comments from # to the end of a line. */
class Words {
  at = 2;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.at;
  }

  /** The next number, below 2³¹. */
  number(what: string): number {
    this.#skip();
    let [value, digits] = [0, 0];
    for (let byte = this.#bytes[this.at]; byte !== undefined && byte >= 0x30 && byte <= 0x39; digits += 1) {
      value = value * 10 + byte - 0x30;
      if (value > 0x7fffffff) throw corrupt(`its ${what} is too large`);
      this.at += 1;
      byte = this.#bytes[this.at];
    }
    if (digits === 0) throw corrupt(`its ${what} is missing`);
    return value;
  }

  #skip(): void {
    for (;;) {
      const byte = this.#bytes[this.at];
      if (byte === hash) {
        const end = this.#bytes.indexOf(newline, this.at);
        this.at = end < 0 ? this.#bytes.length : end;
      } else if (!isSpace(byte)) return;
      else this.at += 1;
    }
  }
}

function isSpace(byte: number | undefined): boolean {
  return byte !== undefined && space.test(String.fromCharCode(byte));
}

const corrupt = (what: string): SanderlingError =>
  new SanderlingError('CORRUPT', `the portable map is damaged: ${what}`, { where: 'picture' });
