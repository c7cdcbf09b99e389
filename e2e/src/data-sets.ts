// Real data sets are not part of the repository. Tests that want one find it here, or are skipped with a word.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const shared = process.env['SANDERLING_SHARED'] ?? join(import.meta.dirname, '..', '..', '..', 'shared');

/** The path of a file in a data set, or undefined after saying what is skipped. */
export function dataSet(name: string, file: string): string | undefined {
  const tool = join(shared, 'tools', 'data');
  const path = existsSync(tool) ? join(execFileSync(tool, [name], { encoding: 'utf8' }).trim(), file) : undefined;
  if (path !== undefined && existsSync(path)) return path;
  console.warn(`SKIPPED: no data set ${name}; set SANDERLING_SHARED to the folder that has tools/data`);
  return undefined;
}
