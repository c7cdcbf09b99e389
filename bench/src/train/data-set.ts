// Where the real data lie, and where a table goes.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';

/** The folder of a shared data set; ends the program with one line when there is none. */
export function dataFolder(name: string): string {
  const shared = process.env['SANDERLING_SHARED'] ?? new URL('../../../../shared', import.meta.url).pathname;
  const tool = `${shared}/tools/data`;
  if (!existsSync(tool)) {
    console.log('skipped: no shared data (set SANDERLING_SHARED)');
    process.exit(0);
  }
  return `${execFileSync(tool, [name], { encoding: 'utf8' }).trim()}/${name}`;
}

/** Writes a results page: title, one line on what was done, table. */
export async function writeResult(file: string, lines: readonly string[]): Promise<void> {
  const results = new URL('../../results/', import.meta.url);
  await mkdir(results, { recursive: true });
  await writeFile(new URL(file, results), `${lines.join('\n')}\n`);
}

/** Seconds of CPU that this process has used: what a training costs on a machine that others use too. */
export function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** Mean and standard deviation over seeds. */
export function spreadOf(values: readonly number[]): { mean: number; deviation: number } {
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
  const squares = values.reduce((sum, x) => sum + (x - mean) ** 2, 0);
  return { mean, deviation: Math.sqrt(squares / Math.max(1, values.length - 1)) };
}
