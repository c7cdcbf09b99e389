// Constants outside the code: a blob of arrays behind a header that says which code it is for.
//
// Little-endian; every array at a multiple of 8 from the start, which must itself lie at a multiple of 8:
//    0  u8  magic[8]       "SNDRWGT1"
//    8  u32 version        1
//   12  u32 header_bytes   64
//   16  u32 bytes          header and arrays
//   20  u8  structure[32]  SHA-256 of the code without comments: sizes, order, everything that is no array
//   52  u32 reserved[2]    0
//   60  u32 crc32          of all other bytes (IEEE, as zlib)
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { block, type Lines } from './c-text.ts';
import { blobHeaderBytes } from './constants.ts';

const magic = 'SNDRWGT1';
const version = 1;

/** Fills in the header of a blob. `code`: all C that reads it. */
export function sealedBlob(blob: Uint8Array, code: string): Uint8Array {
  const bytes = Uint8Array.from(blob);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode(magic));
  for (const [at, value] of [
    [8, version],
    [12, blobHeaderBytes],
    [16, bytes.length],
  ] as const)
    view.setUint32(at, value, true);
  const bare = code.replace(/\/\*[\s\S]*?\*\//g, '').replace(/[ \t]+$/gm, '');
  bytes.set(createHash('sha256').update(bare).digest(), 20);
  view.setUint32(60, crc32(bytes.subarray(blobHeaderBytes), crc32(bytes.subarray(0, 60))), true);
  return bytes;
}

/** What NAME_weights_check answers, in the order in which it asks. */
const answers = {
  FIT: 'the weights are for this code and whole',
  NOT_ALIGNED: 'their address is no multiple of 8',
  NO_WEIGHTS: 'these bytes are no weights, or of another version or byte order',
  OTHER_STRUCTURE: 'they are of a model of another structure',
  TRUNCATED: 'there are fewer or more bytes than there should be',
  DAMAGED: 'the CRC-32 does not fit',
} as const;

/** Declarations for the header. */
export function weightsHeaderText(prefix: string, blob: Uint8Array): Lines {
  const upper = prefix.toUpperCase();
  return [
    '/* The weights are not in the code: load them at an address that is a multiple of 8, and check them before they are used. */',
    `#define ${upper}_WEIGHTS_BYTES ${blob.length}`,
    ...Object.entries(answers).map(([name, text], i) => `#define ${upper}_WEIGHTS_${name} ${i} /* ${text} */`),
    '',
    `int32_t ${prefix}_weights_check(const void *weights, uint32_t bytes);`,
    '',
  ];
}

/** The check. */
export function weightsCheckText(prefix: string, blob: Uint8Array): Lines {
  const upper = `${prefix.toUpperCase()}_WEIGHTS`;
  const list = (bytes: Uint8Array): string =>
    Array.from(bytes, (byte) => `0x${byte.toString(16).padStart(2, '0')}`).join(', ');
  const refuse = (condition: string, answer: keyof typeof answers): Lines =>
    block(`if (${condition})`, [`return ${upper}_${answer};`]);
  return [
    '/* CRC-32 (IEEE 802.3) of some bytes, continued from another. */',
    `static uint32_t ${prefix}_crc32(uint32_t before, const uint8_t *bytes, uint32_t count)`,
    '{',
    '    uint32_t crc = ~before;',
    '    for (uint32_t i = 0; i < count; i++) {',
    '        crc ^= bytes[i];',
    '        for (int32_t bit = 0; bit < 8; bit++) {',
    '            crc = (crc >> 1) ^ (UINT32_C(0xEDB88320) & (0U - (crc & 1U)));',
    '        }',
    '    }',
    '    return ~crc;',
    '}',
    '',
    `int32_t ${prefix}_weights_check(const void *weights, uint32_t bytes)`,
    '{',
    `    static const uint8_t magic[8] = {${list(blob.subarray(0, 8))}};`,
    `    static const uint8_t structure[32] = {`,
    `        ${list(blob.subarray(20, 36))},`,
    `        ${list(blob.subarray(36, 52))}`,
    '    };',
    '    const uint8_t *const at = (const uint8_t *)weights;',
    '    uint32_t version;',
    '    uint32_t said;',
    '    uint32_t crc;',
    ...[
      ...refuse('((uintptr_t)weights & 7U) != 0U', 'NOT_ALIGNED'),
      ...refuse(`bytes < ${blobHeaderBytes}U || memcmp(at, magic, sizeof magic) != 0`, 'NO_WEIGHTS'),
      'memcpy(&version, at + 8, sizeof version);',
      'memcpy(&said, at + 16, sizeof said);',
      'memcpy(&crc, at + 60, sizeof crc);',
      ...refuse(`version != ${version}U`, 'NO_WEIGHTS'),
      ...refuse('memcmp(at + 20, structure, sizeof structure) != 0', 'OTHER_STRUCTURE'),
      ...refuse(`bytes != ${upper}_BYTES || said != bytes`, 'TRUNCATED'),
      ...refuse(`${prefix}_crc32(${prefix}_crc32(0U, at, 60U), at + 64, bytes - 64U) != crc`, 'DAMAGED'),
      `return ${upper}_FIT;`,
    ].map((line) => `    ${line}`),
    '}',
    '',
  ];
}
