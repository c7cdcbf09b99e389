// What a call through our session costs beside the bare onnxruntime-node, and what a child process costs; interleaved.
// Run: node bench/src/onnx/session-overhead.ts
import { writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import {
  encodeModel,
  GraphBuilder,
  modelOf,
  openSession,
  openSessionProcess,
  tensorOf,
  type RunTensor,
} from '@sanderling/onnx';

/** What is used here of the bare runtime: the very copy that our package runs on. */
interface Bare {
  readonly InferenceSession: {
    create(
      model: Uint8Array,
      options: object,
    ): Promise<{ run(feeds: object): Promise<unknown>; release(): Promise<void> }>;
  };
  readonly Tensor: new (type: string, data: Float32Array, dims: readonly number[]) => object;
}
const ort = createRequire(import.meta.resolve('@sanderling/onnx'))('onnxruntime-node') as Bare;

const rounds = 9;
const options = {
  intraOpNumThreads: 1,
  enableMemPattern: false,
  graphOptimizationLevel: 'extended',
  extra: { session: { set_denormal_as_zero: '1' } },
};

function dense(width: number): Uint8Array {
  const b = new GraphBuilder('dense');
  const x = b.input('x', 'float32', ['n', width]);
  const w = b.initializer('w', tensorOf('float32', [width, width], new Float32Array(width * width).fill(0.01)));
  b.output('y', b.op('Relu', [b.op('MatMul', [x, w])]));
  return encodeModel(modelOf(b.build()));
}

/** Microseconds a call, the fastest of a few blocks being what the machine can do. */
async function perCall(calls: number, call: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  for (let i = 0; i < calls; i += 1) await call();
  return ((performance.now() - start) / calls) * 1000;
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;

async function row(width: number): Promise<string> {
  const bytes = dense(width);
  await using ours = await openSession(bytes);
  await using child = await openSessionProcess(bytes);
  const bare = await ort.InferenceSession.create(bytes, options);
  const data = new Float32Array(width).fill(1);
  const x: RunTensor = { dtype: 'float32', dims: [1, width], data };
  const times = { bare: [] as number[], ours: [] as number[], child: [] as number[] };
  for (let i = 0; i < rounds; i += 1) {
    times.bare.push(await perCall(500, () => bare.run({ x: new ort.Tensor('float32', data, [1, width]) })));
    times.ours.push(await perCall(500, () => ours.run({ x })));
    times.child.push(await perCall(100, () => child.run({ x })));
  }
  await bare.release();
  const [a, b, c] = [median(times.bare), median(times.ours), median(times.child)];
  return `| dense ${width}×${width}, batch 1 | ${a.toFixed(1)} | ${b.toFixed(1)} | ${(b / a).toFixed(2)} | ${c.toFixed(0)} |`;
}

const lines = [
  '# A call of a session',
  '',
  `Microseconds a call, median of ${rounds} interleaved rounds, one thread.`,
  '',
  '| model | onnxruntime-node | openSession | ratio | openSessionProcess |',
  '|---|---|---|---|---|',
];
for (const width of [4, 64, 512]) lines.push(await row(width));
const table = `${lines.join('\n')}\n`;
console.log(table);
await writeFile(new URL('../../results/onnx-session-overhead.md', import.meta.url), table);
