import { execFileSync, spawn } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readdir, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  encodeModel,
  float32Data,
  openSession,
  readModel,
  tensorOf,
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

  test('a folder and a pipe are no data, and nothing waits for them', async () => {
    await mkdir(join(folder, 'below'));
    execFileSync('sh', ['-c', 'mkfifo "$0"', join(folder, 'pipe')]);
    for (const location of ['below', '.', 'pipe'])
      await expect(readModel(await pointing({ location }))).rejects.toMatchObject({
        code: 'INVALID_MODEL',
        where: location,
      });
    for (const path of [folder, join(folder, 'pipe')])
      await expect(readModel(path)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', where: path });
  });

  test('tensors cannot claim more than a file holds, nor more than the limit; those in one place share their bytes', async () => {
    const model = await readModel(fixture, { external: false });
    const one = model.graph.initializers.get('w')!;
    const many = (offsets: readonly number[], dims = one.dims) => {
      const tensors = offsets.map(
        (offset, i) =>
          [
            i === 0 ? 'w' : `w${i}`,
            { ...one, dims, external: { ...one.external!, location: 'much.bin', offset, length: undefined } },
          ] as const,
      );
      return { ...model, graph: { ...model.graph, initializers: new Map(tensors) } };
    };
    const path = join(folder, 'many.onnx');
    await writeFile(join(folder, 'much.bin'), new Uint8Array(2048 + 4));
    await writeFile(path, encodeModel(many([0, 4])));
    await expect(readModel(path)).rejects.toMatchObject({ code: 'INVALID_MODEL', where: 'much.bin' });
    await writeFile(path, encodeModel(many([4, 4, 4])));
    const { initializers } = (await readModel(path)).graph;
    expect(initializers.get('w2')!.data).toBe(initializers.get('w')!.data);
    await truncate(join(folder, 'much.bin'), 2 ** 33); // takes no space on the disk
    await writeFile(path, encodeModel(many([0, 2 ** 30, 2 ** 31], [2 ** 28])));
    await expect(readModel(path, { maxExternalBytes: 2 ** 31 - 1 })).rejects.toMatchObject({ code: 'TOO_LARGE' });
  });
});

describe('a model written over another', () => {
  const filled = async (x: number): Promise<Model> => {
    const model = await readModel(fixture);
    const { dims } = model.graph.initializers.get('w')!;
    const w = tensorOf('float32', dims, new Float32Array(dims[0]! * dims[1]!).fill(x));
    return { ...model, graph: { ...model.graph, initializers: new Map([['w', w]]) } };
  };

  test('takes another data file, and removes the old one', async () => {
    const inner = join(folder, 'over');
    const path = join(inner, 'm.onnx');
    for (const x of [1, 2, 3]) {
      await writeModel(path, await filled(x), { externalFrom: 100 });
      expect(weights(await readModel(path))[7]).toBe(x);
      expect(await readdir(inner)).toEqual(['m.onnx', x === 2 ? 'm.onnx.2.data' : 'm.onnx.data']);
    }
    const unread = await readModel(path, { external: false });
    await writeModel(path, { ...unread, doc: 'the same data' }, { externalFrom: 100 });
    expect(weights(await readModel(path))[7]).toBe(3);
    await writeModel(path, await filled(4));
    expect(await readdir(inner)).toEqual(['m.onnx']);
    expect(weights(await readModel(path))[7]).toBe(4);
  });

  test('killed at any moment there is a whole one', async () => {
    const path = join(folder, 'killed', 'm.onnx');
    await writeModel(path, await filled(0), { externalFrom: 100 });
    const program = fileURLToPath(new URL('./fixtures/write-over.ts', import.meta.url));
    for (let round = 0; round < 5; round += 1) {
      const child = spawn(process.execPath, [program, path], { stdio: ['ignore', 'pipe', 'inherit'] });
      await new Promise<void>((begun) => child.stdout.once('data', () => begun()));
      await new Promise((then) => setTimeout(then, (round * 7) % 23));
      child.kill('SIGKILL');
      await new Promise((ended) => child.once('close', ended));
      const seen = new Set(weights(await readModel(path)));
      expect(seen.size).toBe(1);
    }
  });
});
