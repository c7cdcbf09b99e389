// People by their faces: ORL, 5 pictures a person to learn from, 5 to recognise by the nearest embedding. The ready network as it is (three convolutions
// of 128, 128 and 384 filters, dense 256, dropouts, embedding of 64, angular margin), and a small one of the same make.
//   node bench/src/train/faces.ts [PART OF A NAME]       (needs the shared data set faces-orl)
// Every seed of a network trains in a process of its own, PROCESSES at once (default: as many as cores). A run over all networks writes the results.
import { execFile } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';
import { createRandom } from '@sanderling/kit';
import { openSession, type RunTensor } from '@sanderling/onnx';
import {
  adam,
  angularMargin,
  cosine,
  exportModel,
  fit,
  parameterCount,
  pictureEmbedding,
  rowReader,
  type EmbeddingOptions,
  type Shard,
} from '@sanderling/train';
import { augmented, decodePicture, normalised, planesOf, stacked, type Planes } from '@sanderling/vision';
import { cpuSeconds, dataFolder, spreadOf, writeResult } from './data-set.ts';

const [people, width] = [40, 64];
const seeds = (process.env['SEEDS'] ?? '1,2,3').split(',').map(Number);
const processes = Number(process.env['PROCESSES'] ?? availableParallelism());

/** How one network is trained. */
interface Setting {
  readonly options: Partial<EmbeddingOptions>;
  /** Pixels. */
  readonly side: number;
  readonly batch: number;
  /** Fresh views of each picture an epoch. */
  readonly views: number;
  readonly epochs: number;
  readonly rate: number;
}

const settings: Readonly<Record<string, Setting>> = {
  'pictureEmbedding as it is': { options: {}, side: 24, batch: 16, views: 4, epochs: 24, rate: 5e-4 },
  'small: filters 16/32/64, dense 128, dropouts 0.2': {
    options: { filters: [16, 32, 64], units: 128, dropouts: [0.2, 0.2] },
    side: 48,
    batch: 32,
    views: 8,
    epochs: 10,
    rate: 2e-3,
  },
};

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

interface Face {
  readonly person: number;
  readonly planes: Planes;
}

const folder = dataFolder('faces-orl');

/** Ten pictures of each person at a size. */
const facesAt = async (side: number): Promise<Face[][]> =>
  await Promise.all(
    Array.from({ length: people }, (_, person) =>
      Promise.all(
        Array.from({ length: 10 }, async (__, k): Promise<Face> => {
          const picture = await decodePicture(`${folder}/s${person + 1}/${k + 1}.pgm`, {
            size: { width: side, height: side },
          });
          return { person, planes: planesOf(picture) };
        }),
      ),
    ),
  );

const labels = (of: readonly Face[]) => ({
  dtype: 'int64' as const,
  dims: [of.length],
  data: BigInt64Array.from(of, ({ person }) => BigInt(person)),
});

/** Each person's ten pictures in two halves, drawn by the seed. */
function halves(faces: readonly Face[][], seed: number): { learn: Face[]; judge: Face[] } {
  const random = createRandom(seed, 'faces');
  const shuffled = faces.map((set) => random.shuffle(set));
  return { learn: shuffled.flatMap((set) => set.slice(0, 5)), judge: shuffled.flatMap((set) => set.slice(5)) };
}

/** The share of pictures whose most alike known picture shows the same person. */
function recognised(known: readonly Face[], asked: readonly Face[], of: (face: Face) => Float32Array): number {
  const memory = known.map((face) => of(face));
  const right = asked.filter((face) => {
    const mine = of(face);
    const scores = memory.map((one) => one.reduce((sum, x, i) => sum + x * (mine[i] as number), 0));
    return known[scores.indexOf(Math.max(...scores))]?.person === face.person;
  });
  return right.length / asked.length;
}

interface Trained {
  readonly share: number;
  /** Of the processor. */
  readonly seconds: number;
  readonly weights: number;
}

