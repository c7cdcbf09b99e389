// The hub and the agent as separate processes: started, listened to line by line, stopped cleanly.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { getCompileCacheDir } from 'node:module';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { SanderlingError } from '@sanderling/kit';

/** A running program of ours that says what it does in JSON lines. */
export interface Program {
  readonly child: ChildProcess;
  /** Rejects when the program ends without having been asked to. */
  readonly crashed: Promise<never>;
  stop(): Promise<void>;
}

/** What to start and who listens. */
export interface ProgramOptions {
  /** Door of a workspace: `@sanderling/hub/bin`. */
  readonly door: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly onLine: (line: Readonly<Record<string, unknown>>) => void;
}

/** How long a program may take to end after SIGTERM, milliseconds. */
const patienceMs = 5000;
/** Lines of the error output that are kept for the message when the program fails. */
const keptLines = 12;

/** Starts a program. */
export function startProgram(options: ProgramOptions): Program {
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', fileURLToPath(import.meta.resolve(options.door)), ...options.args],
    {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...compileCache(), ...options.env },
      detached: true,
    },
  );
  createInterface({ input: child.stdout }).on('line', (line) => readLine(line, options.onLine));
  const errors: string[] = [];
  createInterface({ input: child.stderr }).on('line', (line) => {
    errors.push(line);
    if (errors.length > keptLines) errors.shift();
  });
  let stopping = false;
  const crashed = once(child, 'close').then(([code, signal]) => {
    if (stopping) return new Promise<never>(() => undefined);
    throw new SanderlingError('UNAVAILABLE', `${options.door} ended with ${String(signal ?? code)}`, {
      fix: errors.join('\n'),
    });
  });
  crashed.catch(() => undefined);
  child.stdin.on('error', () => undefined);
  return {
    child,
    crashed,
    stop: async () => {
      stopping = true;
      await stopChild(child);
    },
  };
}

/** Our own compile cache outlives the data folders, so that a program's second start is quick. */
function compileCache(): Readonly<Record<string, string>> {
  const folder = getCompileCacheDir();
  return folder === undefined ? {} : { NODE_COMPILE_CACHE: folder };
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const closed = once(child, 'close');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), patienceMs);
  await closed;
  clearTimeout(timer);
}

/** Lines that are not JSON are for people; they are left out. */
function readLine(line: string, onLine: ProgramOptions['onLine']): void {
  if (!line.startsWith('{')) return;
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return;
  }
  onLine(value);
}
