// The thread that judges large datasets.
import { parentPort, workerData } from 'node:worker_threads';
import { judge } from './judge.ts';
import type { SeriesToJudge } from './quality.ts';

parentPort?.postMessage(await judge(workerData as SeriesToJudge), []);
