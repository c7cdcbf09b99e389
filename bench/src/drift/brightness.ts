// (d) Images whose light switches nine times between bright and dark; detectors watch a small embedding of each picture.
// Makes the embeddings of packages/drift/lab/brightness.json and runs that lab: node bench/src/drift/brightness.ts
import { execFileSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createRandom, type Random } from '@sanderling/kit';
import { runCase, writeLatentStream } from './cases.ts';

const switches = 9;
const perPart = 250;
const shared = process.env['SANDERLING_SHARED'] ?? resolve('../shared');
const folder = execFileSync(join(shared, 'tools', 'data'), ['faces-orl'], { encoding: 'utf8' }).trim();

interface Picture {
  readonly width: number;
  readonly height: number;
  readonly pixels: Uint8Array;
}

function pgm(path: string): Picture {
  const bytes = readFileSync(path);
  const [, width, height] = /^P5\s+(?:#.*\n)?(\d+)\s+(\d+)\s+\d+\s/.exec(
    bytes.toString('latin1', 0, 128),
  ) as unknown as [string, string, string];
  const size = Number(width) * Number(height);
  return { width: Number(width), height: Number(height), pixels: bytes.subarray(bytes.length - size) };
}

/** Mean, deviation, five quantiles, edge strength and the means of 2 × 2 fields: twelve numbers, 0…1. */
function embedding({ width, height, pixels }: Picture, light: number, random: Random): number[] {
  const values = Float64Array.from(pixels, (pixel) =>
    Math.min(1, Math.max(0, (light * pixel) / 255 + 0.01 * random.normal())),
  );
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
  const deviation = Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length);
  let edges = 0;
  const fields = [0, 0, 0, 0];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = y * width + x;
      if (x > 0) edges += Math.abs((values[at] as number) - (values[at - 1] as number)) / values.length;
      const field = (y < height / 2 ? 0 : 2) + (x < width / 2 ? 0 : 1);
      fields[field] = (fields[field] as number) + (4 * (values[at] as number)) / values.length;
    }
  }
  const sorted = values.toSorted();
  const quantiles = [0.05, 0.25, 0.5, 0.75, 0.95].map((share) => sorted[Math.floor(share * sorted.length)] as number);
  return [mean, deviation, ...quantiles, edges, ...fields];
}

const pictures = globSync(join(folder, '**', '*.pgm'))
  .sort()
  .map(pgm);

/** The first stream has every second picture, the other the rest. */
const streams = [
  { name: 'brightness', seed: 1, dark: 0.45, own: pictures.filter((_, i) => i % 2 === 0) },
  { name: 'brightness-unseen', seed: 2, dark: 0.6, own: pictures.filter((_, i) => i % 2 === 1) },
];
for (const { name, seed, dark, own } of streams) {
  const random = createRandom(seed, 'brightness');
  const vectors = Array.from({ length: (switches + 1) * perPart }, (_, i) => {
    const bright = Math.floor(i / perPart) % 2 === 0;
    const light = (bright ? 1 : dark) * random.uniform(0.9, 1.1);
    return embedding(random.pick(own), light, random);
  });
  const drifts = Array.from({ length: switches }, (_, i) => (i + 1) * perPart);
  writeLatentStream(name, vectors, drifts);
}
runCase('brightness', ['--search']);
