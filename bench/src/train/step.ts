// Milliseconds per training step (forward, backward, Adam) against PyTorch, the same threads each, blocks interleaved A B A B.
//   SANDERLING_TORCH_PYTHON=/path/to/python [THREADS=1,2] node bench/src/train/step.ts [PART OF A NAME]
// A run over all networks writes its rows into the results and leaves those of other thread counts.
import { spawn } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { cpus, loadavg } from 'node:os';
import { createInterface } from 'node:readline';
import type { RunTensor } from '@sanderling/onnx';
import {
  adam,
  convolutionalAutoencoder,
  crossEntropy,
  denseAutoencoder,
  depthwiseClassifier,
  forecasterNetwork,
  meanSquaredError,
  pictureClassifier,
  rowReader,
  TrainingRuntime,
  type Loss,
  type Network,
} from '@sanderling/train';

const rows = 256;
const rounds = Number(process.env['ROUNDS'] ?? 7);
/** Processor seconds of one block of ours. */
const blockSeconds = Number(process.env['BLOCK'] ?? 0.4);
const threadCounts = (process.env['THREADS'] ?? '1,2').split(',').map(Number);

interface Contest {
  readonly name: string;
  readonly network: () => Network;
  readonly input: string;
  readonly dims: readonly number[];
  readonly target: 'window' | 'self' | 'class';
  readonly batch: number;
  readonly layouts: readonly string[];
}

const recurrent = (cell: 'gru' | 'lstm', window: number, hidden: number): Contest => ({
  name: `${cell} ${window}x${hidden}`,
  network: () => forecasterNetwork({ cell, window, features: 3, horizon: 3, hidden }),
  input: 'window',
  dims: [window, 3],
  target: 'window',
  batch: 64,
  layouts: ['plain'],
});

const contests: readonly Contest[] = [
  recurrent('gru', 24, 32),
  recurrent('gru', 48, 64),
  recurrent('lstm', 24, 32),
  recurrent('lstm', 48, 64),
  {
    name: 'dense autoencoder',
    network: () => denseAutoencoder({ inputs: 1024 }),
    input: 'x',
    dims: [1024],
    target: 'self',
    batch: 64,
    layouts: ['plain'],
  },
  {
    name: 'conv autoencoder',
    network: () => convolutionalAutoencoder({ length: 1024 }),
    input: 'x',
    dims: [1, 1024],
    target: 'self',
    batch: 64,
    layouts: ['plain'],
  },
  {
    name: 'picture 64',
    network: () => pictureClassifier({ side: 64, classes: 5 }),
    input: 'image',
    dims: [3, 64, 64],
    target: 'class',
    batch: 16,
    layouts: ['plain', 'channels_last'],
  },
  {
    name: 'depthwise 96',
    network: () => depthwiseClassifier({ size: [96, 96], classes: 5 }),
    input: 'image',
    dims: [3, 96, 96],
    target: 'class',
    batch: 16,
    layouts: ['plain', 'channels_last'],
  },
];

const product = (dims: readonly number[]): number => dims.reduce((all, dim) => all * dim, 1);

function numbers(dims: readonly number[]): RunTensor {
  return {
    dtype: 'float32',
    dims,
    data: Float32Array.from({ length: product(dims) }, (_, i) => Math.sin(i * 12.9898) * 1.4),
  };
}

async function ours(
  { network, input, dims, target, batch }: Contest,
  threads: number,
): Promise<{ runtime: TrainingRuntime; compileSeconds: number }> {
  const x = numbers([rows, ...dims]);
  const classes: RunTensor = {
    dtype: 'int64',
    dims: [rows],
    data: BigInt64Array.from({ length: rows }, (_, i) => BigInt(i % 5)),
  };
  const y = { window: numbers([rows, 3]), self: x, class: classes }[target];
  const loss: Loss = target === 'class' ? crossEntropy() : meanSquaredError;
  const column = (tensor: RunTensor) => ({ dtype: tensor.dtype, dims: tensor.dims.slice(1) });
  const plan = {
    network: network(),
    reader: rowReader({ [input]: column(x), target: column(y) }),
    loss,
    optimiser: adam(),
    batch,
  };
  const before = process.cpuUsage();
  const runtime = await TrainingRuntime.open({ plan, data: { [input]: x, target: y }, seed: 0, threads });
  const { user, system } = process.cpuUsage(before);
  return { runtime, compileSeconds: (user + system) / 1e6 };
}

/** Milliseconds a step: of the processor by this process, and of the clock. */
interface Times {
  readonly cpu: number;
  readonly wall: number;
}

async function block(runtime: TrainingRuntime, batch: number, steps: number): Promise<Times> {
  const index = Int32Array.from({ length: steps * batch }, (_, i) => (i * 7) % rows);
  const rates = new Float32Array(steps).fill(1e-3);
  const [used, began] = [process.cpuUsage(), performance.now()];
  await runtime.train(index, rates);
  const { user, system } = process.cpuUsage(used);
  return { cpu: (user + system) / 1000 / steps, wall: (performance.now() - began) / steps };
}

