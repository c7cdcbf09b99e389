// What a table of results said before: cells that are not measured this time stay as they are.
import { readFileSync } from 'node:fs';

/** The rows of a table in `bench/results`, by their first `keys` cells joined with ` | `; none when there is no such file yet. */
export function earlierRows(name: string, keys: number): ReadonlyMap<string, readonly string[]> {
  let text = '';
  try {
    text = readFileSync(new URL(`../../results/${name}`, import.meta.url), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const rows = text
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) => line.slice(2, -2).split(' | '));
  return new Map(rows.map((cells) => [cells.slice(0, keys).join(' | '), cells]));
}
