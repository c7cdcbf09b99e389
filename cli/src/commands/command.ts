// How a command of the `sanderling` program is written: it returns what it found; the program prints it as a table or as JSON.
import type { Command } from 'commander';
import type { HubClient } from '@sanderling/wire';
import { connect, type ConnectionFlags } from '../connection.ts';

/** What a command gives back: the data for `--json`, the text for people. */
export interface Answer {
  readonly data: unknown;
  readonly text: string;
}

/** What a command may use. */
export interface Context {
  readonly hub: HubClient;
  readonly signal: AbortSignal;
  /** Prints one line at once: progress, followed events. */
  readonly print: (line: string) => void;
  readonly json: boolean;
}

/** Flags that every command has. */
export interface GlobalFlags extends ConnectionFlags {
  readonly json?: boolean;
}

/** Runs a command's work with its context; how answers are printed is the program's matter. */
export type Runner = (command: Command, work: (context: Context) => Promise<Answer | undefined>) => Promise<void>;

/** Adds commands to the program. */
export type CommandGroup = (program: Command, run: Runner) => void;

/** The context of a command from its flags. */
export function contextOf(flags: GlobalFlags, signal: AbortSignal): Context {
  let hub: HubClient | undefined;
  return {
    get hub() {
      return (hub ??= connect(flags));
    },
    signal,
    print: (line) => console.log(line),
    json: flags.json ?? false,
  };
}