/** In the process of one training. */
async function run(setting: Setting, seed: number): Promise<Trained> {
  const { options, side, batch, views, epochs, rate } = setting;
  const faces = await facesAt(side);
  const { learn, judge } = halves(faces, seed);
  const copies = Array.from({ length: views }, () => learn).flat();
  const plain = { image: stacked(learn.map(({ planes }) => normalised(planes))), target: labels(learn) };
  const changes = { rotate: 0.1, zoom: 0.1, shift: 0.05, mirror: true, contrast: 0.1 };
  const shards = function* (epoch: number): Generator<Shard> {
    const random = createRandom(seed, `epoch ${epoch}`);
    const image = stacked(copies.map(({ planes }) => normalised(augmented(planes, changes, random))));
    yield { data: { image, target: labels(copies) }, train: Int32Array.from(copies, (_, i) => i) };
  };
  const network = pictureEmbedding({ side, channels: 1, classes: people, width, seed, ...options });
  const began = cpuSeconds();
  const { tensors } = await fit({
    plan: {
      network,
      reader: rowReader({ image: { dtype: 'float32', dims: [1, side, side] }, target: { dtype: 'int64', dims: [] } }),
      loss: angularMargin({ scale: 16, margin: 0.2 }),
      optimiser: adam(),
      batch,
      prediction: 'cosines',
      clipNorm: 5,
    },
    data: plain,
    train: Int32Array.from(learn, (_, i) => i),
    shards,
    epochs,
    learningRate: cosine(rate, { steps: Math.ceil(copies.length / batch) * epochs, floor: 1e-5 }),
    seed,
    onEpoch: ({ epoch, trainLoss }) =>
      process.stderr.write(`seed ${seed} epoch ${epoch} loss ${trainLoss.toFixed(3)}\n`),
  });
  const seconds = cpuSeconds() - began;
  await using session = await openSession(exportModel(network, tensors, { outputs: ['embedding'] }));
  const all = [...learn, ...judge];
  const out = await session.run({ image: stacked(all.map(({ planes }) => normalised(planes))) });
  const numbers = (out['embedding'] as RunTensor).data as Float32Array;
  const embeddings = new Map(all.map((face, i) => [face, numbers.subarray(i * width, (i + 1) * width)]));
  const share = recognised(learn, judge, (face) => embeddings.get(face) as Float32Array);
  process.stderr.write(`seed ${seed}: ${percent(share)}\n`);
  return { share, seconds, weights: parameterCount(network) };
}

/** The same by the pixels alone, each picture with zero mean and unit spread. */
function byPixels(faces: readonly Face[][], seed: number): number {
  const { learn, judge } = halves(faces, seed);
  return recognised(learn, judge, ({ planes }) => normalised(planes).data);
}

/** Trains in a process of its own. */
async function inProcess(name: string, seed: number): Promise<Trained> {
  const training = promisify(execFile)(process.execPath, [import.meta.filename, '--child', name, String(seed)]);
  training.child.stderr?.pipe(process.stderr);
  return JSON.parse((await training).stdout) as Trained;
}

/** Results of jobs, in their order, a few jobs at once. */
async function together<T>(jobs: readonly (() => Promise<T>)[], atOnce: number): Promise<T[]> {
  const results: T[] = [];
  let next = 0;
  const worker = async () => {
    for (let i = next++; i < jobs.length; i = next++) results[i] = await (jobs[i] as () => Promise<T>)();
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return results;
}

const rowOf = (name: string, one: { weights: string; shares: number[]; seconds: string }): string => {
  const { mean, deviation } = spreadOf(one.shares);
  const spread = `${percent(mean)} ± ${(100 * deviation).toFixed(1)}`;
  return `| ${[name, one.weights, ...one.shares.map(percent), spread, one.seconds].join(' | ')} |`;
};

async function main(only: string): Promise<void> {
  const pixels = await facesAt(24);
  const chosen = Object.entries(settings).filter(([name]) => name.includes(only));
  const jobs = chosen.flatMap(([name]) => seeds.map((seed) => () => inProcess(name, seed)));
  const runs = await together(jobs, processes);
  const table = [
    `| network | weights | ${seeds.map((seed) => `seed ${seed}`).join(' | ')} | mean ± deviation | training, s of CPU |`,
    `|---|---|${'---|'.repeat(seeds.length + 2)}`,
    rowOf('none: raw pixels, 24 × 24', {
      weights: '–',
      shares: seeds.map((seed) => byPixels(pixels, seed)),
      seconds: '–',
    }),
    ...chosen.map(([name, { side, epochs, views }], k) => {
      const mine = runs.slice(k * seeds.length, (k + 1) * seeds.length);
      return rowOf(`${name}; ${side} × ${side}, ${epochs} epochs of ${views} views`, {
        weights: mine[0]?.weights.toLocaleString('en') ?? '',
        shares: mine.map(({ share }) => share),
        seconds: spreadOf(mine.map(({ seconds }) => seconds)).mean.toFixed(0),
      });
    }),
  ];
  console.log(table.join('\n'));
  if (only !== '') return;
  await writeResult('train-faces.md', [
    '# ORL faces: 40 people, 5 pictures to learn, 5 to recognise',
    '',
    'Grey pictures, fresh views every epoch, angular margin; nearest known picture by the cosine of the embeddings; another 5/5 split for every seed; one thread. `node bench/src/train/faces.ts`',
    '',
    ...table,
  ]);
}

const [, , flag, name, seed] = process.argv;
if (flag === '--child') process.stdout.write(JSON.stringify(await run(settings[name ?? ''] as Setting, Number(seed))));
else await main(flag ?? '');
