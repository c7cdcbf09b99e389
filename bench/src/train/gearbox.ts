// Healthy or broken gearbox: an autoencoder sees healthy spectra only; what it cannot rebuild is broken.
//   node bench/src/train/gearbox.ts        (needs the shared data set vibration-gearbox)
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { openSession } from '@sanderling/onnx';
import { adam, cosine, denseAutoencoder, exportModel, fit, meanSquaredError, rowReader } from '@sanderling/train';
import { cpuSeconds, dataFolder, writeResult } from './data-set.ts';

const [length, bands, channels] = [512, 64, 4];
const width = bands * channels;
const folder = dataFolder('vibration-gearbox');
const loads = [0, 20, 50, 70, 90];

/** Rows of one recording, four accelerations each. */
function recording(kind: 'h' | 'b', load: number): number[][] {
  const lines = gunzipSync(readFileSync(`${folder}/${kind}30hz${load}.csv.gz`))
    .toString()
    .trim()
    .split('\n')
    .slice(1);
  return lines.map((line) => line.split(',').map(Number));
}

const angles = Array.from(
  { length },
  (_, i) => [Math.cos((2 * Math.PI * i) / length), Math.sin((2 * Math.PI * i) / length)] as const,
);
const hann = Array.from({ length }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / length));

/** Power of one frequency of a window. */
function power(signal: readonly number[], frequency: number): number {
  let [re, im] = [0, 0];
  for (let i = 0; i < length; i += 1) {
    const [c, s] = angles[(i * frequency) % length] as readonly [number, number];
    re += (signal[i] as number) * c;
    im += (signal[i] as number) * s;
  }
  return re * re + im * im;
}

/** Logarithms of the power in `bands` bands of each acceleration, over consecutive windows. */
function spectra(rows: readonly number[][]): Float32Array[] {
  const perBand = length / 2 / bands;
  return Array.from({ length: Math.floor(rows.length / length) }, (_, w) => {
    const out = new Float32Array(width);
    for (let channel = 0; channel < channels; channel += 1) {
      const signal = hann.map((weight, i) => weight * ((rows[w * length + i] as number[])[channel] as number));
      for (let band = 0; band < bands; band += 1) {
        let sum = 1e-6;
        for (let k = 0; k < perBand; k += 1) sum += power(signal, 1 + band * perBand + k);
        out[channel * bands + band] = Math.log(sum);
      }
    }
    return out;
  });
}

const healthy = loads.map((load) => spectra(recording('h', load)));
const broken = loads.flatMap((load) => spectra(recording('b', load)));
const part = (set: readonly Float32Array[], from: number, to: number) =>
  set.slice(Math.floor(from * set.length), Math.floor(to * set.length));
const learn = healthy.flatMap((set) => part(set, 0, 0.6));
const stop = healthy.flatMap((set) => part(set, 0.6, 0.7));
const judge = healthy.flatMap((set) => part(set, 0.7, 1));

const mean = Float32Array.from(
  { length: width },
  (_, i) => learn.reduce((sum, x) => sum + (x[i] as number), 0) / learn.length,
);
const spread = Float32Array.from({ length: width }, (_, i) =>
  Math.sqrt(learn.reduce((sum, x) => sum + ((x[i] as number) - (mean[i] as number)) ** 2, 0) / learn.length),
);
const packed = (set: readonly Float32Array[]) =>
  Float32Array.from(
    set.flatMap((x) => Array.from(x, (value, i) => (value - (mean[i] as number)) / (spread[i] as number))),
  );

/** The chance that a broken window has a larger error than a healthy one. */
function areaUnderCurve(low: readonly number[], high: readonly number[]): number {
  const wins = high.reduce(
    (sum, h) => sum + low.filter((l) => l < h).length + low.filter((l) => l === h).length / 2,
    0,
  );
  return wins / (low.length * high.length);
}

async function run(seed: number) {
  const x = { dtype: 'float32' as const, dims: [learn.length + stop.length, width], data: packed([...learn, ...stop]) };
  const column = { dtype: 'float32' as const, dims: [width] };
  const network = denseAutoencoder({ inputs: width, units: [64, 12], seed });
  const [batch, epochs] = [32, 60];
  const began = cpuSeconds();
  const result = await fit({
    plan: {
      network,
      reader: rowReader({ x: column, target: column }),
      loss: meanSquaredError,
      optimiser: adam(),
      batch,
    },
    data: { x, target: x },
    train: Int32Array.from({ length: learn.length }, (_, i) => i),
    validation: Int32Array.from({ length: stop.length }, (_, i) => learn.length + i),
    epochs,
    patience: 12,
    learningRate: cosine(2e-3, { steps: Math.ceil(learn.length / batch) * epochs }),
    seed,
  });
  const seconds = cpuSeconds() - began;
  await using session = await openSession(exportModel(network, result.tensors));
  const errors = async (set: readonly Float32Array[]) => {
    const data = packed(set);
    const { rebuilt } = await session.run({ x: { dtype: 'float32', dims: [set.length, width], data } });
    const out = rebuilt?.data as Float32Array;
    return set.map(
      (_, r) =>
        data
          .subarray(r * width, (r + 1) * width)
          .reduce((sum, v, i) => sum + (v - (out[r * width + i] as number)) ** 2, 0) / width,
    );
  };
  const [low, high, limitFrom] = [await errors(judge), await errors(broken), await errors(stop)];
  const limit = limitFrom.toSorted((a, b) => a - b)[Math.floor(0.98 * limitFrom.length)] as number;
  const right =
    (low.filter((e) => e <= limit).length / low.length + high.filter((e) => e > limit).length / high.length) / 2;
  return { auc: areaUnderCurve(low, high), right, seconds };
}

const table = ['| seed | area under ROC | balanced accuracy | training, s of CPU |', '|---|---|---|---|'];
for (const seed of [1, 2, 3, 4, 5]) {
  const { auc, right, seconds } = await run(seed);
  table.push(`| ${seed} | ${auc.toFixed(3)} | ${(100 * right).toFixed(1)} % | ${seconds.toFixed(1)} |`);
  console.log(table.at(-1));
}
await writeResult('train-gearbox.md', [
  '# Gearbox: healthy or broken, from an autoencoder of healthy spectra',
  '',
  `Windows of ${length} samples, five loads, ${learn.length} healthy windows to learn, ${judge.length} healthy and ${broken.length} broken to judge; the limit is the 98th percentile of ${stop.length} other healthy windows. \`node bench/src/train/gearbox.ts\``,
  '',
  ...table,
]);
