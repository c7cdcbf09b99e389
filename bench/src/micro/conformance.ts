// ONNX's own conformance models as generated C: generated, compiled by the host's compiler with all warnings as errors, run, and held against the golden outputs.
// Run: node bench/src/micro/conformance.ts [PREFIX]   (only models whose name starts with PREFIX; the table is written for all only)
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import type { SanderlingError } from '@sanderling/kit';
import { compileForHost, generateC, type Elements, type Generated } from '@sanderling/micro';
import { decodeModel, decodeTensor, typedData, type Model, type Tensor } from '@sanderling/onnx';

const shared = process.env['SANDERLING_SHARED'] ?? '../shared';
const root = `${execFileSync(`${shared}/tools/data`, ['onnx-node-vectors'], { encoding: 'utf8' }).trim()}/onnx-conformance/node`;
const prefix = process.argv[2] ?? '';
const names = readdirSync(root)
  .filter((name) => name.startsWith(prefix))
  .sort();

interface Case {
  readonly name: string;
  readonly operator: string;
  readonly inputs: ReadonlyMap<string, Tensor>;
  readonly outputs: ReadonlyMap<string, Tensor>;
  readonly generated: Generated;
}

const verdicts = new Map<string, string>();
const operatorOf = new Map<string, string>();

function tensors(
  name: string,
  kind: 'input' | 'output',
  infos: readonly { readonly name: string }[],
): Map<string, Tensor> {
  const entries = infos.flatMap(({ name: key }, i): [string, Tensor][] => {
    const path = `${root}/${name}/test_data_set_0/${kind}_${i}.pb`;
    try {
      return existsSync(path) ? [[key, decodeTensor(readFileSync(path))]] : [];
    } catch {
      return []; // a sequence or an optional
    }
  });
  return new Map(entries);
}

/** Which inputs to give as constants, in the order of trying: none, small ones behind the first, all behind the first, all. */
function* bindings(inputs: ReadonlyMap<string, Tensor>): Generator<ReadonlyMap<string, Tensor>> {
  yield new Map();
  const rest = [...inputs].slice(1);
  yield new Map(rest.filter(([, { dims, dtype }]) => dims.length <= 1 && dtype !== 'float32'));
  yield new Map(rest.filter(([, { dims }]) => dims.length <= 1));
  yield new Map(rest);
}

async function generated(name: string, model: Model, prefixName: string): Promise<Case | string> {
  const [inputs, outputs] = [tensors(name, 'input', model.graph.inputs), tensors(name, 'output', model.graph.outputs)];
  let last: SanderlingError | undefined;
  for (const bind of bindings(inputs)) {
    try {
      const made = await generateC(model, { name: prefixName, bind });
      return { name, operator: operatorOf.get(name)!, inputs, outputs, generated: made };
    } catch (error) {
      last = error as SanderlingError;
    }
  }
  return `${last!.code ?? 'UNCODED'}: ${last!.message}`;
}

function fits(got: ArrayLike<number | bigint>, want: ArrayLike<number | bigint>, float: boolean): boolean {
  if (got.length !== want.length) return false;
  for (let i = 0; i < want.length; i += 1) {
    const [a, b] = [Number(got[i]), Number(want[i])];
    if (Object.is(a, b) || a === b || (Number.isNaN(a) && Number.isNaN(b))) continue;
    if (!float || !(Math.abs(a - b) <= 1e-5 + 1e-4 * Math.abs(b))) return false;
  }
  return true;
}

async function judge(cases: readonly Case[]): Promise<void> {
  try {
    await using host = await compileForHost(
      cases.map((one) => one.generated),
      { optimise: '-O0' },
    );
    for (const [i, one] of cases.entries()) verdicts.set(one.name, await outcome(one, (call) => host.run([call], i)));
  } catch (error) {
    if (cases.length === 1)
      verdicts.set(
        cases[0]!.name,
        `does not compile: ${(error as Error).message.split('\n').find((line) => line.includes('error')) ?? (error as Error).message}`,
      );
    else for (const one of cases) await judge([one]);
  }
}

