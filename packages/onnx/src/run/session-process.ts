// A session in a process of its own: runs do not block the caller, and can be stopped at any time. (Stopping a worker thread in the middle of a run
// would abort the whole process, so it is a child process.)
import { fork, type ChildProcess } from 'node:child_process';
import { getCompileCacheDir } from 'node:module';
import { dirname } from 'node:path';
import { SanderlingError, type ErrorBody } from '@sanderling/kit';
import type { Model, ValueInfo } from '../ir.ts';
import type { Feeds, RunOptions, RunTensor, SessionOptions } from './session.ts';

/** What the parent asks of the child. */
export type Request =
  | { readonly id: number; readonly open: Uint8Array | string; readonly options: Omit<SessionOptions, 'signal'> }
  | { readonly id: number; readonly run: Feeds; readonly outputs: readonly string[] | undefined };

/** What the child answers. */
export type Response =
  | { readonly id: number; readonly inputs: readonly ValueInfo[]; readonly outputs: readonly ValueInfo[] }
  | { readonly id: number; readonly results: Readonly<Record<string, RunTensor>> }
  | { readonly id: number; readonly error: ErrorBody };

/** How a session in a process of its own is opened. */
export interface ProcessOptions extends SessionOptions {
  /** Back the child's memory with huge pages: up to 1.7 times faster where much is allocated. @default true on Linux */
  readonly hugePages?: boolean;
}

interface Waiting {
  readonly resolve: (response: Response) => void;
  readonly reject: (error: SanderlingError) => void;
}

/**
 * Opens a model in a child process.
 * @throws as `openSession`; UNAVAILABLE when the process cannot start or dies.
 */
export async function openSessionProcess(
  source: Model | Uint8Array | string,
  options: ProcessOptions = {},
): Promise<SessionProcess> {
  const plain = source instanceof Uint8Array || typeof source === 'string';
  const open = plain ? source : (await import('../wire/encode.ts')).encodeModel(source);
  const session = new SessionProcess(open, options);
  await session.start(options.signal);
  return session;
}

/** A session in a child process; the same calls as `Session`. A cancelled run kills the process, and the next run starts a new one. */
export class SessionProcess implements AsyncDisposable {
  readonly #open: Uint8Array | string;
  readonly #options: ProcessOptions;
  readonly #waiting = new Map<number, Waiting>();
  #child: ChildProcess | undefined;
  #starting: Promise<void> | undefined;
  #ends: { readonly inputs: readonly ValueInfo[]; readonly outputs: readonly ValueInfo[] } = {
    inputs: [],
    outputs: [],
  };
  #next = 1;
  #closed = false;

  constructor(open: Uint8Array | string, options: ProcessOptions) {
    this.#open = open;
    this.#options = options;
  }

  get inputs(): readonly ValueInfo[] {
    return this.#ends.inputs;
  }

  get outputs(): readonly ValueInfo[] {
    return this.#ends.outputs;
  }

  /** The child's process id, while it lives. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Starts the process and loads the model; runs do it by themselves when needed. */
  async start(signal?: AbortSignal): Promise<void> {
    if (!this.#child) this.#starting = this.#launch(signal);
    await this.#starting;
  }

  async #launch(signal: AbortSignal | undefined): Promise<void> {
    const child = fork(childFile(), [], {
      serialization: 'advanced',
      env: childEnvironment(this.#options),
      execArgv: [],
    });
    this.#child = child;
    child.on('message', (response: Response) => this.#answer(response));
    child.once('exit', () => this.#gone(child));
    child.once('error', () => this.#gone(child));
    const { signal: _, hugePages: __, ...options } = this.#options;
    try {
      const opened = await this.#ask({ id: 0, open: this.#open, options }, signal);
      if ('inputs' in opened) this.#ends = { inputs: opened.inputs, outputs: opened.outputs };
    } catch (error) {
      this.#kill(child);
      throw error;
    }
  }

  /**
   * Runs the model once.
   * @throws as `Session.run`; CANCELLED at once when the signal aborts, the process being killed; UNAVAILABLE when it dies.
   */
  async run(feeds: Feeds, options: RunOptions = {}): Promise<Readonly<Record<string, RunTensor>>> {
    if (this.#closed) throw new SanderlingError('UNAVAILABLE', 'the session is closed');
    await this.start(options.signal);
    const response = await this.#ask({ id: 0, run: feeds, outputs: options.outputs }, options.signal);
    return 'results' in response ? response.results : {};
  }

  /** Ends the process; runs in progress are cancelled. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#child) this.#kill(this.#child);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #ask(request: Request, signal: AbortSignal | undefined): Promise<Response> {
    if (signal?.aborted) throw cancelled(signal.reason);
    const child = this.#child!;
    const id = this.#next++;
    const { promise, resolve, reject } = Promise.withResolvers<Response>();
    this.#waiting.set(id, { resolve, reject });
    const abort = (): void => {
      reject(cancelled(signal?.reason));
      this.#kill(child);
    };
    signal?.addEventListener('abort', abort, { once: true });
    child.send({ ...request, id }, (error) => {
      if (error)
        reject(
          new SanderlingError('UNAVAILABLE', `the session process cannot be reached: ${error.message}`, {
            cause: error,
          }),
        );
    });
    try {
      return await promise;
    } finally {
      signal?.removeEventListener('abort', abort);
      this.#waiting.delete(id);
    }
  }

  #answer(response: Response): void {
    const waiting = this.#waiting.get(response.id);
    if ('error' in response) waiting?.reject(SanderlingError.fromBody(response.error));
    else waiting?.resolve(response);
  }

  #kill(child: ChildProcess): void {
    child.kill('SIGKILL');
    this.#gone(child);
  }

  #gone(child: ChildProcess): void {
    if (this.#child !== child) return;
    this.#child = undefined;
    for (const { reject } of this.#waiting.values())
      reject(new SanderlingError(this.#closed ? 'CANCELLED' : 'UNAVAILABLE', 'the session process has ended'));
    this.#waiting.clear();
  }
}

const cancelled = (cause: unknown): SanderlingError => new SanderlingError('CANCELLED', 'cancelled', { cause });

/** The child's program, as source or as built. */
function childFile(): URL {
  const built = import.meta.url.endsWith('.js');
  return built ? new URL('./session-child.js', import.meta.url) : new URL('./session-child.ts', import.meta.url);
}

/** The child's environment: huge pages, and this process's compile cache, with which it starts faster and smaller. */
function childEnvironment({ hugePages = process.platform === 'linux' }: ProcessOptions): NodeJS.ProcessEnv {
  const cache = getCompileCacheDir();
  return {
    ...process.env,
    ...(hugePages ? { GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1' } : {}),
    ...(cache ? { NODE_COMPILE_CACHE: dirname(cache) } : {}),
  };
}
