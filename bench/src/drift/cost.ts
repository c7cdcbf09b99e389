// Time and memory of every detector, beside river where a Python that has it is named: RIVER_PYTHON=… node bench/src/drift/cost.ts
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createDetector, createVectorDetector, detectorNames, detectors, vectorDetectorNames } from '@sanderling/drift';
import { createRandom } from '@sanderling/kit';

const rounds = 5;
const python = process.env['RIVER_PYTHON'];
const random = createRandom(1, 'cost');

/** Limits of the specification, nanoseconds a sample. */
const limits: Readonly<Record<string, number>> = { adwin: 1000, kswin: Infinity };
const simpleLimit = 100;
const vectorLimit = 50_000;
const features = 32;

/** What river calls them. */
const peers: Readonly<Record<string, string>> = {
  adwin: 'drift.ADWIN()',
  cusum: 'drift.CUSUM()',
  ddm: 'drift.binary.DDM()',
  eddm: 'drift.binary.EDDM()',
  'hddm-a': 'drift.binary.HDDMA()',
  'hddm-w': 'drift.binary.HDDMW()',
  kswin: 'drift.KSWIN(seed=1)',
  'page-hinkley': 'drift.PageHinkley()',
};

function samplesFor(input: 'real' | 'unit' | 'binary'): Float64Array {
  return Float64Array.from({ length: 1 << 14 }, () => {
    if (input === 'binary') return Number(random.next() < 0.2);
    return input === 'unit' ? random.next() : random.normal();
  });
}

function scalarNs(name: (typeof detectorNames)[number]): number {
  const samples = samplesFor(detectors[name].input);
  const count = name === 'kswin' ? 100_000 : 1_000_000;
  const detector = createDetector(name);
  const begin = performance.now();
  for (let i = 0; i < count; i++) detector.update(samples[i & (samples.length - 1)] as number);
  return ((performance.now() - begin) * 1e6) / count;
}

function vectorNs(name: string): number {
  const rows = Array.from({ length: 1024 }, () => Float64Array.from({ length: features }, () => random.normal()));
  const detector = createVectorDetector(name, features);
  for (let i = 0; i < 400; i++) detector.update(rows[i] as Float64Array);
  const count = 5000;
  const begin = performance.now();
  for (let i = 0; i < count; i++) detector.update(rows[i & 1023] as Float64Array);
  return ((performance.now() - begin) * 1e6) / count;
}

/** Longest update of a vector detector, microseconds: the one that makes the reference, and the longest of the others. */
function longestUs(name: string): { readonly rebuild: number; readonly other: number } {
  const detector = createVectorDetector(name, features);
  const size = detector.options['referenceSize'] as number;
  const rows = Array.from({ length: size + 400 }, () => Float64Array.from({ length: features }, () => random.normal()));
  const times = rows.map((row) => {
    const begin = performance.now();
    detector.update(row);
    return (performance.now() - begin) * 1000;
  });
  const rebuild = times[size - 1] as number;
  return { rebuild, other: Math.max(...times.slice(size)) };
}

function peerNs(name: string): number | undefined {
  const made = peers[name];
  if (python === undefined || made === undefined) return undefined;
  const kind = (detectors as Readonly<Record<string, { input: string }>>)[name]?.input;
  const draw = kind === 'binary' ? 'int(r.random() < 0.2)' : kind === 'unit' ? 'r.random()' : 'r.gauss(0, 1)';
  const count = name === 'kswin' ? 3000 : 50_000;
  const program = `import random, time
from river import drift
r = random.Random(1)
x = [${draw} for _ in range(${count})]
d = ${made}
t = time.perf_counter()
for v in x: d.update(v)
print((time.perf_counter() - t) * 1e9 / len(x))`;
  return Number(execFileSync(python, ['-c', program], { encoding: 'utf8' }));
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] as number;
}

const lines: string[] = [];
for (const name of detectorNames) {
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let round = 0; round < rounds; round++) {
    ours.push(scalarNs(name));
    const peer = peerNs(name);
    if (peer !== undefined) theirs.push(peer);
  }
  const limit = limits[name] ?? simpleLimit;
  const peer =
    theirs.length === 0 ? '– | –' : `${median(theirs).toFixed(0)} | ${(median(theirs) / median(ours)).toFixed(1)}×`;
  lines.push(
    `| ${name} | ${median(ours).toFixed(0)} | ${Number.isFinite(limit) ? limit : '–'} | ${createDetector(name).maxBytes} | ${peer} |`,
  );
}
for (const name of vectorDetectorNames) {
  const ours = median(Array.from({ length: rounds }, () => vectorNs(name)));
  lines.push(
    `| ${name}, ${features} features | ${ours.toFixed(0)} | ${vectorLimit} | ${createVectorDetector(name, features).maxBytes} | – | – |`,
  );
}
const spikes = vectorDetectorNames.map((name) => {
  const runs = Array.from({ length: rounds }, () => longestUs(name));
  const [rebuild, other] = [median(runs.map((run) => run.rebuild)), median(runs.map((run) => run.other))];
  return `| ${name} | ${rebuild.toFixed(0)} | ${other.toFixed(0)} |`;
});
const note =
  python === undefined
    ? 'river was not at hand (set RIVER_PYTHON); its columns are empty.'
    : 'river is timed in its own process.';
const table = `# Drift: cost of a sample

Medians of ${rounds} rounds, default options. Bytes: the stated bound on what a detector keeps. ${note}
\`node bench/src/drift/cost.ts\`

| detector | ns/sample | limit | bytes | river ns | ratio |
|---|--:|--:|--:|--:|--:|
${lines.join('\n')}

## Longest update, ${features} features

The update that completes a reference (at the start and after each alarm) also estimates the threshold; the others compare windows.

| detector | that makes the reference, µs | longest of the next 400, µs |
|---|--:|--:|
${spikes.join('\n')}
`;
console.log(table);
mkdirSync('bench/results', { recursive: true });
writeFileSync('bench/results/drift-cost.md', table);
