// (d) Images whose light switches nine times between bright and dark; detectors watch a small embedding of each picture.
// node bench/src/drift/brightness.ts
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { globSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import {
  detectorNames,
  detectors,
  labMarkdown,
  labReport,
  runLab,
  vectorDetectorNames,
  type LabDetector,
} from '@sanderling/drift';
import { createRandom } from '@sanderling/kit';

const switches = 9;
const perPart = 250;
const dark = 0.45;
const random = createRandom(1, 'brightness');
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
function embedding({ width, height, pixels }: Picture, light: number): number[] {
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
const lines = Array.from({ length: (switches + 1) * perPart }, (_, i) => {
  const bright = Math.floor(i / perPart) % 2 === 0;
  const light = (bright ? 1 : dark) * random.uniform(0.9, 1.1);
  return embedding(random.pick(pictures), light).join(',');
});
const drifts = Array.from({ length: switches }, (_, i) => ({ start: (i + 1) * perPart, end: (i + 1) * perPart + 1 }));
const temporary = mkdtempSync(join(tmpdir(), 'drift-brightness-'));
const path = join(temporary, 'embedding.csv');
writeFileSync(path, lines.join('\n'));

const sizes = { referenceSize: 100, windowSize: 30, every: 5 };
const scale = { 'page-hinkley': { delta: 0.02, lambda: 1, direction: 0 }, cusum: { k: 1, h: 8 } } as const;
const entries: LabDetector[] = [
  ...vectorDetectorNames.map((name) => ({
    name,
    detector: name,
    options: name === 'd3' ? { ...sizes, every: 30 } : sizes,
  })),
  ...detectorNames
    .filter((name) => detectors[name].input === 'real')
    .map((name) => ({ name: `${name} on the mean`, detector: name, options: scale[name as keyof typeof scale] ?? {} })),
  { name: 'oracle', baseline: 'oracle' },
  { name: 'every 100', baseline: 'every', k: 100 },
];
const results = await runLab({
  streams: [{ name: 'faces', file: { path, labelled: false, drifts } }],
  detectors: entries,
  seeds: [1],
  acceptance: { after: 150 },
});
rmSync(temporary, { recursive: true });
const title = `Drift lab: pictures in changing light

\`node bench/src/drift/brightness.ts\`

${lines.length} pictures of faces; the light switches ${switches} times between bright and dark (× ${dark}), and varies by 10 % all the time. A sample is
an embedding of 12 statistics; detectors of one number get the mean.`;
const text = labMarkdown(labReport(results), title);
console.log(text);
mkdirSync('bench/results', { recursive: true });
writeFileSync('bench/results/drift-lab-brightness.md', text);
