// Models with one damaged node: each is refused with a coded error, or its code runs clean under AddressSanitizer and UndefinedBehaviorSanitizer.
// Run: node bench/src/micro/damaged-graphs.ts [COUNT=2000] [FIRST SEED=1]
import { writeFile } from 'node:fs/promises';
import { createRandom, SanderlingError } from '@sanderling/kit';
import { compileForHost, generateC, type Generated } from '@sanderling/micro';
import { damagedModel, randomFloats } from '@sanderling/micro/testing';

const [count, first] = [Number(process.argv[2] ?? 2000), Number(process.argv[3] ?? 1)];
const codes = new Map<string, number>();
const tally = (code: string): void => void codes.set(code, (codes.get(code) ?? 0) + 1);
const problems: string[] = [];
interface Made {
  readonly seed: number;
  readonly generated: Generated;
}
let waiting: Made[] = [];

async function check(batch: readonly Made[]): Promise<void> {
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
    if (batch.length > 1) for (const one of batch) await check([one]);
    else
      problems.push(
        `seed ${batch[0]!.seed}: does not compile: ${(error as Error).message.replaceAll('\n', ' ').slice(0, 500)}`,
      );
  }
}

for (let seed = first; seed < first + count; seed += 1) {
  try {
    waiting.push({ seed, generated: await generateC(damagedModel(seed), { name: `d${seed}`, maxBytes: 2 ** 20 }) });
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
  if (waiting.length === 60) {
    await check(waiting);
    waiting = [];
  }
}
await check(waiting);
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
