// Resident memory of an idle hub, and the time until it answers: on a fresh folder, and started again.
import { rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { HubUnderTest, quantile } from './hub-process.ts';
import { publish } from './results.ts';

const rounds = 5;
const settleMs = 3000;

async function measure(
  folder?: string,
): Promise<{ readonly ready: number; readonly idle: number; readonly folder: string }> {
  const started = performance.now();
  const hub = await HubUnderTest.start(folder);
  const ready = performance.now() - started;
  await delay(settleMs);
  const idle = await hub.residentMb();
  await hub.stop(false);
  return { ready, idle, folder: hub.folder };
}

const first: { ready: number; idle: number }[] = [];
const again: { ready: number; idle: number }[] = [];
for (let round = 0; round < rounds; round++) {
  const fresh = await measure();
  first.push(fresh);
  again.push(await measure(fresh.folder));
  await rm(fresh.folder, { recursive: true, force: true });
}

const row = (name: string, runs: readonly { readonly ready: number; readonly idle: number }[]) => [
  name,
  quantile(
    runs.map(({ idle }) => idle),
    0.5,
  ).toFixed(1),
  `${Math.min(...runs.map(({ idle }) => idle)).toFixed(1)}–${Math.max(...runs.map(({ idle }) => idle)).toFixed(1)}`,
  Math.round(
    quantile(
      runs.map(({ ready }) => ready),
      0.5,
    ),
  ),
];

await publish({
  name: 'hub-memory',
  title: 'Memory of an idle hub',
  note: `Resident set three seconds after the hub was ready; median of ${rounds}. Goal: at most 120 MB.`,
  header: ['start', 'idle MB', 'range MB', 'ready after ms'],
  rows: [row('on a fresh folder', first), row('again on the same folder', again)],
});