/** PyTorch in a process of its own, without settings meant for other libraries of linear algebra. */
function startPeer(python: string, threads: number) {
  const foreign = /^(OPENBLAS|MKL|OMP|KMP|DNNL|ONEDNN|GOTO|NVPL)_/;
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !foreign.test(name)));
  const script = new URL('peer.py', import.meta.url).pathname;
  const child = spawn(python, [script, String(threads)], { stdio: ['pipe', 'pipe', 'inherit'], env });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    version: lines.next().then(({ value }) => String(value)),
    ask: async (name: string, layout: string, steps: number): Promise<Times> => {
      child.stdin.write(`${name}|${layout}|${steps}\n`);
      const { value } = await lines.next();
      const [cpu, wall] = String(value).split(' ').map(Number) as [number, number];
      return { cpu, wall };
    },
    stop: () => child.stdin.end(),
  };
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] as number;

/** One row of the table: blocks of ours and of every layout of PyTorch's in turn; the layout with the smallest median counts. */
async function compare(
  contest: Contest,
  { threads, ask }: { threads: number; ask: ReturnType<typeof startPeer>['ask'] },
): Promise<string> {
  const { runtime, compileSeconds } = await ours(contest, threads);
  await using _ = runtime;
  const warm = await block(runtime, contest.batch, 3);
  const steps = Math.max(2, Math.round((blockSeconds * 1000) / warm.cpu));
  const mine: Times[] = [];
  const theirs = new Map<string, Times[]>(contest.layouts.map((layout) => [layout, []]));
  for (let round = 0; round < rounds; round += 1) {
    mine.push(await block(runtime, contest.batch, steps));
    for (const layout of contest.layouts) theirs.get(layout)?.push(await ask(contest.name, layout, steps));
  }
  const columns = (['cpu', 'wall'] as const).flatMap((kind) => {
    const best = contest.layouts
      .map((layout) => {
        const times = (theirs.get(layout) as Times[]).map((one) => one[kind]);
        const ratio = median(times.map((time, i) => (mine[i] as Times)[kind] / time));
        return { layout, time: median(times), ratio };
      })
      .sort((a, b) => a.time - b.time)[0] as { layout: string; time: number; ratio: number };
    const own = median(mine.map((one) => one[kind]));
    return [own.toFixed(2), `${best.time.toFixed(2)} (${best.layout})`, best.ratio.toFixed(2)];
  });
  return `| ${contest.name}, batch ${contest.batch} | ${threads} | ${columns.join(' | ')} | ${compileSeconds.toFixed(2)} |`;
}

const python = process.env['SANDERLING_TORCH_PYTHON'];
if (python === undefined) {
  console.log('skipped: set SANDERLING_TORCH_PYTHON to a Python that has torch');
  process.exit(0);
}
const only = process.argv[2];
const header = [
  '| network | threads | ours, CPU ms | PyTorch, CPU ms (best layout) | ratio | ours, ms | PyTorch, ms (best layout) | ratio | compile, CPU s |',
  '|---|---|---|---|---|---|---|---|---|',
];
const rowsNow: string[] = [];
let version = '';
for (const threads of threadCounts) {
  const peer = startPeer(python, threads);
  version = await peer.version;
  for (const contest of contests.filter(({ name }) => only === undefined || name.includes(only))) {
    const row = await compare(contest, { threads, ask: peer.ask });
    rowsNow.push(row);
    console.log(row);
  }
  peer.stop();
}
if (only === undefined) {
  const file = new URL('../../results/train-step.md', import.meta.url);
  await mkdir(new URL('.', file), { recursive: true });
  const before = await readFile(file, 'utf8').catch(() => '');
  const kept = before.split('\n').filter((line) => {
    const threads = Number(line.split('|')[2]);
    return threads > 0 && !threadCounts.includes(threads);
  });
  const rowsBoth = [...kept, ...rowsNow].sort((x, y) => Number(x.split('|')[2]) - Number(y.split('|')[2]));
  const text = [
    '# Training step against PyTorch',
    '',
    'Milliseconds per step of forward, backward and Adam: processor time of the process, then time on the clock. Medians of blocks run in turn',
    '(ours, PyTorch, ours, …); a ratio is the median over the rounds. `node bench/src/train/step.ts`',
    '',
    ...header,
    ...rowsBoth,
    '',
    ...settings(),
    '',
  ];
  await writeFile(file, text.join('\n'));
}

/** How both sides were set up. */
function settings(): string[] {
  const hugePages = process.env['GLIBC_TUNABLES']?.includes('hugetlb=1') === true;
  return [
    `Machine: ${cpus().length} × ${cpus()[0]?.model}; the machine was ${(loadavg()[0] as number) > 1.5 ? 'shared with other work (processor time is then what can be compared)' : 'quiet'}.`,
    '',
    'Both sides: as many threads as said, Adam, the same batch sizes, denormal numbers as zero, ' +
      `${hugePages ? 'huge pages' : 'no huge pages'}. Ours: convolutions in the runtime's own layout where the probe finds it; several steps a run, but two threads share`,
    "each batch of the recurrent networks and the convolutional autoencoder, and are the operators' own in the others.",
    `PyTorch ${version}: eager, foreach Adam, oneDNN and MKL as the package brings them, none of their environment variables set; \`plain\` is the usual`,
    'memory layout, `channels_last` the other one, tried for networks of two-dimensional convolutions. Where cores are shared, threads that wait for',
    "one another spin, PyTorch's more than ours: rows of two threads say something only on a quiet machine.",
  ];
}
