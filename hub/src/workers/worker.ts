// One worker process as the hub sees it: a task at a time, killed when a task is given up.
import { fork, type ChildProcess } from 'node:child_process';
import type { Socket } from 'node:net';
import { setPriority } from 'node:os';
import { SanderlingError } from '@sanderling/kit';
import type { FromWorker, ToWorker } from './messages.ts';
import type { Columns } from './tasks/columns.ts';

/** How a worker process is started. */
export interface WorkerStart {
  /** The module that it runs. */
  readonly module: URL;
  /** Nice value: 0 is normal, 19 the lowest priority. */
  readonly niceness: number;
}

/** A task on its way. */
export interface Job {
  readonly name: string;
  readonly input: unknown;
  readonly onMessage?: ((message: never) => void) | undefined;
}

/** Data sets that a worker keeps at the same time. */
const keptColumns = 2;
/** The end of what a dead worker wrote, characters. */
const keptStderr = 2000;

interface Running extends Job {
  readonly id: number;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** A child process that does tasks. */
export class Worker {
  readonly #child: ChildProcess;
  readonly #keys: string[] = [];
  readonly #exited: Promise<void>;
  #running: Running | undefined;
  #stderr = '';
  #ids = 0;
  #dead = false;

  constructor({ module, niceness }: WorkerStart) {
    this.#child = fork(module, {
      serialization: 'advanced',
      execArgv: [],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      // Huge pages: a fresh small page costs more than the arithmetic on it (measured in training).
      env: { ...process.env, GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1' },
    });
    lowerPriority(this.#child.pid, niceness);
    this.#hold(false);
    this.#child.stderr?.on('data', (chunk: Buffer) => (this.#stderr = (this.#stderr + chunk).slice(-keptStderr)));
    this.#child.on('message', (message: FromWorker) => this.#receive(message));
    this.#child.on('error', (error) => this.#die(String(error)));
    this.#exited = new Promise((resolve) => {
      this.#child.on('exit', (code, killedBy) => {
        this.#die(killedBy === null ? `it exited with ${code}` : `it was ended by ${killedBy}`);
        resolve();
      });
    });
  }

  /** Whether it can take tasks. */
  get alive(): boolean {
    return !this.#dead;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Whether it has the data already. */
  has(key: string): boolean {
    return this.#keys.includes(key);
  }

  /** Gives it data for the tasks that follow; it keeps the newest two sets. */
  give(key: string, columns: Columns): void {
    if (this.has(key)) return;
    this.#keys.push(key);
    this.#send({ kind: 'data', key, columns, drop: this.#keys.splice(0, this.#keys.length - keptColumns) });
  }

  /** Does a task. @throws the task's error; UNAVAILABLE when the process died under it */
  run(job: Job): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const id = ++this.#ids;
      this.#running = { ...job, id, resolve, reject };
      this.#hold(true);
      if (this.#dead) this.#die('it is gone');
      else this.#send({ kind: 'task', id, name: job.name, input: job.input });
    });
  }

  /** Ends the process at once; it holds nothing that is not told. */
  kill(): Promise<void> {
    this.#dead = true;
    this.#hold(true);
    this.#child.kill('SIGKILL');
    return this.#exited;
  }

  #receive(message: FromWorker): void {
    const running = this.#running;
    if (running === undefined || message.id !== running.id) return;
    switch (message.kind) {
      case 'message':
        running.onMessage?.(message.message as never);
        return;
      case 'done':
        this.#rest();
        running.resolve(message.result);
        return;
      case 'failed':
        this.#rest();
        running.reject(SanderlingError.fromBody(message.error));
    }
  }

  #rest(): void {
    this.#running = undefined;
    this.#hold(false);
  }

  /** Whether the hub's process waits for this one before it ends: only while it works. */
  #hold(on: boolean): void {
    const end = on ? 'ref' : 'unref';
    this.#child[end]();
    this.#child.channel?.[end]();
    (this.#child.stderr as Socket | null)?.[end]();
  }

  #die(how: string): void {
    this.#dead = true;
    const running = this.#running;
    this.#running = undefined;
    running?.reject(
      new SanderlingError('UNAVAILABLE', `the worker process died: ${how}`, {
        details: this.#stderr === '' ? {} : { stderr: this.#stderr },
      }),
    );
  }

  #send(message: ToWorker): void {
    this.#child.send(message, (error) => {
      if (error !== null) this.#die(String(error));
    });
  }
}

function lowerPriority(pid: number | undefined, niceness: number): void {
  if (pid === undefined || niceness === 0) return;
  try {
    setPriority(pid, niceness);
  } catch {
    // It died already, or the system does not let us: it works at normal priority.
  }
}
