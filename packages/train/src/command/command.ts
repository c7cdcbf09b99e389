// Training by any program in any language. The contract:
//   environment  SANDERLING_DATA (folder to read), SANDERLING_OUTPUT (empty folder to write), SANDERLING_PARAMETERS (JSON object), SANDERLING_SEED
//   standard out a line that is a JSON object is progress (numbers by name, such as {"epoch": 3, "loss": 0.1}); any other line is log, as is standard error
//   result       model.onnx (with its external data, if any) and metrics.json (an object of numbers) in the output folder
//   exit status  0 done · 3 the data are not usable · anything else failed;  cancel: SIGTERM, after a grace SIGKILL to the whole process group,
//                as for what the program leaves running behind itself
import { spawn, type ChildProcess } from 'node:child_process';
import { access, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SanderlingError, toSanderlingError } from '@sanderling/kit';
import { encodeModel, readModel } from '@sanderling/onnx';
import { onLines } from './lines.ts';
import { wordsOf } from './words.ts';

/** Numbers by name: what a progress line or metrics.json says. */
export type Numbers = Readonly<Record<string, number>>;

/** What one run of a program gets. */
export interface CommandRun {
  readonly dataFolder: string;
  /** Made when absent; must not hold the model or metrics of an earlier run. */
  readonly outputFolder: string;
  /** Hyper-parameters, as JSON at most 100,000 characters. @default {} */
  readonly parameters?: Readonly<Record<string, unknown>>;
  /** @default 0 */
  readonly seed?: number;
  readonly signal?: AbortSignal;
  /** What this or `onLog` throws ends the program, and `train` throws it. */
  readonly onProgress?: (numbers: Numbers) => void;
  readonly onLog?: (line: string) => void;
}

/** What a program left. */
export interface CommandResult {
  /** The model in one piece: what lay in files beside it is in it. */
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
  /** Largest model file, and largest tensor beside it, in bytes. @default 1 GiB */
  readonly largestModel?: number;
}

/** A trainer that is a program. */
export interface CommandTrainer {
  readonly program: string;
  readonly arguments: readonly string[];
  /**
   * Runs the program. @throws NOT_FOUND when there is no such program or no data folder; ALREADY_EXISTS when the output folder holds an earlier result;
   * INVALID_ARGUMENT for parameters that are no JSON; INVALID_DATA for exit status 3; CANCELLED; INVALID_MODEL, CORRUPT, TOO_LARGE or INVALID_DATA when the
   * model or the metrics are missing or wrong; INTERNAL for any other exit, with the last lines it wrote.
   */
  train(run: CommandRun): Promise<CommandResult>;
}

/** Lines kept for the message of a failure. */
const keptLines = 20;
/** Longer lines are cut. */
const longestLine = 8192;
/** The environment of a process is small. */
const longestParameters = 100_000;
const unusableData = 3;
const results = { model: 'model.onnx', metrics: 'metrics.json' } as const;

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
  /** What a listener threw. */
  #thrown: { readonly error: unknown } | undefined;

  constructor(job: Job) {
    this.#job = job;
  }

  async result(): Promise<CommandResult> {
    const { run } = this.#job;
    if (run.signal?.aborted) throw cancelled(run.signal);
    await this.#checkFolders();
    const began = performance.now();
    await this.#finish(await this.#spawned());
    const model = await this.#model();
    const metrics = await this.#metrics();
    return { model, metrics, seconds: (performance.now() - began) / 1000 };
  }

  async #checkFolders(): Promise<void> {
    const { dataFolder, outputFolder } = this.#job.run;
    if (!(await exists(dataFolder)))
      throw new SanderlingError('NOT_FOUND', `there is no data folder ${dataFolder}`, { where: dataFolder });
    await mkdir(outputFolder, { recursive: true }).catch((cause: unknown) => {
      const { code, message } = toSanderlingError(cause);
      const coded = code === 'INTERNAL' ? 'INVALID_ARGUMENT' : code;
      throw new SanderlingError(coded, `cannot make the output folder: ${message}`, { where: outputFolder, cause });
    });
    for (const name of Object.values(results)) {
      const path = join(outputFolder, name);
      if (!(await exists(path))) continue;
      const fix = 'give every run an output folder of its own';
      throw new SanderlingError('ALREADY_EXISTS', `the output folder holds an earlier ${name}`, { where: path, fix });
    }
  }

  async #spawned(): Promise<ChildProcess> {
    const { program, rest, options, run } = this.#job;
    const env = {
      ...process.env,
      ...options.environment,
      SANDERLING_DATA: run.dataFolder,
      SANDERLING_OUTPUT: run.outputFolder,
      SANDERLING_PARAMETERS: parametersText(run.parameters ?? {}),
      SANDERLING_SEED: String(run.seed ?? 0),
      PYTHONUNBUFFERED: '1',
    };
    const child = spawn(program, [...rest], {
      cwd: options.cwd,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    return await new Promise((resolve, reject) => {
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
    // What it leaves running could hold its output open for ever.
    child.once('exit', stop);
    const [status, killedBy] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve) => {
      child.once('close', (code, by) => resolve([code, by]));
    });
    signal?.removeEventListener('abort', stop);
    if (this.#thrown !== undefined) throw this.#thrown.error;
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
    const timer = setTimeout(
      () => {
        send('SIGKILL');
        // A process that has left the group may still hold these.
        child.stdout?.destroy();
        child.stderr?.destroy();
      },
      (this.#job.options.grace ?? 5) * 1000,
    );
    child.once('close', () => clearTimeout(timer));
  }

  #listen(child: ChildProcess): void {
    for (const [stream, mayTell] of [
      [child.stdout, true],
      [child.stderr, false],
    ] as const) {
      if (stream === null) continue;
      onLines(stream, longestLine, (line) => {
        if (this.#thrown !== undefined) return;
        try {
          this.#line(line, mayTell);
        } catch (error) {
          this.#thrown = { error };
          this.#stop(child);
        }
      });
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
    const path = join(this.#job.run.outputFolder, results.model);
    if (!(await exists(path)))
      throw new SanderlingError('INVALID_MODEL', 'the program left no model.onnx', { where: path });
    return encodeModel(await readModel(path, { maxBytes: this.#job.options.largestModel ?? 1024 ** 3 }));
  }

  async #metrics(): Promise<Numbers> {
    const path = join(this.#job.run.outputFolder, results.metrics);
    const text = await readFile(path, 'utf8').catch(() => '');
    const numbers = numbersIn(text);
    if (numbers !== undefined) return numbers;
    throw new SanderlingError('INVALID_DATA', 'the program left no metrics.json that is an object of numbers', {
      where: path,
    });
  }
}

const exists = async (path: string): Promise<boolean> =>
  await access(path).then(
    () => true,
    () => false,
  );

function parametersText(parameters: Readonly<Record<string, unknown>>): string {
  const wrong = (what: string, cause?: unknown) =>
    new SanderlingError('INVALID_ARGUMENT', `the parameters ${what}`, { where: 'parameters', cause });
  let text: string;
  try {
    text = JSON.stringify(parameters);
  } catch (cause) {
    throw wrong('cannot be written as JSON', cause);
  }
  if (text.length > longestParameters) throw wrong(`take ${text.length} characters, more than ${longestParameters}`);
  return text;
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
