// A face CNN (three convolutions of 128, 128 and 384 filters, 64×64 input) in float32 and in 8 bits: size, time of a run and how far the scores move; interleaved.
// Run: node bench/src/onnx/quantisation.ts
import { writeFile } from 'node:fs/promises';
import { createRandom } from '@sanderling/kit';
import {
  calibrate,
  encodeModel,
  GraphBuilder,
  openSession,
  quantise,
  tensorOf,
  type Feeds,
  type Model,
  type Session,
  type Value,
} from '@sanderling/onnx';

const random = createRandom(1, 'face');
const rounds = 7;

function network(): Model {
  const b = new GraphBuilder('face');
  const weights = (dims: number[]): Value => {
    const spread = Math.sqrt(2 / dims.slice(1).reduce((x, y) => x * y, 1));
    return b.constant(
      tensorOf(
        'float32',
        dims,
        Float32Array.from({ length: dims.reduce((x, y) => x * y, 1) }, () => spread * random.normal()),
      ),
    );
  };
  let x = b.input('x', 'float32', ['n', 3, 64, 64]);
  for (const [filters, channels, kernel] of [
    [128, 3, 5],
    [128, 128, 5],
    [384, 128, 3],
  ] as const) {
    const pad = (kernel - 1) / 2;
    x = b.op(
      'Conv',
      [
        x,
        weights([filters, channels, kernel, kernel]),
        b.constant(tensorOf('float32', [filters], new Float32Array(filters))),
      ],
      { pads: [pad, pad, pad, pad] },
    );
    x = b.op('MaxPool', [b.op('Relu', [x])], { kernel_shape: [2, 2], strides: [2, 2] });
  }
  const flat = b.op('Flatten', [x]);
  b.output(
    'y',
    b.op('Gemm', [flat, weights([256, 384 * 64]), b.constant(tensorOf('float32', [256], new Float32Array(256)))], {
      transB: 1,
    }),
  );
  return b.model();
}

const image = (): Feeds => ({
  x: { dtype: 'float32', dims: [1, 3, 64, 64], data: Float32Array.from({ length: 12288 }, () => random.uniform(0, 1)) },
});

async function milliseconds(session: Session, feeds: Feeds): Promise<number> {
  const start = performance.now();
  for (let i = 0; i < 10; i += 1) await session.run(feeds);
  return (performance.now() - start) / 10;
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;

const float = network();
const ranges = await calibrate(float, Array.from({ length: 4 }, image));
const models = {
  float32: float,
  'uint8 activations': quantise(float, ranges),
  'int8 activations': quantise(float, ranges, { activations: 'int8' }),
};
const sessions = await Promise.all(
  Object.entries(models).map(async ([name, model]) => ({
    name,
    bytes: encodeModel(model).length,
    session: await openSession(model),
    times: [] as number[],
  })),
);
const feeds = image();
for (let round = 0; round < rounds; round += 1)
  for (const { session, times } of sessions) times.push(await milliseconds(session, feeds));

const scores = async (session: Session): Promise<Float32Array> => (await session.run(feeds))['y']!.data as Float32Array;
const exact = await scores(sessions[0]!.session);
const largest = Math.max(...exact.map(Math.abs));
const lines = [
  '# 8-bit quantisation of a face CNN',
  '',
  `One thread, batch 1, 64×64, random weights, calibrated on 4 random images; median of ${rounds} interleaved rounds.`,
  '',
  '| model | MB | ms a run | faster | largest change of a score |',
  '|---|---|---|---|---|',
];
for (const { name, bytes, session, times } of sessions) {
  const other = await scores(session);
  const change = exact.reduce((most, value, i) => Math.max(most, Math.abs(value - other[i]!)), 0) / largest;
  lines.push(
    `| ${name} | ${(bytes / 1e6).toFixed(1)} | ${median(times).toFixed(2)} | ${(median(sessions[0]!.times) / median(times)).toFixed(2)}× | ${(100 * change).toFixed(1)} % |`,
  );
}
const table = `${lines.join('\n')}\n`;
console.log(table);
await writeFile(new URL('../../results/onnx-quantisation.md', import.meta.url), table);
