// Milliseconds per training step (forward, backward, Adam) against PyTorch, one thread each, blocks interleaved A B A B.
//   SANDERLING_TORCH_PYTHON=/path/to/python node bench/src/train/step.ts
import { spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
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
const blockSeconds = Number(process.env['BLOCK'] ?? 0.4);

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

async function ours({
  network,
  input,
  dims,
  target,
  batch,
}: Contest): Promise<{ runtime: TrainingRuntime; compileSeconds: number }> {
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
  const began = performance.now();
  const runtime = await TrainingRuntime.open({ plan, data: { [input]: x, target: y }, seed: 0 });
  return { runtime, compileSeconds: (performance.now() - began) / 1000 };
}

async function block(runtime: TrainingRuntime, batch: number, steps: number): Promise<number> {
  const index = Int32Array.from({ length: steps * batch }, (_, i) => (i * 7) % rows);
  const began = performance.now();
  await runtime.train(index, new Float32Array(steps).fill(1e-3));
  return (performance.now() - began) / steps;
}

function startPeer(python: string) {
  const child = spawn(python, [new URL('peer.py', import.meta.url).pathname, '1'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    ask: async (name: string, layout: string, steps: number): Promise<number> => {
      child.stdin.write(`${name}|${layout}|${steps}\n`);
      const { value } = await lines.next();
      return Number(value);
    },
    stop: () => child.stdin.end(),
  };
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] as number;

const python = process.env['SANDERLING_TORCH_PYTHON'];
if (python === undefined) {
  console.log('skipped: set SANDERLING_TORCH_PYTHON to a Python that has torch');
  process.exit(0);
}
const peer = startPeer(python);
const only = process.argv[2];
const table = [
  '| network | ours, ms | PyTorch, ms (best layout) | ours / PyTorch | compile, s |',
  '|---|---|---|---|---|',
];
for (const contest of contests.filter(({ name }) => only === undefined || name.includes(only))) {
  const { runtime, compileSeconds } = await ours(contest);
  const warm = await block(runtime, contest.batch, 3);
  const steps = Math.max(2, Math.round((blockSeconds * 1000) / warm));
  const mine: number[] = [];
  const theirs = new Map<string, number[]>(contest.layouts.map((layout) => [layout, []]));
  for (let round = 0; round < rounds; round += 1) {
    mine.push(await block(runtime, contest.batch, steps));
    for (const layout of contest.layouts) theirs.get(layout)?.push(await peer.ask(contest.name, layout, steps));
  }
  const best = contest.layouts
    .map((layout) => [layout, median(theirs.get(layout) as number[])] as const)
    .sort((a, b) => a[1] - b[1])[0] as readonly [string, number];
  const own = median(mine);
  const row = `| ${contest.name}, batch ${contest.batch} | ${own.toFixed(2)} | ${best[1].toFixed(2)} (${best[0]}) | ${(own / best[1]).toFixed(2)} | ${compileSeconds.toFixed(2)} |`;
  table.push(row);
  console.log(row);
  await runtime.close();
}
peer.stop();
if (only === undefined) {
  const folder = new URL('../../results/', import.meta.url);
  await mkdir(folder, { recursive: true });
  const text = [
    '# Training step against PyTorch',
    '',
    'Milliseconds per step, one thread each, medians of interleaved blocks. `node bench/src/train/step.ts`',
    '',
    ...table,
    '',
  ];
  await writeFile(new URL('train-step.md', folder), text.join('\n'));
}
