// Latency of the API while the hub is idle and while two processes of low priority use up the processors, as training does; interleaved.
import { spawn, type ChildProcess } from 'node:child_process';
import { setPriority } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { BenchDevice, HubUnderTest, quantile } from './hub-process.ts';
import { publish } from './results.ts';

const rounds = Number(process.argv[2] ?? 4);
const requestsARound = 400;
const pauseMs = 5;

const burner = 'for (let x = 1; ; x = (x * 16807) % 2147483647) if (x < 0) break;';

function burn(): ChildProcess {
  const child = spawn(process.execPath, ['-e', burner], { stdio: 'ignore' });
  setPriority(child.pid!, 10);
  return child;
}

const hub = await HubUnderTest.start();
await hub.project('bench');
const device = await new BenchDevice(hub).enrol('bench');
for (let i = 0; i < 5; i++) await device.deliver(2000);
const dataset = (await hub.call('POST', '/api/v1/projects/bench/datasets')) as { readonly digest: string };

const requests: Readonly<Record<string, () => Promise<unknown>>> = {
  'GET device': () => hub.call('GET', '/api/v1/devices?limit=10'),
  'GET newest 100 readings': () => hub.call('GET', '/api/v1/projects/bench/readings?newest=100'),
  'GET events': () => hub.call('GET', '/api/v1/events?limit=50'),
  'GET dataset': () => hub.call('GET', `/api/v1/datasets/${dataset.digest}`),
  'POST delivery of 10': () => device.deliver(10),
};
const names = Object.keys(requests);

async function measure(into: Map<string, number[]>): Promise<void> {
  for (let i = 0; i < requestsARound; i++) {
    const name = names[i % names.length]!;
    const started = performance.now();
    await requests[name]!();
    const taken = into.get(name) ?? [];
    into.set(name, taken);
    taken.push(performance.now() - started);
    await delay(pauseMs);
  }
}

const [idle, busy] = [new Map<string, number[]>(), new Map<string, number[]>()];
await measure(new Map());
for (let round = 0; round < rounds; round++) {
  await measure(idle);
  const burners = [burn(), burn()];
  await delay(200);
  await measure(busy);
  for (const child of burners) child.kill('SIGKILL');
  await delay(100);
}
await hub.stop();

const cell = (numbers: readonly number[], share: number): string => quantile(numbers, share).toFixed(1);
const rows = [...names, 'all'].map((name) => {
  const of = (all: Map<string, number[]>) => (name === 'all' ? [...all.values()].flat() : (all.get(name) ?? []));
  const [quiet, loaded] = [of(idle), of(busy)];
  return [
    name,
    cell(quiet, 0.5),
    cell(quiet, 0.99),
    cell(loaded, 0.5),
    cell(loaded, 0.99),
    quiet.length + loaded.length,
  ];
});

await publish({
  name: 'hub-latency',
  title: 'Latency of the hub’s API',
  note: `One client, one request at a time, over loopback HTTP; ${rounds} rounds idle and busy in turn. Busy: two endless loops at priority 10, one for each core. Goal: p99 at most 50 ms while training runs.`,
  header: ['request', 'idle p50 ms', 'idle p99 ms', 'busy p50 ms', 'busy p99 ms', 'requests'],
  rows,
});
