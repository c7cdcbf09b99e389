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
process.on('disconnect', () => process.exit(0));
