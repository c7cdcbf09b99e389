// The agent's resident memory, prediction time and throughput with a GRU forecaster (24 × 3 → 12, hidden 32), beside a plain Python script
// that runs the same model on ONNX Runtime. Run: node bench/src/agent/footprint.ts   (Linux; PYTHON=/path/to/python with onnxruntime for the peer)
import { execFileSync } from 'node:child_process';
import { mkdtempSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AgentProcess, firstTime, TestHub } from '@sanderling/agent/testing';
import { createRandom } from '@sanderling/kit';
import { encodeModel, GraphBuilder, modelOf, openSession, tensorOf, type Tensor } from '@sanderling/onnx';

const rounds = 3;
const readings = 3000;
const played = 20_000;
const shape = { window: 24, features: 3, hidden: 32, horizon: 12 } as const;

function forecaster(): Uint8Array {
  const { window, features, hidden, horizon } = shape;
  const random = createRandom(1, 'footprint');
  const filled = (...dims: number[]): Tensor =>
    tensorOf(
      'float32',
      dims,
      Float32Array.from({ length: dims.reduce((a, c) => a * c, 1) }, () => random.normal() * 0.1),
    );
  const b = new GraphBuilder('forecaster');
  const x = b.op('Transpose', [b.input('window', 'float32', [1, window, features])], { perm: [1, 0, 2] });
  const weights = [
    b.initializer('W', filled(1, 3 * hidden, features)),
    b.initializer('R', filled(1, 3 * hidden, hidden)),
    b.initializer('B', filled(1, 6 * hidden)),
  ];
  const [, last] = b.ops('GRU', [x, ...weights], { hidden_size: hidden, linear_before_reset: 1 }, 2);
  b.output(
    'forecast',
    b.op('MatMul', [b.op('Squeeze', [last, b.int64([0])]), b.initializer('head', filled(hidden, horizon))]),
  );
  return encodeModel(modelOf(b.build()));
}

async function release(hub: TestHub, model: Uint8Array): Promise<string> {
  const { window, features, horizon } = shape;
  const input = Array.from({ length: window * features }, () => 0.25);
  await using session = await openSession(model);
  const output = await session.run({
    window: { dtype: 'float32', dims: [1, window, features], data: Float32Array.from(input) },
  });
  const expected = Array.from(output['forecast']!.data as Float32Array);
  const preprocessing = {
    version: 1,
    stepMs: 1000,
    offsetMs: 0,
    window,
    horizon,
    features: ['value', 'hour-sin', 'hour-cos'],
    mean: 20,
    std: 1,
    differenceStd: 1,
    clampSigma: 8,
    maxInterpolateSteps: 1,
    unit: '°C',
  };
  const probation = { predictions: 20, minutes: 5, maxErrorRatio: 1e6 };
  return hub.release({
    model,
    manifest: { preprocessing, selfTest: { cases: [{ input, expected }], tolerance: 1e-4 }, probation },
  }).digest;
}

/** Readings a second that reach the hub from a full outbox, no model running. */
async function measureDrain(folder: string): Promise<number> {
  await using hub = await new TestHub().start();
  const agent = new AgentProcess({ hub, data: folder, token: hub.token() });
  await agent.line('enrolled');
  await hub.stop();
  for (let i = 1; i <= played; i++) agent.send(firstTime + i * 1000, 20);
  await agent.until(() => agent.all('stored').at(-1)?.readings === played, 'the readings on disk');
  await hub.restart();
  await agent.until(() => hub.readings.length > 0, 'the first delivery');
  const [started, before] = [performance.now(), hub.readings.length];
  await agent.until(() => hub.readings.length === played, 'the last delivery');
  const seconds = (performance.now() - started) / 1000;
  await agent.kill();
  return (played - before) / seconds;
}

interface Measured {
  readonly idleMb: number | null;
  readonly residentMb: number;
  readonly p50: number;
  readonly p99: number;
}

interface AgentMeasured extends Measured {
  readonly afterPlayMb: number;
  readonly deliveredPerSecond: number;
}

