// How a search gets faster with more worker processes: the same search with one and with two, in turns.
// Run: node bench/src/loop/pool-scaling.ts [rounds]
import { writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { finished, median, openBenchHub, room, store, temperature } from './house.ts';

const rounds = Number(process.argv[2] ?? 3);
await using bench = await openBenchHub();
const { client, hub } = bench;
const seconds = { 1: [] as number[], 2: [] as number[] };
// One shape for every trial, so that the lanes stay even and the pool is measured, not the luck of the draw.
const space = { ...temperature.search.space, hidden: 24, window: 24, batch: 64 };
for (let round = 0; round < rounds; round++) {
  for (const parallel of [1, 2] as const) {
    const search = { ...temperature.search, space, parallel, trials: 8, patience: 10, epochs: 8 };
    await client.saveProject({ ...temperature, search });
    if (round === 0 && parallel === 1) await store(client, room(7000, 0, 0));
    const { id } = await hub.capabilities.pipelines.begin('temperature', { actions: ['retrain'], ignoreCache: true });
    const step = (await finished(client, id)).steps.find(({ name }) => name === 'search')!;
    seconds[parallel].push((step.endedAt! - step.startedAt!) / 1000);
    console.log(`round ${round}, ${parallel} worker(s): ${seconds[parallel].at(-1)!.toFixed(2)} s`);
  }
}
const [one, two] = [median(seconds[1]), median(seconds[2])];
const [bestOne, bestTwo] = [Math.min(...seconds[1]), Math.min(...seconds[2])];
const table = [
  `Search of 8 equal trials on 7,000 rows, ${availableParallelism()} cores, ${rounds} rounds in turns; the best round is the least disturbed by other programs`,
  '',
  '| workers | median seconds | best seconds | speed-up (best) | of ideal |',
  '|---|---|---|---|---|',
  `| 1 | ${one.toFixed(2)} | ${bestOne.toFixed(2)} | 1 | 1 |`,
  `| 2 | ${two.toFixed(2)} | ${bestTwo.toFixed(2)} | ${(bestOne / bestTwo).toFixed(2)} | ${(bestOne / bestTwo / 2).toFixed(2)} |`,
  '',
].join('\n');
console.log(table);
await writeFile(new URL('../../results/loop-pool-scaling.md', import.meta.url), table);
