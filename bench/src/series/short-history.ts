// The same study on less and less history: where the gain over the baselines ends.
// node bench/src/series/short-history.ts
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sources } from './sources.ts';
import { ForecastTask } from './task.ts';

const shares = [0.4, 0.55, 0.7, 0.85, 1];
const seeds = [1, 2, 3];
const day = 86_400_000;

const head = ['series', 'days', 'step', 'rows', 'persistence', 'seasonal-naive', 'linear gain', 'GRU gain'];
const table = [`| ${head.join(' | ')} |`, `|${head.map(() => '---').join('|')}|`];
console.log(table.join('\n'));
for (const source of sources) {
  const readings = await source.load();
  for (const share of shares) {
    const part = readings.slice(0, Math.floor(readings.length * share));
    const task = new ForecastTask(part);
    const { persistence, seasonal, linear } = task.baselines();
    const bar = Math.min(persistence, seasonal);
    const gains: number[] = [];
    for (const seed of seeds) {
      const { window, start } = task.suggested;
      const { model } = await task.train({ ...start, window }, seed);
      gains.push(100 * (1 - (await task.test(model, window)) / bar));
    }
    gains.sort((a, b) => a - b);
    const days = (part[part.length - 1]!.time - part[0]!.time) / day;
    const errors = `${persistence.toFixed(3)} ${source.unit} | ${seasonal.toFixed(3)} | ${(100 * (1 - linear / bar)).toFixed(0)} %`;
    const spread = `${gains[1]!.toFixed(0)} % (${gains[0]!.toFixed(0)} … ${gains[2]!.toFixed(0)})`;
    const size = `${days.toFixed(1)} | ${task.grid.stepMs / 60_000} min | ${task.grid.values.length}`;
    table.push(`| ${source.name} | ${size} | ${errors} | ${spread} |`);
    console.log(table[table.length - 1]);
  }
}

const text = `# Forecast accuracy on short histories

Made by \`node bench/src/series/short-history.ts\`: the first 40 … 100 % of each series, everything on automatic, no search, median of ${seeds.length} seeds (worst … best).
The test part is the last 15 % of the rows: under six days of readings it is less than a day, often a single calm night in which hardly anything beats
persistence, and one such night says little about the next. Collect a week before asking for a release; a gate that demands a gain will rightly refuse before.

${table.join('\n')}
`;
const folder = join(import.meta.dirname, '../../results');
await mkdir(folder, { recursive: true });
await writeFile(join(folder, 'series-short-history.md'), text);
