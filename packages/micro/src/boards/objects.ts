// Compiled C for boards: sources, and the board's own files, which are kept for the next time. Linked as often as needed.
import { lstat, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { digestOf, SanderlingError } from '@sanderling/kit';
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
const boardFiles = ['startup.c', 'uart.c', 'clock.c', 'flash.c', 'semihosting.c', 'errno.c', 'image-errno.c'];

/** A board's own file, compiled. */
export type BoardObject = 'startup' | 'uart' | 'clock' | 'flash' | 'semihosting' | 'errno' | 'image-errno';

/** All code for boards: products and sums are rounded one by one as on every other machine. */
const commonFlags = ['-std=c99', '-Wall', '-ffp-contract=off', '-ffunction-sections', '-fdata-sections', '-fno-common'];

/** What is linked from compiled sources. */
export interface Linking {
  /** The board's own files that are wanted. */
  readonly own: readonly BoardObject[];
  readonly flags: readonly string[];
  /** Name of the program in the folder. */
  readonly name: string;
}

/** Compiled sources in a temporary folder, which goes when they are disposed of. */
export class Objects implements AsyncDisposable {
  readonly board: BoardName;
  readonly folder: string;
  readonly #files: readonly string[];
  readonly #options: BuildOptions;

  constructor(board: BoardName, folder: string, files: readonly string[], options: BuildOptions) {
    this.board = board;
    this.folder = folder;
    this.#files = files;
    this.#options = options;
  }

  /** The same sources without some of them. */
  without(...names: readonly string[]): Objects {
    const rest = this.#files.filter((file) => !names.includes(file));
    return new Objects(this.board, this.folder, rest, this.#options);
  }

  /** Links, and returns the path of the ELF file. @throws as {@link buildFirmware}. */
  async link({ own, flags, name }: Linking): Promise<string> {
    const drivers = await boardObjects(this.board);
    const args = [
      ...boards[this.board].cpu,
      ...this.#files,
      ...own.map((file) => join(drivers, `${file}.o`)),
      '--specs=nano.specs',
      '-nostartfiles',
      '-Wl,--gc-sections',
      '-Wl,--no-warn-rwx-segments',
      ...flags,
      '-lm',
      '-o',
      `${name}.elf`,
    ];
    await runCompiler(args, this.folder, this.#options);
    return join(this.folder, `${name}.elf`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Compiles sources. @throws as {@link buildFirmware}. */
export async function compile(board: BoardName, sources: FirmwareSources, options: BuildOptions): Promise<Objects> {
  await requireBoardTools();
  const folder = await mkdtemp(join(tmpdir(), 'firmware-'));
  try {
    const { texts = {}, files = [], include = [] } = sources;
    for (const [name, text] of Object.entries(texts)) await writeFile(join(folder, basename(name)), text);
    const { defines = {}, optimise = '-O2', flags = [] } = options;
    const units = [...Object.keys(texts).map((name) => basename(name)), ...files].filter((name) => name.endsWith('.c'));
    await runCompiler(
      [
        ...compileFlags(board, [folder, ...include]),
        optimise,
        ...flags,
        ...Object.entries(defines).map(([name, value]) => `-D${name}=${value}`),
        ...units,
      ],
      folder,
      options,
    );
    return new Objects(
      board,
      folder,
      units.map((unit) => `${basename(unit, '.c')}.o`),
      options,
    );
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

function compileFlags(board: BoardName, include: readonly string[]): readonly string[] {
  const { cpu, id, flashBase } = boards[board];
  const folders = [...include, join(firmwareFolder, 'include'), boardFolder];
  return [
    '-c',
    ...cpu,
    ...commonFlags,
    `-DBOARD_ID=${id}`,
    `-DFLASH_BASE=${flashBase}u`,
    ...folders.map((path) => `-I${path}`),
  ];
}

const compiled = new Map<BoardName, Promise<string>>();

/** The folder with the board's own files, compiled. */
function boardObjects(board: BoardName): Promise<string> {
  const known = compiled.get(board) ?? compileBoard(board);
  compiled.set(board, known);
  known.catch(() => compiled.delete(board));
  return known;
}

/**
 * Kept among the temporary files under the digest of all that they are made from, so that the next process finds them there. A folder of another user is
 * not touched.
 */
async function compileBoard(board: BoardName): Promise<string> {
  const args = [...compileFlags(board, []), '-O2'];
  const { out } = await execute(compilerCommand, ['--version']);
  const names = (await readdir(boardFolder)).filter((name) => /\.[ch]$/.test(name)).toSorted();
  const texts = await Promise.all(names.map((name) => readFile(join(boardFolder, name), 'utf8')));
  const digest = digestOf({ args, compiler: out, names, texts }).slice(0, 24);
  const kept = join(tmpdir(), `sanderling-board-${process.getuid?.() ?? 0}-${digest}`);
  if (await isOwn(kept)) return kept;
  const folder = await mkdtemp(`${kept}-`);
  await runCompiler([...args, ...boardFiles.map((name) => join(boardFolder, name))], folder, {});
  return rename(folder, kept).then(
    () => kept,
    // Another process was faster, or the name is taken by somebody else.
    async () => {
      if (!(await isOwn(kept))) return folder;
      await rm(folder, { recursive: true, force: true });
      return kept;
    },
  );
}

async function isOwn(folder: string): Promise<boolean> {
  const found = await lstat(folder).catch(() => undefined);
  return found?.isDirectory() === true && found.uid === (process.getuid?.() ?? found.uid);
}

async function runCompiler(args: readonly string[], cwd: string, { timeout, signal }: BuildOptions): Promise<void> {
  const ended = await execute(compilerCommand, args, { cwd, signal, ...(timeout ? { timeout } : {}) });
  if (ended.status !== 0) refuse(ended.words, cwd);
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
  said.split('\n').find((line) => /error|undefined reference|multiple definition|required symbol/.test(line)) ??
  said.slice(0, 300);
