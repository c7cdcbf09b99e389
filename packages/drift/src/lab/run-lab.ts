// The lab: every detector on every stream with every seed, side by side in child processes, results kept as they come, so that a lab
// that was stopped goes on where it was.
import { availableParallelism } from 'node:os';
import { SanderlingError } from '@sanderling/kit';
import { tasksOf, type LabConfig, type LabTask } from './config.ts';
import { LabPool, sideBySide } from './pool.ts';
import { ResultStore } from './result-store.ts';
import type { LabResult } from './run-task.ts';

/** How far a lab is. */
export interface LabProgress {
  readonly done: number;
  readonly total: number;
  /** The task that was just finished; undefined for those found in the folder. */
  readonly newest?: LabResult;
}

/** How a lab is run. */
export interface LabOptions {
  /** Folder of `results.jsonl`; finished tasks in it are not run again. @default nothing is kept */
  readonly folder?: string;
  /** Child processes. @default the number of processors */
  readonly processes?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: LabProgress) => void;
}

/**
 * Runs a lab.
 * @returns a result a task, in the order of {@link tasksOf}.
 * @throws INVALID_CONFIG before anything runs; what a task throws; CANCELLED by the signal. What is finished stays in the folder.
 */
export async function runLab(config: LabConfig, options: LabOptions = {}): Promise<readonly LabResult[]> {
  const { folder, onProgress, signal } = options;
  const processes = options.processes ?? availableParallelism();
  if (!Number.isInteger(processes) || processes < 1) {
    throw new SanderlingError('INVALID_CONFIG', 'the number of processes is a whole number from 1', {
      where: 'processes',
    });
  }
  const tasks = tasksOf(config);
  const store = await ResultStore.open(folder);
  const known = tasks.map((task) => store.get(task));
  let done = known.filter((result) => result !== undefined).length;
  onProgress?.({ done, total: tasks.length });
  await using pool = new LabPool();
  const run = async (task: LabTask, own: AbortSignal): Promise<LabResult> => {
    const result = await pool.run(task, own);
    await store.keep(task, result);
    onProgress?.({ done: ++done, total: tasks.length, newest: result });
    return result;
  };
  return await sideBySide(
    tasks.map((task, i) => async (own: AbortSignal) => known[i] ?? run(task, own)),
    processes,
    signal,
  );
}
