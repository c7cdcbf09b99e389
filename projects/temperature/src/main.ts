// `npm start`: the whole loop on room temperature, from nothing, in front of your eyes.
import { join } from 'node:path';
import { parseArgs, styleText } from 'node:util';
import { SanderlingError, toSanderlingError } from '@sanderling/kit';
import {
  claimNamedFolder,
  claimOwnFolder,
  describeResult,
  requireBoardTools,
  runLoop,
  summaryOf,
} from 'sanderling/live';
import type { ProjectSpec } from 'sanderling';
import microcontroller from '../microcontroller.config.ts';
import room from '../sanderling.config.ts';
import { filePlayback, simulatedPlayback } from './playback.ts';
import { roomChangeNames, type RoomChange } from './room-changes.ts';

const help = `npm start -- [options]

Runs the whole loop on room temperature: a device sends readings, the hub learns to forecast them, ships the model to the device,
the world changes, the device notices, the hub learns again and ships something better. Then it keeps running, with an API.

  --mcu                the device is an emulated microcontroller (STM32H745 class): int8 model, link, drift alarm, all on the board
  --once               stop when the loop has closed, with exit status 0
  --csv FILE           play your own readings instead of the simulated room
  --time COLUMN        the column with the times (found by itself otherwise)
  --value COLUMN       the column with the values (found by itself otherwise)
  --margin PERCENT     by how much a model must beat the baselines (10; 1 with --csv: files are short)
  --change NAME        how the simulated room changes (heating-off): ${roomChangeNames.join(', ')}
  --seed N             seed of the simulation and of the search (1)
  --speed X            play X times as fast (0.4, for the eye; 1 with --once)
  --port N             port of the hub (7411; 0 takes any free one)
  --data FOLDER        keep the data there; the folder must be empty (.sanderling/temperature, emptied at every start)
  --json               print the summary as JSON at the end
  --help               this text
`;

const optionTable = {
  mcu: { type: 'boolean', default: false },
  once: { type: 'boolean', default: false },
  csv: { type: 'string' },
  time: { type: 'string' },
  value: { type: 'string' },
  change: { type: 'string', default: 'heating-off' },
  margin: { type: 'string' },
  seed: { type: 'string', default: '1' },
  speed: { type: 'string' },
  port: { type: 'string', default: '7411' },
  data: { type: 'string' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const;

/** An emulated board takes some hundred readings a second: its past and what it gathers are shorter. */
const boardPast = { past: 3600, fresh: 700 } as const;

/** Where the data go unless `--data` says otherwise; emptied at every start. */
const ownFolder = join('.sanderling', 'temperature');

type Flags = ReturnType<typeof readFlags>;

/** Runs the command line and returns the exit status. */
export async function main(args: readonly string[]): Promise<number> {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stop.abort());
  try {
    const flags = readFlags(args);
    if (flags.help) {
      console.log(help);
      return 0;
    }
    await run(flags, stop.signal);
    return 0;
  } catch (thrown) {
    return explain(thrown, stop.signal.aborted);
  }
}

async function run(flags: Flags, signal: AbortSignal): Promise<void> {
  if (flags.mcu) await requireBoardTools();
  const playback =
    flags.csv === undefined
      ? simulatedPlayback(number(flags.seed, 'seed'), {
          change: roomChange(flags.change),
          ...(flags.mcu ? boardPast : {}),
        })
      : await filePlayback(flags.csv, columns(flags));
  using folder = await (flags.data === undefined ? claimOwnFolder(ownFolder) : claimNamedFolder(flags.data));
  const result = await runLoop({
    project: adapted(flags, playback.fresh),
    playback,
    folder: folder.path,
    port: number(flags.port, 'port'),
    once: flags.once,
    device: flags.mcu ? 'board' : 'agent',
    speed: number(flags.speed ?? (flags.once ? '1' : '0.4'), 'speed'),
    output: flags.json ? process.stderr : process.stdout,
    signal,
    onClosed: (closed) => console.log(`${describeResult(closed, playback.unit)}   Ctrl-C stops everything.\n`),
  });
  if (flags.json) console.log(JSON.stringify(summaryOf(result), undefined, 2));
  else if (flags.once) console.log(describeResult(result, playback.unit));
}

/** The project with what the command line says of it: seed, margin over the baselines, readings to gather after an alarm. */
function adapted(flags: Flags, fresh: number): ProjectSpec {
  const project = flags.mcu ? microcontroller : room;
  const byPercent = number(flags.margin ?? (flags.csv === undefined ? '10' : '1'), 'margin');
  return {
    ...project,
    search: { ...project.search, seed: number(flags.seed, 'seed') },
    gates: project.gates.map((gate) => (gate.gate === 'beats-baseline' ? { ...gate, byPercent } : gate)),
    automations: project.automations.map((automation) => ({ ...automation, collect: { readings: fresh } })),
  };
}

function readFlags(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: optionTable, strict: true }).values;
  } catch (error) {
    throw new SanderlingError('INVALID_ARGUMENT', error instanceof Error ? error.message : 'wrong options', {
      fix: 'npm start -- --help',
      cause: error,
    });
  }
}

function columns(flags: Flags): { timeColumn?: string; valueColumn?: string } {
  return {
    ...(flags.time === undefined ? {} : { timeColumn: flags.time }),
    ...(flags.value === undefined ? {} : { valueColumn: flags.value }),
  };
}

function roomChange(name: string): RoomChange {
  const found = roomChangeNames.find((change) => change === name);
  if (found !== undefined) return found;
  throw new SanderlingError('INVALID_ARGUMENT', `the simulated room knows no change "${name}"`, {
    where: '--change',
    fix: `choose one of: ${roomChangeNames.join(', ')}`,
  });
}

function number(text: string, flag: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value) && value >= 0) return value;
  throw new SanderlingError('INVALID_ARGUMENT', `--${flag} takes a number, not "${text}"`, { where: `--${flag}` });
}

/** After Ctrl-C nothing went wrong; anything else is said with what to do. */
function explain(thrown: unknown, isStopped: boolean): number {
  const error = toSanderlingError(thrown);
  if (isStopped && error.code === 'CANCELLED') {
    console.log('\nstopped');
    return 0;
  }
  console.error(`\n${styleText('red', error.code)} ${error.message}`);
  if (error.fix !== undefined) console.error(`  ${error.fix}`);
  return error.row.exit;
}
