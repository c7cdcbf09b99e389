// A device that runs: the emulated board, or a process of this machine. Its flash is a file that outlives it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { SanderlingError } from '@sanderling/kit';
import { runFirmware } from '../boards/index.ts';
import type { DeviceProgram } from './build.ts';
import { armPowerCut } from './power-cut.ts';

/** How a device is started. */
export interface DeviceOptions {
  /** File of its flash; see `provisionFlash`. */
  readonly flash: string;
  /** Port on 127.0.0.1 where a hub listens; the device connects, again and again when the connection breaks. */
  readonly port: number;
  /** Boards only: the device listens at `port` instead, as a serial server does, and the hub connects. @default false */
  readonly listens?: boolean;
  /** Called with each line of the console (boards) or of what the process says. */
  readonly onLine?: (line: string) => void;
  /** Host only: a simulated reading every so many milliseconds. @default 0, none */
  readonly sensorMs?: number;
  /** The power goes at this step of a flash operation (board/flash.h, `flash_hook`); a board must have been built with `powerCuts`. @default 0, never */
  readonly dieAt?: number;
  /** Boards only: what is in work then holds noise made with this seed. @default 0, it stays as it is */
  readonly tearSeed?: number;
}

/** A running device. Disposing of it cuts its power. */
export interface Device extends AsyncDisposable {
  /** Cuts the power: nothing runs any more when this resolves. */
  kill(): Promise<void>;
  /** Resolves when it has ended, whoever ended it: with its exit status, or undefined when it was killed or failed. */
  readonly ended: Promise<number | undefined>;
}

/** Starts a device. @throws UNAVAILABLE without QEMU; INVALID_ARGUMENT for `dieAt` and a board that cannot. */
export async function startDevice(program: DeviceProgram, options: DeviceOptions): Promise<Device> {
  const { board, path } = program;
  if (board === 'host') return startHost(path, options);
  const { flash, port, onLine, listens = false, dieAt = 0, tearSeed = 0 } = options;
  const semihosting = program.powerCuts === true;
  if (semihosting) await armPowerCut(flash, { at: dieAt, seed: tearSeed });
  else if (dieAt > 0)
    throw new SanderlingError('INVALID_ARGUMENT', 'this firmware was not built to have its power cut at a step', {
      where: 'dieAt',
      fix: 'buildDevice(board, { powerCuts: true })',
    });
  const link = listens ? { listen: { port } } : { connect: { port }, reconnect: 1 };
  const emulator = await runFirmware({ board, path }, { flash, link, semihosting, ...(onLine ? { onLine } : {}) });
  return {
    kill: () => emulator.kill(),
    ended: emulator.ended.catch(() => undefined),
    [Symbol.asyncDispose]: () => emulator.kill(),
  };
}

async function startHost(path: string, options: DeviceOptions): Promise<Device> {
  const { flash, port, onLine, sensorMs = 0, dieAt = 0 } = options;
  const args = [flash, String(port), '--sensor', String(sensorMs), ...(dieAt > 0 ? ['--die-at', String(dieAt)] : [])];
  const child = spawn(path, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const onExit = (): void => void child.kill('SIGKILL');
  process.on('exit', onExit);
  child.stderr.on('data', (words: Buffer) => onLine?.(words.toString().trimEnd()));
  const ended = new Promise<number | undefined>((resolve) => {
    child.on('close', (status) => {
      process.removeListener('exit', onExit);
      resolve(status ?? undefined);
    });
  });
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL');
    await ended;
  };
  await once(child, 'spawn').catch((cause: unknown) => {
    throw new SanderlingError('UNAVAILABLE', 'the device cannot be started', { cause });
  });
  return { kill, ended, [Symbol.asyncDispose]: kill };
}
