// The programs that boards need: QEMU and the ARM compiler. Started so that none outlives this process.
import { spawn } from 'node:child_process';
import { SanderlingError } from '@sanderling/kit';

/** QEMU for the boards. */
export const emulatorCommand = 'qemu-system-arm';
/** The compiler for the boards; also links. */
export const compilerCommand = 'arm-none-eabi-gcc';

/** The Debian packages that bring all that boards need. */
export const boardPackages = ['qemu-system-arm', 'gcc-arm-none-eabi', 'libnewlib-arm-none-eabi'] as const;

/** What a program left behind. */
export interface Ended {
  readonly status: number;
  readonly out: string;
  readonly words: string;
}

/** How a program is run. */
export interface Execution {
  readonly cwd?: string;
  /** Longest time in milliseconds. @default 120000 */
  readonly timeout?: number;
  readonly signal?: AbortSignal | undefined;
}

/** Whether firmware can be compiled and run here; asked once. */
export async function hasBoardTools(): Promise<boolean> {
  return (await missingTools()).length === 0;
}

/** @throws UNAVAILABLE naming the Debian packages. */
export async function requireBoardTools(): Promise<void> {
  const missing = await missingTools();
  if (missing.length === 0) return;
  throw new SanderlingError('UNAVAILABLE', `not on this machine: ${missing.join(', ')}`, {
    fix: `sudo apt-get install ${boardPackages.join(' ')}`,
    details: { missing, packages: boardPackages },
  });
}

let asked: Promise<readonly string[]> | undefined;

function missingTools(): Promise<readonly string[]> {
  return (asked ??= findMissing());
}

async function findMissing(): Promise<readonly string[]> {
  const works = (command: string, ...args: string[]): Promise<boolean> =>
    execute(command, args, { timeout: 20_000 }).then(
      ({ status, out }) => status === 0 && out.trim() !== 'nano.specs',
      () => false,
    );
  const [emulator, compiler] = await Promise.all([
    works(emulatorCommand, '--version'),
    works(compilerCommand, '--version'),
  ]);
  // gcc answers with the bare name when the C library for bare metal is not installed.
  const library = compiler && (await works(compilerCommand, '-print-file-name=nano.specs'));
  return [
    ...(emulator ? [] : [emulatorCommand]),
    ...(compiler ? [] : [compilerCommand]),
    ...(compiler && !library ? ['newlib (nano.specs)'] : []),
  ];
}

/**
 * Runs a program to its end; a status other than 0 is an answer, not an error.
 * @throws UNAVAILABLE when it cannot be started; TIMEOUT; CANCELLED.
 */
export function execute(command: string, args: readonly string[], execution: Execution = {}): Promise<Ended> {
  const { cwd, timeout = 120_000, signal } = execution;
  return new Promise((resolve, reject) => {
    const options = { stdio: ['ignore', 'pipe', 'pipe'] as ['ignore', 'pipe', 'pipe'], ...(cwd ? { cwd } : {}) };
    const child = spawn(command, args, { ...options, killSignal: 'SIGKILL', ...(signal ? { signal } : {}) });
    // A timer of our own: that of spawn outlives a program that cannot be started, and keeps this process waiting.
    const timer = setTimeout(() => child.kill('SIGKILL'), timeout);
    const [out, words]: [Buffer[], Buffer[]] = [[], []];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => words.push(chunk));
    child.on('error', (cause) => {
      clearTimeout(timer);
      if (cause.name === 'AbortError')
        return reject(new SanderlingError('CANCELLED', `${command}: cancelled`, { cause }));
      reject(new SanderlingError('UNAVAILABLE', `${command} cannot be started: ${cause.message}`, { cause }));
    });
    child.on('close', (status) => {
      clearTimeout(timer);
      if (status === null) return reject(new SanderlingError('TIMEOUT', `${command} took more than ${timeout} ms`));
      resolve({ status, out: Buffer.concat(out).toString(), words: Buffer.concat(words).toString() });
    });
  });
}
