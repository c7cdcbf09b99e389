// What one ask and tell costs: CPU time, and with PEER_PYTHON (see quality.ts) wall time beside Optuna and pymoo, interleaved A B A B; medians of five.
// Without peers the cells of wall time stay as they are: only interleaved runs compare.
// PEER_PYTHON=python node bench/src/search/cost.ts
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { createSearch, nsga2, random, tpe, type AlgorithmConfig } from '@sanderling/search';
import { earlierRows } from './earlier.ts';
import { dtlz2, hartmann6, zdt1, type Problem } from './problems.ts';

const rounds = 5;
const rows: readonly { problem: Problem; algorithm: AlgorithmConfig; peer: string; trials: number }[] = [
  { problem: hartmann6, algorithm: random(), peer: 'random', trials: 300 },
  { problem: hartmann6, algorithm: tpe(), peer: 'tpe', trials: 100 },
  { problem: hartmann6, algorithm: tpe(), peer: 'tpe', trials: 300 },
  { problem: zdt1, algorithm: nsga2({ population: 100 }), peer: 'nsga2', trials: 10_000 },
  { problem: dtlz2, algorithm: nsga2({ population: 100 }), peer: 'nsga2', trials: 10_000 },
];

interface Microseconds {
  readonly wall: number;
  readonly cpu: number;
}

/** For each trial, the cheap objective included, as on the peer's side. */
function ours(problem: Problem, algorithm: AlgorithmConfig, trials: number): Microseconds {
  const goals = Array.from({ length: problem.goals }, (_, i) => ({ name: `f${i}`, direction: 'minimize' as const }));
  const begin = performance.now();
  const before = process.cpuUsage();
  const search = createSearch(algorithm, problem.space, { goals, trials });
  for (let trial = search.ask(); trial !== undefined; trial = search.ask())
    search.tell(trial.id, { values: problem.costs(trial.params) });
  const { user, system } = process.cpuUsage(before);
  return { wall: ((performance.now() - begin) / trials) * 1000, cpu: (user + system) / trials };
}

const python = process.env['PEER_PYTHON'];

function theirs(problem: Problem, peer: string, trials: number): number | undefined {
  if (python === undefined) return undefined;
  const script = new URL('peers/peers.py', import.meta.url).pathname;
  const output = execFileSync(python, [script, peer, problem.name, '1', String(trials)], { encoding: 'utf8' });
  return (JSON.parse(output) as { microseconds: number }).microseconds;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

/** Wall time on both sides and its ratio: of this run, or of the last one that had peers. */
function compared(own: readonly Microseconds[], other: readonly number[], before: readonly string[] = []): string[] {
  if (other.length === 0) return before.length < 6 ? ['–', '–', '–'] : before.slice(-3);
  const ratio = median(own.map(({ wall }, i) => other[i]! / wall));
  return [median(own.map(({ wall }) => wall)).toFixed(0), median(other).toFixed(0), `${ratio.toFixed(1)}×`];
}

const earlier = earlierRows('search-cost.md', 3);
const table: string[] = [];
for (const { problem, algorithm, peer, trials } of rows) {
  const own: Microseconds[] = [];
  const other: number[] = [];
  ours(problem, algorithm, trials);
  for (let round = 0; round < rounds; round++) {
    own.push(ours(problem, algorithm, trials));
    const peerWall = theirs(problem, peer, trials);
    if (peerWall !== undefined) other.push(peerWall);
  }
  const key = [algorithm.kind, problem.name, trials];
  const cpu = median(own.map((microseconds) => microseconds.cpu)).toFixed(0);
  const cells = [...key, cpu, ...compared(own, other, earlier.get(key.join(' | ')))];
  table.push(`| ${cells.join(' | ')} |`);
  console.log(table.at(-1));
}
const load = loadavg()[0]!.toFixed(1);
const lines = [
  '# Search: cost of one ask and tell',
  '',
  `Microseconds a trial, objective included, medians of ${rounds}. CPU time of this run: ${cpus().length} cores, load ${load} at the end.`,
  python === undefined
    ? 'Wall time, interleaved with the peers, "faster" the median of the paired ratios: of the last run that had peers, when TPE drew 64 candidates after 10 random trials (load 10.4).'
    : 'Wall time of this run, interleaved with the peers; "faster" is the median of the paired ratios.',
  'Peers: Optuna 5.0.0 (random, TPE; in memory), pymoo 0.6.2 (NSGA-II). `PEER_PYTHON=python node bench/src/search/cost.ts`',
  '',
  '| algorithm | problem | trials | Sanderling CPU µs | Sanderling µs | peer µs | faster |',
  '|---|---|--:|--:|--:|--:|--:|',
  ...table,
];
mkdirSync(new URL('../../results/', import.meta.url), { recursive: true });
writeFileSync(new URL('../../results/search-cost.md', import.meta.url), `${lines.join('\n')}\n`);
