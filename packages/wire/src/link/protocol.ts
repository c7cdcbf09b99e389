// The link between the hub and a microcontroller: frames over any stream of bytes (a UART, a TCP socket, a serial file). The C twin is
// packages/micro/firmware/device.
//
//   offset  size  field
//        0     2  A5 5A
//        2     1  type
//        3     1  protocol version (1)
//        4     4  sequence number, little-endian like every number here; 0 in frames that are not sealed
//        8     2  length of the payload, at most 1152
//       10     2  low half of the CRC-32 of bytes 2…9: a damaged length is seen before it is believed
//       12     n  payload
//     12+n     4  CRC-32 (as zlib) of bytes 2…11+n
//
// A receiver that finds a bad check, or hears nothing for the inter-byte timeout inside a frame, gives up the two sync bytes only and looks at
// the bytes behind them again: a frame cut in the middle never swallows the next one.
//
//   type  name          direction  sealed  payload
//   0x01  hello         device →   no      device nonce 16, device id 64 (zero-padded), flags 1 (1 has a key, 2 has a token), zero 3
//   0x02  challenge     ← hub      no      device nonce 16, hub nonce 16, HMAC(K, "hub", id, device nonce, hub nonce) 32
//   0x03  proof         device →   no      hub nonce 16, outbox 8, HMAC(K, "device", id, device nonce, hub nonce, outbox) 32
//   0x04  enrol         device →   no      installation 16, device nonce 16, token id 32, board 4, firmware 16, HMAC(T, "enrol", the fields before) 32
//   0x05  enrolled      ← hub      no      device nonce 16, hub nonce 16, device id 64, masked key 32, HMAC(T, "enrolled", the fields before) 32
//   0x06  knock         ← hub      no      empty: say hello
//   0x07  refused       ← hub      no      device nonce 16, status 1, zero 3: try again later
//   0x10  resume        ← hub      yes     time 8, highest entry stored 8          → info (see info.ts)
//   0x11  status        ← hub      yes     empty                                   → info
//   0x12  set_time      ← hub      yes     time 8                                  → empty
//   0x13  update_begin  ← hub      yes     slot 1, flags 1 (1 step back), 0 2, tag 32, image header 128 → position 4
//   0x14  update_chunk  ← hub      yes     offset 4, bytes (1024 at most, a multiple of 32 but for the last) → position 4
//   0x15  update_end    ← hub      yes     empty                                   → position 4
//   0x16  self_test     ← hub      yes     slot 1 (255 the active one), 0 3        → first failed vector 4 (0 none), microseconds 4
//   0x17  activate      ← hub      yes     slot 1, flags 1 (1 step back), finite forecasts to make 2, minutes 4, largest rolling error 4 (float, 0 any) → empty
//   0x18  rollback      ← hub      yes     empty                                   → empty
//   0x19  feed          ← hub      yes     count 2, 0 2, (time 8, value 4 float) × count → entries taken 4
//   0x20  entries       device →   yes     outbox 8, entries (see entries.ts)      → outbox 8, highest entry stored 8
//
// Every answer has the type of its request plus 0x80 and its sequence number; a device's answers begin with status 1, zero 3.
//
// Sealed payloads end in 16 bytes: HMAC-SHA-256(S, bytes 2…9 of the frame, payload before) cut short. The session key S is
// HMAC(K, "session", id, device nonce, hub nonce), so frames of another session or device, and frames thrown back, mean nothing. In each direction
// requests are numbered 1, 2, 3 … and stand alone (stop and wait: the device needs room for one frame only). A request with the number of the last one is a
// duplicate: it is answered again and not done again. A lower number is stale and ignored. Times are milliseconds since 1970.
//
// Enrolment. A device gets its id and its key K (32 bytes) in exchange for a one-time token (T = SHA-256 of the token's secret, all that the hub keeps). Neither
// token nor key crosses the wire in the clear: the device proves the token by an HMAC, and the key comes masked by HMAC(T, "key", both nonces). What
// remains to know: whoever has both a record of this first exchange and the token's secret (it was typed or flashed into the device somewhere)
// can compute K. Where that matters, write a key into the device's settings page at the factory (`provision` of the device tools) and never
// enrol over the wire. The contents of frames are authenticated, not encrypted: readings can be read by whoever listens.
//
// Delivery. Entries (readings, reports, events) are numbered in the device's flash before they are sent, sent in order, and kept until the hub
// says that they are stored for good. `resume` tells the device what the hub has, so a lost acknowledgement doubles nothing.
import type { ErrorCode } from '@sanderling/kit';

