// A pool of child processes that run tasks: the streams are long and synchronous and must not hold up the process that asks.
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { SanderlingError, together, type ErrorBody } from '@sanderling/kit';
import type { LabTask } from './config.ts';
import type { LabResult } from './run-task.ts';

type Answer = { readonly result: LabResult } | { readonly error: ErrorBody };

/** Children that are started when needed and ended with the pool. */
export class LabPool implements AsyncDisposable {
  readonly #idle: ChildProcess[] = [];
  readonly #all = new Set<ChildProcess>();
  #closed = false;

  /** Runs a task in an idle child or a new one. @throws what the task threw; CANCELLED by the signal; INTERNAL when the child died */
  async run(task: LabTask, signal?: AbortSignal): Promise<LabResult> {
    if (this.#closed || isAborted(signal)) throw cancelled();
    const child = this.#idle.pop() ?? this.#start();
    const stop = (): void => void child.kill();
    signal?.addEventListener('abort', stop, { once: true });
    try {
      const answer = await askChild(child, task);
      if ('error' in answer) throw SanderlingError.fromBody(answer.error);
      return answer.result;
    } catch (error) {
      throw isAborted(signal) ? cancelled() : error;
    } finally {
      signal?.removeEventListener('abort', stop);
      if (child.connected && child.exitCode === null && !child.killed) this.#idle.push(child);
    }
  }

  #start(): ChildProcess {
    const child = fork(new URL('worker.ts', import.meta.url), { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    this.#all.add(child);
    child.once('exit', () => this.#all.delete(child));
    return child;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    const ends = [...this.#all].map((child) => {
      const end = once(child, 'exit');
      child.kill();
      return end;
    });
    await Promise.all(ends);
  }
}

/** Jobs side by side. @throws the first failure; CANCELLED when the signal stopped them, whatever its reason */
export async function sideBySide<T>(
  jobs: readonly ((signal: AbortSignal) => Promise<T>)[],
  limit: number,
  signal: AbortSignal | undefined,
): Promise<T[]> {
  try {
    return await together(jobs, { limit, ...(signal === undefined ? {} : { signal }) });
  } catch (error) {
    throw isAborted(signal) ? cancelled() : error;
  }
}

async function askChild(child: ChildProcess, task: LabTask): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      child.off('message', onMessage);
      child.off('exit', onExit);
      child.off('error', onError);
    };
    const onMessage = (answer: unknown): void => {
      settle();
      resolve(answer as Answer);
    };
    const onExit = (code: number | null, signal: string | null): void => {
      settle();
      const where = `${task.detector.name} on ${task.stream.name}, seed ${task.seed}`;
      reject(new SanderlingError('INTERNAL', `the child process ended (${signal ?? code}) before its task`, { where }));
    };
    const onError = (error: Error): void => {
      settle();
      reject(error);
    };
    child.on('message', onMessage);
    child.on('exit', onExit);
    child.on('error', onError);
    child.send(task);
  });
}

function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}

function cancelled(): SanderlingError {
  return new SanderlingError('CANCELLED', 'the lab was stopped', {
    fix: 'start it again with the same folder to go on',
  });
}
