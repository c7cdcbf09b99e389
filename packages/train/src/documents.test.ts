// The programs in the documents run as they stand.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const run = promisify(execFile);
let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'documents-'));
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
});
afterAll(() => rm(folder, { recursive: true }));

/** The TypeScript programs of a document. */
const programsIn = (document: string): string[] =>
  Array.from(
    readFileSync(join(root, document), 'utf8').matchAll(/^```ts\n(.*?)^```$/gms),
    ([, program = '']) => program,
  );

/** Runs a program in the folder; what it wrote. */
async function output(program: string): Promise<string> {
  await writeFile(join(folder, 'program.ts'), program);
  const { stdout } = await run(process.execPath, ['program.ts'], { cwd: folder });
  return stdout;
}

describe('documents', () => {
  test('docs/training.md', async () => {
    const [spirals = '', loss = '', shards = '', tuned = '', ...more] = programsIn('docs/training.md');
    expect(more).toEqual([]);
    expect(spirals.trim().split('\n').length).toBeLessThanOrEqual(24);
    expect(Number(/epochs: (.*)/.exec(await output(spirals))?.[1])).toBeLessThan(0.2);
    const [from = 0, to = 1] = (await output(loss)).split('→').map(Number);
    expect(to).toBeLessThan(0.2 * from);
    expect(Number(await output(shards))).toBeLessThan(1e-3);
    const [parameters, losses = ''] = (await output(tuned)).trim().split('\n');
    expect(parameters).toBe("[ 'inside.weight', 'inside.bias' ]");
    for (const one of losses.split(' ').map(Number)) expect(one).toBeLessThan(0.3);
    expect(await readdir(folder)).toEqual(
      expect.arrayContaining(['spirals.onnx', 'line.checkpoint', 'inside-int8.onnx']),
    );
  });

  test('the first programs of README.md, of this package and of @sanderling/onnx', async () => {
    for (const document of ['packages/train/README.md', 'packages/onnx/README.md']) {
      const [first = ''] = programsIn(document);
      expect(await output(first)).not.toBe('');
    }
  });
});
