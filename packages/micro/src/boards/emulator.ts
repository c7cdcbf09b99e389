// A board that runs: QEMU with its console here, its link on a socket, its flash in a file.
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, open, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { SanderlingError } from '@sanderling/kit';
import { boards, flashLayout, type BoardName } from './table.ts';
import { emulatorCommand, requireBoardTools } from './toolchain.ts';

/** Where the link (UART0) goes: the board connects to a server, or is one, or has a serial line. */
export type BoardLink =
  | {
      readonly connect: {
        readonly host?: string;
        readonly port: number;
      } /** Seconds between tries after a loss; without it a lost connection stays lost. */;
      readonly reconnect?: number;
    }
  | { readonly listen: { readonly host?: string; readonly port: number } }
  /** A serial line: a pseudo-terminal that QEMU makes, and names on the console as `char device redirected to /dev/pts/3 (label link)`. */
  | { readonly terminal: true };

/** Options of {@link runFirmware}. */
export interface RunOptions {
  /** File of the flash; made, erased, where there is none. It outlives the board. @default a temporary file, removed at the end */
  readonly flash?: string;
  /** @default nothing is connected */
  readonly link?: BoardLink;
  /** Called with each line of the console. */
  readonly onLine?: (line: string) => void;
  /** The board is killed after so many milliseconds, and `ended` says TIMEOUT. @default never */
  readonly timeout?: number;
  /** Kills the board; `ended` says CANCELLED. */
  readonly signal?: AbortSignal | undefined;
  /** Time passes with instructions: one is 1.024 µs. Counts are then exact and repeatable, but the board must never wait. @default false */
  readonly counting?: boolean;
  /** Folder of the files that the firmware opens by semihosting, which is then on. @default this process's, and it is off */
  readonly cwd?: string;
  /**
   * Semihosting: the firmware may end the emulator (`board_exit`, or `main` returns) and open files of this machine. For measuring and tests; the firmware of a
   * device needs neither. @default whether `cwd` or `counting` is given
   */
  readonly semihosting?: boolean;
}

/** Instructions from the 25 MHz ticks of a board that runs with `counting`. */
export function instructionsOf(ticks: number): number {
  return Math.round((ticks * 40) / 1024);
}

/** Most of the console that is kept, in lines; what is older is forgotten. */
const mostLines = 10_000;

/** A board that runs. Disposing of it kills it. */
export class Emulator implements AsyncDisposable {
  /**
   * Settles when the board has ended: the exit status that the firmware gave, or undefined if it was killed by {@link kill}.
   * Rejects with TIMEOUT, CANCELLED, UNAVAILABLE when there is nobody to connect to (and no `reconnect`), or INTERNAL when QEMU itself fails (its words in
   * `details`).
   */
  readonly ended: Promise<number | undefined>;
  /** The console so far, without line ends. */
  readonly lines: string[] = [];
  readonly #child: ChildProcess;
  readonly #waiting = new Set<() => void>();
  #killed = false;
  #over = false;

  constructor(child: ChildProcess, options: RunOptions, cleanUp: () => Promise<void>) {
    this.#child = child;
    createInterface({ input: child.stdout! }).on('line', (line) => {
      this.lines.push(line);
      if (this.lines.length > mostLines) this.lines.shift();
      options.onLine?.(line);
      this.#wake();
    });
    this.ended = this.#end(options, cleanUp);
    // Who does not ask is not told: a rejection must not end the process.
    this.ended.catch(() => undefined);
  }

  /** QEMU's process. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Cuts the power: the process is gone when this returns. The flash file holds what was written. */
  async kill(): Promise<void> {
    this.#killed = true;
    this.#child.kill('SIGKILL');
    await this.ended.catch(() => undefined);
  }

