// The whole loop from nothing, as a newcomer runs it: every stage's time, the first forecast on the device, and alarm → new model active. There is no peer that does this by itself.
// node bench/src/whole/once.ts [ROUNDS] [options of npm start, such as --mcu …]
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

interface Summary {
  readonly milliseconds: Readonly<Record<string, number>>;
  readonly alarmToActiveMs: number;
  readonly readings: number;
  readonly error: { readonly before: number; readonly underDrift: number; readonly after: number };
}

const root = join(import.meta.dirname, '..', '..', '..');
const rounds = Number(process.argv[2] ?? 5);
const options = process.argv.slice(3);

async function once(seed: number): Promise<Summary> {
  const folder = await mkdtemp(join(tmpdir(), 'sanderling-bench-'));
  const args = [
    join(root, 'projects/temperature/start.js'),
    '--once',
    '--json',
    '--port',
    '0',
    '--seed',
    String(seed),
    '--data',
    join(folder, 'data'),
    ...options,
  ];
  const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: 1 << 26 });
  await rm(folder, { recursive: true });
  return JSON.parse(stdout) as Summary;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

const runs: Summary[] = [];
for (let seed = 1; seed <= rounds; seed++) {
  runs.push(await once(seed));
  console.error(`seed ${seed}: alarm to active ${(runs.at(-1)!.alarmToActiveMs / 1000).toFixed(1)} s`);
}

const seconds = (values: readonly number[]): string =>
  `${(median(values) / 1000).toFixed(1)} | ${(Math.min(...values) / 1000).toFixed(1)}–${(Math.max(...values) / 1000).toFixed(1)}`;
const stages = Object.keys(runs[0]!.milliseconds);
const until = (run: Summary, last: string): number =>
  stages.slice(0, stages.indexOf(last) + 1).reduce((sum, stage) => sum + run.milliseconds[stage]!, 0);
const ratio = (pick: (run: Summary) => number): string =>
  `${median(runs.map(pick)).toFixed(2)} | ${Math.min(...runs.map(pick)).toFixed(2)}–${Math.max(...runs.map(pick)).toFixed(2)}`;

const onBoard = options.includes('--mcu');
const text = `# The whole loop, from nothing${onBoard ? ', on an emulated microcontroller' : ''}

\`node bench/src/whole/once.ts ${rounds}${options.map((option) => ` ${option}`).join('')}\`: ${rounds} rounds, seeds 1 to ${rounds}; ${availableParallelism()} cores, load ${loadavg()[0]!.toFixed(1)} at the end.

| what | median s | range s |
|---|---|---|
${stages.map((stage) => `| stage: ${stage} | ${seconds(runs.map((run) => run.milliseconds[stage]!))} |`).join('\n')}
| start → first release active on the device | ${seconds(runs.map((run) => until(run, 'activate')))} |
| drift alarm → new release active on the device | ${seconds(runs.map((run) => run.alarmToActiveMs))} |
| all together | ${seconds(runs.map((run) => until(run, 'recover')))} |

| error on the device, relative to the calm before | median | range |
|---|---|---|
| old release under drift | ${ratio((run) => run.error.underDrift / run.error.before)} |
| new release | ${ratio((run) => run.error.after / run.error.before)} |
`;
console.log(text);
await writeFile(join(root, `bench/results/whole-${onBoard ? 'mcu' : 'once'}.md`), text);
