// Random models → C → AddressSanitizer and UndefinedBehaviorSanitizer → the same answer as ONNX Runtime.
// Run: node bench/src/micro/random-graphs.ts [COUNT=1000] [FIRST SEED=1]
import { writeFile } from 'node:fs/promises';
import { compileForHost, generateC, type Elements, type Generated } from '@sanderling/micro';
import { randomInputs, randomModel, referenceOutputs, worstDifference } from '@sanderling/micro/testing';

const [count, first] = [Number(process.argv[2] ?? 1000), Number(process.argv[3] ?? 1)];
const perProgram = 50;
const tolerance = 1e-3;

interface Made {
  readonly seed: number;
  readonly generated: Generated;
  readonly calls: readonly Elements[];
  readonly wanted: readonly Elements[];
}

const problems: string[] = [];
const operators = new Map<string, number>();
const ratios: number[] = [];
let [passed, refused, layers] = [0, 0, 0];

async function make(seed: number): Promise<Made | undefined> {
  const model = randomModel(seed);
  const calls = [randomInputs(model, seed), randomInputs(model, seed + 1e6)];
  let wanted: readonly Elements[];
  try {
    wanted = await referenceOutputs(model, calls);
  } catch {
    refused += 1; // by ONNX Runtime
    return undefined;
  }
  for (const { opType } of model.graph.nodes) operators.set(opType, (operators.get(opType) ?? 0) + 1);
  const generated = await generateC(model, { name: `r${seed}` });
  layers += generated.report.layers.length;
  if (generated.report.boundBytes > 0) ratios.push(generated.report.arenaBytes / generated.report.boundBytes);
  return { seed, generated, calls, wanted };
}

async function check(batch: readonly Made[]): Promise<void> {
  await using host = await compileForHost(
    batch.map((one) => one.generated),
    { sanitize: true, optimise: '-O1', timeout: 300_000 },
  );
  for (const [i, { seed, calls, wanted }] of batch.entries()) {
    try {
      const got = await host.run(calls, i);
      const worst = Math.max(...got.map((one, at) => worstDifference(one, wanted[at]!)));
      if (worst <= tolerance) passed += 1;
      else problems.push(`seed ${seed}: differs by ${worst}`);
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
const text = [
  '# Random models as generated C',
  '',
  `${count} models (seeds ${first} to ${first + count - 1}), two inputs each, built with AddressSanitizer and UndefinedBehaviorSanitizer, all warnings being errors; ONNX Runtime's answer is the reference (${tolerance} of 1 + |value|).`,
  '',
  '| | |',
  '|---|---|',
  `| equal to ONNX Runtime, no sanitizer finding | ${passed} |`,
  `| refused by ONNX Runtime itself | ${refused} |`,
  `| problems | ${problems.length} |`,
  `| layers in all | ${layers} |`,
  `| arena / lower bound: median, 99th percentile, worst | ${[0.5, 0.99, 1].map((q) => ratios[Math.min(ratios.length - 1, Math.floor(q * ratios.length))]?.toFixed(3)).join(', ')} |`,
  '',
  `Operators: ${[...operators]
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([name, times]) => `${name} ${times}`)
    .join(', ')}.`,
  '',
  ...problems.map((line) => `- ${line}`),
  '',
].join('\n');
console.log(text, `${((performance.now() - started) / 1000).toFixed(0)} s`);
if (count >= 1000) await writeFile(new URL('../../results/micro-random-graphs.md', import.meta.url), text);
