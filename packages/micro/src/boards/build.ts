// Firmware for a board: sources and the board's own files through the ARM compiler and linker.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SanderlingError } from '@sanderling/kit';
import { readElf, type Elf } from './elf.ts';
import { boards, type BoardName } from './table.ts';
import { compilerCommand, execute, requireBoardTools } from './toolchain.ts';

/** What is compiled. */
export interface FirmwareSources {
  /** Text by file name: .c files are compiled, all can be included. @default none */
  readonly texts?: Readonly<Record<string, string>>;
  /** C files on disk. @default none */
  readonly files?: readonly string[];
  /** Folders of headers. firmware/include and firmware/board are always there. @default none */
  readonly include?: readonly string[];
}

/** How it is compiled. */
export interface BuildOptions {
  /** @default '-O2' */
  readonly optimise?: string;
  /** Macros. @default none */
  readonly defines?: Readonly<Record<string, string | number>>;
  /** More flags. @default none */
  readonly flags?: readonly string[];
  /** The stack of main, in bytes. @default 16384 */
  readonly stackBytes?: number;
  /** Longest time of the compiler in milliseconds. @default 120000 */
  readonly timeout?: number;
  readonly signal?: AbortSignal | undefined;
}

/** Where the C of the firmware lies. */
export const firmwareFolder = fileURLToPath(new URL('../../firmware', import.meta.url));
/** Drivers and linker scripts. */
export const boardFolder = join(firmwareFolder, 'board');
const boardFile = (name: string): string => join(boardFolder, name);
/** What stands in for parts of the C library. */
export const boardMathFiles = ['errno.c', 'mathf.c'].map(boardFile);
/** All that every firmware gets. */
export const linkedFiles = [
  ...['startup.c', 'uart.c', 'clock.c', 'flash.c', 'semihosting.c'].map(boardFile),
  ...boardMathFiles,
];

/** Flags that all code for boards is compiled with: products and sums are rounded one by one as on every other machine. */
export const commonFlags = ['-ffp-contract=off', '-ffunction-sections', '-fdata-sections', '-fno-common'] as const;

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
  const { stackBytes = 16_384 } = options;
  const folder = await link(board, { ...sources, files: [...linkedFiles, ...(sources.files ?? [])] }, options, [
    '-L',
    boardFolder,
    '-T',
    boards[board].script,
    `-Wl,--defsym=STACK_BYTES=${stackBytes}`,
  ]);
  const path = join(folder, 'program.elf');
  return new Firmware(board, path, readElf(await readFile(path)));
}

/**
 * Compiles and links; returns the temporary folder with `program.elf`, which the caller removes.
 * @throws as {@link buildFirmware}.
 */
export async function link(
  board: BoardName,
  sources: FirmwareSources,
  options: BuildOptions,
  linking: readonly string[],
): Promise<string> {
  await requireBoardTools();
  const folder = await mkdtemp(join(tmpdir(), 'firmware-'));
  try {
    const { texts = {}, files = [], include = [] } = sources;
    for (const [name, text] of Object.entries(texts)) await writeFile(join(folder, basename(name)), text);
    const { cpu, id, flashBase } = boards[board];
    const { defines = {}, optimise = '-O2', flags = [], timeout, signal } = options;
    const macros = Object.entries({ BOARD_ID: id, FLASH_BASE: `${flashBase}u`, ...defines });
    const args = [
      ...cpu,
      optimise,
      '-std=c99',
      '-Wall',
      ...commonFlags,
      ...flags,
      ...macros.map(([name, value]) => `-D${name}=${value}`),
      ...[folder, join(firmwareFolder, 'include'), boardFolder, ...include].map((path) => `-I${path}`),
      ...Object.keys(texts)
        .filter((name) => name.endsWith('.c'))
        .map((name) => basename(name)),
      ...files,
      '--specs=nano.specs',
      '-nostartfiles',
      '-Wl,--gc-sections',
      '-Wl,--no-warn-rwx-segments',
      ...linking,
      '-lm',
      '-o',
      'program.elf',
    ];
    const ended = await execute(compilerCommand, args, { cwd: folder, signal, ...(timeout ? { timeout } : {}) });
    if (ended.status !== 0) refuse(ended.words, folder);
    return folder;
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

/** How far a bank of memory is exceeded, by the linker's words. */
export interface Overflow {
  readonly bank: string;
  readonly bytes: number;
}

function refuse(words: string, folder: string): never {
  const said = words.replaceAll(`${folder}/`, '').trim();
  const overflows = [...said.matchAll(/region `(\w+)' overflowed by (\d+) bytes/g)].map(
    ([, bank, bytes]): Overflow => ({ bank: bank!, bytes: Number(bytes) }),
  );
  if (overflows.length > 0)
    throw new SanderlingError(
      'TOO_LARGE',
      `the program does not fit: ${overflows.map(({ bank, bytes }) => `${bank} is ${bytes} bytes too small`).join(', ')}`,
      { details: { overflows } },
    );
  throw new SanderlingError('INVALID_ARGUMENT', `the code does not compile: ${firstError(said)}`, {
    details: { words: said.slice(0, 8000) },
  });
}

const firstError = (said: string): string =>
  said.split('\n').find((line) => /error|undefined reference|multiple definition/.test(line)) ?? said.slice(0, 300);
