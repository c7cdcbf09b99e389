// Real programs under the contract: a Node one that behaves well and badly, and a PyTorch one where there is PyTorch.
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openSession } from '@sanderling/onnx';
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
  await writeFile(join(dataFolder, 'model.onnx'), exportModel(denseAutoencoder({ inputs: 3, units: [2] }), new Map()));
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

  test('a program that does not exist', async () => {
    await expect(command('no-such-program --fast').train(run('well'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  const python = process.env['SANDERLING_TORCH_PYTHON'] ?? 'python3';
  const hasTorch = spawnSync(python, ['-c', 'import torch, onnx']).status === 0;
  if (!hasTorch) process.stderr.write(`skipped: ${python} has no torch and onnx (set SANDERLING_TORCH_PYTHON)\n`);
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
