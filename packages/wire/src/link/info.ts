// What a device says of itself in answer to `resume` and `status`.
import { FieldReader, FieldWriter } from './fields.ts';

/** Boards by number, as in the image header. */
export const linkBoards = { 1: 'm7', 2: 'm4', 3: 'host' } as const;
/** States of a slot by number. `partial`: an update has begun and not ended. */
export const slotStates = ['empty', 'partial', 'ready', 'damaged'] as const;

/** One of the two places for model images. */
export interface SlotInfo {
  /** Address that an image for this slot is linked for. */
  readonly address: number;
  /** Largest image, bytes. */
  readonly capacity: number;
  readonly state: (typeof slotStates)[number];
  /** Sequence of the image; 0 when the slot is not ready. */
  readonly sequence: number;
  /** Release of the image, 64 hexadecimal digits; zeros when the slot is not ready. */
  readonly release: string;
}

/** Everything about a device. */
export interface DeviceInfo {
  /** Entry table that the firmware calls. */
  readonly abi: number;
  readonly board: (typeof linkBoards)[keyof typeof linkBoards];
  /** Firmware version. */
  readonly firmware: string;
  /** Starts since the settings were made. */
  readonly boots: number;
  /** Slot whose model runs; null when none does. */
  readonly active: 0 | 1 | null;
  /** Slot to return to; null when there is none. */
  readonly previous: 0 | 1 | null;
  /** Whether the active model has yet to prove itself. */
  readonly probation: boolean;
  readonly clockSet: boolean;
  readonly slots: readonly [SlotInfo, SlotInfo];
  /** An image of a lower sequence is refused unless the step back is authorised. */
  readonly floor: number;
  /** Memory that an image may ask for, bytes. */
  readonly memory: number;
  /** The update that has begun and not ended; null when there is none. */
  readonly update: {
    readonly slot: 0 | 1;
    readonly position: number;
    readonly bytes: number;
    readonly release: string;
  } | null;
  /** Identity of the outbox, 16 hexadecimal digits: entry numbers mean something only together with it. */
  readonly outbox: string;
  /** Number that the next entry will get. */
  readonly nextEntry: number;
  /** Entries that the hub has not confirmed. */
  readonly waiting: number;
  /** Entries lost to the bound of the outbox since it was made. */
  readonly dropped: number;
  readonly uptimeMs: number;
  /** The device's clock, milliseconds since 1970; 0 when it is not set. */
  readonly time: number;
  /** Frames since the start: sound, damaged, repeated. */
  readonly frames: { readonly sound: number; readonly damaged: number; readonly repeated: number };
  readonly driftScore: number;
  /** Unit of the data; null when there is none yet. */
  readonly rollingError: number | null;
  /** Forecasts of the active model since it was started. */
  readonly predictions: number;
  readonly driftAlarm: boolean;
}

/** Reads the body of an info answer. @throws INVALID_DATA */
export function decodeInfo(body: Uint8Array): DeviceInfo {
  const from = new FieldReader(body);
  const info = {
    abi: from.u32(),
    board: boardOf(from.u32()),
    firmware: from.text(16),
    boots: from.u32(),
    active: slotOf(from.u8()),
    previous: slotOf(from.u8()),
    probation: from.u8() === 1,
    clockSet: from.u8() === 1,
    slots: [readSlot(from), readSlot(from)] as const,
    floor: from.u32(),
    memory: from.u32(),
    update: readUpdate(from),
    outbox: from.hex(8),
    nextEntry: from.i64(),
    waiting: from.u32(),
    dropped: from.u32(),
    uptimeMs: from.i64(),
    time: from.i64(),
    frames: { sound: from.u32(), damaged: from.u32(), repeated: from.u32() },
    driftScore: from.f32(),
    rollingError: notNegative(from.f32()),
    predictions: from.u32(),
    driftAlarm: from.u32() === 1,
  };
  from.end();
  return info;
}

/** The body of a `resume` request. `stored`: highest entry number that the hub has for good. */
export function encodeResume(time: number, stored: number): Buffer {
  return new FieldWriter().i64(time).i64(stored).done();
}

function readSlot(from: FieldReader): SlotInfo {
  const [address, capacity, state] = [from.u32(), from.u32(), slotStates[from.u32()] ?? 'damaged'];
  return { address, capacity, state, sequence: from.u32(), release: from.hex(32) };
}

function readUpdate(from: FieldReader): DeviceInfo['update'] {
  const slot = slotOf(from.u32());
  const rest = { position: from.u32(), bytes: from.u32(), release: from.hex(32) };
  return slot === null ? null : { slot, ...rest };
}

const slotOf = (number: number): 0 | 1 | null => (number === 0 || number === 1 ? number : null);
const boardOf = (number: number): DeviceInfo['board'] => linkBoards[number as keyof typeof linkBoards] ?? 'host';
const notNegative = (value: number): number | null => (value >= 0 ? value : null);
