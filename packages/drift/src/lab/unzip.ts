// The first file in a zip archive: enough to read public data sets as they are distributed. PKWARE APPNOTE 6.3, methods 0 and 8.
import { inflateRawSync } from 'node:zlib';
import { SanderlingError } from '@sanderling/kit';

const endMark = 0x06054b50;
const entryMark = 0x02014b50;
const localMark = 0x04034b50;
/** Largest unpacked file, bytes. */
const largest = 512 << 20;

/** Bytes of the first file. @throws CORRUPT, UNSUPPORTED, TOO_LARGE */
export function firstFileOf(archive: Buffer): Buffer {
  const end = archive.lastIndexOf(Buffer.from([0x50, 0x4b, 5, 6]));
  if (end < 0 || end + 22 > archive.length || archive.readUInt32LE(end) !== endMark)
    throw corrupt('it has no directory');
  const entry = archive.readUInt32LE(end + 16);
  if (entry + 46 > archive.length || archive.readUInt32LE(entry) !== entryMark)
    throw corrupt('its directory is damaged');
  const method = archive.readUInt16LE(entry + 10);
  const packed = archive.readUInt32LE(entry + 20);
  const size = archive.readUInt32LE(entry + 24);
  const local = archive.readUInt32LE(entry + 42);
  if (local + 30 > archive.length || archive.readUInt32LE(local) !== localMark)
    throw corrupt('its first file is damaged');
  const start = local + 30 + archive.readUInt16LE(local + 26) + archive.readUInt16LE(local + 28);
  if (start + packed > archive.length) throw corrupt('it ends inside its first file');
  if (size > largest)
    throw new SanderlingError('TOO_LARGE', `the file in the archive has ${size} bytes`, { where: 'zip' });
  return unpacked(archive.subarray(start, start + packed), method, size);
}

function unpacked(bytes: Buffer, method: number, size: number): Buffer {
  if (method === 0) return bytes;
  if (method !== 8)
    throw new SanderlingError('UNSUPPORTED', `zip method ${method} is not known here`, { where: 'zip' });
  try {
    return inflateRawSync(bytes, { maxOutputLength: Math.max(1, size) });
  } catch (error) {
    throw corrupt('its first file does not unpack', error);
  }
}

function corrupt(what: string, cause?: unknown): SanderlingError {
  return new SanderlingError('CORRUPT', `not a zip archive: ${what}`, { where: 'zip', cause });
}
