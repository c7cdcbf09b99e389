// How much better than persistence and seasonal-naive forecasts a small GRU is, with what `resample` and `suggestTask` choose by themselves:
// five seeds without a search, and with the search that a project runs by default (genetic, 24 trials).
// node bench/src/series/accuracy.ts [--search SEEDS]
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { choice, createSearch, float, genetic, int, space } from '@sanderling/search';
import type { SuggestedDimension } from '@sanderling/series';
import { sources, type SeriesSource } from './sources.ts';
import { ForecastTask, type Trial } from './task.ts';

const { values: options } = parseArgs({
  options: { search: { type: 'string', default: '5' }, only: { type: 'string' } },
});
const seeds = [1, 2, 3, 4, 5];
const searchSeeds = seeds.slice(0, Number(options.search));
const trials = 24;

const dimensionOf = (d: SuggestedDimension) => {
  if (d.type === 'choice') return choice(d.options);
  return d.type === 'int' ? int(d.low, d.high, { log: d.log }) : float(d.low, d.high, { log: d.log });
};

interface Outcome {
  readonly errors: readonly number[];
  readonly seconds: number;
}

async function withoutSearch(task: ForecastTask): Promise<Outcome> {
  const errors: number[] = [];
  let seconds = 0;
  const trial = { ...task.suggested.start, window: task.suggested.window };
  for (const seed of seeds) {
    const trained = await task.train(trial, seed);
    seconds += trained.seconds / seeds.length;
    errors.push(await task.test(trained.model, trial.window));
  }
  return { errors, seconds };
}

async function withSearch(task: ForecastTask): Promise<Outcome> {
  const errors: number[] = [];
  let seconds = 0;
  for (const seed of searchSeeds) {
    const found = await search(task, seed);
    seconds += found.seconds / searchSeeds.length;
    errors.push(found.error);
  }
  return { errors, seconds };
}

async function search(task: ForecastTask, seed: number): Promise<{ error: number; seconds: number }> {
  const { space: wanted, start, window } = task.suggested;
  const shape = Object.fromEntries(Object.entries(wanted).map(([name, dimension]) => [name, dimensionOf(dimension)]));
  const hunt = createSearch(genetic({ population: 8 }), space(shape), {
    seed,
    trials,
    initial: [{ ...start, window }],
  });
  let best: { validation: number; model: Uint8Array; window: number } | undefined;
  let seconds = 0;
  for (let next = hunt.ask(); next !== undefined; next = hunt.ask()) {
    const trial = next.params as unknown as Trial;
    const trained = await task.train(trial, `${seed}/${next.id}`);
    seconds += trained.seconds;
    hunt.tell(next.id, { value: trained.validation });
    if (best === undefined || trained.validation < best.validation) best = { ...trained, window: trial.window };
  }
  return { error: await task.test(best!.model, best!.window), seconds };
}

const spread = (errors: readonly number[], reference: number): string => {
  const gains = errors.map((error) => 100 * (1 - error / reference)).sort((a, b) => a - b);
  if (gains.length === 0) return 'not run';
  const middle = gains[gains.length >> 1]!;
  return `${middle.toFixed(0)} % (${gains[0]!.toFixed(0)} … ${gains[gains.length - 1]!.toFixed(0)})`;
};

async function rowFor(source: SeriesSource): Promise<string> {
  const task = new ForecastTask(await source.load());
  const { window, horizon, features } = task.suggested;
  const { persistence, seasonal, linear } = task.baselines();
  const bar = Math.min(persistence, seasonal);
  const [plain, searched] = [await withoutSearch(task), await withSearch(task)];
  const cells = [
    `${source.name}: ${source.about}`,
    `${task.grid.stepMs / 60_000} min`,
    `${task.grid.values.length}`,
    `${window} → ${horizon}`,
    features.slice(1).join(' '),
    `${persistence.toFixed(3)} ${source.unit}`,
    seasonal.toFixed(3),
    `${(100 * (1 - linear / bar)).toFixed(0)} %`,
    spread(plain.errors, bar),
    spread(searched.errors, bar),
    `${plain.seconds.toFixed(1)} s`,
    `${searched.seconds.toFixed(1)} s`,
  ];
  const line = `| ${cells.join(' | ')} |`;
  console.log(line);
  return line;
}

const head = [
  'series',
  'step',
  'rows',
  'window → horizon',
  'features beside the value',
  'persistence',
  'seasonal-naive',
  'linear gain',
  'GRU gain',
  `GRU gain, searched`,
  'one training',
  `${trials} trials`,
];
const table = [`| ${head.join(' | ')} |`, `|${head.map(() => '---').join('|')}|`];
console.log(table.join('\n'));
for (const source of sources) {
  if (options.only !== undefined && !source.name.startsWith(options.only)) continue;
  table.push(await rowFor(source));
}

const text = `# Forecast accuracy on room temperatures

Made by \`node bench/src/series/accuracy.ts\` on 2 cores (one thread a training). Mean absolute error over all test windows, in the series' own unit;
a gain is how far below the *better* of the two baselines a forecaster's error lies: median over ${seeds.length} seeds without a search, over
${searchSeeds.length} with one, worst and best in brackets. Split by time 70/15/15; windows lie wholly inside their part; step, window, horizon and features are
what \`resample\` and \`suggestTask\` chose by themselves. The season (a day or a week) is the one that fits the training part better. Times are processor
seconds; a project runs two trials at a time on two cores.

${table.join('\n')}
`;
if (options.only === undefined) {
  const folder = join(import.meta.dirname, '../../results');
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'series-accuracy.md'), text);
}
