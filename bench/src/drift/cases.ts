// The lab's cases as the command runs them, and the latent streams that two of them read.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';

const lab = resolve(import.meta.dirname, '../../../packages/drift/lab');
const shared = process.env['SANDERLING_SHARED'] ?? resolve(import.meta.dirname, '../../../../shared');
/** Digits of a latent value that are kept. */
const digits = 4;

/** Writes a stream of vectors and its known drift points beside the lab's config files. */
export function writeLatentStream(
  name: string,
  vectors: readonly (readonly number[])[],
  drifts: readonly number[],
): void {
  mkdirSync(join(lab, 'latent'), { recursive: true });
  const lines = vectors.map((vector) => vector.map((x) => Number(x.toPrecision(digits))).join(','));
  writeFileSync(join(lab, 'latent', `${name}.csv.gz`), gzipSync(`${lines.join('\n')}\n`, { level: 9 }));
  writeFileSync(join(lab, 'latent', `${name}.drifts.json`), `[${drifts.join(', ')}]\n`);
}

/** Runs a case with `sanderling drift lab` and writes its report to `bench/results`; what was finished in `out` is not run again. */
export function runCase(name: string, flags: readonly string[] = [], out?: string): void {
  const folder = out ?? mkdtempSync(join(tmpdir(), 'drift-lab-'));
  const bin = resolve(import.meta.dirname, '../../../cli/bin/sanderling.js');
  const args = ['drift', 'lab', join(lab, `${name}.json`), '--out', folder, ...dataOf(name), ...flags];
  execFileSync(process.execPath, [bin, ...args], { stdio: 'inherit' });
  mkdirSync('bench/results', { recursive: true });
  const note = `\`sanderling drift lab packages/drift/lab/${name}.json ${flags.join(' ')}\``.replace(' `', '`');
  const text = readFileSync(join(folder, 'report.md'), 'utf8').replace(/\n\n/, `\n\n${note}\n\n`);
  writeFileSync(`bench/results/drift-lab-${name}.md`, text);
  if (out === undefined) rmSync(folder, { recursive: true });
}

function dataOf(name: string): readonly string[] {
  if (name !== 'recorded') return [];
  return ['--data', execFileSync(join(shared, 'tools', 'data'), ['drift-streams'], { encoding: 'utf8' }).trim()];
}
