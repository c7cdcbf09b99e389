// A device's flash as it leaves the factory: erased, but for a settings record that says who it is or how it may become someone.
import { writeFile } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { SanderlingError } from '@sanderling/kit';
import { parseToken } from '@sanderling/wire';
import { flashLayout } from '../boards/index.ts';
import type { DeviceBoard } from './build.ts';

/** Who a device is: a token to enrol with once, or an id and a key that the hub already has. */
export type DeviceIdentity =
  | { readonly token: string }
  | { readonly device: string /** 32 bytes. */; readonly key: Uint8Array };

/** Sector and fields of the record; firmware/device/state.h. */
const settingsSector = 2;
const recordBytes = 512;
const at = {
  revision: 4,
  device: 8,
  key: 72,
  token: 104,
  flags: 264,
  active: 265,
  previous: 266,
  updateSlot: 280,
  crc: 508,
};
const flags = { key: 1, token: 2 };
const none = 255;

/**
 * Writes a new flash file. Whatever was there is gone: the device has no model, and its outbox is empty.
 * @throws UNAUTHENTICATED for what is no token; INVALID_ARGUMENT for an id or key of a wrong length.
 */
export async function provisionFlash(path: string, board: DeviceBoard, identity: DeviceIdentity): Promise<void> {
  const flash = Buffer.alloc(board === 'host' ? flashLayout.bytes : flashLayout.fileBytes);
  flash.fill(0xff, 0, flashLayout.bytes);
  flash.set(settingsRecord(identity), settingsSector * flashLayout.sectorBytes);
  await writeFile(path, flash, { mode: 0o600 });
}

function settingsRecord(identity: DeviceIdentity): Buffer {
  const record = Buffer.alloc(recordBytes);
  record.write('SNST', 'latin1');
  record.writeUInt32LE(1, at.revision);
  if ('token' in identity) {
    parseToken(identity.token);
    record.write(identity.token.trim(), at.token, 'latin1');
    record.writeUInt8(flags.token, at.flags);
  } else {
    const { device, key } = identity;
    if (!/^[a-z0-9_]{1,64}$/.test(device) || key.length !== 32)
      throw new SanderlingError(
        'INVALID_ARGUMENT',
        'a device has an id of at most 64 characters and a key of 32 bytes',
      );
    record.write(device, at.device, 'latin1');
    record.set(key, at.key);
    record.writeUInt8(flags.key, at.flags);
  }
  for (const slot of [at.active, at.previous, at.updateSlot]) record.writeUInt8(none, slot);
  record.writeUInt32LE(crc32(record.subarray(0, at.crc)), at.crc);
  return record;
}
