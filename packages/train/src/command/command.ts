// Training by any program in any language. The contract:
//   environment  SANDERLING_DATA (folder to read), SANDERLING_OUTPUT (empty folder to write), SANDERLING_PARAMETERS (JSON object), SANDERLING_SEED
//   standard out a line that is a JSON object is progress (numbers by name, such as {"epoch": 3, "loss": 0.1}); any other line is log, as is standard error
//   result       model.onnx and metrics.json (an object of numbers) in the output folder
//   exit status  0 done · 3 the data are not usable · anything else failed;  cancel: SIGTERM, after a grace SIGKILL to the whole process group
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { SanderlingError, toSanderlingError } from '@sanderling/kit';
import { decodeModel } from '@sanderling/onnx';
import { wordsOf } from './words.ts';

/** Numbers by name: what a progress line or metrics.json says. */
export type Numbers = Readonly<Record<string, number>>;

/** What one run of a program gets. */
export interface CommandRun {
  readonly dataFolder: string;
  /** Made when absent; must be empty of a `model.onnx` of an earlier run. */
  readonly outputFolder: string;
  /** Hyper-parameters. @default {} */
  readonly parameters?: Readonly<Record<string, unknown>>;
  /** @default 0 */
  readonly seed?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (numbers: Numbers) => void;
  readonly onLog?: (line: string) => void;
}

/** What a program left. */
export interface CommandResult {
  readonly model: Uint8Array;
  readonly metrics: Numbers;
  readonly seconds: number;
}

/** How a program is run. */
export interface CommandOptions {
  /** Working folder. @default the present one */
  readonly cwd?: string;
  /** More environment variables. @default none */
  readonly environment?: Readonly<Record<string, string>>;
  /** Seconds between SIGTERM and SIGKILL. @default 5 */
  readonly grace?: number;
  /** Largest model in bytes. @default 1 GiB */
  readonly largestModel?: number;
}

/** A trainer that is a program. */
export interface CommandTrainer {
  readonly program: string;
  readonly arguments: readonly string[];
  /**
   * Runs the program. @throws NOT_FOUND when there is no such program; INVALID_DATA for exit status 3; CANCELLED; INVALID_MODEL, CORRUPT or INVALID_DATA when
   * the model or the metrics are missing or wrong; INTERNAL for any other exit, with the last lines it wrote.
   */
  train(run: CommandRun): Promise<CommandResult>;
}

/** Lines kept for the message of a failure. */
const keptLines = 20;
/** Longer lines are cut. */
const longestLine = 8192;
const unusableData = 3;

/** A trainer from a command line; words may be quoted, there is no shell. @throws INVALID_ARGUMENT for an empty line or an open quote. */
export function command(line: string | readonly string[], options: CommandOptions = {}): CommandTrainer {
  const [program, ...rest] = typeof line === 'string' ? wordsOf(line) : line;
  if (program === undefined)
    throw new SanderlingError('INVALID_ARGUMENT', 'the command is empty', { where: 'command' });
  return { program, arguments: rest, train: (run) => new Running({ program, rest, options, run }).result() };
}

interface Job {
  readonly program: string;
  readonly rest: readonly string[];
  readonly options: CommandOptions;
  readonly run: CommandRun;
}

class Running {
  readonly #job: Job;
  readonly #tail: string[] = [];

  constructor(job: Job) {
    this.#job = job;
  }

  async result(): Promise<CommandResult> {
    const { run } = this.#job;
    if (run.signal?.aborted) throw cancelled(run.signal);
    await mkdir(run.outputFolder, { recursive: true }).catch((error: unknown) => {
      throw toSanderlingError(error);
    });
    const began = performance.now();
    await this.#finish(await this.#spawned());
    const model = await this.#model();
    const metrics = await this.#metrics();
    return { model, metrics, seconds: (performance.now() - began) / 1000 };
  }

