// Memory of training: whether it grows (resident memory after a collection at 1,000, 2,000, 5,000 … steps, and the most that was held on the way), and its
// peak beside PyTorch's on the same networks, data and batches. Each network in a process of its own, one thread.
//   SANDERLING_TORCH_PYTHON=python [STEPS=30000] node bench/src/train/memory.ts [peak|growth [PART OF A NAME]]
// The results keep the rows of networks that a run leaves out. More STEPS than 10,000 make a longer curve; fewer only print it.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { setImmediate } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { RunTensor } from '@sanderling/onnx';
import {
  adam,
  convolutionalAutoencoder,
  crossEntropy,
  denseAutoencoder,
  depthwiseClassifier,
  detectionLoss,
  detectorNetwork,
  dice,
  forecasterNetwork,
  maskNetwork,
  meanSquaredError,
  pictureClassifier,
  rowReader,
  TrainingRuntime,
  type Loss,
  type Network,
} from '@sanderling/train';
import { writeResult } from './data-set.ts';

const rows = 256;
const stepsOfGrowth = Number(process.env['STEPS'] ?? 10_000);
/** Steps after which resident memory is read; growth is from the first to the fourth. */
const marks = [1000, 2000, 5000, 10_000, 20_000, 30_000];
const [first, last] = [0, 3];

interface Case {
  readonly network: () => Network;
  readonly input: string;
  readonly dims: readonly number[];
  readonly target: RunTensor;
  readonly loss: Loss;
  readonly batch: number;
}

const product = (dims: readonly number[]): number => dims.reduce((all, dim) => all * dim, 1);

function numbers(dims: readonly number[]): RunTensor {
  const data = Float32Array.from({ length: product(dims) }, (_, i) => Math.sin(i * 12.9898) * 1.4);
  return { dtype: 'float32', dims, data };
}

const classes = (): RunTensor => ({
  dtype: 'int64',
  dims: [rows],
  data: BigInt64Array.from({ length: rows }, (_, i) => BigInt(i % 5)),
});

const recurrent = (cell: 'gru' | 'lstm', window: number, hidden: number): Case => ({
  network: () => forecasterNetwork({ cell, window, features: 3, horizon: 3, hidden }),
  input: 'window',
  dims: [window, 3],
  target: numbers([rows, 3]),
  loss: meanSquaredError,
  batch: 64,
});
const picture = (side: number, batch: number): Case => ({
  network: () => pictureClassifier({ side, classes: 5 }),
  input: 'image',
  dims: [3, side, side],
  target: classes(),
  loss: crossEntropy(),
  batch,
});
const depthwise = (side: number, batch: number): Case => ({
  network: () => depthwiseClassifier({ size: [side, side], classes: 5 }),
  input: 'image',
  dims: [3, side, side],
  target: classes(),
  loss: crossEntropy(),
  batch,
});
const dense = (batch: number): Case => ({
  network: () => denseAutoencoder({ inputs: 1024 }),
  input: 'x',
  dims: [1024],
  target: numbers([rows, 1024]),
  loss: meanSquaredError,
  batch,
});
const convolutional = (batch: number): Case => ({
  network: () => convolutionalAutoencoder({ length: 1024 }),
  input: 'x',
  dims: [1, 1024],
  target: numbers([rows, 1, 1024]),
  loss: meanSquaredError,
  batch,
});

/** The networks of `step.ts` as PyTorch's side names them: for the peak. */
const full: Readonly<Record<string, Case>> = {
  'gru 24x32': recurrent('gru', 24, 32),
  'gru 48x64': recurrent('gru', 48, 64),
  'lstm 24x32': recurrent('lstm', 24, 32),
  'dense autoencoder': dense(64),
  'conv autoencoder': convolutional(64),
  'picture 64': picture(64, 16),
  'depthwise 96': depthwise(96, 16),
};

