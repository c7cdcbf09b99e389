// The thread that searches for garbage: it reads much and answers once.
import { parentPort, workerData } from 'node:worker_threads';
import { toSanderlingError } from '@sanderling/kit';
import { findGarbage, type GarbageQuery } from './garbage.ts';
import type { GarbageNews } from './collect.ts';

const tell = (news: GarbageNews): void => parentPort?.postMessage(news, []);
try {
  tell({ kind: 'found', garbage: findGarbage(workerData as GarbageQuery, (at) => tell({ kind: 'progress', at })) });
} catch (error) {
  tell({ kind: 'failed', error: toSanderlingError(error).toBody() });
}
