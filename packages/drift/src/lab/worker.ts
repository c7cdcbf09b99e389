// The child process of the lab: takes a task, sends its result or its error, until the parent goes.
import { toSanderlingError } from '@sanderling/kit';
import type { LabTask } from './config.ts';
import { runTask } from './run-task.ts';

process.on('message', (task: LabTask) => {
  try {
    process.send?.({ result: runTask(task) });
  } catch (error) {
    process.send?.({ error: toSanderlingError(error).toBody() });
  }
});
// Ctrl-C reaches every process of the terminal: the parent decides what becomes of the tasks.
process.on('SIGINT', () => undefined);
process.on('disconnect', () => process.exit(0));
