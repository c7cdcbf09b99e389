// A bounded pool of worker processes: heavy work happens there, never on the hub's event loop.
import { availableParallelism } from 'node:os';
import { SanderlingError, toSanderlingError } from '@sanderling/kit';
import type { Columns } from './tasks/columns.ts';
import type { TaskInput, TaskMessage, TaskName, TaskResult } from './tasks/tasks.ts';
import { Worker, type Job } from './worker.ts';

/** How a pool works. */
export interface PoolOptions {
  /** Most processes at the same time. @default one for every core */
  readonly size?: number;
  /** An idle process ends after this long: it costs memory. Milliseconds. @default 10000 */
  readonly idleMs?: number;
  /** Nice value of the processes: 0 is normal, 19 the lowest priority. @default 10 */
  readonly niceness?: number;
  /** What a process runs. @default the hub's own tasks */
  readonly module?: URL;
}

/** One call of a task. */
export interface TaskCall<N extends TaskName> {
  /** Columns that the task reads; loaded and sent only to a process that does not have them yet. */
  readonly data?: { readonly key: string; readonly load: () => Promise<Columns> };
  readonly signal?: AbortSignal;
  /** Longest time at work, waiting not counted, milliseconds. @default none */
  readonly timeoutMs?: number;
  readonly onMessage?: (message: TaskMessage<N>) => void;
}

/** Tasks that wait for a process; more are refused. */
const mostWaiting = 1000;

/** Worker processes and the tasks that wait for them. */
export class WorkerPool implements AsyncDisposable {
  readonly size: number;
  readonly #options: Required<Pick<PoolOptions, 'idleMs' | 'niceness' | 'module'>>;
  readonly #workers = new Set<Worker>();
  readonly #idle = new Map<Worker, NodeJS.Timeout>();
  readonly #waiting: (() => void)[] = [];
  #busy = 0;
  #stopped = false;

  constructor(options: PoolOptions = {}) {
    const { size = availableParallelism(), idleMs = 10_000, niceness = 10 } = options;
    this.size = size;
    this.#options = { idleMs, niceness, module: options.module ?? new URL('./main.ts', import.meta.url) };
  }

  /** Process ids of the workers that are alive. */
  get pids(): readonly number[] {
    return [...this.#workers].flatMap((worker) => (worker.pid === undefined ? [] : [worker.pid]));
  }

  /**
   * Does a task in a worker process.
   * @throws the task's error; CANCELLED or TIMEOUT, the process being killed; UNAVAILABLE when it died by itself; LIMIT_REACHED when 1000 tasks wait.
   */
  async run<N extends TaskName>(name: N, input: TaskInput<N>, call: TaskCall<N> = {}): Promise<TaskResult<N>> {
    await this.#turn(call.signal);
    try {
      const worker = this.#take();
      return (await this.#attend(worker, { name, input, onMessage: call.onMessage }, call)) as TaskResult<N>;
    } finally {
      this.#passTurn();
    }
  }

  /** The next in the queue takes over the turn; without one the turn is free. */
  #passTurn(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#busy--;
    else next();
  }

  /** Starts processes ahead of work that is about to come; they end by themselves when none comes. */
  warm(): void {
    if (this.#stopped) return;
    for (let count = this.#workers.size; count < this.size; count++) {
      const worker = new Worker(this.#options);
      this.#workers.add(worker);
      this.#release(worker);
    }
  }

  /** Kills every process; tasks at work and in the queue end with UNAVAILABLE. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const timer of this.#idle.values()) clearTimeout(timer);
    for (const next of this.#waiting.splice(0)) next();
    await Promise.all([...this.#workers].map((worker) => worker.kill()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** Waits until a process may be used. */
  async #turn(signal: AbortSignal | undefined): Promise<void> {
    throwIfAborted(signal);
    if (this.#stopped) throw stopped();
    if (this.#busy < this.size) this.#busy++;
    else await this.#queue(signal);
    if (!this.#stopped) return;
    this.#passTurn();
    throw stopped();
  }

  #queue(signal: AbortSignal | undefined): Promise<void> {
    if (this.#waiting.length >= mostWaiting)
      throw new SanderlingError('LIMIT_REACHED', `${mostWaiting} tasks wait for a worker already`);
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(next), 1);
        reject(cancelled(signal!));
      };
      const next = (): void => {
        signal?.removeEventListener('abort', abort);
        resolve();
      };
      this.#waiting.push(next);
      signal?.addEventListener('abort', abort, { once: true });
    });
  }

  #take(): Worker {
    for (const [worker, timer] of this.#idle) {
      clearTimeout(timer);
      this.#idle.delete(worker);
      if (worker.alive) return worker;
      this.#workers.delete(worker);
    }
    const worker = new Worker(this.#options);
    this.#workers.add(worker);
    return worker;
  }

  async #attend<N extends TaskName>(worker: Worker, job: Job, call: TaskCall<N>): Promise<unknown> {
    const { data, signal, timeoutMs } = call;
    const deadline = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs);
    const ends = [signal, deadline].filter((end) => end !== undefined);
    const end = AbortSignal.any(ends);
    const kill = (): void => void worker.kill();
    end.addEventListener('abort', kill, { once: true });
    try {
      if (data !== undefined && !worker.has(data.key)) worker.give(data.key, await data.load());
      throwIfAborted(end);
      return await worker.run(job);
    } catch (error) {
      throw end.aborted ? cancelled(end) : error;
    } finally {
      end.removeEventListener('abort', kill);
      this.#release(worker);
    }
  }

  #release(worker: Worker): void {
    if (this.#stopped || !worker.alive) {
      this.#workers.delete(worker);
      return;
    }
    const retire = (): void => {
      this.#idle.delete(worker);
      this.#workers.delete(worker);
      void worker.kill();
    };
    this.#idle.set(worker, setTimeout(retire, this.#options.idleMs).unref());
  }
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw cancelled(signal);
}

/** What an aborted signal means: a deadline is TIMEOUT, anything else CANCELLED unless it says so itself. */
function cancelled(signal: AbortSignal): SanderlingError {
  const error = toSanderlingError(signal.reason);
  return error.code === 'INTERNAL' ? new SanderlingError('CANCELLED', 'cancelled', { cause: signal.reason }) : error;
}

function stopped(): SanderlingError {
  return new SanderlingError('UNAVAILABLE', 'the workers are stopped');
}
