// Random quantised models → C → AddressSanitizer and UndefinedBehaviorSanitizer → ONNX Runtime's answer to the same model, give or take steps of 8 bits.
// Run: node bench/src/micro/random-int8.ts [COUNT=1000] [FIRST SEED=1]
import { writeFile } from 'node:fs/promises';
import { compileForHost, generateC, type Elements, type Generated } from '@sanderling/micro';
import { distance, plainReference, randomQuantisedModel, type Distance } from '@sanderling/micro/testing';
import type { Model } from '@sanderling/onnx';

const [count, first] = [Number(process.argv[2] ?? 1000), Number(process.argv[3] ?? 1)];
const perProgram = 40;

interface Made {
  readonly seed: number;
  readonly model: Model;
  readonly generated: Generated;
  readonly calls: readonly Elements[];
  readonly wanted: readonly Elements[];
}

const problems: string[] = [];
const layers = new Map<string, number>();
const ratios: number[] = [];
const found: (Distance & { seed: number; depth: number })[] = [];
let refused = 0;

async function make(seed: number): Promise<Made | undefined> {
  let given: Awaited<ReturnType<typeof randomQuantisedModel>>;
  let wanted: readonly Elements[];
  try {
    given = await randomQuantisedModel(seed);
    wanted = await plainReference(given.model, given.calls);
  } catch {
    refused += 1; // by ONNX Runtime
    return undefined;
  }
  const generated = await generateC(given.model, { name: `r${seed}` });
  const { report } = generated;
  for (const { operator, free } of report.layers) if (!free) layers.set(operator, (layers.get(operator) ?? 0) + 1);
  if (report.boundBytes > 0) ratios.push(report.arenaBytes / report.boundBytes);
  return { seed, ...given, generated, wanted };
}

async function check(batch: readonly Made[]): Promise<void> {
  await using host = await compileForHost(
    batch.map((one) => one.generated),
    { sanitize: true, optimise: '-O0', timeout: 600_000 },
  );
  for (const [i, { seed, model, generated, calls, wanted }] of batch.entries()) {
    try {
      const got = await host.run(calls, i);
      found.push({ ...distance(model, got, wanted), seed, depth: generated.report.layers.length });
    } catch (error) {
      problems.push(`seed ${seed}: ${(error as Error).message.slice(0, 400)}`);
    }
  }
}

const started = performance.now();
let batch: Made[] = [];
for (let seed = first; seed < first + count; seed += 1) {
  try {
    const made = await make(seed);
    if (made) batch.push(made);
  } catch (error) {
    problems.push(`seed ${seed}: ${(error as Error).message}`);
  }
  if (batch.length === perProgram || (seed === first + count - 1 && batch.length > 0)) {
    try {
      await check(batch);
    } catch (error) {
      problems.push(`a batch before seed ${seed} does not compile: ${(error as Error).message.slice(0, 600)}`);
    }
    batch = [];
  }
}
ratios.sort((a, b) => a - b);
const sum = (of: (one: (typeof found)[number]) => number): number => found.reduce((total, one) => total + of(one), 0);
const upTo = (steps: number): number => found.filter(({ worst }) => worst <= steps).length;
const furthest = found.toSorted((a, b) => b.worst - a.worst).slice(0, 8);
const text = [
  '# Random quantised models as generated C',
  '',
  `${count} models (seeds ${first} to ${first + count - 1}) of two to seven operators, quantised to 8 bits after calibration, two inputs each, built with AddressSanitizer and UndefinedBehaviorSanitizer, all warnings being errors. The reference is ONNX Runtime running the quantised model with real arithmetic between the quantisations; distances are in steps of the output. A difference of one step in a layer can become several behind steep layers.`,
  '',
  '| | |',
  '|---|---|',
  `| run without a finding of the sanitizers | ${found.length} |`,
  `| refused by ONNX Runtime itself | ${refused} |`,
  `| problems | ${problems.length} |`,
  `| values compared | ${sum(({ values }) => values)} |`,
  `| equal to ONNX Runtime | ${((100 * sum(({ equal }) => equal)) / sum(({ values }) => values)).toFixed(3)} % |`,
  `| models with every value equal, within 1, 2, 4 steps | ${[0, 1, 2, 4].map(upTo).join(', ')} |`,
  `| furthest (steps: seed, layers) | ${furthest.map(({ worst, seed, depth }) => `${worst}: ${seed}, ${depth}`).join('; ')} |`,
  `| arena / lower bound: median, 99th percentile, worst | ${[0.5, 0.99, 1].map((q) => ratios[Math.min(ratios.length - 1, Math.floor(q * ratios.length))]?.toFixed(3)).join(', ')} |`,
  '',
  `Layers with code: ${[...layers]
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([name, times]) => `${name} ${times}`)
    .join(', ')}.`,
  '',
  ...problems.map((line) => `- ${line}`),
  '',
].join('\n');
console.log(text, `${((performance.now() - started) / 1000).toFixed(0)} s`);
if (count >= 1000) await writeFile(new URL('../../results/micro-random-int8.md', import.meta.url), text);
