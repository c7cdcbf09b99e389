// Config files as authors write them, right and wrong.
import { mkdtempSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadProject } from './load-project.ts';

const root = join(import.meta.dirname, '..', '..', '..');

function folderWith(config: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'sanderling-config-'));
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(join(root, 'cli'), join(folder, 'node_modules', 'sanderling'));
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  writeFileSync(join(folder, 'sanderling.config.ts'), config);
  return folder;
}

test('the temperature project loads and is complete', async () => {
  const project = await loadProject(join(root, 'projects', 'temperature'));
  expect(project).toMatchObject({
    name: 'temperature',
    model: { kind: 'forecaster', horizon: 'auto' },
    search: { algorithm: 'genetic', trials: 24 },
  });
  expect(project.gates.map((gate) => gate.gate)).toEqual([
    'beats-baseline',
    'beats-baseline',
    'not-worse-than-champion',
    'size',
    'latency',
  ]);
  expect(project.automations).toEqual([
    { when: 'drift.alarm', collect: { readings: 1000 }, cooldown: '0s', run: ['retrain', 'gate', 'roll-out'] },
  ]);
});

test('its twin for a microcontroller says what is quantised, and what it may cost there', async () => {
  const project = await loadProject(join(root, 'projects', 'temperature', 'microcontroller.config.ts'));
  expect(project).toMatchObject({ name: 'temperature', targets: ['stm32h745'] });
  expect(project.optimise).toMatchObject([
    'fold-constants',
    { step: 'quantise-int8', calibration: 'minmax', budget: 0.05 },
  ]);
  expect(project.gates.map((gate) => gate.gate).slice(3)).toEqual(['ram', 'flash', 'latency']);
  expect(project.gates.at(-1)).toMatchObject({ target: 'stm32h745', maxMs: 2, cyclesPerInstruction: 1 });
});

test('a mistake fails with the path of the wrong field', async () => {
  const folder = folderWith(`import { defineProject, forecaster, genetic, int } from 'sanderling';
    export default defineProject({ name: 'cellar', model: forecaster({ horizon: 0 }), search: genetic({ trails: 3, space: { hidden: int(8, 9.5) } }), targets: ['linux-x64'] } as never);`);
  const failure = await loadProject(folder).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: 'INVALID_CONFIG', where: 'model.horizon' });
  expect((failure as Error).message).toMatch(/model\.horizon: .*search\.space\.hidden.*search\.trails: no such field/);
});

test.each([
  ['export const project = 1;', 'has no default export'],
  ['export default { name: "x" ', 'cannot be loaded'],
  ['throw new Error("my own mistake"); export default {};', 'my own mistake'],
  ['export default 42;', 'the whole'],
])('%s', async (config, message) => {
  await expect(loadProject(folderWith(config))).rejects.toMatchObject({
    code: 'INVALID_CONFIG',
    message: expect.stringContaining(message),
  });
});

test('no config file is said plainly', async () => {
  await expect(loadProject(tmpdir())).rejects.toMatchObject({
    code: 'NOT_FOUND',
    message: expect.stringContaining('there is no sanderling.config.ts'),
  });
});
