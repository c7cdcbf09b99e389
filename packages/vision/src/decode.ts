// Files and bytes → pictures. JPEG, PNG and WebP through sharp, portable maps by our own reader. Strangers' files get coded errors and bounded memory.
import { open } from 'node:fs/promises';
import { SanderlingError, toSanderlingError } from '@sanderling/kit';
import type { Sharp, SharpOptions } from 'sharp';
import { loadSharp } from './library.ts';
import { checkPixels, checkSize, type Picture, type Size } from './picture.ts';
import { isPortable, readPortable } from './portable.ts';
import { resized, type Fit } from './resize.ts';

/** How to decode. */
export interface DecodeOptions {
  /** Size to bring the picture to. @default its own */
  readonly size?: Size;
  /** How a picture of another aspect comes to `size`. @default 'fill' */
  readonly fit?: Fit;
  /** Grey or colour. @default as the file: 1 for grey, else 3 */
  readonly channels?: 1 | 3;
  /** Pixels of the file beyond which it is refused before decoding. @default 50,000,000 */
  readonly maximumPixels?: number;
  /** Bytes of the file beyond which it is refused before reading. @default 64 MiB */
  readonly maximumBytes?: number;
}

/** What a file says about itself, from its header alone. */
export interface PictureHeader extends Size {
  readonly format: PictureFormat;
}

const formats = ['jpeg', 'png', 'webp', 'portable'] as const;
/** A format that can be decoded; `portable` is PGM or PPM. */
export type PictureFormat = (typeof formats)[number];

const [defaultPixels, defaultBytes] = [50_000_000, 64 * 2 ** 20];

/** The format by its first bytes; undefined for anything else. */
function formatOf(bytes: Uint8Array): PictureFormat | undefined {
  const starts = (...first: number[]) => first.every((byte, i) => bytes[i] === byte);
  const text = (from: number, to: number) => Buffer.from(bytes.subarray(from, to)).toString('latin1');
  if (starts(0xff, 0xd8, 0xff)) return 'jpeg';
  if (starts(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)) return 'png';
  if (text(0, 4) === 'RIFF' && text(8, 12) === 'WEBP') return 'webp';
  return isPortable(bytes) ? 'portable' : undefined;
}

/**
 * Decodes a picture: turned as its EXIF says, sRGB, what is transparent on white, sixteen bits to eight.
 * @param source Bytes, or the path of a file.
 * @throws INVALID_DATA for what is no picture; CORRUPT for a damaged or truncated one; TOO_LARGE beyond the limits; NOT_FOUND and other
 *   file errors; UNAVAILABLE without the library.
 */
export async function decodePicture(source: Uint8Array | string, options: DecodeOptions = {}): Promise<Picture> {
  const { size, channels, fit, maximumPixels = defaultPixels, maximumBytes = defaultBytes } = options;
  if (size !== undefined) {
    checkSize(size);
    checkPixels(size, maximumPixels);
  }
  const bytes = await bytesOf(source, maximumBytes);
  const wanted = { ...(size && { size }), ...(channels && { channels }), ...(fit && { fit }) };
  if (known(bytes, source) === 'portable') {
    const picture = readPortable(bytes, maximumPixels);
    return size === undefined && (channels ?? picture.channels) === picture.channels
      ? picture
      : resized(picture, wanted);
  }
  const sharp = await loadSharp();
  try {
    checkPixels(await headerBy(sharp(bytes, safely(maximumPixels))), maximumPixels);
    return await resized(sharp(bytes, safely(maximumPixels)).autoOrient(), wanted);
  } catch (error) {
    throw damaged(error);
  }
}

/** Format and size of a picture without decoding it. @throws as {@link decodePicture}. */
export async function pictureHeader(source: Uint8Array | string, options: DecodeOptions = {}): Promise<PictureHeader> {
  const { maximumPixels = defaultPixels, maximumBytes = defaultBytes } = options;
  const bytes = await bytesOf(source, maximumBytes);
  const format = known(bytes, source);
  if (format === 'portable') {
    const { width, height } = readPortable(bytes, maximumPixels);
    return { format, width, height };
  }
  const sharp = await loadSharp();
  try {
    return { format, ...(await headerBy(sharp(bytes, safely(maximumPixels)))) };
  } catch (error) {
    throw damaged(error);
  }
}

/** Stops at the first error in the file, and before more pixels than allowed. */
const safely = (maximumPixels: number): SharpOptions => ({
  failOn: 'error',
  limitInputPixels: maximumPixels,
  sequentialRead: true,
});

/** Width and height as the picture is to be seen. */
async function headerBy(picture: Sharp): Promise<Size> {
  const { width, height } = (await picture.metadata()).autoOrient;
  return { width, height };
}

function known(bytes: Uint8Array, source: Uint8Array | string): PictureFormat {
  const format = formatOf(bytes);
  if (format !== undefined) return format;
  throw new SanderlingError('INVALID_DATA', 'this is no picture that can be read: JPEG, PNG, WebP, PGM or PPM', {
    where: typeof source === 'string' ? source : 'picture',
  });
}

async function bytesOf(source: Uint8Array | string, limit: number): Promise<Uint8Array> {
  if (typeof source !== 'string') {
    checkBytes(source.length, limit);
    return source;
  }
  try {
    await using file = await open(source);
    const status = await file.stat();
    if (!status.isFile()) throw new SanderlingError('INVALID_DATA', `${source} is no file`, { where: source });
    checkBytes(status.size, limit);
    return await file.readFile();
  } catch (error) {
    throw toSanderlingError(error);
  }
}

function checkBytes(count: number, limit: number): void {
  if (count > limit)
    throw new SanderlingError('TOO_LARGE', `a picture of ${count} bytes is above the limit of ${limit}`, {
      where: 'picture',
      fix: 'allow more with maximumBytes',
    });
}

function damaged(error: unknown): SanderlingError {
  if (error instanceof SanderlingError) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (/pixel limit|exceeds|too large/i.test(message))
    return new SanderlingError('TOO_LARGE', `the picture is too large: ${message}`, { where: 'picture', cause: error });
  return new SanderlingError('CORRUPT', `the picture is damaged: ${message}`, { where: 'picture', cause: error });
}
