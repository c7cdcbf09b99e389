// Real programs under the contract: a Node one that behaves well and badly, and a PyTorch one where there is PyTorch.
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decodeModel, openSession, writeModel } from '@sanderling/onnx';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { exportModel } from '../export.ts';
import { denseAutoencoder } from '../networks/autoencoders.ts';
import { command, type Numbers } from './command.ts';
import { wordsOf } from './words.ts';

const here = (name: string) => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));
let folder: string;
let dataFolder: string;
let outputFolder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'command-'));
  [dataFolder, outputFolder] = [join(folder, 'data'), join(folder, 'output')];
  await mkdir(dataFolder);
  const model = exportModel(denseAutoencoder({ inputs: 3, units: [2] }), new Map());
  await writeFile(join(dataFolder, 'model.onnx'), model);
  await writeModel(join(dataFolder, 'beside.onnx'), decodeModel(model), { externalFrom: 1 });
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const node = command([process.execPath, here('train.mjs')], { grace: 0.2 });
const run = (behave: string) => ({ dataFolder, outputFolder, parameters: { behave } });

describe('command', () => {
  test('gives model, metrics, progress and log', async () => {
    const [progress, log]: [Numbers[], string[]] = [[], []];
    const result = await node.train({
      ...run('well'),
      seed: 7,
      onProgress: (numbers) => progress.push(numbers),
      onLog: (line) => log.push(line),
    });
    expect(result.metrics).toEqual({ accuracy: 0.9, seed: 7 });
    expect(result.model.length).toBeGreaterThan(100);
    expect(progress).toEqual([
      { epoch: 1, loss: 0.5 },
      { epoch: 2, loss: 0.25 },
    ]);
    expect(log.sort()).toEqual(['a warning', 'starting']);
  });

  test.each([
    ['unusable', 'INVALID_DATA', /no pictures/],
    ['crash', 'INTERNAL', /status 1/],
    ['no model', 'INVALID_MODEL', /no model.onnx/],
    ['bad model', 'CORRUPT', /./],
    ['bad metrics', 'INVALID_DATA', /metrics.json/],
  ])('%s: %s', async (behave, code, message) => {
    await expect(node.train(run(behave))).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });

  test('a program that ignores SIGTERM is ended all the same', async () => {
    const stop = new AbortController();
    const onProgress = ({ epoch }: Numbers) => epoch === 3 && stop.abort();
    await expect(node.train({ ...run('hang'), signal: stop.signal, onProgress })).rejects.toMatchObject({
      code: 'CANCELLED',
    });
  });

  test('what a program leaves running does not hold up its end', async () => {
    const leaves = command(['sh', '-c', 'sleep 900 & exit 3'], { grace: 0.2 });
    await expect(leaves.train(run('well'))).rejects.toMatchObject({ code: 'INVALID_DATA' });
  });

  test('a line that never ends takes no memory', async () => {
    const log: string[] = [];
    const floods = command(['sh', '-c', 'head -c 50000000 /dev/zero | tr "\\0" x; echo; echo end; exit 1']);
    const training = floods.train({ ...run('well'), onLog: (line) => log.push(line) });
    await expect(training).rejects.toMatchObject({ code: 'INTERNAL', message: expect.stringMatching(/: end$/) });
    expect(log.map((line) => line.length)).toEqual([8192, 3]);
  });

  test('what a listener throws ends the program and comes out of train', async () => {
    const onProgress = ({ epoch }: Numbers) => {
      if (epoch === 3) throw new Error('the disk of the log is full');
    };
    await expect(node.train({ ...run('hang'), onProgress })).rejects.toThrow('the disk of the log is full');
  });

  test('the result of an earlier run is not taken for this one', async () => {
    await node.train(run('well'));
    await expect(node.train(run('no model'))).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
  });

  test.each([
    ['a data folder that is not there', 'NOT_FOUND', () => ({ dataFolder: join(folder, 'none') })],
    ['an output folder in a file', 'INVALID_ARGUMENT', () => ({ outputFolder: join(dataFolder, 'model.onnx', 'a') })],
    ['parameters that are no JSON', 'INVALID_ARGUMENT', () => ({ parameters: { large: 1n } })],
    ['parameters beyond any environment', 'INVALID_ARGUMENT', () => ({ parameters: { long: 'x'.repeat(200_000) } })],
  ])('%s', async (_, code, wrong) => {
    await expect(node.train({ ...run('well'), ...wrong() })).rejects.toMatchObject({ code });
  });

  test('a model whose weights lie beside it comes in one piece', async () => {
    const { model } = await node.train(run('beside'));
    await using session = await openSession(model);
    const { rebuilt } = await session.run({ x: { dtype: 'float32', dims: [1, 3], data: new Float32Array(3) } });
    expect(rebuilt?.dims).toEqual([1, 3]);
  });

  test('a program that does not exist', async () => {
    await expect(command('no-such-program --fast').train(run('well'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  const python = process.env['SANDERLING_TORCH_PYTHON'] ?? 'python3';
  const hasTorch = spawnSync(python, ['-c', 'import torch, onnx, onnxscript']).status === 0;
  if (!hasTorch)
    process.stderr.write(`skipped: ${python} has no torch, onnx and onnxscript (set SANDERLING_TORCH_PYTHON)\n`);
  test.skipIf(!hasTorch)('a PyTorch script', async () => {
    const rows = Array.from({ length: 20 }, (_, i) => `${i / 10},${(2 * i) / 10 + 1}`);
    await writeFile(join(dataFolder, 'data.csv'), rows.join('\n'));
    const { model, metrics } = await command([python, here('train.py')]).train({
      dataFolder,
      outputFolder,
      parameters: { learningRate: 0.05 },
    });
    expect(metrics['loss']).toBeLessThan(0.01);
    await using session = await openSession(model);
    const { y } = await session.run({ x: { dtype: 'float32', dims: [1, 1], data: Float32Array.of(0.5) } });
    expect(y?.data[0]).toBeCloseTo(2, 1);
  });
});

describe('wordsOf', () => {
  test.each([
    ['python train.py', ['python', 'train.py']],
    [`  a  "b c" 'd "e"' f\\ g `, ['a', 'b c', 'd "e"', 'f g']],
    [`--name="x y"z ''`, ['--name=x yz', '']],
    ['', []],
  ])('%j', (line, words) => expect(wordsOf(line)).toEqual(words));

  test.each([`a "b`, `a 'b`, 'a \\'])('%j has an open quote', (line) => {
    expect(() => wordsOf(line)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });
});
