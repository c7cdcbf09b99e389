// Time from a drift alarm on the hub to the new version's signed release: dataset, 24 trials on 7,000 rows, judgement, gates, bundle, roll-out begun.
// Run: node bench/src/loop/alarm-to-release.ts [rounds]
import { writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { eventAfter, finished, median, openBenchHub, room, store, temperature } from './house.ts';

const rounds = Number(process.argv[2] ?? 3);
await using bench = await openBenchHub();
const { client, hub } = bench;
const { events } = hub.capabilities;
await client.saveProject({
  ...temperature,
  automations: [{ when: 'drift.alarm', run: ['retrain', 'gate', 'roll-out'] }],
});
await store(client, room(7000, 0, 0));
await finished(client, (await client.train('temperature')).id);

const totals: number[] = [];
const steps = new Map<string, number[]>();
for (let round = 0; round < rounds; round++) {
  const fresh = room(1000, 7000 + 1000 * round, round % 2 === 0 ? 1 : 0);
  await store(client, fresh);
  const before = await events.newest();
  const data = { deviceTime: fresh[0]!.time, score: 0.9 };
  const start = performance.now();
  await events.append({ type: 'drift.alarm', project: 'temperature', subject: 'dev_bench', data });
  const end = await eventAfter(bench, 'execution.finished', before);
  totals.push((performance.now() - start) / 1000);
  const execution = await client.execution(end.subject!);
  console.log(`round ${round}: ${totals.at(-1)!.toFixed(1)} s, ${execution.state} ${execution.reason ?? ''}`);
  for (const step of execution.steps) {
    const seconds = ((step.endedAt ?? 0) - (step.startedAt ?? 0)) / 1000;
    steps.set(step.name, [...(steps.get(step.name) ?? []), seconds]);
  }
}
const rows = [...steps].map(([name, seconds]) => `| ${name} | ${median(seconds).toFixed(2)} |`);
const table = [
  `Alarm to release, 24 trials on 7,000 rows, ${availableParallelism()} cores, median of ${rounds}: **${median(totals).toFixed(1)} s** (${totals.map((total) => total.toFixed(1)).join(', ')})`,
  '',
  '| step | seconds |',
  '|---|---|',
  ...rows,
  '',
].join('\n');
console.log(table);
await writeFile(new URL('../../results/loop-alarm-to-release.md', import.meta.url), table);
