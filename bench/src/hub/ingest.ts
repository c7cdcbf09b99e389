// How fast readings come in: from devices through signed deliveries, and from a 200 MB CSV, with what that does to memory and to other requests.
import { setTimeout as delay } from 'node:timers/promises';
import { BenchDevice, HubUnderTest, quantile } from './hub-process.ts';
import { publish } from './results.ts';

const csvMegabytes = Number(process.argv[2] ?? 200);

/** Readings a second through deliveries of `size`, by so many devices at a time. */
async function deliveries(hub: HubUnderTest, devices: number, size: number): Promise<number> {
  const fleet: BenchDevice[] = [];
  for (let i = 0; i < devices; i++) fleet.push(await new BenchDevice(hub).enrol('bench'));
  const each = Math.min(300, Math.max(4, Math.ceil(20_000 / size / devices)));
  const started = performance.now();
  await Promise.all(
    fleet.map(async (device) => {
      for (let i = 0; i < each; i++) await device.deliver(size);
    }),
  );
  return (devices * each * size) / ((performance.now() - started) / 1000);
}

function csvStream(): { readonly body: ReadableStream<Uint8Array>; readonly rows: () => number } {
  let [sent, row] = [0, 0];
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        let text = row === 0 ? 'time,value\n' : '';
        for (let i = 0; i < 2000; i++, row++)
          text += `${new Date(1.5e12 + row * 1000).toISOString()},${(20 + Math.sin(row / 100)).toFixed(4)}\n`;
        const bytes = Buffer.from(text);
        sent += bytes.length;
        controller.enqueue(bytes);
        if (sent >= csvMegabytes * 1e6) controller.close();
      },
    },
    { highWaterMark: 1 },
  );
  return { body, rows: () => row };
}

async function importCsv(hub: HubUnderTest) {
  await hub.project('large');
  const { body, rows } = csvStream();
  const latencies: number[] = [];
  const over = new AbortController();
  const others = (async () => {
    while (!over.signal.aborted) {
      const asked = performance.now();
      await hub.call('GET', '/api/v1/projects/large/readings/span');
      latencies.push(performance.now() - asked);
      await delay(20);
    }
  })();
  const started = performance.now();
  const response = await fetch(`${hub.url}/api/v1/projects/large/readings`, {
    method: 'POST',
    headers: { authorization: `Bearer ${hub.key}`, 'content-type': 'text/csv' },
    body,
    duplex: 'half',
  });
  const answer = (await response.json()) as { readonly accepted?: number };
  const seconds = (performance.now() - started) / 1000;
  over.abort();
  await others;
  if (answer.accepted !== rows()) throw new Error(`sent ${rows()}: ${JSON.stringify(answer)}`);
  return { rows: rows(), seconds, latencies, peak: await hub.residentMb(true) };
}

const hub = await HubUnderTest.start();
await hub.project('bench');
const results: (readonly string[])[] = [];
for (const [devices, size] of [
  [1, 1],
  [1, 100],
  [1, 2000],
  [8, 100],
] as const) {
  const rate = await deliveries(hub, devices, size);
  results.push([`${devices} device${devices > 1 ? 's' : ''}, ${size} a delivery`, `${Math.round(rate)}`, '', '', '']);
}
const { rows, seconds, latencies, peak } = await importCsv(hub);
results.push([
  `CSV of ${csvMegabytes} MB (${rows} rows, ${seconds.toFixed(0)} s)`,
  `${Math.round(rows / seconds)}`,
  quantile(latencies, 0.5).toFixed(1),
  quantile(latencies, 0.99).toFixed(1),
  peak.toFixed(0),
]);
await hub.stop();

await publish({
  name: 'hub-ingest',
  title: 'Readings into the hub',
  note: 'Every delivery is one durable transaction (WAL, full synchronisation). While the CSV comes in, another client asks for the span of the readings every 20 ms; sender, client and hub share the machine.',
  header: ['how', 'readings/s', 'other requests p50 ms', 'p99 ms', 'peak MB'],
  rows: results,
});
