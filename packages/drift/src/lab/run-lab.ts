// The lab: every detector on every stream with every seed, side by side in child processes, results kept as they come, so that a lab
// that was stopped goes on where it was.
import { appendFile, mkdir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { readFileIfPresent, SanderlingError } from '@sanderling/kit';
import { addressOf, tasksOf, type LabConfig, type LabTask } from './config.ts';
import { LabPool, sideBySide } from './pool.ts';
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

const fileName = 'results.jsonl';

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
  const finished = folder === undefined ? new Map<string, LabResult>() : await readResults(folder);
  const known = tasks.map((task) => finished.get(addressOf(task)));
  let done = known.filter((result) => result !== undefined).length;
  onProgress?.({ done, total: tasks.length });
  await using pool = new LabPool();
  const run = async (task: LabTask, own: AbortSignal): Promise<LabResult> => {
    const result = await pool.run(task, own);
    if (folder !== undefined) await keep(folder, task, result);
    onProgress?.({ done: ++done, total: tasks.length, newest: result });
    return result;
  };
  return await sideBySide(
    tasks.map((task, i) => async (own: AbortSignal) => known[i] ?? run(task, own)),
    processes,
    signal,
  );
}

/** Appends a result as one line: a line that was cut off is passed over when read. */
async function keep(folder: string, task: LabTask, result: LabResult): Promise<void> {
  await mkdir(folder, { recursive: true });
  await appendFile(join(folder, fileName), `\n${JSON.stringify({ address: addressOf(task), result })}`, {
    flush: true,
  });
}

async function readResults(folder: string): Promise<Map<string, LabResult>> {
  const bytes = await readFileIfPresent(join(folder, fileName));
  const found = new Map<string, LabResult>();
  for (const line of bytes?.toString().split('\n') ?? []) {
    try {
      const { address, result } = JSON.parse(line) as { address: string; result: LabResult };
      if (typeof address === 'string' && typeof result === 'object') found.set(address, result);
    } catch {
      // A line cut off by a crash: its task runs again.
    }
  }
  return found;
}