/** Every ready network at a size that 10,000 steps take a minute or so: for growth. */
const small: Readonly<Record<string, Case>> = {
  'GRU forecaster 24 × 32, batch 64': recurrent('gru', 24, 32),
  'LSTM forecaster 24 × 32, batch 64': recurrent('lstm', 24, 32),
  'dense autoencoder 1024-256-64, batch 16': dense(16),
  'convolutional autoencoder 1024, batch 4': convolutional(4),
  'picture classifier 8 × 8, 128/128/384 filters, batch 4': picture(8, 4),
  'depthwise classifier 16 × 16, batch 4': depthwise(16, 4),
  'mask network 16 × 16, batch 4': {
    network: () => maskNetwork({ size: [16, 16] }),
    input: 'image',
    dims: [3, 16, 16],
    target: { ...numbers([rows, 1, 16, 16]), data: Float32Array.from({ length: rows * 256 }, (_, i) => i % 2) },
    loss: dice(),
    batch: 4,
  },
  'detector 32 × 32, batch 4': {
    network: () => detectorNetwork({ size: [32, 32], classes: 2 }),
    input: 'image',
    dims: [3, 32, 32],
    target: {
      dtype: 'float32',
      dims: [rows, 60, 5],
      data: Float32Array.from({ length: rows * 300 }, (_, i) => (i % 5 === 0 ? (i / 5) % 3 : Math.sin(i))),
    },
    loss: detectionLoss({ classes: 2 }),
    batch: 4,
  },
};

/** Megabytes of a line of /proc/PID/status: VmRSS now, VmHWM the most so far. */
function memoryOf(pid: number | 'self', line: 'VmRSS' | 'VmHWM'): number {
  const text = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`${line}:\\s+(\\d+) kB`).exec(text)?.[1]) / 1024;
}

/** Resident memory once what nobody holds is gone. What a collection finds is given back in the turns of the event loop that follow it. */
async function settled(): Promise<number> {
  for (let i = 0; i < 3; i += 1) {
    (globalThis as { gc?: () => void }).gc?.();
    await setImmediate();
  }
  return memoryOf('self', 'VmRSS');
}

/** Steps a run: so many, or as `fit` has it: one at first, then as many as take a quarter of a second. */
type PerRun = number | 'fit';

interface Measured {
  /** Resident at the marks that were reached. */
  readonly resident: readonly number[];
  readonly peak: number;
}

/** In the process of one network: trains and says how much memory it held, in MB. */
async function measure(one: Case, steps: number, perRun: PerRun): Promise<Measured> {
  const { network, input, dims, target, loss, batch } = one;
  const x = numbers([rows, ...dims]);
  const column = (tensor: RunTensor) => ({ dtype: tensor.dtype, dims: tensor.dims.slice(1) });
  const reader = rowReader({ [input]: column(x), target: column(target) });
  const plan = { network: network(), reader, loss, optimiser: adam(), batch };
  await using runtime = await TrainingRuntime.open({ plan, data: { [input]: x, target }, seed: 0 });
  const resident: number[] = [];
  let next = perRun === 'fit' ? 1 : perRun;
  for (let done = 0; done < steps; ) {
    const count = Math.min(next, steps - done);
    const index = Int32Array.from({ length: count * batch }, (_, i) => ((done * batch + i) * 7) % rows);
    const began = performance.now();
    await runtime.train(index, new Float32Array(count).fill(1e-4));
    const seconds = (performance.now() - began) / 1000;
    if (perRun === 'fit') next = Math.max(1, Math.min(4 * next, Math.floor((0.25 * count) / seconds)));
    done += count;
    if (marks.includes(done)) {
      resident.push(await settled());
      console.error(`${plan.network.graph.name}: ${resident.at(-1)?.toFixed(1)} MB after ${done} steps`);
    }
  }
  return { resident, peak: memoryOf('self', 'VmHWM') };
}

async function inProcess(
  kind: 'full' | 'small',
  name: string,
  how: [steps: number, perRun: PerRun],
): Promise<Measured> {
  const args = ['--expose-gc', import.meta.filename, '--child', kind, name, ...how.map(String)];
  const running = promisify(execFile)(process.execPath, args);
  running.child.stderr?.pipe(process.stderr);
  return JSON.parse((await running).stdout) as Measured;
}

