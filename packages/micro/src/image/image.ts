// Model images: machine code and constants for one slot of a microcontroller's flash, behind a 128-byte header.
// The C twin of the layout is firmware/include/sanderling_image.h.
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { isDigest, SanderlingError, type Digest } from '@sanderling/kit';

/** Bytes of an image's header. */
export const imageHeaderBytes = 128;

/** What a payload runs on, and its number in the header. */
export const imageBoards = { m7: 1, m4: 2, host: 3 } as const;

/** What a payload runs on. */
export type ImageBoard = keyof typeof imageBoards;

/** What the maker of an image says about its payload. */
export interface ImageFields {
  readonly board: ImageBoard;
  /** Address of the header's first byte, for which the payload is linked; a multiple of 32. */
  readonly slotAddress: number;
  /** Grows with every release: a device refuses a lower one unless the hub authorises the step back. */
  readonly sequence: number;
  /** From the image's first byte to the entry table; a multiple of 4, inside the payload. */
  readonly entryOffset: number;
  /** Which release it belongs to; the device only stores and reports it. */
  readonly release: Digest;
}

/** A header as read: the fields, and what sealing added. */
export interface ImageHeader extends ImageFields {
  /** Header and payload together. */
  readonly imageBytes: number;
  readonly payloadSha256: Digest;
}

/** An image taken apart. `payload` is a view of the bytes given. */
export interface Image {
  readonly header: ImageHeader;
  readonly payload: Uint8Array;
}

const magic = 'SNDRMCU1';
const abi = 1;
/** Bytes of an entry table: sanderling_entry.h on a 32-bit machine. */
const entryBytes = 20;
/** Where the fields lie, in bytes from the start. */
const at = {
  headerBytes: 8,
  abi: 12,
  imageBytes: 16,
  slotAddress: 20,
  sequence: 24,
  entryOffset: 28,
  release: 32,
  payloadSha256: 64,
  board: 96,
  reserved: 100,
  crc: 124,
} as const;

/**
 * Puts the header in front of a payload.
 * @throws INVALID_ARGUMENT for a field that is out of range.
 */
export function sealImage(fields: ImageFields, payload: Uint8Array): Uint8Array {
  const imageBytes = imageHeaderBytes + payload.length;
  const wrong = faultOf(fields, imageBytes);
  if (wrong !== undefined) throw new SanderlingError('INVALID_ARGUMENT', wrong.what, { where: wrong.where });
  const image = Buffer.alloc(imageBytes);
  image.write(magic, 'latin1');
  image.writeUInt32LE(imageHeaderBytes, at.headerBytes);
  image.writeUInt32LE(abi, at.abi);
  image.writeUInt32LE(imageBytes, at.imageBytes);
  image.writeUInt32LE(fields.slotAddress, at.slotAddress);
  image.writeUInt32LE(fields.sequence, at.sequence);
  image.writeUInt32LE(fields.entryOffset, at.entryOffset);
  image.write(fields.release, at.release, 'hex');
  createHash('sha256').update(payload).digest().copy(image, at.payloadSha256);
  image.writeUInt32LE(imageBoards[fields.board], at.board);
  image.writeUInt32LE(crc32(image.subarray(0, at.crc)), at.crc);
  image.set(payload, imageHeaderBytes);
  return image;
}

/**
 * Takes an image apart and checks all of it: sizes, header CRC, fields, SHA-256 of the payload.
 * @throws CORRUPT for bytes that are damaged, cut or no image; UNSUPPORTED for another version of header or entry table, or an unknown board.
 */
export function readImage(bytes: Uint8Array): Image {
  const image = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (image.length < imageHeaderBytes) corrupt('size', `${image.length} bytes are too few for an image`);
  if (image.toString('latin1', 0, 8) !== magic) corrupt('magic', 'this is no model image');
  const word = (offset: number): number => image.readUInt32LE(offset);
  if (word(at.crc) !== crc32(image.subarray(0, at.crc))) corrupt('crc32', 'the header of the image is damaged');
  if (word(at.headerBytes) !== imageHeaderBytes || word(at.abi) !== abi)
    unsupported('abi', `the image has version ${word(at.abi)}, this program knows ${abi}`);
  const board = (Object.keys(imageBoards) as ImageBoard[]).find((name) => imageBoards[name] === word(at.board));
  if (board === undefined) return unsupported('board', `the image is for board ${word(at.board)}, which is unknown`);
  const header: ImageHeader = {
    board,
    slotAddress: word(at.slotAddress),
    sequence: word(at.sequence),
    entryOffset: word(at.entryOffset),
    release: image.toString('hex', at.release, at.payloadSha256),
    imageBytes: word(at.imageBytes),
    payloadSha256: image.toString('hex', at.payloadSha256, at.board),
  };
  if (header.imageBytes !== image.length)
    corrupt('image_bytes', `the image says ${header.imageBytes} bytes and has ${image.length}`);
  if (image.subarray(at.reserved, at.crc).some((byte) => byte !== 0))
    unsupported('reserved', 'the image uses fields that this program does not know');
  const wrong = faultOf(header, image.length);
  if (wrong !== undefined) corrupt(wrong.where, wrong.what);
  const payload = bytes.subarray(imageHeaderBytes);
  if (createHash('sha256').update(payload).digest('hex') !== header.payloadSha256)
    corrupt('payload_sha256', 'the payload of the image is damaged');
  return { header: Object.freeze(header), payload };
}

/** The first field that cannot be, if there is one. */
function faultOf(
  fields: ImageFields,
  imageBytes: number,
): { readonly where: string; readonly what: string } | undefined {
  const { slotAddress, sequence, entryOffset, release, board } = fields;
  const isWord = (value: number): boolean => Number.isInteger(value) && value >= 0 && value <= 0xffffffff;
  if (!isWord(imageBytes)) return { where: 'payload', what: 'an image is smaller than 4 GiB' };
  if (!isWord(slotAddress) || slotAddress % 32 !== 0)
    return { where: 'slotAddress', what: `${slotAddress} is no address that is a multiple of 32` };
  if (!isWord(sequence)) return { where: 'sequence', what: `${sequence} is no whole number from 0 to 4294967295` };
  if (
    !isWord(entryOffset) ||
    entryOffset % 4 !== 0 ||
    entryOffset < imageHeaderBytes ||
    entryOffset + entryBytes > imageBytes
  )
    return { where: 'entryOffset', what: `${entryOffset} is no place of an entry table in ${imageBytes} bytes` };
  if (!isDigest(release)) return { where: 'release', what: 'a release is 64 hexadecimal digits' };
  if (!Object.hasOwn(imageBoards, board)) return { where: 'board', what: `the board "${board}" is unknown` };
  return undefined;
}

function corrupt(where: string, message: string): never {
  throw new SanderlingError('CORRUPT', message, { where, fix: 'fetch the image again' });
}

function unsupported(where: string, message: string): never {
  throw new SanderlingError('UNSUPPORTED', message, { where, fix: 'update the program that reads the image' });
}
