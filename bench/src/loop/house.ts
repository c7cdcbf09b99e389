// A hub in a temporary folder with the readings of a simulated room: what the loop's benchmarks measure on.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startHub, type Hub } from '@sanderling/hub';
import { createRandom } from '@sanderling/kit';
import { HubClient, type Execution, type HubEvent, type ProjectInput } from '@sanderling/wire';

/** A hub to measure. */
export interface BenchHub extends AsyncDisposable {
  readonly hub: Hub;
  readonly client: HubClient;
}

/** Starts a hub with nothing in it. */
export async function openBenchHub(): Promise<BenchHub> {
  const data = await mkdtemp(join(tmpdir(), 'bench-hub-'));
  const hub = await startHub({ settings: { port: 0, data } });
  const key = (await readFile(hub.adminKeyPath, 'utf8')).trim();
  return {
    hub,
    client: new HubClient({ url: hub.url, key }),
    [Symbol.asyncDispose]: async () => {
      await hub.stop();
      await rm(data, { recursive: true, force: true });
    },
  };
}

/** The search, gates and space of `projects/temperature`. */
export const temperature = {
  name: 'temperature',
  data: { quantity: 'temperature', unit: '°C', step: '5m', newest: 7000, freshShare: 0.5 },
  model: { kind: 'forecaster', features: ['value', 'difference', 'hour-of-day'], loss: 'mae' },
  search: {
    algorithm: 'genetic',
    trials: 24,
    population: 8,
    epochs: 10,
    patience: 2,
    seed: 1,
    space: {
      cell: 'gru',
      hidden: { type: 'int', low: 8, high: 32 },
      window: { type: 'choice', options: [12, 24, 36] },
      learningRate: { type: 'float', low: 0.002, high: 0.02, log: true },
      batch: { type: 'choice', options: [64, 128] },
      dropout: { type: 'float', low: 0, high: 0.2 },
    },
  },
  gates: [
    { gate: 'beats-baseline', baseline: 'persistence', byPercent: 10 },
    { gate: 'not-worse-than-champion', marginPercent: 2, confidence: 0.95 },
    { gate: 'size', maxKb: 256 },
    { gate: 'latency', maxMs: 2 },
  ],
  targets: ['linux-x64'],
} as const satisfies ProjectInput;

/** Five-minute readings of a room with a day's swing, slow weather and sensor noise; a `regime` of 1 turns the swing around and warms it. */
export function room(rows: number, from: number, regime: 0 | 1): { time: number; value: number }[] {
  const random = createRandom(`room ${from}`);
  let weather = 0;
  return Array.from({ length: rows }, (_, i) => {
    weather = 0.97 * weather + 0.12 * random.normal();
    const swing = (regime === 0 ? 2.5 : -3.5) * Math.sin((2 * Math.PI * (from + i)) / 288);
    const value = 20 + 4 * regime + swing + weather + 0.05 * random.normal();
    return { time: 1_760_000_000_000 + (from + i) * 300_000, value: Math.round(value / 0.0625) * 0.0625 };
  });
}

/** Stores readings in requests of a size that the hub takes. */
export async function store(client: HubClient, readings: readonly { time: number; value: number }[]): Promise<void> {
  for (let at = 0; at < readings.length; at += 5000)
    await client.storeReadings('temperature', readings.slice(at, at + 5000));
}

/** Waits for an execution's end. @throws when it did not succeed */
export async function finished(client: HubClient, id: string): Promise<Execution> {
  for (;;) {
    const execution = await client.execution(id);
    if (execution.endedAt !== null) return execution;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** The first event of a type behind a sequence number. */
export async function eventAfter({ hub }: BenchHub, type: string, after: number): Promise<HubEvent> {
  for await (const event of hub.capabilities.events.follow({ after, types: [type] }, AbortSignal.timeout(300_000)))
    return event;
  throw new Error(`there was no ${type} in five minutes`);
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}