  #spawned(): Promise<ChildProcess> {
    const { program, rest, options, run } = this.#job;
    const env = {
      ...process.env,
      ...options.environment,
      SANDERLING_DATA: run.dataFolder,
      SANDERLING_OUTPUT: run.outputFolder,
      SANDERLING_PARAMETERS: JSON.stringify(run.parameters ?? {}),
      SANDERLING_SEED: String(run.seed ?? 0),
      PYTHONUNBUFFERED: '1',
    };
    const child = spawn(program, [...rest], {
      cwd: options.cwd,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    return new Promise((resolve, reject) => {
      child.once('spawn', () => resolve(child));
      child.once('error', (cause) => {
        const known = toSanderlingError(cause);
        reject(new SanderlingError(known.code, `cannot start ${program}: ${known.message}`, { where: program, cause }));
      });
    });
  }

  async #finish(child: ChildProcess): Promise<void> {
    const { signal } = this.#job.run;
    const stop = () => this.#stop(child);
    signal?.addEventListener('abort', stop, { once: true });
    if (signal?.aborted) stop();
    this.#listen(child);
    const [status, killedBy] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve) => {
      child.once('close', (code, by) => resolve([code, by]));
    });
    signal?.removeEventListener('abort', stop);
    if (signal?.aborted) throw cancelled(signal);
    if (status === 0) return;
    const details = { status, signal: killedBy, lastLines: this.#tail };
    const how = killedBy === null ? `ended with status ${status}` : `was ended by ${killedBy}`;
    const code = status === unusableData ? 'INVALID_DATA' : 'INTERNAL';
    throw new SanderlingError(code, `${this.#job.program} ${how}: ${this.#tail.at(-1) ?? 'it wrote nothing'}`, {
      where: this.#job.program,
      details,
    });
  }

  /** Ends the whole process group, gently first. */
  #stop(child: ChildProcess): void {
    const group = -(child.pid as number);
    const send = (how: NodeJS.Signals) => {
      try {
        process.kill(group, how);
      } catch {
        // the group has ended
      }
    };
    send('SIGTERM');
    const timer = setTimeout(() => send('SIGKILL'), (this.#job.options.grace ?? 5) * 1000);
    child.once('close', () => clearTimeout(timer));
  }

  #listen(child: ChildProcess): void {
    for (const [stream, mayTell] of [
      [child.stdout, true],
      [child.stderr, false],
    ] as const) {
      if (stream === null) continue;
      createInterface({ input: stream }).on('line', (line) => this.#line(line.slice(0, longestLine), mayTell));
    }
  }

  #line(line: string, mayTell: boolean): void {
    const numbers = mayTell ? numbersIn(line) : undefined;
    if (numbers !== undefined) {
      this.#job.run.onProgress?.(numbers);
      return;
    }
    this.#tail.push(line);
    if (this.#tail.length > keptLines) this.#tail.shift();
    this.#job.run.onLog?.(line);
  }

  async #model(): Promise<Uint8Array> {
    const { largestModel = 1024 ** 3 } = this.#job.options;
    const path = join(this.#job.run.outputFolder, 'model.onnx');
    const size = await stat(path).then(
      (found) => found.size,
      () => undefined,
    );
    if (size === undefined)
      throw new SanderlingError('INVALID_MODEL', 'the program left no model.onnx', { where: path });
    if (size > largestModel) throw new SanderlingError('TOO_LARGE', `model.onnx has ${size} bytes`, { where: path });
    const bytes = await readFile(path);
    decodeModel(bytes);
    return bytes;
  }

  async #metrics(): Promise<Numbers> {
    const path = join(this.#job.run.outputFolder, 'metrics.json');
    const text = await readFile(path, 'utf8').catch(() => '');
    const numbers = numbersIn(text);
    if (numbers !== undefined) return numbers;
    throw new SanderlingError('INVALID_DATA', 'the program left no metrics.json that is an object of numbers', {
      where: path,
    });
  }
}

/** The finite numbers of a text that is a JSON object of numbers; undefined for any other text. */
function numbersIn(text: string): Numbers | undefined {
  const trimmed = text.trim();
  if (!trimmed.startsWith('{')) return undefined;
  try {
    const parsed = JSON.parse(trimmed) as Record<string, unknown>;
    const isNumbers = Object.values(parsed).every((value) => typeof value === 'number' && Number.isFinite(value));
    return isNumbers ? (parsed as Numbers) : undefined;
  } catch {
    return undefined;
  }
}

const cancelled = (signal: AbortSignal): SanderlingError =>
  new SanderlingError('CANCELLED', 'the training was cancelled', { cause: signal.reason });
