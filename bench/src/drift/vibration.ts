// (c) Vibration: an autoencoder learns a healthy gearbox without load; detectors watch its latent space while load and then damage come.
// Makes the latent streams of packages/drift/lab/vibration.json and runs that lab: node bench/src/drift/vibration.ts
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { openSession } from '@sanderling/onnx';
import { adam, exportModel, fit, Layers, meanSquaredError, rowReader, type Network } from '@sanderling/train';
import { runCase, writeLatentStream } from './cases.ts';

const window = 256;
const hop = 128;
const bands = 7;
const channels = 4;
const inputs = channels * (bands + 1);
const latent = 6;

/** What a stream shows, part by part: windows from which file, and from where to where, as shares of the file. */
interface Part {
  readonly file: string;
  readonly from: number;
  readonly to: number;
}

/** Healthy without load, load, broken tooth, healthy without load again; the second stream has other windows and more load. */
const streams: Readonly<Record<string, readonly Part[]>> = {
  vibration: [
    { file: 'h30hz0', from: 0.6, to: 1 },
    { file: 'h30hz70', from: 0, to: 0.4 },
    { file: 'b30hz70', from: 0, to: 0.4 },
    { file: 'h30hz0', from: 0.2, to: 0.6 },
  ],
  'vibration-unseen': [
    { file: 'h30hz0', from: 0.2, to: 0.6 },
    { file: 'h30hz90', from: 0.5, to: 0.9 },
    { file: 'b30hz90', from: 0.5, to: 0.9 },
    { file: 'h30hz0', from: 0.6, to: 1 },
  ],
};

const shared = process.env['SANDERLING_SHARED'] ?? resolve('../shared');
const root = execFileSync(join(shared, 'tools', 'data'), ['vibration-gearbox'], { encoding: 'utf8' }).trim();
const folder = join(root, readdirSync(root).find((name) => !name.startsWith('.')) as string);

/** Log root mean square and log energy of bands of each channel, one row a window. */
function featuresOf(file: string): number[][] {
  const rows = gunzipSync(readFileSync(join(folder, `${file}.csv.gz`)))
    .toString('utf8')
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split(',').map(Number));
  const count = Math.floor((rows.length - window) / hop) + 1;
  return Array.from({ length: count }, (_, w) =>
    Array.from({ length: channels }, (_unused, c) =>
      spectrum(Float64Array.from({ length: window }, (_none, i) => rows[w * hop + i]?.[c] as number)),
    ).flat(),
  );
}

const cosines = Float64Array.from({ length: window }, (_, i) => Math.cos((2 * Math.PI * i) / window));

/** Energies of octaves by the plain Fourier sum: lines 1, 2–3, 4–7 … 64–127. */
function spectrum(signal: Float64Array): number[] {
  const mean = signal.reduce((sum, x) => sum + x, 0) / window;
  const centred = signal.map((x) => x - mean);
  const energy = (line: number): number => {
    let real = 0;
    let imaginary = 0;
    for (let i = 0; i < window; i++) {
      real += (centred[i] as number) * (cosines[(line * i) % window] as number);
      imaginary += (centred[i] as number) * (cosines[(line * i + window / 4) % window] as number);
    }
    return real * real + imaginary * imaginary;
  };
  const octaves = Array.from({ length: bands }, (_, band) => {
    let sum = 0;
    for (let line = 2 ** band; line < 2 ** (band + 1); line++) sum += energy(line);
    return Math.log(sum + 1e-9);
  });
  return [Math.log(Math.sqrt(centred.reduce((sum, x) => sum + x * x, 0) / window) + 1e-9), ...octaves];
}

function autoencoder(): Network {
  const layers = new Layers('gearbox', 1);
  const hidden = layers.m.relu(layers.dense(layers.input('x', [inputs]), 16));
  const code = layers.dense(hidden, latent);
  const rebuilt = layers.dense(layers.m.relu(layers.dense(code, 16)), inputs);
  return layers.network({ rebuilt, latent: layers.m.mul(code, 1) });
}

const healthy = featuresOf('h30hz0');
const training = healthy.slice(0, Math.floor(healthy.length * 0.6));
const means = Array.from(
  { length: inputs },
  (_, j) => training.reduce((sum, row) => sum + (row[j] as number), 0) / training.length,
);
const deviations = means.map((mean, j) =>
  Math.sqrt(training.reduce((sum, row) => sum + ((row[j] as number) - mean) ** 2, 0) / training.length),
);
const scaled = (rows: number[][]): Float32Array<ArrayBuffer> =>
  Float32Array.from(rows.flatMap((row) => row.map((x, j) => (x - (means[j] as number)) / (deviations[j] as number))));

const network = autoencoder();
const x = { dtype: 'float32', dims: [training.length, inputs], data: scaled(training) } as const;
const column = { dtype: 'float32', dims: [inputs] } as const;
const trained = await fit({
  plan: {
    network,
    reader: rowReader({ x: column, target: column }),
    loss: meanSquaredError,
    optimiser: adam(),
    batch: 32,
    prediction: 'rebuilt',
  },
  data: { x, target: x },
  train: Int32Array.from({ length: training.length }, (_, i) => i),
  epochs: 150,
  learningRate: 3e-3,
  seed: 1,
});
await using session = await openSession(exportModel(network, trained.tensors));

async function latentOf(rows: number[][]): Promise<number[][]> {
  const data = scaled(rows);
  const result = await session.run({ x: { dtype: 'float32', dims: [rows.length, inputs], data } });
  const codes = [...(result['latent'] as { data: Float32Array }).data];
  return rows.map((_, i) => codes.slice(i * latent, (i + 1) * latent));
}

for (const [name, parts] of Object.entries(streams)) {
  const vectors: number[][] = [];
  const drifts: number[] = [];
  for (const { file, from, to } of parts) {
    const all = file === 'h30hz0' ? healthy : featuresOf(file);
    if (vectors.length > 0) drifts.push(vectors.length);
    vectors.push(...(await latentOf(all.slice(Math.floor(from * all.length), Math.floor(to * all.length)))));
  }
  writeLatentStream(name, vectors, drifts);
}
console.error(
  `autoencoder: ${training.length} windows, loss ${trained.bestLoss.toFixed(3)}, ${trained.seconds.toFixed(1)} s`,
);
runCase('vibration', ['--search']);
