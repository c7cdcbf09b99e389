// The worker's side: takes one task after the other until the hub is gone.
import { SanderlingError, toSanderlingError } from '@sanderling/kit';
import type { FromWorker, ToWorker } from './messages.ts';
import type { Columns } from './tasks/columns.ts';

/** What a task may use beside its input. */
export interface TaskContext {
  /** Columns that the hub sent under this key. @throws INTERNAL when it did not */
  columns(key: string): Columns;
  /** Tells the hub something while the task goes on. */
  tell(message: unknown): void;
}

/** A task: plain data in, plain data out. */
export type Task<I = never, O = unknown> = (input: I, context: TaskContext) => Promise<O>;

/** Serves the tasks of the table over this process's IPC channel; exits when the channel closes, so that no worker outlives its hub. */
export function serveTasks(tasks: Readonly<Record<string, Task>>): void {
  const kept = new Map<string, Columns>();
  const columns = (key: string): Columns => {
    const found = kept.get(key);
    if (found === undefined) throw new SanderlingError('INTERNAL', `the worker has no data ${key}`);
    return found;
  };
  const runTask = async ({ id, name, input }: Extract<ToWorker, { kind: 'task' }>): Promise<void> => {
    try {
      const task = tasks[name] as Task<unknown> | undefined;
      if (task === undefined) throw new SanderlingError('INTERNAL', `workers know no task ${name}`);
      const context = { columns, tell: (message: unknown) => send({ kind: 'message', id, message }) };
      send({ kind: 'done', id, result: await task(input, context) });
    } catch (error) {
      send({ kind: 'failed', id, error: toSanderlingError(error).toBody() });
    }
  };
  process.on('message', (message: ToWorker) => {
    switch (message.kind) {
      case 'data':
        for (const key of message.drop) kept.delete(key);
        kept.set(message.key, message.columns);
        return;
      case 'task':
        void runTask(message);
    }
  });
  process.on('disconnect', () => process.exit(0));
}

function send(message: FromWorker): void {
  process.send?.(message);
}
