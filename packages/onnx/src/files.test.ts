import { copyFile, mkdir, mkdtemp, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  encodeModel,
  float32Data,
  openSession,
  readModel,
  writeModel,
  type ExternalData,
  type Model,
} from './index.ts';

const fixture = fileURLToPath(new URL('./fixtures/external.onnx', import.meta.url));
let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'onnx-files-'));
});
afterAll(() => rm(folder, { recursive: true }));

const weights = (model: Model): Float32Array => float32Data(model.graph.initializers.get('w')!);
const x = {
  dtype: 'float32' as const,
  dims: [1, 16],
  data: Float32Array.from({ length: 16 }, (_, i) => (i === 1 ? 1 : 0)),
};

async function pointing(external: Partial<ExternalData>, name = 'hostile.onnx'): Promise<string> {
  const model = await readModel(fixture, { external: false });
  const tensor = model.graph.initializers.get('w')!;
  const changed = { ...tensor, external: { ...tensor.external!, ...external } };
  const path = join(folder, name);
  await writeFile(path, encodeModel({ ...model, graph: { ...model.graph, initializers: new Map([['w', changed]]) } }));
  return path;
}

describe('external data', () => {
  test('a file that Python wrote is read with its data', async () => {
    const model = await readModel(fixture);
    expect(Array.from(weights(model))).toEqual(Array.from({ length: 512 }, (_, i) => i));
    expect((await readModel(fixture, { external: false })).graph.initializers.get('w')!.data.length).toBe(0);
  });

  test('written again beside a model it runs, and the runtime finds it', async () => {
    const path = join(folder, 'again.onnx');
    await writeModel(path, await readModel(fixture), { externalFrom: 100 });
    expect((await stat(path)).size).toBeLessThan(400);
    expect((await stat(`${path}.data`)).size).toBe(2048);
    expect(weights(await readModel(path))).toEqual(weights(await readModel(fixture)));
    await using session = await openSession(path);
    const out = await session.run({ x });
    expect(Array.from((out['y']!.data as Float32Array).subarray(0, 3))).toEqual([32, 33, 34]);
    expect((await readdir(folder)).filter((name) => name.endsWith('.partial'))).toEqual([]);
  });

  test('a path that leaves the folder is refused, in name or through a link', async () => {
    const inner = join(folder, 'inner');
    await mkdir(inner);
    await copyFile(fileURLToPath(new URL('./fixtures/external.bin', import.meta.url)), join(folder, 'external.bin'));
    await symlink(join(folder, 'external.bin'), join(inner, 'link.bin'));
    for (const location of ['../external.bin', '/etc/passwd', 'link.bin'])
      await expect(readModel(await pointing({ location }, 'inner/hostile.onnx'))).rejects.toMatchObject({
        code: 'INVALID_MODEL',
        where: location,
      });
  });

  test('missing, short and oversized data are refused without reading them', async () => {
    await expect(readModel(await pointing({ location: 'gone.bin' }))).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await copyFile(fileURLToPath(new URL('./fixtures/external.bin', import.meta.url)), join(folder, 'short.bin'));
    await expect(readModel(await pointing({ location: 'short.bin', offset: 4 }))).rejects.toMatchObject({
      code: 'INVALID_MODEL',
    });
    await expect(readModel(await pointing({ location: 'short.bin', length: 9 }))).rejects.toMatchObject({
      code: 'INVALID_MODEL',
    });
    await expect(readModel(fixture, { maxBytes: 100 })).rejects.toMatchObject({ code: 'TOO_LARGE' });
  });
});
