// What one ask and tell costs beside Optuna and pymoo, interleaved A B A B, medians of five. Needs PEER_PYTHON (see quality.ts).
// PEER_PYTHON=python node bench/src/search/cost.ts
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { createSearch, nsga2, random, tpe, type AlgorithmConfig } from '@sanderling/search';
import { dtlz2, hartmann6, zdt1, type Problem } from './problems.ts';

const rounds = 5;
const rows: readonly { problem: Problem; algorithm: AlgorithmConfig; peer: string; trials: number }[] = [
  { problem: hartmann6, algorithm: random(), peer: 'random', trials: 300 },
  { problem: hartmann6, algorithm: tpe(), peer: 'tpe', trials: 100 },
  { problem: hartmann6, algorithm: tpe(), peer: 'tpe', trials: 300 },
  { problem: zdt1, algorithm: nsga2({ population: 100 }), peer: 'nsga2', trials: 10_000 },
  { problem: dtlz2, algorithm: nsga2({ population: 100 }), peer: 'nsga2', trials: 10_000 },
];

/** Microseconds for each trial, the cheap objective included, as on the peer's side. */
function ours(problem: Problem, algorithm: AlgorithmConfig, trials: number): number {
  const goals = Array.from({ length: problem.goals }, (_, i) => ({ name: `f${i}`, direction: 'minimize' as const }));
  const begin = performance.now();
  const search = createSearch(algorithm, problem.space, { goals, trials });
  for (let trial = search.ask(); trial !== undefined; trial = search.ask())
    search.tell(trial.id, { values: problem.costs(trial.params) });
  return ((performance.now() - begin) / trials) * 1000;
}

function theirs(problem: Problem, peer: string, trials: number): number {
  const script = new URL('peers/peers.py', import.meta.url).pathname;
  const python = process.env['PEER_PYTHON'] ?? 'python3';
  const output = execFileSync(python, [script, peer, problem.name, '1', String(trials)], { encoding: 'utf8' });
  return (JSON.parse(output) as { microseconds: number }).microseconds;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

const table: string[] = [];
for (const { problem, algorithm, peer, trials } of rows) {
  const own: number[] = [];
  const other: number[] = [];
  ours(problem, algorithm, trials);
  for (let round = 0; round < rounds; round++) {
    own.push(ours(problem, algorithm, trials));
    other.push(theirs(problem, peer, trials));
  }
  const ratio = median(own.map((microseconds, i) => other[i]! / microseconds));
  const cells = [
    algorithm.kind,
    problem.name,
    trials,
    median(own).toFixed(0),
    median(other).toFixed(0),
    `${ratio.toFixed(1)}×`,
  ];
  table.push(`| ${cells.join(' | ')} |`);
  console.log(table.at(-1));
}
const load = loadavg()[0]!.toFixed(1);
const lines = [
  '# Search: cost of one ask and tell',
  '',
  `Microseconds a trial, objective included; interleaved, medians of ${rounds}; "faster" is the median of the paired ratios. ${cpus().length} cores, load ${load} at the end.`,
  'Peers: Optuna 5.0.0 (random, TPE; in memory), pymoo 0.6.2 (NSGA-II). `PEER_PYTHON=python node bench/src/search/cost.ts`',
  '',
  '| algorithm | problem | trials | Sanderling µs | peer µs | faster |',
  '|---|---|--:|--:|--:|--:|',
  ...table,
];
mkdirSync(new URL('../../results/', import.meta.url), { recursive: true });
writeFileSync(new URL('../../results/search-cost.md', import.meta.url), `${lines.join('\n')}\n`);