/** Version of everything on the link; a frame of another version is not understood. */
export const linkVersion = 1;
/** Longest payload of a frame, bytes, the seal included. */
export const maxPayload = 1152;
/** Bytes of an image in one frame. */
export const chunkBytes = 1024;
/** Bytes of the seal at the end of a sealed payload. */
export const sealBytes = 16;
/** Bytes that a device id is padded to. */
export const idBytes = 64;
/** Readings in one `feed`. */
export const maxFeed = 64;

/** Frame types by name. */
export const frameTypes = {
  hello: 0x01,
  challenge: 0x02,
  proof: 0x03,
  enrol: 0x04,
  enrolled: 0x05,
  knock: 0x06,
  refused: 0x07,
  resume: 0x10,
  status: 0x11,
  setTime: 0x12,
  updateBegin: 0x13,
  updateChunk: 0x14,
  updateEnd: 0x15,
  selfTest: 0x16,
  activate: 0x17,
  rollback: 0x18,
  feed: 0x19,
  entries: 0x20,
} as const;
/** A request that the hub seals. */
export type RequestName = Extract<
  keyof typeof frameTypes,
  | 'resume'
  | 'status'
  | 'setTime'
  | 'updateBegin'
  | 'updateChunk'
  | 'updateEnd'
  | 'selfTest'
  | 'activate'
  | 'rollback'
  | 'feed'
>;
/** Added to a request's type in its answer. */
export const answerBit = 0x80;

/** What a device answers, by number: the name, our code, and what it means. */
export const deviceStatuses = [
  ['ok', 'INTERNAL', 'done'],
  ['malformed', 'INVALID_ARGUMENT', 'the frame is not what its type says'],
  ['unsupported', 'UNSUPPORTED', 'this firmware does not know the request'],
  ['unauthenticated', 'UNAUTHENTICATED', 'the other side does not know the key'],
  ['wrong-slot', 'INVALID_MODEL', 'the image is linked for another address, or the slot is in use'],
  ['wrong-board', 'INVALID_MODEL', 'the image is made for another processor'],
  ['wrong-abi', 'UNSUPPORTED', 'the image has an entry table that this firmware does not know'],
  ['too-large', 'TOO_LARGE', 'the image does not fit into the slot, or wants more memory than the board has'],
  ['older', 'CONFLICT', 'the image is older than what the device has run, and the step back is not authorised'],
  ['bad-header', 'CORRUPT', 'the header of the image is damaged'],
  ['bad-tag', 'BAD_SIGNATURE', 'the image is not authenticated for this device'],
  ['bad-digest', 'CORRUPT', 'the payload is not the one that the header names'],
  ['wrong-offset', 'CONFLICT', 'the chunk does not continue what the device has'],
  ['no-update', 'CONFLICT', 'no update is under way'],
  ['flash-failed', 'DISK_FULL', 'the flash does not take what is written'],
  ['self-test-failed', 'SELF_TEST_FAILED', 'the model does not answer as its maker computed'],
  ['no-image', 'NOT_FOUND', 'the slot holds no sound image'],
  ['on-probation', 'CONFLICT', 'the active model is on probation; the other slot is what the device would return to'],
  ['no-clock', 'CONFLICT', 'the device does not know the time'],
  ['not-finite', 'INVALID_MODEL', 'the model forecast something that is not finite'],
  ['large-error', 'GATE_FAILED', 'the model erred by more than allowed during its probation'],
  ['died', 'INTERNAL', 'the device restarted too often during the probation'],
] as const satisfies readonly (readonly [string, ErrorCode, string])[];
/** A device's answer in a word. */
export type DeviceStatus = (typeof deviceStatuses)[number][0];
