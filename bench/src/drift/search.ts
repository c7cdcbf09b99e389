// NSGA-II over the options of detectors: node bench/src/drift/search.ts [trials]
import { mkdirSync, writeFileSync } from 'node:fs';
import { searchDetector, searchGoals, searchSpaceOf } from '@sanderling/drift';
import { createSearch, float, int, nsga2, space, type FloatDimension, type IntDimension } from '@sanderling/search';

const trials = Number(process.argv[2] ?? 60);
const made = { concept: 'errors', length: 6000, drifts: 3 } as const;

function spaceFor(detector: string): ReturnType<typeof space<Record<string, FloatDimension | IntDimension>>> {
  const dimensions = searchSpaceOf(detector).map(({ name, low, high, log, whole }) => [
    name,
    whole ? int(low, high, { log }) : float(low, high, { log }),
  ]);
  return space(Object.fromEntries(dimensions) as Record<string, FloatDimension | IntDimension>);
}

const lines: string[] = [];
for (const detector of ['page-hinkley', 'adwin', 'ddm', 'hddm-a', 'hddm-w', 'stepd', 'cusum']) {
  const goals = searchGoals.map((name) => ({ name, direction: 'minimize' as const }));
  const search = createSearch(nsga2({ population: 20 }), spaceFor(detector), { seed: 1, goals, trials });
  const { front, defaults, tried } = await searchDetector(
    {
      detector,
      streams: [{ name: 'errors', made }],
      seeds: [1, 2, 3, 4],
      heldOutSeeds: [101, 102, 103, 104],
      acceptance: { after: 500 },
      trials,
    },
    search,
  );
  const shown = (costs: readonly number[]): string => costs.map((cost, i) => cost.toFixed(i === 0 ? 0 : 2)).join(' | ');
  lines.push(`| ${detector} | defaults | ${shown(defaults)} |`);
  const ordered = front.toSorted((a, b) => (a.costs[2] as number) - (b.costs[2] as number));
  // Six points spread evenly over the front, from the fewest false alarms to the shortest delay.
  const shownPoints = [0, 1, 2, 3, 4, 5].map((k) => ordered[Math.round((k * (ordered.length - 1)) / 5)]);
  for (const { options, heldOut } of new Set(shownPoints.filter((point) => point !== undefined))) {
    const text = Object.entries(options).map(([name, value]) => `${name} ${Number(value.toPrecision(3))}`);
    lines.push(`| | ${text.join(', ')} | ${shown(heldOut)} |`);
  }
  console.error(`${detector}: ${tried} tried, hypervolume ${search.hypervolume([500, 1, 20]).toFixed(1)}`);
}

const table = `# Drift: detector options by NSGA-II

Stream of errors, 0.2 → 0.5 → 0.2 → 0.5, ${trials} trials a detector, population 20; costs on four seeds that the search has not seen.
Delay: samples until found, a missed drift counted as found at the end of its window of 500. \`node bench/src/drift/search.ts ${trials}\`

| detector | options | delay | MDR | FD/1000 |
|---|---|--:|--:|--:|
${lines.join('\n')}
`;
console.log(table);
mkdirSync('bench/results', { recursive: true });
writeFileSync('bench/results/drift-search.md', table);