/** The most memory that PyTorch's side held for a network, in the layout that holds least. */
async function peerPeak(python: string, name: string, steps: number): Promise<number> {
  const layouts = /picture|depthwise/.test(name) ? ['plain', 'channels_last'] : ['plain'];
  const peaks: number[] = [];
  for (const layout of layouts) {
    const child = spawn(python, [new URL('peer.py', import.meta.url).pathname, '1'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    await lines.next(); // the version
    child.stdin.write(`${name}|${layout}|${steps}\n`);
    await lines.next();
    peaks.push(memoryOf(child.pid as number, 'VmHWM'));
    child.stdin.end();
    await once(child, 'close');
  }
  return Math.min(...peaks);
}

/** Rows by the name of their network. */
type Rows = ReadonlyMap<string, string>;

async function growthRows(only: string): Promise<Rows> {
  const rowsNow = new Map<string, string>();
  for (const name of Object.keys(small).filter((one) => one.includes(only))) {
    const { resident, peak } = await inProcess('small', name, [stepsOfGrowth, 50]);
    const [before = Number.NaN, after] = [resident[first], resident[last]];
    const change =
      after === undefined
        ? '–'
        : `${(after - before).toFixed(1)} MB (${((100 * (after - before)) / before).toFixed(1)} %)`;
    const curve = marks.map((_, i) => resident[i]?.toFixed(1) ?? '–').join(' | ');
    rowsNow.set(name, `| ${name} | ${curve} | ${change} | ${peak.toFixed(0)} |`);
    console.log(rowsNow.get(name));
  }
  return rowsNow;
}

async function peakRows(only: string): Promise<Rows> {
  const python = process.env['SANDERLING_TORCH_PYTHON'];
  if (python === undefined) console.log('skipped: PyTorch (set SANDERLING_TORCH_PYTHON to a Python that has torch)');
  const rowsNow = new Map<string, string>();
  for (const [name, { batch }] of Object.entries(full).filter(([one]) => one.includes(only))) {
    const steps = /picture/.test(name) ? 8 : 20;
    const { peak } = await inProcess('full', name, [steps, 'fit']);
    const { peak: together } = await inProcess('full', name, [steps, steps]);
    const theirs = python === undefined ? undefined : await peerPeak(python, name, steps);
    const cells = [theirs?.toFixed(0) ?? '–', theirs === undefined ? '–' : (peak / theirs).toFixed(2)];
    const title = `${name}, batch ${batch}`;
    rowsNow.set(title, `| ${title} | ${peak.toFixed(0)} | ${together.toFixed(0)} | ${cells.join(' | ')} |`);
    console.log(rowsNow.get(title));
  }
  return rowsNow;
}

const file = 'train-memory.md';

/** What was just measured, and of the rest what the results say already. */
async function main(part: string, only: string): Promise<void> {
  const text = await readFile(new URL(`../../results/${file}`, import.meta.url), 'utf8').catch(() => '');
  const before = new Map(text.split('\n').map((line) => [line.split('|')[1]?.trim() ?? '', line] as const));
  const peaks = part === 'growth' ? new Map<string, string>() : await peakRows(only);
  const growth = part === 'peak' ? new Map<string, string>() : await growthRows(only);
  const rowsOf = (names: readonly string[], now: Rows) =>
    names.flatMap((name) => now.get(name) ?? before.get(name) ?? []);
  if (stepsOfGrowth < (marks[last] as number)) return;
  await writeResult(file, [
    '# Memory of training',
    '',
    'Resident memory of a process that trains one network, one thread, in MB, after three garbage collections; 50 steps a run of the runtime. The peak is the most that was held at any time of those steps (VmHWM). One process a network: small networks differ by 1.5 MB from process to process, so rows are to be read along, not against one another. `node bench/src/train/memory.ts`',
    '',
    `| network | ${marks.map((mark) => mark.toLocaleString('en')).join(' | ')} steps | growth from 1,000 to 10,000 | peak |`,
    `|---|${'---|'.repeat(marks.length + 2)}`,
    ...rowsOf(Object.keys(small), growth),
    '',
    'The most memory a process held (VmHWM) in 20 steps (8 of the pictures), the process with its runtime and everything included, 256 samples, beside PyTorch 2.13 CPU (the layout that takes less). Steps go to the runtime as `fit` gives them: one, then as many as take a quarter of a second. All in one run, the loop in the graph holds two more copies of the state.',
    '',
    '| network | ours, MB | all in one run, MB | PyTorch, MB | ours / PyTorch |',
    '|---|---|---|---|---|',
    ...rowsOf(
      Object.entries(full).map(([name, { batch }]) => `${name}, batch ${batch}`),
      peaks,
    ),
  ]);
}

const [, , flag, kind, name, steps, perRun] = process.argv;
if (flag === '--child') {
  const one = (kind === 'full' ? full : small)[name ?? ''] as Case;
  const measured = await measure(one, Number(steps), perRun === 'fit' ? 'fit' : Number(perRun));
  process.stdout.write(JSON.stringify(measured));
} else await main(flag ?? '', kind ?? '');
