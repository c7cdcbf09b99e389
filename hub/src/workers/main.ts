// What a worker process runs.
import { enableCompileCache } from 'node:module';

enableCompileCache();
const [{ serveTasks }, { tasks }] = await Promise.all([import('./serve.ts'), import('./tasks/tasks.ts')]);
serveTasks(tasks);
