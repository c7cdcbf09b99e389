// Resident memory of a Node process with a small GRU open and 200 runs behind it, by what it loads and how it is started.
// Run: node bench/src/onnx/memory.ts   (Linux)
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeModel, GraphBuilder, modelOf, tensorOf, type Tensor } from '@sanderling/onnx';

function gru(): Uint8Array {
  const b = new GraphBuilder('gru');
  const filled = (dims: number[]): Tensor =>
    tensorOf('float32', dims, new Float32Array(dims.reduce((a, c) => a * c, 1)).fill(0.1));
  const x = b.input('x', 'float32', [24, 1, 8]);
  const weights = [
    b.initializer('W', filled([1, 96, 8])),
    b.initializer('R', filled([1, 96, 32])),
    b.initializer('B', filled([1, 192])),
  ];
  const [, last] = b.ops('GRU', [x, ...weights], { hidden_size: 32, linear_before_reset: 1 }, 2);
  b.output('y', b.op('MatMul', [b.op('Squeeze', [last, b.int64([0])]), b.initializer('head', filled([32, 1]))]));
  return encodeModel(modelOf(b.build()));
}

/** A child that opens the model through a module, runs it and prints its memory. `bare`: onnxruntime-node without any of ours. */
const child = `
  const [model, specifier, options] = process.argv.slice(1);
  const data = new Float32Array(192), dims = [24, 1, 8];
  let run = async () => {};
  if (specifier.includes('onnxruntime')) {
    const { createRequire } = await import('node:module');
    const ort = createRequire('/')(specifier);
    const session = await ort.InferenceSession.create(model, { intraOpNumThreads: 1, logSeverityLevel: 4 });
    run = () => session.run({ x: new ort.Tensor('float32', data, dims) });
  } else if (specifier !== 'none') {
    const { openSession } = await import(specifier);
    const session = await openSession(model, JSON.parse(options));
    run = () => session.run({ x: { dtype: 'float32', dims, data } });
  }
  for (let i = 0; i < 200; i += 1) await run();
  const text = (await import('node:fs')).readFileSync('/proc/self/smaps_rollup', 'utf8');
  const of = (key) => Number(new RegExp(key + ': +([0-9]+)').exec(text)[1]) / 1024;
  console.log(JSON.stringify([of('Rss'), of('Anonymous')]));`;

interface Setting {
  readonly name: string;
  readonly module: string;
  readonly options?: object;
  readonly cached?: boolean;
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

const ours = import.meta.resolve('@sanderling/onnx');
const session = import.meta.resolve('@sanderling/onnx/session');
const bare = createRequire(ours).resolve('onnxruntime-node');
const lean = { flags: ['--v8-pool-size=0', '--max-semi-space-size=1'], env: { MALLOC_ARENA_MAX: '1' } };

const settings: readonly Setting[] = [
  { name: 'node alone', module: 'none' },
  { name: 'onnxruntime-node, plain JavaScript', module: bare },
  { name: '@sanderling/onnx', module: ours },
  { name: '@sanderling/onnx, compile cache', module: ours, cached: true },
  { name: '@sanderling/onnx/session', module: session },
  { name: '@sanderling/onnx/session, compile cache', module: session, cached: true },
  { name: '… and no arena', module: session, cached: true, options: { arena: false } },
  { name: '… and 2 threads', module: session, cached: true, options: { threads: 2 } },
  { name: '… and optimisation disabled', module: session, cached: true, options: { optimisation: 'disabled' } },
  { name: '… and --v8-pool-size=0 --max-semi-space-size=1 MALLOC_ARENA_MAX=1', module: session, cached: true, ...lean },
];

const folder = await mkdtemp(join(tmpdir(), 'onnx-memory-'));
const model = join(folder, 'gru.onnx');
await writeFile(model, gru());

function measure({ module, options = {}, cached = false, flags = [], env = {} }: Setting): readonly [number, number] {
  const cache = cached ? { NODE_COMPILE_CACHE: join(folder, 'cache') } : {};
  const once = (): readonly [number, number] => {
    const args = [...flags, '--input-type=module', '-e', child, model, module, JSON.stringify(options)];
    return JSON.parse(
      execFileSync(process.execPath, args, { encoding: 'utf8', env: { ...process.env, ...cache, ...env } }),
    ) as [number, number];
  };
  if (cached) once();
  const results = [once(), once(), once()].toSorted(([a], [b]) => a - b);
  return results[1]!;
}

const lines = [
  '# Resident memory with a small GRU open',
  '',
  'MiB, median of 3. Anonymous: what cannot be dropped; the rest is the program text of Node and ONNX Runtime, which the kernel shares and reclaims.',
  '',
  '| process | resident | anonymous |',
  '|---|---|---|',
  ...settings.map((setting) => {
    const [resident, anonymous] = measure(setting);
    return `| ${setting.name} | ${resident.toFixed(0)} | ${anonymous.toFixed(0)} |`;
  }),
];
await rm(folder, { recursive: true });
const table = `${lines.join('\n')}\n`;
console.log(table);
await writeFile(new URL('../../results/onnx-memory.md', import.meta.url), table);
