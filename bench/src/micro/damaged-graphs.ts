// Models with one damaged node: each is refused with a coded error, or its code runs clean under AddressSanitizer and UndefinedBehaviorSanitizer.
// Run: node bench/src/micro/damaged-graphs.ts [COUNT=2000] [FIRST SEED=1]
import { writeFile } from 'node:fs/promises';
import { SanderlingError } from '@sanderling/kit';
import { compileForHost, generateC, type Generated } from '@sanderling/micro';
import { damagedModel, randomFloats } from '@sanderling/micro/testing';
import { createRandom } from '@sanderling/kit';

const [count, first] = [Number(process.argv[2] ?? 2000), Number(process.argv[3] ?? 1)];
const codes = new Map<string, number>();
const tally = (code: string): void => void codes.set(code, (codes.get(code) ?? 0) + 1);
const problems: string[] = [];
let batch: { seed: number; generated: Generated }[] = [];

async function check(): Promise<void> {
  if (batch.length === 0) return;
  try {
    await using host = await compileForHost(
      batch.map(({ generated }) => generated),
      { sanitize: true, optimise: '-O0', flags: ['-Wno-array-bounds'], timeout: 300_000 },
    );
    for (const [i, { seed, generated }] of batch.entries()) {
      const random = createRandom(seed, 'inputs');
      const call = Object.fromEntries(
        generated.face.inputs.map((port) => [port.name, randomFloats(random, port.count)]),
      );
      await host.run([call], i).then(
        () => tally('accepted, runs clean'),
        (error: Error) => problems.push(`seed ${seed}: ${error.message.replaceAll('\n', ' ').slice(0, 500)}`),
      );
    }
  } catch (error) {
    problems.push(`before seed ${batch.at(-1)!.seed}: does not compile: ${(error as Error).message.slice(0, 800)}`);
  }
  batch = [];
}

for (let seed = first; seed < first + count; seed += 1) {
  try {
    batch.push({ seed, generated: await generateC(damagedModel(seed), { name: `d${seed}`, maxBytes: 2 ** 20 }) });
  } catch (error) {
    if (error instanceof SanderlingError && error.code !== 'INTERNAL') tally(`refused: ${error.code}`);
    else
      problems.push(
        `seed ${seed}: ${String(error)} ${String((error as Error).stack)
          .split('\n')
          .slice(1, 4)
          .join(' ')}`,
      );
  }
  if (batch.length === 60) await check();
}
await check();
const text = [
  `# ${count} damaged models`,
  '',
  '| what became of it | models |',
  '|---|---|',
  ...[...codes].sort(([, a], [, b]) => b - a).map(([code, times]) => `| ${code} | ${times} |`),
  `| uncoded error, or a sanitizer finding | ${problems.length} |`,
  '',
  ...problems.slice(0, 40).map((line) => `- ${line}`),
  '',
].join('\n');
console.log(text);
if (count >= 2000) await writeFile(new URL('../../results/micro-damaged-graphs.md', import.meta.url), text);
