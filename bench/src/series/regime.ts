// What a change of regime in the simulated room does to a GRU trained before it, and what retraining on readings that include the change brings back.
// node bench/src/series/regime.ts
import { execFileSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  actualsAt,
  encodeSeries,
  evaluateForecasts,
  fitPreprocessing,
  readReadings,
  resample,
  splitRanges,
  suggestTask,
  windowStarts,
  type Grid,
  type Preprocessing,
  type Reading,
} from '@sanderling/series';
import { trainForecaster } from '@sanderling/train';
import { runModel } from './run-model.ts';

const simulator = join(import.meta.dirname, '../../../projects/temperature/src/room-table.ts');
const changes = [
  'night-setback-off',
  'heating-schedule',
  'insulation',
  'sensor-moved',
  'window-left-open',
  'heating-off',
];
const seeds = [1, 2, 3];
const day = 144;
const [before, week] = [40 * day, 7 * day];

interface Forecaster {
  readonly preprocessing: Preprocessing;
  readonly model: Uint8Array;
}

/** Readings of the room: 47 days as usual, then four weeks of the new regime. */
async function roomWith(change: string, seed: number): Promise<Reading[]> {
  const wanted = { count: before + 5 * week, seed, change, after: before + week };
  const words = Object.entries(wanted).flatMap(([name, value]) => [`--${name}`, `${value}`]);
  const table = execFileSync(process.execPath, [simulator, ...words], { maxBuffer: 1 << 26 });
  return (await readReadings(table, { limits: { latest: Infinity } })).readings;
}

const gridOf = (readings: readonly Reading[]): Grid => resample(readings, { stepMs: 600_000, offsetMs: 0 });

/** Trains on readings; with `fresh`, half of the training windows come from the last `fresh` rows, as after a drift alarm. */
async function train(readings: readonly Reading[], seed: number, fresh = 0): Promise<Forecaster> {
  const grid = gridOf(readings);
  const task = suggestTask(grid);
  const ranges = splitRanges(grid, { train: 0.8, validation: 0.15, purge: task.horizon });
  const preprocessing = fitPreprocessing(grid, ranges.train, task);
  const { series, features } = encodeSeries(grid, preprocessing);
  const starts = windowStarts(grid, { ...task, ranges });
  const young = starts.train.filter((start) => start >= grid.values.length - fresh);
  const repeat =
    young.length === 0 ? 0 : Math.max(0, Math.round((starts.train.length - 2 * young.length) / young.length));
  const trainStarts = Int32Array.from([...starts.train, ...Array.from({ length: repeat }, () => [...young]).flat()]);
  const { model } = await trainForecaster({
    cell: 'gru',
    ...task.start,
    window: task.window,
    horizon: task.horizon,
    features,
    data: { series, trainStarts, validationStarts: starts.validation },
    loss: task.loss,
    epochs: 12,
    patience: 3,
    clipNorm: 1,
    seed,
  });
  return { preprocessing, model };
}

async function errorOn(readings: readonly Reading[], { preprocessing, model }: Forecaster): Promise<number> {
  const grid = gridOf(readings);
  const all = { from: 0, to: grid.values.length };
  const none = { from: all.to, to: all.to };
  const starts = windowStarts(grid, { ...preprocessing, ranges: { train: all, validation: none, test: none } }).train;
  const forecasts = await runModel(model, { preprocessing, encoded: encodeSeries(grid, preprocessing), starts });
  return evaluateForecasts(forecasts, actualsAt(grid, starts, preprocessing)).mae;
}

const middle = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;

async function rowFor(change: string): Promise<string> {
  const usual: number[] = [];
  const shocked: number[] = [];
  const again: number[] = [];
  for (const seed of seeds) {
    const readings = await roomWith(change, seed);
    const old = await train(readings.slice(0, before), seed);
    const changed = before + week;
    usual.push(await errorOn(readings.slice(before, changed), old));
    shocked.push(await errorOn(readings.slice(changed, changed + 2 * day), old));
    const newest = readings.slice(0, changed + 2 * week).slice(-7000);
    again.push(
      await errorOn(readings.slice(changed + 2 * week, changed + 4 * week), await train(newest, seed, 2 * week)),
    );
  }
  const [a, b, c] = [middle(usual), middle(shocked), middle(again)];
  const line = `| ${change} | ${a.toFixed(2)} °C | ${b.toFixed(2)} °C (× ${(b / a).toFixed(1)}) | ${c.toFixed(2)} °C (× ${(c / a).toFixed(1)}) |`;
  console.log(line);
  return line;
}

const table = ['| change | week before | first two days | two weeks after retraining |', '|---|---|---|---|'];
console.log(table.join('\n'));
for (const change of changes) table.push(await rowFor(change));
const text = `# Changes of regime in the simulated room

Made by \`node bench/src/series/regime.ts\`. Mean absolute error of a GRU over the next two hours, median of ${seeds.length} seeds: trained on 40 days of winter; in the
first two days of the change; and, trained again on the newest 7,000 readings with two weeks of the new regime in them (half of the training windows from these), over the two weeks
that follow.

${table.join('\n')}
`;
const folder = join(import.meta.dirname, '../../results');
await mkdir(folder, { recursive: true });
await writeFile(join(folder, 'series-regime.md'), text);
