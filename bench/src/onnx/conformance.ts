// All 1,765 conformance models of ONNX 1.22: decode → encode → decode, inference against the declared outputs, the checker against the
// runtime's own judgement, and the runtime's outputs before and after re-encoding.
// Run: node bench/src/onnx/conformance.ts [FOLDER]   (default: ../shared/tools/data onnx-node-vectors)
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import {
  checkModel,
  decodeModel,
  decodeTensor,
  encodeModel,
  inferGraph,
  openSession,
  shapeText,
  toNumbers,
  typedData,
  type Model,
  type RunTensor,
  type Tensor,
} from '@sanderling/onnx';

const shared = process.env['SANDERLING_SHARED'] ?? '../shared';
const root =
  process.argv[2] ??
  `${execFileSync(`${shared}/tools/data`, ['onnx-node-vectors'], { encoding: 'utf8' }).trim()}/onnx-conformance/node`;
const names = readdirSync(root).sort();

const counts = new Map<string, number>();
const reasons = new Map<string, Set<string>>();
const tally = (key: string): void => void counts.set(key, (counts.get(key) ?? 0) + 1);
const reason = (operator: string, why: string): void =>
  void (reasons.get(why) ?? reasons.set(why, new Set()).get(why)!).add(operator);

function input(name: string, index: number): Tensor | undefined {
  const path = `${root}/${name}/test_data_set_0/input_${index}.pb`;
  try {
    return existsSync(path) ? decodeTensor(readFileSync(path)) : undefined;
  } catch {
    return undefined;
  }
}

type Verdict = 'exact' | 'less' | 'contradicts';

/** Inferred against declared outputs; the declarations are withheld from inference, the elements of the inputs given or not. */
function verdict(name: string, model: Model, withElements: boolean): Verdict {
  const { graph, opsets, functions } = model;
  const untyped = graph.outputs.map((info) => ({ name: info.name, dtype: 'undefined' as const, shape: undefined }));
  const inputs = graph.inputs.map(({ dtype, shape, type }, i) => {
    const tensor = type || !withElements ? undefined : input(name, i);
    const follow = tensor && tensor.dtype === dtype && dtype !== 'string' && tensor.data.length <= 4096;
    return { dtype, shape, ...(type ? { type } : {}), ...(follow ? { values: toNumbers(tensor) } : {}) };
  });
  const facts = inferGraph({ ...graph, outputs: untyped, valueInfo: new Map() }, inputs, {
    opsets,
    functions,
    outer: () => undefined,
  });
  let result: Verdict = 'exact';
  for (const declared of graph.outputs) {
    const found = facts.get(declared.name)!;
    if (
      declared.type
        ? !isDeepStrictEqual(declared.type, found.type)
        : shapeText(declared.shape ?? found.shape) !== shapeText(found.shape)
    )
      result = 'less';
    const clash = declared.shape?.some(
      (dim, i) => typeof dim === 'number' && typeof found.shape?.[i] === 'number' && dim !== found.shape[i],
    );
    if (!declared.type && (declared.dtype !== found.dtype || clash)) return 'contradicts';
  }
  return result;
}

function feedsOf(name: string, model: Model): Record<string, RunTensor> | undefined {
  const feeds: Record<string, RunTensor> = {};
  for (const [i, { name: key, type }] of model.graph.inputs.entries()) {
    const tensor = input(name, i);
    if (type || !tensor) return undefined;
    feeds[key] = {
      dtype: tensor.dtype,
      dims: tensor.dims,
      data: tensor.strings ? tensor.strings.map(String) : typedData(tensor),
    };
  }
  return feeds;
}

async function outcome(bytes: Uint8Array, feeds: Record<string, RunTensor>): Promise<unknown> {
  try {
    await using session = await openSession(bytes);
    return await session.run(feeds);
  } catch (error) {
    return (error as { code?: string }).code ?? 'uncoded';
  }
}

async function judge(name: string): Promise<void> {
  const bytes = readFileSync(`${root}/${name}/model.onnx`);
  const model = decodeModel(bytes);
  const again = encodeModel(model);
  tally(isDeepStrictEqual(decodeModel(again), model) ? 'round trip equal' : 'round trip DIFFERS');
  tally(`inference alone: ${verdict(name, model, false)}`);
  const informed = verdict(name, model, true);
  tally(`inference with the inputs' elements: ${informed}`);
  if (informed !== 'exact') reason(model.graph.nodes.map(({ opType }) => opType).at(-1)!, informed);
  const flagged = checkModel(model).some(({ severity }) => severity === 'error');
  const feeds = feedsOf(name, model);
  if (!feeds) return tally('not run: sequence or optional inputs');
  const [before, after] = [await outcome(bytes, feeds), await outcome(again, feeds)];
  const random = model.graph.nodes.some(({ opType }) => /Random|Bernoulli|Dropout/.test(opType));
  if (typeof before === 'string')
    tally(`runtime refuses (${before}), and after encoding ${after === before ? 'too' : 'DIFFERENTLY'}`);
  else
    tally(
      random
        ? 'runs; random'
        : `runs; outputs after encoding ${isDeepStrictEqual(before, after) ? 'identical' : 'DIFFER'}`,
    );
  tally(
    `checker ${flagged ? 'finds errors' : 'finds none'}; runtime ${typeof before === 'string' ? 'refuses' : 'runs'}`,
  );
}

for (const name of names) await judge(name);
const percent = (count: number): string => `${((100 * count) / names.length).toFixed(1)} %`;
const table = [
  `# ${names.length} conformance models of ONNX 1.22`,
  '',
  '| what | models | share |',
  '|---|---|---|',
  ...[...counts]
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([key, count]) => `| ${key} | ${count} | ${percent(count)} |`),
  '',
  'Outputs of which inference finds less than is declared, by last operator (their sizes depend on the contents of tensors):',
  ...Array.from(reasons, ([why, operators]) => `${why}: ${[...operators].sort().join(', ')}.`),
  '',
].join('\n');
console.log(table);
await writeFile(new URL('../../results/onnx-conformance.md', import.meta.url), table);
