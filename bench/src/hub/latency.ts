// Latency of the API while the hub is idle and while it trains: a real search over 7,000 rows, two trials at a time; interleaved.
import { setTimeout as delay } from 'node:timers/promises';
import { BenchDevice, HubUnderTest, quantile } from './hub-process.ts';
import { publish } from './results.ts';

const rounds = Number(process.argv[2] ?? 4);
const requestsARound = 400;
const pauseMs = 5;

const hub = await HubUnderTest.start();
// More trials than a round lasts; each execution is cancelled after its round.
await hub.project('bench', { trials: 500, population: 50, epochs: 12 });
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

/** Starts a training and waits until its trials run. */
async function train(): Promise<string> {
  const { id } = (await hub.call('POST', '/api/v1/projects/bench/train', {})) as { readonly id: string };
  for (;;) {
    const { steps } = (await hub.call('GET', `/api/v1/executions/${id}`)) as {
      readonly steps: readonly { readonly name: string; readonly state: string }[];
    };
    if (steps.find(({ name }) => name === 'search')?.state === 'running') break;
    await delay(50);
  }
  await delay(1000);
  return id;
}

const [idle, busy] = [new Map<string, number[]>(), new Map<string, number[]>()];
await measure(new Map());
for (let round = 0; round < rounds; round++) {
  await measure(idle);
  const execution = await train();
  await measure(busy);
  await hub.call('POST', `/api/v1/executions/${execution}/cancel`, {});
  await delay(500);
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
  note: `One client, one request at a time, over loopback HTTP; ${rounds} rounds idle and busy in turn. Training: a search over 7,000 rows, two trials at a time, at low priority. Goal: p99 at most 50 ms while training runs.`,
  header: ['request', 'idle p50 ms', 'idle p99 ms', 'training p50 ms', 'training p99 ms', 'requests'],
  rows,
});
