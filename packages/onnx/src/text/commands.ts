// What the command line calls: a file in, facts and text out.
import { readFile } from 'node:fs/promises';
import { checkModel } from '../check/check.ts';
import type { Problem } from '../check/problems.ts';
import { readModel } from '../files.ts';
import { diffModels, diffText, type Change } from './diff.ts';
import { fileDigest, inspectionText, inspectModel, type Inspection } from './inspect.ts';
import { printModel } from './print.ts';

/** `sanderling onnx inspect MODEL`. `sizes`: numbers for symbolic dimensions; `full`: the whole graph as text. @throws as `readModel`. */
export async function inspectFile(
  path: string,
  options: { readonly sizes?: Readonly<Record<string, number>>; readonly full?: boolean } = {},
): Promise<{ readonly inspection: Inspection; readonly text: string }> {
  const model = await readModel(path, { external: false });
  const inspection = { ...inspectModel(model, options.sizes), digest: fileDigest(await readFile(path)) };
  return { inspection, text: inspectionText(inspection) + (options.full ? `\n${printModel(model)}` : '') };
}

/** `sanderling onnx check MODEL`: `ok` when there is no error (warnings are allowed). @throws as `readModel`. */
export async function checkFile(
  path: string,
): Promise<{ readonly ok: boolean; readonly problems: readonly Problem[]; readonly text: string }> {
  const problems = checkModel(await readModel(path, { external: false }));
  const lines = problems.map(
    ({ severity, code, message, path: where }) => `${severity} ${code} in ${where}: ${message}\n`,
  );
  const ok = !problems.some(({ severity }) => severity === 'error');
  return { ok, problems, text: lines.length === 0 ? 'no problem found\n' : lines.join('') };
}

/** `sanderling onnx diff A B`. @throws as `readModel`. */
export async function diffFiles(
  before: string,
  after: string,
): Promise<{ readonly equal: boolean; readonly changes: readonly Change[]; readonly text: string }> {
  const changes = diffModels(await readModel(before, { external: false }), await readModel(after, { external: false }));
  return { equal: changes.length === 0, changes, text: changes.length === 0 ? 'no difference\n' : diffText(changes) };
}
