// Quality at equal evaluations, beside Optuna 5 and pymoo. Peers run when PEER_PYTHON names a Python that has them; without, their cells stay as they
// are. So do all cells of algorithms that are not named, if any is: the seeds are fixed, an algorithm that has not changed gives the same again.
// node bench/src/search/quality.ts [ALGORITHM]
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import {
  createSearch,
  genetic,
  hypervolume,
  nonDominatedSort,
  nsga2,
  random,
  spread,
  tpe,
  type AlgorithmConfig,
  type Search,
} from '@sanderling/search';
import { earlierRows } from './earlier.ts';
import { branin, dtlz2, hartmann6, zdt1, zdt2, zdt3, type Point, type Problem } from './problems.ts';

interface Row {
  readonly problem: Problem;
  readonly algorithm: AlgorithmConfig;
  readonly trials: number;
  readonly seeds: number;
  /** What the peer is called, and its seeds: the slower one gets fewer. */
  readonly peer: string;
  readonly peerSeeds: number;
  /** The peer's median as published for this comparison, where there is one. */
  readonly target?: number;
}

interface Result {
  readonly values: readonly number[];
}

const single = { seeds: 60, peerSeeds: 60 };
const many = { algorithm: nsga2({ population: 100 }), trials: 25_000, seeds: 21, peer: 'nsga2', peerSeeds: 7 };
const rows: readonly Row[] = [
  { problem: branin, algorithm: random(), trials: 100, peer: 'random', ...single },
  { problem: branin, algorithm: genetic(), trials: 100, peer: '', ...single },
  { problem: branin, algorithm: tpe(), trials: 100, peer: 'tpe', target: 0.417, ...single },
  { problem: branin, algorithm: tpe({ concurrency: 4 }), trials: 100, peer: '', ...single },
  { problem: hartmann6, algorithm: random(), trials: 100, peer: 'random', ...single },
  { problem: hartmann6, algorithm: genetic(), trials: 100, peer: '', ...single },
  { problem: hartmann6, algorithm: tpe(), trials: 100, peer: 'tpe', target: -3.232, ...single },
  { problem: hartmann6, algorithm: tpe({ concurrency: 4 }), trials: 100, peer: '', ...single },
  { problem: zdt1, target: 0.8697, ...many },
  { problem: zdt2, target: 0.5364, ...many },
  { problem: zdt3, target: 1.3276, ...many },
  { problem: dtlz2, target: 0.7036, ...many },
];

function ours({ problem, algorithm, trials, seeds }: Row): Result {
  const goals = Array.from({ length: problem.goals }, (_, i) => ({ name: `f${i}`, direction: 'minimize' as const }));
  const values: number[] = [];
  for (let seed = 0; seed < seeds; seed++) {
    const search = createSearch(algorithm, problem.space, { seed, goals, trials });
    for (let trial = search.ask(); trial !== undefined; trial = search.ask()) {
      search.tell(trial.id, { values: problem.costs(trial.params) });
    }
    values.push(problem.goals === 1 ? search.history().at(-1)!.value : lastPopulation(search, problem));
  }
  return { values };
}

/** Hypervolume of the population that lives on after the last generation, as pymoo reports it: not of all that was ever tried. */
function lastPopulation(search: Search<Point>, problem: Problem): number {
  const trials = search.trials().map(({ values }) => Object.values(values!));
  let population: readonly (readonly number[])[] = [];
  for (let from = 0; from < trials.length; from += 100) {
    const all = [...population, ...trials.slice(from, from + 100)];
    const next: (readonly number[])[] = [];
    for (const front of nonDominatedSort(all)) {
      const points = front.map((i) => all[i]!);
      next.push(...spread(points, Math.max(0, 100 - next.length)).map((i) => points[i]!));
    }
    population = next;
  }
  return hypervolume(population, Array(problem.goals).fill(1.1));
}

function theirs({ peer, problem, peerSeeds, trials }: Row): Result | undefined {
  const python = process.env['PEER_PYTHON'];
  if (python === undefined || peer === '') return undefined;
  const script = new URL('peers/peers.py', import.meta.url).pathname;
  const output = execFileSync(python, [script, peer, problem.name, String(peerSeeds), String(trials)], {
    encoding: 'utf8',
  });
  return JSON.parse(output) as Result;
}

function quantile(values: readonly number[], share: number): string {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.round(share * (sorted.length - 1))]!.toFixed(4);
}

function summary({ values }: Result): string {
  return `${quantile(values, 0.5)} [${quantile(values, 0.25)}, ${quantile(values, 0.75)}] (${values.length})`;
}

function nameOf({ kind, ...options }: AlgorithmConfig): string {
  const given = Object.entries(options).map(([name, value]) => `${name} ${String(value)}`);
  return given.length === 0 ? kind : `${kind} (${given.join(', ')})`;
}

const lines = [
  '# Search: quality at equal evaluations',
  '',
  'Best value (smaller is better; ZDT and DTLZ: hypervolume of the last population, reference 1.1, larger is better): median [quartiles] (seeds).',
  'Peers: Optuna 5.0.0 for TPE and random, pymoo 0.6.2 for NSGA-II; targets are their medians as measured before this code was written.',
  '`PEER_PYTHON=python node bench/src/search/quality.ts`',
  '',
  '| problem | algorithm | trials | Sanderling | peer | target |',
  '|---|---|--:|--:|--:|--:|',
];
const earlier = earlierRows('search-quality.md', 3);
const only = process.argv[2];
for (const row of rows) {
  const key = [row.problem.name, nameOf(row.algorithm), row.trials];
  const before = earlier.get(key.join(' | '));
  const asked = only === undefined || row.algorithm.kind === only;
  const own = asked || before === undefined ? summary(ours(row)) : before[3]!;
  const peer = asked ? theirs(row) : undefined;
  const cells = [...key, own, peer === undefined ? (before?.[4] ?? '–') : summary(peer), row.target ?? '–'];
  lines.push(`| ${cells.join(' | ')} |`);
  console.log(lines.at(-1));
}
mkdirSync(new URL('../../results/', import.meta.url), { recursive: true });
writeFileSync(new URL('../../results/search-quality.md', import.meta.url), `${lines.join('\n')}\n`);
