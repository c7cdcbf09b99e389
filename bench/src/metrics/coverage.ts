// Does a 95 % interval hold the truth 95 times in 100? Moving-block bootstrap on autocorrelated errors, by block rule, and what it costs.
// node bench/src/metrics/coverage.ts
import { mkdirSync, writeFileSync } from 'node:fs';
import { createRandom } from '@sanderling/kit';
import { pairedBootstrap } from '@sanderling/metrics';

const streams = 400;
const rules = [1, undefined, 'auto'] as const;

/** x_t = correlation · x_{t−1} + noise; its mean is zero. */
function autoregressive(count: number, correlation: number, seed: string): Float64Array {
  const random = createRandom(seed);
  const out = new Float64Array(count);
  let x = random.normal() / Math.sqrt(1 - correlation ** 2);
  for (let i = 0; i < count; i++) {
    x = correlation * x + random.normal();
    out[i] = x;
  }
  return out;
}

function covered(
  count: number,
  correlation: number,
  rule: (typeof rules)[number],
): { share: number; milliseconds: number } {
  const nothing = new Float64Array(count);
  let hits = 0;
  const begin = performance.now();
  for (let s = 0; s < streams; s++) {
    const differences = autoregressive(count, correlation, `${count}-${correlation}-${s}`);
    const { low, high } = pairedBootstrap(differences, nothing, {
      statistic: 'mean-difference',
      resamples: 500,
      seed: s,
      ...(rule === undefined ? {} : { blockLength: rule }),
    });
    if (low <= 0 && high >= 0) hits++;
  }
  return { share: hits / streams, milliseconds: (performance.now() - begin) / streams };
}

const lines = [
  '# Paired bootstrap: share of 95 % intervals that hold the truth',
  '',
  `Differences that follow their neighbours with a correlation; ${streams} streams, 500 resamples each. The closer to 95 % the better.`,
  '`node bench/src/metrics/coverage.ts`',
  '',
  '| rows | correlation | single rows | n^(1/3) (default) | auto (Politis–White) | ms with auto |',
  '|--:|--:|--:|--:|--:|--:|',
];
for (const [count, correlation] of [
  [300, 0],
  [300, 0.6],
  [300, 0.9],
  [2000, 0],
  [2000, 0.6],
  [2000, 0.9],
] as const) {
  const results = rules.map((rule) => covered(count, correlation, rule));
  const shares = results.map(({ share }) => `${(100 * share).toFixed(1)} %`);
  lines.push(`| ${[count, correlation, ...shares, results.at(-1)!.milliseconds.toFixed(1)].join(' | ')} |`);
  console.log(lines.at(-1));
}
mkdirSync(new URL('../../results/', import.meta.url), { recursive: true });
writeFileSync(new URL('../../results/metrics-coverage.md', import.meta.url), `${lines.join('\n')}\n`);
