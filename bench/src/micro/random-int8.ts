// Random quantised models → C → AddressSanitizer and UndefinedBehaviorSanitizer → ONNX Runtime's answer to the same model, give or take steps of 8 bits.
// Run: node bench/src/micro/random-int8.ts [COUNT=1000] [FIRST SEED=1]
import { writeFile } from 'node:fs/promises';
import { generateC, type Elements } from '@sanderling/micro';
import { distance, plainReference, randomQuantisedModel, type Distance } from '@sanderling/micro/testing';
import type { Model } from '@sanderling/onnx';
import { quantilesText, tallyText, tryModels, type MadeModel } from './random-models.ts';

const [count, first] = [Number(process.argv[2] ?? 1000), Number(process.argv[3] ?? 1)];

type Made = MadeModel & { readonly model: Model };

const layers = new Map<string, number>();
const found: (Distance & { seed: number; depth: number })[] = [];

async function make(seed: number): Promise<Made | undefined> {
  const reference = async () => {
    const given = await randomQuantisedModel(seed);
    return { ...given, wanted: await plainReference(given.model, given.calls) };
  };
  const given = await reference().catch(() => undefined);
  if (!given) return undefined;
  const generated = await generateC(given.model, { name: `r${seed}` });
  for (const { operator, free } of generated.report.layers)
    if (!free) layers.set(operator, (layers.get(operator) ?? 0) + 1);
  return { seed, ...given, generated };
}

function check({ seed, model, generated, wanted }: Made, answers: readonly Elements[]): undefined {
  found.push({ ...distance(model, answers, wanted), seed, depth: generated.report.layers.length });
}

const options = { optimise: '-O0', timeout: 600_000 };
const { problems, refused, ratios, seconds } = await tryModels({ count, first, perProgram: 40, options, make, check });
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
  `| arena / lower bound: median, 99th percentile, worst | ${quantilesText(ratios)} |`,
  '',
  `Layers with code: ${tallyText(layers)}.`,
  '',
  ...problems.map((line) => `- ${line}`),
  '',
].join('\n');
console.log(text, `${seconds.toFixed(0)} s`);
if (count >= 1000) await writeFile(new URL('../../results/micro-random-int8.md', import.meta.url), text);
