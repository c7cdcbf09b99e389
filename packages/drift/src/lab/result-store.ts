// Finished tasks in a folder, one line each: what was cut off by a crash is passed over when read, and run again.
import { appendFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { readFileIfPresent } from '@sanderling/kit';
import { addressOf, type LabTask } from './config.ts';
import type { LabResult } from './run-task.ts';

const fileName = 'results.jsonl';

/** Results by the address of their task; without a folder it keeps nothing. */
export class ResultStore {
  readonly #folder: string | undefined;
  readonly #found: Map<string, LabResult>;

  private constructor(folder: string | undefined, found: Map<string, LabResult>) {
    this.#folder = folder;
    this.#found = found;
  }

  /** Reads what the folder holds. */
  static async open(folder: string | undefined): Promise<ResultStore> {
    const bytes = folder === undefined ? undefined : await readFileIfPresent(join(folder, fileName));
    const found = new Map<string, LabResult>();
    for (const line of bytes?.toString().split('\n') ?? []) {
      try {
        const { address, result } = JSON.parse(line) as { address: string; result: LabResult };
        if (typeof address === 'string' && typeof result === 'object') found.set(address, result);
      } catch {
        // A line cut off by a crash: its task runs again.
      }
    }
    return new ResultStore(folder, found);
  }

  get(task: LabTask): LabResult | undefined {
    return this.#found.get(addressOf(task));
  }

  /** Appends a result as one line, safe on the disk when this returns. */
  async keep(task: LabTask, result: LabResult): Promise<void> {
    if (this.#folder === undefined) return;
    await mkdir(this.#folder, { recursive: true });
    const line = `\n${JSON.stringify({ address: addressOf(task), result })}`;
    await appendFile(join(this.#folder, fileName), line, { flush: true });
  }
}
