// Time and memory of a drift report of 1,000,000 rows × 100 columns, and the sketch's error: node bench/src/drift/report.ts [rows]
import { mkdirSync, writeFileSync } from 'node:fs';
import { driftReport, Profile, QuantileSketch, rankError, reportHtml, shareBelow } from '@sanderling/drift';
import { createRandom } from '@sanderling/kit';

const rows = Number(process.argv[2] ?? 1_000_000);
const columns = Array.from({ length: 100 }, (_, i) => ({
  name: `c${i}`,
  type: i % 10 === 9 ? ('categorical' as const) : ('numeric' as const),
}));
const random = createRandom(1, 'report');

/** Rows made as they are needed: a table of this size would itself take 800 MB. */
function* table(shift: number): Generator<(number | string)[]> {
  const pool = Float64Array.from({ length: 1 << 16 }, () => random.normal());
  const row: (number | string)[] = Array.from(columns, () => 0);
  let at = 0;
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < row.length; j++) {
      at = (at + 7919) & 65_535;
      const x = pool[at] as number;
      row[j] = j % 10 === 9 ? (x > 0.5 ? 'high' : 'low') : x + i * 1e-9 + (j < 10 ? shift : 0);
    }
    yield row;
  }
}

let peak = 0;
function profile(shift: number): Profile {
  const made = new Profile(columns);
  let i = 0;
  for (const row of table(shift)) {
    made.addRow(row);
    if (i++ % 100_000 === 0) peak = Math.max(peak, process.memoryUsage().rss);
  }
  return made;
}

const reference = profile(0);
const begin = performance.now();
const processor = process.cpuUsage();
const window = profile(0.3);
const built = performance.now();
const report = driftReport(reference, window);
const page = reportHtml(report);
const seconds = (performance.now() - begin) / 1000;
const used = process.cpuUsage(processor);
const cpuSeconds = (used.user + used.system) / 1e6;

const errors = [256, 1024].map((k) => {
  const values = Float64Array.from({ length: 500_000 }, () => random.normal());
  const merged = new QuantileSketch(k);
  for (let part = 0; part < 50; part++) {
    const sketch = new QuantileSketch(k, part);
    for (const x of values.subarray(part * 10_000, (part + 1) * 10_000)) sketch.add(x);
    merged.merge(sketch);
  }
  const known = merged.distribution();
  values.sort();
  let worst = 0;
  for (let i = 0; i < values.length; i += 101)
    worst = Math.max(worst, Math.abs(shareBelow(known, values[i] as number) - (i + 1) / values.length));
  return `| ${k} | ${(100 * worst).toFixed(3)} % | ${(100 * rankError(k)).toFixed(3)} % | ${merged.kept} |`;
});

const text = `# Drift: report of ${rows.toLocaleString('en')} rows × ${columns.length} columns

\`node bench/src/drift/report.ts\`

| what | measured | limit |
|---|--:|--:|
| window profiled, compared, page written | ${seconds.toFixed(1)} s | 30 s |
| the same, processor time | ${cpuSeconds.toFixed(1)} s | 30 s |
| of that comparing and page | ${((seconds - (built - begin) / 1000) * 1000).toFixed(0)} ms | |
| largest resident memory of the process | ${(Math.max(peak, process.memoryUsage().rss) / 1e6).toFixed(0)} MB | 300 MB |
| profile as JSON | ${(JSON.stringify(window.state()).length / 1e6).toFixed(2)} MB | |
| page | ${(page.length / 1e3).toFixed(0)} kB | |
| columns found drifted (9 numeric were moved) | ${report.drifted} | 9 |

Sketch: 500,000 values in 50 parts, merged.

| k | largest rank error | bound (99 %) | values kept |
|--:|--:|--:|--:|
${errors.join('\n')}
`;
console.log(text);
mkdirSync('bench/results', { recursive: true });
writeFileSync('bench/results/drift-report.md', text);
