// Images for devices on this machine: the payload says how the simulated model behaves (firmware/device/host/host_model.h).
import { sha256 } from '@sanderling/kit';
import { sealImage, type ImageBoard } from '../image/image.ts';

/** How a simulated model behaves. */
export const hostBehaviours = {
  fine: 0,
  failsTest: 1,
  notFinite: 2,
  hangs: 3,
  dies: 4,
  largeError: 5,
} as const;

/** A simulated model. */
export interface HostModel {
  readonly slotAddress: number;
  readonly sequence: number;
  /** @default 'fine' */
  readonly behaviour?: keyof typeof hostBehaviours;
  /** Added to a reading, it is the forecast. @default the sequence */
  readonly bias?: number;
  /** Payload, bytes; at least 32. @default 4096 */
  readonly bytes?: number;
  /** @default 'host' */
  readonly board?: ImageBoard;
}

/** The release that an image of this sequence belongs to. */
export const hostRelease = (sequence: number): string => sha256(`host release ${sequence}`);

/** Seals a simulated model; the rest of its payload depends on the sequence, and 0xFF words are among it, as flash has them. */
export function hostImage(model: HostModel): Uint8Array {
  const { slotAddress, sequence, behaviour = 'fine', bias = sequence, bytes = 4096, board = 'host' } = model;
  const payload = Buffer.alloc(bytes);
  for (let i = 32; i < bytes; i++) payload[i] = i % 512 < 64 ? 0xff : (i * 31 + sequence * 17) & 0xff;
  payload.writeUInt32LE(hostBehaviours[behaviour], 20);
  payload.writeUInt32LE(64, 24);
  payload.writeFloatLE(bias, 28);
  const release = hostRelease(sequence);
  return sealImage({ board, slotAddress, sequence, entryOffset: 128, release }, payload);
}
