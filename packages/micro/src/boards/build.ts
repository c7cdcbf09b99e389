// Firmware for a board: sources and the board's own files through the ARM compiler and linker.
import { readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { readElf, type Elf } from './elf.ts';
import { boardFolder, compile, type BoardObject, type BuildOptions, type FirmwareSources } from './objects.ts';
import { boards, type BoardName } from './table.ts';

/** What every firmware gets. */
export const firmwareObjects: readonly BoardObject[] = ['startup', 'uart', 'clock', 'flash', 'semihosting', 'errno'];

/** A linked program in a temporary folder, which goes when it is disposed of. */
export class Firmware implements AsyncDisposable {
  readonly board: BoardName;
  /** Path of the ELF file. */
  readonly path: string;
  readonly elf: Elf;

  constructor(board: BoardName, path: string, elf: Elf) {
    this.board = board;
    this.path = path;
    this.elf = elf;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(dirname(this.path), { recursive: true, force: true });
  }
}

/**
 * Compiles and links firmware for an emulated board. The sources have `main`; the board's startup and drivers are added.
 * @throws UNAVAILABLE without the tools; TOO_LARGE when a memory of the board is too small; INVALID_ARGUMENT with the compiler's words in `details`;
 * TIMEOUT; CANCELLED.
 */
export async function buildFirmware(
  board: BoardName,
  sources: FirmwareSources,
  options: BuildOptions = {},
): Promise<Firmware> {
  const objects = await compile(board, sources, options);
  try {
    const script = scriptFlags(boards[board].script, options);
    const path = await objects.link({ own: firmwareObjects, flags: script, name: 'firmware' });
    return new Firmware(board, path, readElf(await readFile(path)));
  } catch (error) {
    await objects[Symbol.asyncDispose]();
    throw error;
  }
}

/** What makes the linker use one of our scripts. */
export function scriptFlags(script: string, { stackBytes = 16_384 }: BuildOptions): readonly string[] {
  return ['-L', boardFolder, '-T', script, `-Wl,--defsym=STACK_BYTES=${stackBytes}`];
}
