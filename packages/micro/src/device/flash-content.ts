// What stands in a device's flash, read and written as firmware/device/state.h and outbox_ring.h describe it and without their code: what the device made of a
// power cut can be seen from outside, and a flash that would take the device hours to fill is there at once.
import { crc32 } from 'node:zlib';
import { flashLayout } from '../boards/index.ts';

const { sectorBytes } = flashLayout;
const settings = { sector: 2, sectors: 2, bytes: 512, magic: 'SNST', crcAt: 508 };
const outbox = { sector: 12, sectors: 4, magic: 'SNOB', wordBytes: 32, tailBytes: 8192, headBytes: 24 };
const kinds = ['', 'reading', 'report', 'event', 'mark', 'losses'] as const;

/** The settings of a device. */
export interface Settings {
  readonly revision: number;
  readonly device: string;
  /** 64 hexadecimal digits. */
  readonly key: string;
  /** 16 hexadecimal digits. */
  readonly outbox: string;
  readonly boots: number;
  readonly floor: number;
  readonly active: 0 | 1 | null;
  readonly previous: 0 | 1 | null;
  readonly probation: boolean;
  readonly updating: 0 | 1 | null;
}

/** A record of the outbox's ring. */
export interface RingRecord {
  readonly kind: (typeof kinds)[number];
  readonly number: number;
  readonly time: number;
  readonly rest: Buffer;
}

const slotOf = (byte: number): 0 | 1 | null => (byte === 0 || byte === 1 ? byte : null);

function newestRecord(flash: Uint8Array): Buffer | undefined {
  let newest: Buffer | undefined;
  for (let at = 0; at < settings.sectors * sectorBytes; at += settings.bytes) {
    const start = settings.sector * sectorBytes + at;
    const record = Buffer.from(flash.subarray(start, start + settings.bytes));
    const sound =
      record.toString('latin1', 0, 4) === settings.magic &&
      record.readUInt32LE(settings.crcAt) === crc32(record.subarray(0, settings.crcAt));
    if (sound && record.readUInt32LE(4) > (newest?.readUInt32LE(4) ?? 0)) newest = record;
  }
  return newest;
}

/** The newest sound record of the settings; undefined when there is none. */
export function readSettings(flash: Uint8Array): Settings | undefined {
  const record = newestRecord(flash);
  if (record === undefined) return undefined;
  return {
    revision: record.readUInt32LE(4),
    device: record.toString('latin1', 8, 72).replace(/\0+$/, ''),
    key: record.toString('hex', 72, 104),
    outbox: record.toString('hex', 248, 256),
    boots: record.readUInt32LE(256),
    floor: record.readUInt32LE(260),
    active: slotOf(record[265]!),
    previous: slotOf(record[266]!),
    probation: record[267] !== 0,
    updating: slotOf(record[280]!),
  };
}

/** Writes the newest record again and again, under growing revisions, until only `left` places of the second sector are free. */
export function fillSettings(flash: Uint8Array, left: number): void {
  const record = newestRecord(flash)!;
  const places = (settings.sectors * sectorBytes) / settings.bytes;
  const start = settings.sector * sectorBytes;
  flash.fill(0xff, start, start + settings.sectors * sectorBytes);
  for (let place = 0; place < places - left; place += 1) {
    record.writeUInt32LE(record.readUInt32LE(4) + 1, 4);
    record.writeUInt32LE(crc32(record.subarray(0, settings.crcAt)), settings.crcAt);
    flash.set(record, start + place * settings.bytes);
  }
}

/** Sound records of the outbox's ring, oldest sector first. */
export function readRing(flash: Uint8Array): readonly RingRecord[] {
  const sectors = Array.from({ length: outbox.sectors }, (_, sector) => {
    const start = (outbox.sector + sector) * sectorBytes;
    return Buffer.from(flash.subarray(start, start + sectorBytes));
  });
  const sound = sectors.filter(
    (sector) =>
      sector.toString('latin1', 0, 4) === outbox.magic && sector.readUInt32LE(28) === crc32(sector.subarray(0, 28)),
  );
  return sound.toSorted((a, b) => a.readUInt32LE(4) - b.readUInt32LE(4)).flatMap(recordsOf);
}

function recordsOf(sector: Buffer): readonly RingRecord[] {
  const found: RingRecord[] = [];
  for (let at = outbox.wordBytes; at < sector.length; ) {
    const [kind, bytes, whole] = [kinds[sector[at]!], sector.readUInt16LE(at + 2), sector[at + 1]! * outbox.wordBytes];
    const record = Buffer.from(sector.subarray(at, at + whole));
    const crc = record.length >= outbox.wordBytes ? record.readUInt32LE(4) : 0;
    if (record.length >= outbox.wordBytes) record.writeUInt32LE(0, 4);
    if (!kind || whole === 0 || record.length < whole || bytes + outbox.headBytes > whole || crc !== crc32(record)) {
      at += outbox.wordBytes;
      continue;
    }
    const [number, time] = [Number(record.readBigUInt64LE(8)), Number(record.readBigInt64LE(16))];
    const rest = record.subarray(outbox.headBytes, outbox.headBytes + bytes);
    found.push({ kind, number, time, rest });
    at += whole;
  }
  return found;
}

/** What is put into a ring by {@link fillRing}. */
export type RingEntry = Pick<RingRecord, 'time' | 'rest'> & { readonly kind: 'reading' | 'event' };

/**
 * Writes the ring anew, with as many entries as it takes until only `left` words are free in front of the last sector's tail.
 * @param first Number of the first entry.
 * @returns the entries that were taken.
 */
export function fillRing(
  flash: Uint8Array,
  {
    entry,
    first,
    left,
  }: { readonly entry: (index: number) => RingEntry; readonly first: number; readonly left: number },
): readonly RingRecord[] {
  const start = outbox.sector * sectorBytes;
  flash.fill(0xff, start, start + outbox.sectors * sectorBytes);
  const taken: RingRecord[] = [];
  for (let sector = 0; sector < outbox.sectors; sector += 1) {
    const header = Buffer.alloc(outbox.wordBytes);
    header.write(outbox.magic, 'latin1');
    header.writeUInt32LE(sector + 1, 4);
    header.writeUInt32LE(crc32(header.subarray(0, 28)), 28);
    flash.set(header, start + sector * sectorBytes);
    const free = sector === outbox.sectors - 1 ? left * outbox.wordBytes : 0;
    const limit = sectorBytes - outbox.tailBytes - free;
    for (let at: number = outbox.wordBytes; ; ) {
      const made = { ...entry(taken.length), number: first + taken.length };
      const bytes = recordBytes(made);
      if (at + bytes.length > limit) break;
      flash.set(bytes, start + sector * sectorBytes + at);
      at += bytes.length;
      taken.push(made);
    }
  }
  return taken;
}

function recordBytes({ kind, number, time, rest }: RingRecord): Buffer {
  const words = Math.ceil((outbox.headBytes + rest.length) / outbox.wordBytes);
  const bytes = Buffer.alloc(words * outbox.wordBytes);
  bytes[0] = kinds.indexOf(kind);
  bytes[1] = words;
  bytes.writeUInt16LE(rest.length, 2);
  bytes.writeBigUInt64LE(BigInt(number), 8);
  bytes.writeBigInt64LE(BigInt(time), 16);
  bytes.set(rest, outbox.headBytes);
  bytes.writeUInt32LE(crc32(bytes), 4);
  return bytes;
}