  /**
   * The first line of the console, also among those that have come, that matches.
   * @throws TIMEOUT; UNAVAILABLE when the board ends without it.
   */
  async line(pattern: RegExp, timeout = 60_000): Promise<string> {
    let expired = false;
    const timer = setTimeout(() => {
      expired = true;
      this.#wake();
    }, timeout);
    try {
      for (;;) {
        const found = this.lines.find((line) => pattern.test(line));
        if (found !== undefined) return found;
        if (expired) throw new SanderlingError('TIMEOUT', `no line like ${String(pattern)} within ${timeout} ms`);
        if (this.#over)
          throw new SanderlingError('UNAVAILABLE', `the board ended without a line like ${String(pattern)}`);
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#waiting.add(resolve);
        await promise;
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** Types on the console. */
  type(text: string): void {
    this.#child.stdin!.write(text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }

  async #end({ timeout, signal }: RunOptions, cleanUp: () => Promise<void>): Promise<number | undefined> {
    const child = this.#child;
    const words: string[] = [];
    createInterface({ input: child.stderr! }).on('line', (line) => {
      words.push(line);
      if (words.length > mostWords) words.shift();
    });
    child.stdin!.on('error', () => undefined); // typed after the end
    let why: SanderlingError | undefined;
    const stop = (error: SanderlingError): void => {
      why ??= error;
      child.kill('SIGKILL');
    };
    const timer =
      timeout === undefined
        ? undefined
        : setTimeout(() => stop(new SanderlingError('TIMEOUT', `the board ran for more than ${timeout} ms`)), timeout);
    const onAbort = (): void => stop(new SanderlingError('CANCELLED', 'the board was stopped'));
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted === true) onAbort();
    const { promise, resolve } = Promise.withResolvers<number | null>();
    child.on('error', (cause) => {
      why ??= new SanderlingError('UNAVAILABLE', `${emulatorCommand} cannot be started: ${cause.message}`, { cause });
      resolve(null);
    });
    child.on('close', resolve);
    const status = await promise;
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
    await cleanUp();
    this.#over = true;
    this.#wake();
    if (why) throw why;
    if (this.#killed && status === null) return undefined;
    const complaint = complaints(words);
    if (/fatal: Lockup/.test(complaint))
      throw new SanderlingError('INTERNAL', 'the firmware locked up: a fault while it handled a fault', {
        fix: 'the console tells the first one; board_exit, main that returns and files of the host want `semihosting: true`',
        details: { words },
      });
    // QEMU's own failures have status 1, which firmware may give too; but then QEMU has nothing to say.
    if (status === null || (status === 1 && complaint !== ''))
      throw new SanderlingError(
        complaint.includes('Failed to connect') ? 'UNAVAILABLE' : 'INTERNAL',
        `QEMU ended: ${complaint || 'killed from outside'}`,
        { details: { words } },
      );
    return status;
  }
}

/** What QEMU complains of, less what is as it should be: a network card without a network, a hub that is not there yet. */
function complaints(words: readonly string[]): string {
  const usual = /: warning: |has no peer|Unable to connect character device|terminating on signal/;
  return words.filter((line) => line !== '' && !usual.test(line)).join('; ');
}

/** Most lines of QEMU's own that are kept: while a hub is away it tells so every second. */
const mostWords = 50;

/**
 * Starts firmware on its board.
 * @throws UNAVAILABLE without the tools; INVALID_ARGUMENT for a flash file of a wrong size.
 */
export async function runFirmware(
  firmware: { readonly board: BoardName; readonly path: string },
  options: RunOptions = {},
): Promise<Emulator> {
  await requireBoardTools();
  const folder = options.flash === undefined ? await mkdtemp(join(tmpdir(), 'board-')) : undefined;
  const flash = options.flash ?? join(folder!, 'flash.bin');
  try {
    await ensureFlash(flash);
  } catch (error) {
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
    throw error;
  }
  const [command = emulatorCommand, ...args] = [
    ...diesWithParent(),
    emulatorCommand,
    ...argumentsOf(firmware, flash, options),
  ];
  const child = spawn(command, args, { stdio: 'pipe', ...(options.cwd ? { cwd: options.cwd } : {}) });
  const onExit = (): void => void child.kill('SIGKILL');
  process.on('exit', onExit);
  return new Emulator(child, options, async () => {
    process.removeListener('exit', onExit);
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });
}

/** A program of Linux that lets a child die with its parent, however that ends. */
const setpriv = '/usr/bin/setpriv';
const diesWithParent = (): readonly string[] => (existsSync(setpriv) ? [setpriv, '--pdeathsig', 'KILL'] : []);

function argumentsOf(
  { board, path }: { readonly board: BoardName; readonly path: string },
  flash: string,
  { link, cwd, counting = false, semihosting = counting || cwd !== undefined }: RunOptions,
): readonly string[] {
  const memory = `memory-backend-file,id=ram,size=${flashLayout.fileBytes},mem-path=${flash.replaceAll(',', ',,')},share=on`;
  return [
    '-machine',
    `${boards[board].machine},memory-backend=ram`,
    '-object',
    memory,
    '-display',
    'none',
    '-monitor',
    'none',
    '-nic',
    'none',
    '-no-user-config',
    '-nodefaults',
    ...(semihosting ? ['-semihosting-config', 'enable=on,target=native'] : []),
    ...(counting ? ['-icount', 'shift=10,sleep=off'] : []),
    ...linkArguments(link),
    '-serial',
    'stdio',
    '-kernel',
    path,
  ];
}

function linkArguments(link: BoardLink | undefined): readonly string[] {
  if (link === undefined) return ['-serial', 'null'];
  if ('terminal' in link) return ['-chardev', 'pty,id=link', '-serial', 'chardev:link'];
  const end = 'connect' in link ? link.connect : link.listen;
  const mode =
    'connect' in link
      ? `server=off${link.reconnect === undefined ? '' : `,reconnect=${link.reconnect}`}`
      : 'server=on,wait=off';
  const { host = '127.0.0.1', port } = end;
  return ['-chardev', `socket,id=link,host=${host},port=${port},${mode},nodelay=on`, '-serial', 'chardev:link'];
}

/** Makes an erased flash where there is none: 0xFF as far as the flash reaches, a hole behind it. */
async function ensureFlash(path: string): Promise<void> {
  const size = await stat(path).then(
    (found) => found.size,
    () => 0,
  );
  if (size === flashLayout.fileBytes) return;
  if (size !== 0)
    throw new SanderlingError(
      'INVALID_ARGUMENT',
      `the flash file has ${size} bytes instead of ${flashLayout.fileBytes}`,
      {
        where: path,
      },
    );
  const unfinished = `${path}.new`;
  const file = await open(unfinished, 'w');
  try {
    await file.write(new Uint8Array(flashLayout.bytes).fill(0xff));
    await file.truncate(flashLayout.fileBytes);
  } finally {
    await file.close();
  }
  await rename(unfinished, path);
}
