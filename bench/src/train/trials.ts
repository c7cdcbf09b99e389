// A hyper-parameter search's work: 24 forecasters (GRU, window 24, 5,000 windows, 10 epochs), one thread each, in one process and in two.
//   node bench/src/train/trials.ts
import { fork } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { trainForecaster } from '@sanderling/train';

const [trials, rows, features, window, horizon] = [24, 6000, 3, 24, 3];

async function trial(seed: number): Promise<number> {
  const series = Float32Array.from({ length: rows * features }, (_, i) => Math.sin(i / 27 + (i % features)));
  const starts = (from: number, to: number) => Int32Array.from({ length: to - from }, (_, i) => from + i);
  const { validationLoss } = await trainForecaster({
    cell: 'gru',
    window,
    features,
    horizon,
    hidden: 32,
    dropout: 0.1,
    learningRate: 3e-3,
    batch: 64,
    epochs: 10,
    seed,
    data: { series, trainStarts: starts(0, 5000), validationStarts: starts(5030, 5970) },
  });
  return validationLoss;
}

/** All trials spread over processes; seconds until the last has ended. */
async function spread(processes: number): Promise<number> {
  const began = performance.now();
  const ends = Array.from({ length: processes }, (_, p) => {
    const child = fork(new URL(import.meta.url), [String(p), String(processes)]);
    return new Promise<void>((resolve, reject) => {
      child.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`a process ended with ${code}`))));
    });
  });
  await Promise.all(ends);
  return (performance.now() - began) / 1000;
}

if (process.argv[3] !== undefined) {
  const [part, processes] = [Number(process.argv[2]), Number(process.argv[3])];
  for (let seed = part; seed < trials; seed += processes) await trial(seed);
} else {
  const rounds = Number(process.env['ROUNDS'] ?? 2);
  const [one, two]: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round += 1) {
    one.push(await spread(1));
    two.push(await spread(2));
  }
  const [a, b] = [Math.min(...one), Math.min(...two)];
  const table = [
    '| processes | seconds for 24 trials | speed-up |',
    '|---|---|---|',
    `| 1 | ${a.toFixed(1)} | 1 |`,
    `| 2 | ${b.toFixed(1)} | ${(a / b).toFixed(2)} |`,
  ];
  console.log(table.join('\n'));
  const results = new URL('../../results/', import.meta.url);
  await mkdir(results, { recursive: true });
  const text = [
    '# 24 forecaster trials',
    '',
    'GRU 32, window 24, 5,000 windows, 10 epochs each, one thread a process; best of the rounds. `node bench/src/train/trials.ts`',
    '',
    ...table,
    '',
  ];
  await writeFile(new URL('train-trials.md', results), text.join('\n'));
}