async function measureAgent(hub: TestHub, data: string): Promise<AgentMeasured> {
  const agent = new AgentProcess({ hub, data, token: hub.token(), env: { SANDERLING_AGENT_COMMIT_EVERY_MS: '500' } });
  await agent.line('update', ({ stage }) => stage === 'probation' || stage === 'active');
  await pause(2000);
  const idleMb = residentMb(agent.pid);
  const from = Math.max(firstTime, ...hub.readings.map(({ time }) => time));
  const send = (i: number): void => agent.send(from + i * 1000, 20 + (i % 7) * 0.01);
  for (let i = 1; i <= readings; i++) {
    send(i);
    if (i % 5 === 0) await pause(2);
  }
  const newest = (): number => agent.all('forecast').at(-1)?.time ?? 0;
  await agent.until(() => newest() >= from + readings * 1000, 'forecasts');
  const settled = residentMb(agent.pid);
  const latency = agent.all('forecast').map(({ latencyMs }) => latencyMs);
  const started = performance.now();
  const before = hub.readings.length;
  for (let i = readings + 1; i <= readings + played; i++) {
    send(i);
    if (i % 500 === 0) await pause(0);
  }
  await agent.until(
    () => hub.entries.length >= before + played && hub.readings.length >= before + played,
    'the delivery',
  );
  const seconds = (performance.now() - started) / 1000;
  const afterPlayMb = residentMb(agent.pid);
  await agent.kill('SIGTERM');
  return { idleMb, residentMb: settled, afterPlayMb, ...quantiles(latency), deliveredPerSecond: played / seconds };
}

function measurePython(python: string, model: string): Measured {
  const script = fileURLToPath(new URL('predict.py', import.meta.url));
  const output = execFileSync(python, [script, model, String(readings)], { encoding: 'utf8' });
  return { idleMb: null, ...(JSON.parse(output) as Omit<Measured, 'idleMb'>) };
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function residentMb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024;
}

function quantiles(values: readonly number[]): { readonly p50: number; readonly p99: number } {
  const sorted = [...values].sort((a, b) => a - b);
  return { p50: sorted[sorted.length >> 1]!, p99: sorted[Math.floor(sorted.length * 0.99)]! };
}

const median = (values: readonly number[]): number => quantiles(values).p50;

const folder = mkdtempSync(join(tmpdir(), 'sanderling-footprint-'));
const hub = await new TestHub().start();
const model = forecaster();
hub.want(await release(hub, model));
writeFileSync(join(folder, 'model.onnx'), model);
const python = process.env['PYTHON'];
const ours: AgentMeasured[] = [];
const theirs: Measured[] = [];
// The first start compiles; every later one, as on a device, does not.
await measureAgent(hub, join(folder, 'agent'));
const drains: number[] = [];
for (let round = 0; round < rounds; round++) {
  ours.push(await measureAgent(hub, join(folder, 'agent')));
  drains.push(await measureDrain(join(folder, `drain-${round}`)));
  if (python !== undefined) theirs.push(measurePython(python, join(folder, 'model.onnx')));
}
await hub.stop();
rmSync(folder, { recursive: true });

const column = <T>(rows: readonly T[], pick: (row: T) => number): string =>
  rows.length === 0 ? 'not measured' : median(rows.map(pick)).toFixed(pick(rows[0]!) < 10 ? 3 : 1);
const row = (what: string, a: string, b: string): string => `| ${what} | ${a} | ${b} |`;
const table = [
  '# The agent beside a plain Python script',
  '',
  `GRU forecaster 24 × 3 → 12, hidden 32; medians of ${rounds} interleaved rounds on 2 cores; \`node bench/src/agent/footprint.ts\`.`,
  'The agent keeps an outbox, watches drift, and holds a connection to the hub meanwhile; the script only predicts.',
  '',
  '| | sanderling-agent | Python 3 + onnxruntime 1.30 |',
  '|---|---|---|',
  row(
    'resident, model loaded, idle (MiB)',
    column(ours, (m) => m.idleMb!),
    '–',
  ),
  row(
    `resident after ${readings} live readings (MiB)`,
    column(ours, (m) => m.residentMb),
    column(theirs, (m) => m.residentMb),
  ),
  row(
    'prediction p50, window encoding included (ms)',
    column(ours, (m) => m.p50),
    column(theirs, (m) => m.p50),
  ),
  row(
    'prediction p99 (ms)',
    column(ours, (m) => m.p99),
    column(theirs, (m) => m.p99),
  ),
  row(
    `${played} readings played: stored, predicted and delivered (readings/s)`,
    column(ours, (m) => m.deliveredPerSecond),
    '–',
  ),
  row(`an outbox of ${played} readings drained (readings/s)`, median(drains).toFixed(0), '–'),
  row(
    'resident after playing (MiB)',
    column(ours, (m) => m.afterPlayMb),
    '–',
  ),
  '',
].join('\n');
console.log(table);
mkdirSync(fileURLToPath(new URL('../../results', import.meta.url)), { recursive: true });
writeFileSync(fileURLToPath(new URL('../../results/agent-footprint.md', import.meta.url)), table);
