// People never mixed between splits of pictures: ORL faces, 5 pictures a person to learn from, 5 to recognise by the nearest embedding.
//   node bench/src/train/faces.ts        (needs the shared data set faces-orl)
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { createRandom } from '@sanderling/kit';
import { openSession, type RunTensor } from '@sanderling/onnx';
import { adam, angularMargin, cosine, exportModel, fit, pictureEmbedding, rowReader } from '@sanderling/train';

const [people, side, copies] = [40, 48, 8];
const shared = process.env['SANDERLING_SHARED'] ?? new URL('../../../../shared', import.meta.url).pathname;
const tool = `${shared}/tools/data`;
if (!existsSync(tool)) {
  console.log('skipped: no shared data (set SANDERLING_SHARED)');
  process.exit(0);
}
const folder = `${execFileSync(tool, ['faces-orl'], { encoding: 'utf8' }).trim()}/faces-orl`;

/** A grey picture, 0 … 1. */
interface Grey {
  readonly width: number;
  readonly height: number;
  readonly pixels: Float32Array;
}

function readPgm(path: string): Grey {
  const bytes = readFileSync(path);
  const [head, width, height] = /^P5\s+(?:#[^\n]*\n)*(\d+)\s+(\d+)\s+\d+\s/.exec(
    bytes.toString('latin1', 0, 200),
  ) as unknown as [string, string, string];
  return {
    width: Number(width),
    height: Number(height),
    pixels: Float32Array.from(bytes.subarray(head.length), (x) => x / 255),
  };
}

/** The picture at side × side, moved, scaled and mirrored; bilinear. */
function view(
  { width, height, pixels }: Grey,
  by: { x: number; y: number; zoom: number; mirror: boolean },
): Float32Array {
  return Float32Array.from({ length: side * side }, (_, i) => {
    const column = by.mirror ? side - 1 - (i % side) : i % side;
    const x = ((column + 0.5) / side - 0.5) / by.zoom + 0.5 + by.x;
    const y = ((Math.floor(i / side) + 0.5) / side - 0.5) / by.zoom + 0.5 + by.y;
    const [u, v] = [
      Math.min(Math.max(x * width - 0.5, 0), width - 1.001),
      Math.min(Math.max(y * height - 0.5, 0), height - 1.001),
    ];
    const [a, b] = [Math.floor(u), Math.floor(v)];
    const at = (dx: number, dy: number) => pixels[(b + dy) * width + a + dx] as number;
    const [s, t] = [u - a, v - b];
    return (1 - t) * ((1 - s) * at(0, 0) + s * at(1, 0)) + t * ((1 - s) * at(0, 1) + s * at(1, 1));
  });
}

/** Zero mean and unit spread. */
function normalised(pixels: Float32Array): Float32Array {
  const mean = pixels.reduce((sum, x) => sum + x, 0) / pixels.length;
  const spread = Math.sqrt(pixels.reduce((sum, x) => sum + (x - mean) ** 2, 0) / pixels.length) + 1e-6;
  return pixels.map((x) => (x - mean) / spread);
}

const plain = { x: 0, y: 0, zoom: 1, mirror: false };
const faces = Array.from({ length: people }, (_, p) =>
  Array.from({ length: 10 }, (__, k) => readPgm(`${folder}/s${p + 1}/${k + 1}.pgm`)),
);

async function accuracy(seed: number): Promise<{ share: number; seconds: number }> {
  const random = createRandom(seed, 'faces');
  const order = faces.map(() => random.shuffle([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]));
  const learn = faces.flatMap((set, p) => (order[p] as number[]).slice(0, 5).map((k) => ({ p, face: set[k] as Grey })));
  const judge = faces.flatMap((set, p) => (order[p] as number[]).slice(5).map((k) => ({ p, face: set[k] as Grey })));
  const views = learn.flatMap(({ p, face }) =>
    Array.from({ length: copies }, (_, c) => ({
      p,
      pixels: normalised(
        view(
          face,
          c === 0
            ? plain
            : {
                x: random.uniform(-0.05, 0.05),
                y: random.uniform(-0.05, 0.05),
                zoom: random.uniform(0.92, 1.1),
                mirror: random.next() < 0.5,
              },
        ),
      ),
    })),
  );
  const rows = views.length;
  const image = new Float32Array(rows * side * side);
  views.forEach(({ pixels }, i) => image.set(pixels, i * side * side));
  const network = pictureEmbedding({
    side,
    channels: 1,
    classes: people,
    filters: [16, 32, 64],
    units: 128,
    width: 64,
    dropouts: [0.2, 0.2],
    seed,
  });
  const [batch, epochs] = [32, 10];
  const steps = Math.ceil(rows / batch) * epochs;
  const result = await fit({
    plan: {
      network,
      reader: rowReader({ image: { dtype: 'float32', dims: [1, side, side] }, target: { dtype: 'int64', dims: [] } }),
      loss: angularMargin({ scale: 16, margin: 0.2 }),
      optimiser: adam(),
      batch,
      prediction: 'cosines',
      clipNorm: 5,
    },
    data: {
      image: { dtype: 'float32', dims: [rows, 1, side, side], data: image },
      target: { dtype: 'int64', dims: [rows], data: BigInt64Array.from(views, ({ p }) => BigInt(p)) },
    },
    train: Int32Array.from({ length: rows }, (_, i) => i),
    epochs,
    learningRate: cosine(2e-3, { steps, floor: 2e-5 }),
    seed,
  });
  await using session = await openSession(exportModel(network, result.tensors, { outputs: ['embedding'] }));
  const embed = async (set: readonly { face: Grey }[]) => {
    const data = new Float32Array(set.length * side * side);
    set.forEach(({ face }, i) => data.set(normalised(view(face, plain)), i * side * side));
    const out = await session.run({ image: { dtype: 'float32', dims: [set.length, 1, side, side], data } });
    const numbers = (out['embedding'] as RunTensor).data as Float32Array;
    return (i: number) => numbers.subarray(i * 64, (i + 1) * 64);
  };
  const [known, asked] = [await embed(learn), await embed(judge)];
  const likeness = (a: Float32Array, b: Float32Array) => a.reduce((sum, x, i) => sum + x * (b[i] as number), 0);
  const right = judge.filter(({ p }, i) => {
    const scores = learn.map((_, j) => likeness(asked(i), known(j)));
    return learn[scores.indexOf(Math.max(...scores))]?.p === p;
  }).length;
  return { share: right / judge.length, seconds: result.seconds };
}

const table = ['| seed | accuracy | training, s |', '|---|---|---|'];
for (const seed of [1, 2, 3]) {
  const { share, seconds } = await accuracy(seed);
  table.push(`| ${seed} | ${(100 * share).toFixed(1)} % | ${seconds.toFixed(0)} |`);
  console.log(table.at(-1));
}
const results = new URL('../../results/', import.meta.url);
await mkdir(results, { recursive: true });
const text = [
  '# ORL faces: 40 people, 5 pictures to learn, 5 to recognise',
  '',
  'Embedding network (angular margin), nearest neighbour by cosine; one thread. Raw pixels: 91 %. `node bench/src/train/faces.ts`',
  '',
  ...table,
  '',
];
await writeFile(new URL('train-faces.md', results), text.join('\n'));
