// Model images: what is sealed is read again, C agrees about the layout, and no damage gets past the reader.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { createRandom, SanderlingError, sha256 } from '@sanderling/kit';
import { expect, test } from 'vitest';
import { hasCompiler } from '../host.ts';
import { readImage, sealImage, type ImageFields } from './image.ts';

const fields: ImageFields = {
  board: 'm7',
  slotAddress: 0x60080000,
  sequence: 0xfffffffe,
  entryOffset: 132,
  release: sha256('a release'),
};
const payload = Uint8Array.from({ length: 300 }, (_, i) => (i * 7) & 255);

test('what is sealed is read again', () => {
  const image = sealImage(fields, payload);
  expect(image.length).toBe(428);
  const read = readImage(image);
  expect(read.header).toEqual({ ...fields, imageBytes: 428, payloadSha256: sha256(payload) });
  expect(Buffer.from(read.payload).equals(Buffer.from(payload))).toBe(true);
});

const cc = 'gcc';
const compiler = await hasCompiler(cc);
test.skipIf(!compiler)('the C header sees the same fields at the same places', () => {
  const folder = mkdtempSync(join(tmpdir(), 'image-'));
  try {
    writeFileSync(join(folder, 'image.bin'), sealImage(fields, payload));
    writeFileSync(
      join(folder, 'main.c'),
      `#include <stdio.h>
       #include "sanderling_image.h"
       #include "sanderling_entry.h"
       int main(void) {
         sanderling_image_header h;
         FILE *file = fopen("image.bin", "rb");
         if (file == NULL || fread(&h, sizeof h, 1, file) != 1) { return 1; }
         printf("%.8s %u %u %u %u %u %u %02x %02x %u %u %u", (const char *)h.magic, h.header_bytes, h.abi, h.image_bytes, h.slot_address,
           h.sequence, h.entry_offset, h.release[0], h.payload_sha256[31], h.board, h.reserved[5], h.crc32);
         return 0;
       }`,
    );
    const include = new URL('../../firmware/include', import.meta.url).pathname;
    execFileSync(cc, ['-std=c99', '-Wall', '-Wextra', '-Wpedantic', '-Werror', '-I', include, 'main.c'], {
      cwd: folder,
    });
    const words = execFileSync(join(folder, 'a.out'), { cwd: folder, encoding: 'utf8' }).split(' ');
    const image = Buffer.from(sealImage(fields, payload));
    expect(words).toEqual([
      'SNDRMCU1',
      '128',
      '1',
      '428',
      String(0x60080000),
      '4294967294',
      '132',
      fields.release.slice(0, 2),
      createHash('sha256').update(payload).digest('hex').slice(-2),
      '1',
      '0',
      String(crc32(image.subarray(0, 124))),
    ]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test.each([
  ['slotAddress', { slotAddress: 0x60080004 }],
  ['slotAddress', { slotAddress: 2 ** 32 }],
  ['sequence', { sequence: -1 }],
  ['sequence', { sequence: 1.5 }],
  ['entryOffset', { entryOffset: 64 }],
  ['entryOffset', { entryOffset: 133 }],
  ['entryOffset', { entryOffset: 412 }],
  ['release', { release: 'abc' }],
  ['board', { board: 'z80' as 'm7' }],
])('refuses to seal a wrong %s', (where, change) => {
  expect(() => sealImage({ ...fields, ...change }, payload)).toThrow(
    expect.objectContaining({ code: 'INVALID_ARGUMENT', where }),
  );
});

/** What reading gives: the code of the error, or 'read'. */
function outcome(bytes: Uint8Array): string {
  try {
    readImage(bytes);
    return 'read';
  } catch (error) {
    return error instanceof SanderlingError ? error.code : `not coded: ${String(error)}`;
  }
}

test('no flipped bit, cut or added byte gets past', () => {
  const image = sealImage(fields, payload);
  for (let bit = 0; bit < image.length * 8; bit += 1) {
    const damaged = Uint8Array.from(image);
    damaged[bit >> 3]! ^= 1 << (bit & 7);
    expect(outcome(damaged), `bit ${bit}`).toBe('CORRUPT');
  }
  for (let length = 0; length < image.length; length += 1) expect(outcome(image.subarray(0, length))).toBe('CORRUPT');
  expect(outcome(Buffer.concat([image, new Uint8Array(1)]))).toBe('CORRUPT');
});

test('random headers with a right checksum are refused by code, or are sound', () => {
  const random = createRandom(5, 'images');
  const seen = new Set<string>();
  for (let round = 0; round < 4000; round += 1) {
    const bytes = Buffer.from(sealImage(fields, payload.subarray(0, random.int(24, 300))));
    for (let changes = random.int(1, 3); changes > 0; changes -= 1) {
      const offset = random.pick([8, 12, 16, 20, 24, 28, 96, 100, 120, random.int(0, 31) * 4]);
      bytes.writeUInt32LE(random.pick([0, 1, 2, 3, 4, 128, bytes.length, 0xffffffff, random.uint32()]), offset % 124);
    }
    bytes.writeUInt32LE(crc32(bytes.subarray(0, 124)), 124);
    const result = outcome(bytes);
    expect(['read', 'CORRUPT', 'UNSUPPORTED']).toContain(result);
    seen.add(result);
    if (result !== 'read') continue;
    const { header } = readImage(bytes);
    expect(header.entryOffset + 20).toBeLessThanOrEqual(bytes.length);
    expect(Buffer.from(sealImage(header, bytes.subarray(128))).equals(bytes)).toBe(true);
  }
  expect(seen.size).toBe(3);
});
