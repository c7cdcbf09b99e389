// Hand signs 0 … 9 by students whom the network has never seen: photographs (JPEG) decoded, augmented afresh every epoch, learnt, judged.
//   node bench/src/train/digits.ts        (needs the shared data set images-sign-digits)
import { readdir } from 'node:fs/promises';
import { createRandom } from '@sanderling/kit';
import { openSession } from '@sanderling/onnx';
import {
  adam,
  cosine,
  crossEntropy,
  exportModel,
  fit,
  kFold,
  pictureClassifier,
  rowReader,
  type Shard,
} from '@sanderling/train';
import { augmented, decodePicture, normalised, planesOf, stacked, type Planes } from '@sanderling/vision';
import { cpuSeconds, dataFolder, spreadOf, writeResult } from './data-set.ts';

const [side, classes, batch, epochs] = [32, 10, 32, 24];
const seeds = (process.env['SEEDS'] ?? '1,2,3').split(',').map(Number);
const filters = [24, 48, 96] as const;

interface Sign {
  readonly digit: number;
  /** Number of the student. */
  readonly student: number;
  readonly planes: Planes;
}

/**
 * The photographs in the order of the camera. Students showed 0 to 9 one after another, so that a number that falls begins the next
 * student: 209 series, 194 of them of exactly ten; the set's own page says 218 students.
 */
async function signs(): Promise<Sign[]> {
  const root = `${dataFolder('images-sign-digits')}/Dataset`;
  const files = await Promise.all(
    Array.from({ length: classes }, async (_, digit) =>
      (await readdir(`${root}/${digit}`)).map((name) => ({
        digit,
        path: `${root}/${digit}/${name}`,
        number: Number(/\d+/.exec(name)?.[0]),
      })),
    ),
  );
  const all: Sign[] = [];
  let [student, before] = [0, 0];
  for (const { digit, path } of files.flat().toSorted((a, b) => a.number - b.number)) {
    if (digit <= before - 2) student += 1;
    before = digit;
    const picture = await decodePicture(path, { size: { width: side, height: side }, channels: 1 });
    all.push({ digit, student, planes: planesOf(picture) });
  }
  return all;
}

const labels = (of: readonly Sign[]) => ({
  dtype: 'int64' as const,
  dims: [of.length],
  data: BigInt64Array.from(of, ({ digit }) => BigInt(digit)),
});

async function run(all: readonly Sign[], seed: number): Promise<{ share: number; worst: number; seconds: number }> {
  const [fold] = kFold(all.length, { folds: 5, seed, groups: all.map(({ student }) => student) });
  const [learn, judge] = [fold?.train ?? [], fold?.validation ?? []].map((rows) =>
    Array.from(rows, (row) => all[row] as Sign),
  ) as [Sign[], Sign[]];
  const plain = { image: stacked(learn.map(({ planes }) => normalised(planes))), target: labels(learn) };
  const changes = { rotate: 0.2, zoom: 0.12, shear: 0.1, shift: 0.08, mirror: true, contrast: 0.2 };
  const rows = Int32Array.from({ length: learn.length }, (_, i) => i);
  const shards = function* (epoch: number): Generator<Shard> {
    const random = createRandom(seed, `epoch ${epoch}`);
    const image = stacked(learn.map(({ planes }) => normalised(augmented(planes, changes, random))));
    yield { data: { ...plain, image }, train: rows };
  };
  const network = pictureClassifier({ side, channels: 1, classes, filters, units: 128, dropouts: [0.2, 0.3], seed });
  const began = cpuSeconds();
  const { tensors } = await fit({
    plan: {
      network,
      reader: rowReader({ image: { dtype: 'float32', dims: [1, side, side] }, target: { dtype: 'int64', dims: [] } }),
      loss: crossEntropy({ labelSmoothing: 0.05 }),
      optimiser: adam(),
      batch,
    },
    data: plain,
    train: rows,
    shards,
    epochs,
    learningRate: cosine(1.5e-3, { steps: Math.ceil(learn.length / batch) * epochs, floor: 1e-5 }),
    seed,
    onEpoch: ({ epoch, trainLoss }) =>
      process.stderr.write(`seed ${seed} epoch ${epoch} loss ${trainLoss.toFixed(3)}\n`),
  });
  const seconds = cpuSeconds() - began;
  await using session = await openSession(exportModel(network, tensors));
  const { logits } = await session.run({ image: stacked(judge.map(({ planes }) => normalised(planes))) });
  const scores = logits?.data as Float32Array;
  const right = judge.map(({ digit }, i) => {
    const row = Array.from(scores.subarray(i * classes, (i + 1) * classes));
    return row.indexOf(Math.max(...row)) === digit;
  });
  const shareOf = (of: (sign: Sign) => boolean) => {
    const chosen = right.filter((_, i) => of(judge[i] as Sign));
    return chosen.filter(Boolean).length / chosen.length;
  };
  const byDigit = Array.from({ length: classes }, (_, digit) => shareOf((sign) => sign.digit === digit));
  return { share: shareOf(() => true), worst: Math.min(...byDigit), seconds };
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const all = await signs();
const students = new Set(all.map(({ student }) => student)).size;
const table = ['| seed | accuracy | worst digit | training, s of CPU |', '|---|---|---|---|'];
const shares: number[] = [];
for (const seed of seeds) {
  const { share, worst, seconds } = await run(all, seed);
  shares.push(share);
  table.push(`| ${seed} | ${percent(share)} | ${percent(worst)} | ${seconds.toFixed(0)} |`);
  console.log(table.at(-1));
}
const { mean, deviation } = spreadOf(shares);
await writeResult('train-digits.md', [
  '# Hand signs 0 … 9 of students never seen',
  '',
  `${all.length} photographs of ${students} students (told apart by the camera's numbering), a fifth of the students held out, another fifth for every seed; ${side} × ${side} grey, pictureClassifier with ${filters.join('/')} filters, ${epochs} epochs of fresh augmentation, one thread. \`node bench/src/train/digits.ts\``,
  '',
  ...table,
  '',
  `Mean ${percent(mean)}, standard deviation ${percent(deviation)}.`,
]);
