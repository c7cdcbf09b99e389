// Entry of the `sanderling` command.
import { CommanderError, type Command } from 'commander';
import { reportError } from './output.ts';
import { createProgram } from './program.ts';

/** Runs the command line and returns the exit status. Ctrl-C cancels cleanly; a second one ends at once. */
export async function main(args: readonly string[]): Promise<number> {
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  const program = throwing(createProgram(stop.signal));
  try {
    await program.parseAsync(args, { from: 'user' });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    return reportError(error, args.includes('--json'));
  }
}

/** The command and all below it: wrong use is thrown, so that its exit status is ours. */
function throwing(command: Command): Command {
  command.commands.forEach(throwing);
  return command.exitOverride();
}
