// The `sanderling` program: its commands, its global flags, and how answers and errors come out.
import { Command } from 'commander';
import { contextOf, type Answer, type CommandGroup, type GlobalFlags, type Runner } from './commands/command.ts';
import { datasetCommands, projectCommands, readingsCommands } from './commands/data.ts';
import { driftCommands } from './commands/drift.ts';
import { deviceCommands, releaseCommands, rolloutCommands } from './commands/fleet.ts';
import { microCommands } from './commands/micro.ts';
import { onnxCommands } from './commands/onnx.ts';
import { eventCommands, keyCommands, processCommands } from './commands/operations.ts';
import { storageCommands } from './commands/storage.ts';
import { executionCommands, modelCommands, runCommands, trainCommands } from './commands/training.ts';
import { reportError } from './output.ts';

const groups: readonly CommandGroup[] = [
  projectCommands,
  readingsCommands,
  datasetCommands,
  trainCommands,
  executionCommands,
  runCommands,
  modelCommands,
  releaseCommands,
  rolloutCommands,
  deviceCommands,
  eventCommands,
  keyCommands,
  storageCommands,
  processCommands,
  onnxCommands,
  driftCommands,
  microCommands,
];

/** The whole program. Its actions set `process.exitCode`. */
export function createProgram(signal: AbortSignal): Command {
  const program = new Command('sanderling')
    .description('Small models on edge devices: data, training, release, fleet, drift, and back.')
    .version('0.1.0')
    .option('--url <url>', 'hub to talk to (SANDERLING_URL)')
    .option('--key <key>', 'API key (SANDERLING_KEY)')
    .option('--data <folder>', 'data folder of a hub on this machine (SANDERLING_DATA)')
    .option('--json', 'print JSON')
    .showSuggestionAfterError()
    .configureHelp({ sortSubcommands: false })
    .addHelpText(
      'after',
      '\nExit status: 0 done, 2 wrong use, 3 bad data, 4 not allowed, 5 not found, 6 conflict,\n7 a limit is reached, 8 a gate said no, 9 damaged or forged, 10 disk full, 11 hub unreachable, 130 cancelled, 1 anything else.',
    );
  const run: Runner = async (command, work) => {
    const flags = command.optsWithGlobals<GlobalFlags>();
    try {
      print(await work(contextOf(flags, signal)), flags);
    } catch (error) {
      process.exitCode = reportError(error, flags.json ?? false);
    }
  };
  for (const group of groups) group(program, run);
  return program;
}

function print(answer: Answer | undefined, flags: GlobalFlags): void {
  if (answer === undefined) return;
  console.log(flags.json ? JSON.stringify(answer.data, undefined, 2) : answer.text);
}
