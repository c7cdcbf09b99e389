// The page behind a board's flash, in the same file, by which a test says at which step of the flash the power goes (firmware/board/power_cut.h).
import { open } from 'node:fs/promises';
import { flashLayout } from '../boards/index.ts';

/** When the power goes. */
export interface PowerCut {
  /** Step of the flash, counted from 1 over all restarts of a life; 0: never. */
  readonly at: number;
  /** What is in work then holds noise made with this seed; 0: it stays as the driver has left it. @default 0 */
  readonly seed?: number;
}

/** What QEMU ends with when the power goes. */
export const powerCutStatus = 96;

const pageBytes = 16;
const stepsAt = 12;

/** Writes the page for the next start. */
export async function armPowerCut(flash: string, { at, seed = 0 }: PowerCut): Promise<void> {
  const page = Buffer.alloc(pageBytes);
  page.write('SNPC', 'latin1');
  page.writeUInt32LE(at, 4);
  page.writeUInt32LE(seed >>> 0, 8);
  const file = await open(flash, 'r+');
  try {
    await file.write(page, 0, pageBytes, flashLayout.bytes);
  } finally {
    await file.close();
  }
}

/** Steps that the flash has taken since the page was written. */
export async function stepsTaken(flash: string): Promise<number> {
  const file = await open(flash, 'r');
  try {
    const { buffer } = await file.read(Buffer.alloc(4), 0, 4, flashLayout.bytes + stepsAt);
    return buffer.readUInt32LE();
  } finally {
    await file.close();
  }
}
