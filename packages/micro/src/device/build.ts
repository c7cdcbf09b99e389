// The firmware of a device (firmware/device: link, slots, outbox, clock) for a board, or as a process of this machine.
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SanderlingError } from '@sanderling/kit';
import { buildFirmware, firmwareFolder, type BoardName } from '../boards/index.ts';
import { execute } from '../boards/toolchain.ts';
import { strictFlags } from '../host.ts';

/** Where a device runs. `host`: a process here, whose models are simulated (firmware/device/host). */
export type DeviceBoard = BoardName | 'host';

/** Options of {@link buildDevice}. */
export interface DeviceBuildOptions {
  /** A simulated temperature every so many milliseconds; 0: readings are fed by the hub. Boards only. @default 0 */
  readonly sensorMs?: number;
  /** Memory for models, bytes. @default 262144 */
  readonly modelBytes?: number;
  /** More macros (firmware/device says which). @default none */
  readonly defines?: Readonly<Record<string, string | number>>;
  /** Boards only, for tests: the power can be cut at a step of a flash operation (`startDevice` with `dieAt`). @default false, and nothing of it is there */
  readonly powerCuts?: boolean;
  /** Host only: AddressSanitizer and UndefinedBehaviorSanitizer. @default false */
  readonly sanitize?: boolean;
  /** Host only: which program of firmware/device/host. @default 'host_main.c' */
  readonly program?: keyof typeof hostPrograms;
}

/** A built device. Disposing of it removes it. */
export interface DeviceProgram extends AsyncDisposable {
  readonly board: DeviceBoard;
  /** Path of the program or ELF file. */
  readonly path: string;
  /** Boards: whether it was built to have its power cut at a step. */
  readonly powerCuts?: boolean;
}

/** Programs of firmware/device/host, with the ports that they need: sockets, or memory and a hub in C. */
const hostPrograms = {
  'host_main.c': ['host_model.c'],
  'fuzz.c': ['memory_ports.c', 'hub.c', 'host_model.c'],
  'cuts.c': ['cut_work.c', 'memory_ports.c', 'hub.c', 'host_model.c', '../../board/power_cut.c'],
  'digests.c': ['memory_ports.c', 'host_model.c'],
} as const;

/** Where the C of the device lies. */
const deviceFolder = join(firmwareFolder, 'device');
const boardOnly = ['device_main.c', 'ports_board.c'];

/** Builds the device. All warnings are errors. @throws UNAVAILABLE without a compiler; INVALID_ARGUMENT for code that does not compile; TOO_LARGE. */
export async function buildDevice(board: DeviceBoard, options: DeviceBuildOptions = {}): Promise<DeviceProgram> {
  const sources = (await readdir(deviceFolder)).filter((name) => name.endsWith('.c'));
  const { sensorMs = 0, modelBytes = 262_144, defines = {}, powerCuts = false } = options;
  const macros = { DEVICE_MODEL_BYTES: `${modelBytes}u`, ...defines };
  if (board === 'host') return buildHost(sources, macros, options);
  const files = sources.map((name) => join(deviceFolder, name));
  if (powerCuts) files.push(join(firmwareFolder, 'board', 'power_cut.c'));
  const own = { DEVICE_SENSOR_MS: `${sensorMs}u`, ...(powerCuts ? { DEVICE_POWER_CUTS: 1 } : {}) };
  const firmware = await buildFirmware(
    board,
    { files, include: [deviceFolder] },
    { defines: { ...macros, ...own }, flags: [...strictFlags] },
  );
  return { board, path: firmware.path, powerCuts, [Symbol.asyncDispose]: () => firmware[Symbol.asyncDispose]() };
}

async function buildHost(
  sources: readonly string[],
  macros: Readonly<Record<string, string | number>>,
  { sanitize = false, program = 'host_main.c' }: DeviceBuildOptions,
): Promise<DeviceProgram> {
  const folder = await mkdtemp(join(tmpdir(), 'device-'));
  const path = join(folder, 'device');
  const folders = [
    deviceFolder,
    join(deviceFolder, 'host'),
    join(firmwareFolder, 'include'),
    join(firmwareFolder, 'board'),
  ];
  const checks = sanitize ? ['-fsanitize=address,undefined', '-fno-sanitize-recover=all'] : [];
  const args = [
    ...strictFlags,
    sanitize ? '-O1' : '-O2',
    '-g',
    ...checks,
    '-DSANDERLING_HOST',
    ...Object.entries(macros).map(([name, value]) => `-D${name}=${value}`),
    ...folders.map((name) => `-I${name}`),
    ...sources.filter((name) => !boardOnly.includes(name)).map((name) => join(deviceFolder, name)),
    ...[program, ...hostPrograms[program]].map((name) => join(deviceFolder, 'host', name)),
    join(firmwareFolder, 'board', 'flash.c'),
    '-o',
    path,
    '-lm',
  ];
  const dispose = (): Promise<void> => rm(folder, { recursive: true, force: true });
  const { status, words } = await execute('gcc', args, { cwd: folder });
  if (status === 0) return { board: 'host', path, [Symbol.asyncDispose]: dispose };
  await dispose();
  throw new SanderlingError('INVALID_ARGUMENT', `the device does not compile: ${words.slice(0, 2000)}`);
}