async function outcome(one: Case, run: (call: Elements) => Promise<readonly Elements[]>): Promise<string> {
  const { face } = one.generated;
  try {
    const call = Object.fromEntries(face.inputs.map(({ name }) => [name, typedData(one.inputs.get(name)!)]));
    const [out] = await run(call);
    for (const { name, dtype } of face.outputs) {
      const want = one.outputs.get(name)!;
      if (!fits(out![name]!, typedData(want), dtype.startsWith('float')))
        return `differs: ${name} is ${Array.from(out![name]! as ArrayLike<number>)
          .slice(0, 6)
          .join(' ')}, wanted ${Array.from(typedData(want) as ArrayLike<number>)
          .slice(0, 6)
          .join(' ')}`;
    }
    return 'pass';
  } catch (error) {
    return `crashes: ${(error as Error).message}`;
  }
}

let batch: Case[] = [];
for (const [i, name] of names.entries()) {
  const model = decodeModel(readFileSync(`${root}/${name}/model.onnx`));
  const operator = model.graph.nodes.map(({ opType }) => opType).find((type) => type !== 'Constant') ?? 'Constant';
  operatorOf.set(
    name,
    name.endsWith('_expanded') || name.includes('_expanded_ver') ? `${operator} (expanded)` : operator,
  );
  const made = await generated(name, model, `m${i}`);
  if (typeof made === 'string') verdicts.set(name, made);
  else batch.push(made);
  if (batch.length === 48) {
    await judge(batch);
    batch = [];
  }
}
if (batch.length > 0) await judge(batch);

/** A reason without the names in it. */
function kind(verdict: string): string {
  if (verdict === 'pass') return 'pass';
  if (verdict.includes('no C is generated for this operator')) return 'operator not supported';
  if (/has elements of type|elements of type/.test(verdict))
    return 'element type not supported (float16, bfloat16, float8, string, …)';
  if (verdict.includes('has no elements')) return 'tensor without elements';
  if (/depends on what|must be constant/.test(verdict)) return 'size depends on what is fed';
  if (/is a (sequence|optional|map)/.test(verdict)) return 'sequence or optional instead of a tensor';
  if (/^(UNSUPPORTED)/.test(verdict)) return 'variant of a supported operator not covered';
  return verdict.split(':')[0]!;
}

const counts = new Map<string, string[]>();
for (const [name, verdict] of verdicts)
  (counts.get(kind(verdict)) ?? counts.set(kind(verdict), []).get(kind(verdict))!).push(name);
const supported = [...verdicts].filter(
  ([, verdict]) =>
    ![
      'operator not supported',
      'element type not supported (float16, bfloat16, float8, string, …)',
      'sequence or optional instead of a tensor',
    ].includes(kind(verdict)),
);
const passed = supported.filter(([, verdict]) => verdict === 'pass').length;
const details = (wanted: (text: string) => boolean): string[] =>
  [...verdicts]
    .filter(([, verdict]) => wanted(kind(verdict)))
    .map(([name, verdict]) => `| ${name} | ${verdict.replaceAll('|', '/').replaceAll('\n', ' ').slice(0, 200)} |`);
const quiet = new Set([
  'pass',
  'operator not supported',
  'element type not supported (float16, bfloat16, float8, string, …)',
  'sequence or optional instead of a tensor',
]);
const perOperator = new Map<string, number>();
for (const [name, verdict] of verdicts)
  if (verdict === 'pass') perOperator.set(operatorOf.get(name)!, (perOperator.get(operatorOf.get(name)!) ?? 0) + 1);
const text = [
  `# ${names.length} conformance models of ONNX 1.22 as generated C`,
  '',
  `${passed} of the ${supported.length} models of supported operators and element types pass (absolute 1e-5 + relative 1e-4; integers exactly), compiled with -std=c99 -Wall -Wextra -Wpedantic -Wconversion -Werror.`,
  '',
  '| verdict | models |',
  '|---|---|',
  ...[...counts].sort(([, a], [, b]) => b.length - a.length).map(([key, list]) => `| ${key} | ${list.length} |`),
  '',
  'Passes by (first) operator: ' +
    [...perOperator]
      .sort(([a], [b]) => a.localeCompare(b))
      .map(([key, count]) => `${key} ${count}`)
      .join(', ') +
    '.',
  '',
  '| model that does not pass | reason |',
  '|---|---|',
  ...details((key) => !quiet.has(key)),
  '',
].join('\n');
console.log(text);
if (prefix === '') await writeFile(new URL('../../results/micro-conformance.md', import.meta.url), text);
