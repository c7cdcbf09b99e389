// Run as a process by pool.test.ts: a hub that starts a worker, tells its process id and waits to be killed.
import { WorkerPool } from './index.ts';

const pool = new WorkerPool({ size: 1, idleMs: 60_000 });
pool.warm();
process.send?.(pool.pids[0]);
setInterval(() => undefined, 1000);
