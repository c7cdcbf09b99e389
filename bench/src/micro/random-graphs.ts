// Random models → C → AddressSanitizer and UndefinedBehaviorSanitizer → the same answer as ONNX Runtime.
// Run: node bench/src/micro/random-graphs.ts [COUNT=1000] [FIRST SEED=1]
import { writeFile } from 'node:fs/promises';
import { generateC, type Elements } from '@sanderling/micro';
import { randomInputs, randomModel, referenceOutputs, worstDifference } from '@sanderling/micro/testing';
import { quantilesText, tallyText, tryModels, type MadeModel } from './random-models.ts';

const [count, first] = [Number(process.argv[2] ?? 1000), Number(process.argv[3] ?? 1)];
const tolerance = 1e-3;

const operators = new Map<string, number>();
let [passed, layers] = [0, 0];

async function make(seed: number): Promise<MadeModel | undefined> {
  const model = randomModel(seed);
  const calls = [randomInputs(model, seed), randomInputs(model, seed + 1e6)];
  const wanted = await referenceOutputs(model, calls).catch(() => undefined);
  if (!wanted) return undefined;
  for (const { opType } of model.graph.nodes) operators.set(opType, (operators.get(opType) ?? 0) + 1);
  const generated = await generateC(model, { name: `r${seed}` });
  layers += generated.report.layers.length;
  return { seed, generated, calls, wanted };
}

function check({ wanted }: MadeModel, answers: readonly Elements[]): string | undefined {
  const worst = Math.max(...answers.map((one, at) => worstDifference(one, wanted[at]!)));
  if (!(worst <= tolerance)) return `differs by ${worst}`;
  passed += 1;
  return undefined;
}

const options = { optimise: '-O1', timeout: 300_000 };
const { problems, refused, ratios, seconds } = await tryModels({ count, first, perProgram: 50, options, make, check });
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
  `| arena / lower bound: median, 99th percentile, worst | ${quantilesText(ratios)} |`,
  '',
  `Operators: ${tallyText(operators)}.`,
  '',
  ...problems.map((line) => `- ${line}`),
  '',
].join('\n');
console.log(text, `${seconds.toFixed(0)} s`);
if (count >= 1000) await writeFile(new URL('../../results/micro-random-graphs.md', import.meta.url), text);
