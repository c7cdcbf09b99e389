// The command line against a real hub, as somebody uses it without a browser: from a CSV file to a forecast and a roll-out.
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { sha256 } from '@sanderling/kit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openHouse, type House } from './house.ts';

const bin = join(import.meta.dirname, '..', '..', 'cli', 'bin', 'sanderling.js');
const folder = mkdtempSync(join(tmpdir(), 'sanderling-command-'));
const minute = 60_000;
let house: House;

interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

function sanderling(...args: string[]): Promise<Outcome> {
  const data = join(house.folder, 'hub');
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [bin, '--data', data, ...args],
      { env: { ...process.env, NO_COLOR: '1' }, maxBuffer: 1 << 26 },
      (error, stdout, stderr) => resolve({ status: Number(error?.code ?? 0), stdout, stderr }),
    );
  });
}

async function json<T>(...args: string[]): Promise<T> {
  const outcome = await sanderling('--json', ...args);
  expect(outcome).toMatchObject({ status: 0, stderr: '' });
  return JSON.parse(outcome.stdout) as T;
}

const csv = join(folder, 'cellar.csv');

beforeAll(async () => {
  house = await openHouse({
    name: 'cellar',
    data: { quantity: 'temperature', unit: '°C' },
    model: { kind: 'forecaster', horizon: 6 },
    search: { trials: 4, population: 2, epochs: 3 },
    gates: [{ gate: 'beats-baseline', baseline: 'persistence', byPercent: 1 }],
    targets: ['linux-x64', 'linux-arm64', 'darwin-x64', 'win-x64'],
  });
  const start = Date.UTC(2026, 0, 1);
  const row = (i: number): string =>
    `${new Date(start + i * 10 * minute).toISOString()},${(20 + 3 * Math.sin((2 * Math.PI * i) / 144) + 0.1 * Math.sin(i * i)).toFixed(3)}`;
  writeFileSync(csv, `time,temperature\n${Array.from({ length: 1500 }, (_, i) => row(i)).join('\n')}\nnot a time,1\n`);
});
afterAll(() => house.stop());

describe('from a file to a forecast', () => {
  test('training without readings ends with the code of what is wrong, not a gate’s', async () => {
    const outcome = await sanderling('train', 'cellar', '--wait');
    expect(outcome).toMatchObject({ status: 3, stderr: expect.stringContaining('TOO_LITTLE_DATA') });
  });

  test('import counts what it took and what it skipped', async () => {
    const { stdout } = await sanderling('readings', 'import', 'cellar', csv);
    expect(stdout).toMatch(/stored 1500 readings from 2026-01-01 00:00:00Z/);
    expect(stdout).toMatch(/skipped 1: .*line 1502/);
    expect(await json<unknown[]>('readings', 'list', 'cellar', '--newest', '5')).toHaveLength(5);
  });

  test('a dataset can be read back exactly', async () => {
    const dataset = await json<{ digest: string; rows: number; quality: { usable: boolean } }>(
      'datasets',
      'create',
      'cellar',
    );
    expect(dataset).toMatchObject({ rows: 1500, quality: { usable: true } });
    const out = join(folder, 'rows.csv');
    await json('datasets', 'export', dataset.digest, out);
    const values = readFileSync(out, 'utf8')
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => Number(line.split(',')[1]));
    expect(values).toEqual(
      readFileSync(csv, 'utf8')
        .trim()
        .split('\n')
        .slice(1, -1)
        .map((line) => Number(line.split(',')[1])),
    );
    expect((await sanderling('datasets', 'list', 'cellar')).stdout).toContain(dataset.digest.slice(0, 12));
  });

  test('train --wait follows to the end', { timeout: 3 * minute }, async () => {
    const outcome = await sanderling('train', 'cellar', '--wait');
    expect(outcome.stderr).toBe('');
    expect(outcome.stdout).toContain('trial.finished');
    expect(outcome.stdout).toMatch(/state +succeeded/);
  });

  test('what came of it: executions, runs, models, releases', async () => {
    const [execution] = await json<{ id: string; state: string }[]>('executions', 'list', 'cellar');
    expect(execution).toMatchObject({ state: 'succeeded' });
    expect((await sanderling('executions', 'show', execution!.id, '--log')).stdout).toMatch(/search +succeeded/);
    const runs = await json<{ id: string; params: Record<string, string> }[]>('runs', 'list', 'cellar');
    const trial = runs.find((run) => 'hidden' in run.params);
    expect((await sanderling('runs', 'show', trial!.id)).stdout).toMatch(/learningRate +0\./);
    const [model] = await json<{ version: number; gates: { passed: boolean }[] }[]>('models', 'cellar');
    expect(model).toMatchObject({ version: 1, gates: [{ passed: true }] });
    expect(await json<unknown[]>('releases', 'cellar')).not.toHaveLength(0);
    expect((await sanderling('rollouts', 'list', 'cellar')).stdout).toContain('ro');
  });

  test('the device gets it, and predict answers once it is champion', { timeout: 2 * minute }, async () => {
    const rows = readFileSync(csv, 'utf8').trim().split('\n').slice(1, -1);
    const lines = rows
      .slice(-200)
      .map((line, i) =>
        JSON.stringify({ time: Date.UTC(2026, 0, 12) + i * 10 * minute, value: Number(line.split(',')[1]) }),
      );
    await house.agent.write(`${lines.join('\n')}\n`);
    await house.agent.line((line) => line['type'] === 'update' && line['stage'] === 'active');
    const forecast = await json<{ version: number; forecast: unknown[] }>('predict', 'cellar', '--steps', '12');
    expect(forecast).toMatchObject({ version: 1 });
    expect(forecast.forecast).toHaveLength(12);
    const [device] = await json<{ id: string; active: string }[]>('devices', 'list');
    expect((await sanderling('devices', 'show', device!.id)).stdout).toContain(device!.active);
    expect(await json<{ tags: object }>('devices', 'tag', device!.id, 'floor=2')).toMatchObject({
      tags: { floor: '2' },
    });
  });

  test('gc removes what nothing names, says what it would remove, and nothing else', async () => {
    const text = Buffer.from('nobody names me');
    const digest = sha256(text);
    const orphan = join(house.folder, 'hub', 'blobs', digest.slice(0, 2), digest.slice(2));
    mkdirSync(dirname(orphan), { recursive: true });
    writeFileSync(orphan, text);
    const twoDaysAgo = Date.now() / 1000 - 2 * 86_400;
    utimesSync(orphan, twoDaysAgo, twoDaysAgo);
    const dry = await sanderling('gc', '--dry-run');
    expect(dry).toMatchObject({ status: 0, stdout: expect.stringContaining(digest) });
    expect(dry.stdout).toMatch(/named by nothing +1 blob, 15 B\n.*\nremoved +nothing: a dry run/);
    expect(await json<object>('gc', '--older-than', '3d')).toMatchObject({ state: 'done', removed: { count: 0 } });
    expect(existsSync(orphan)).toBe(true);
    expect((await sanderling('gc')).stdout).toMatch(/removed +1 blob, 15 B/);
    expect(existsSync(orphan)).toBe(false);
    expect(await sanderling('gc', '--older-than', '1m')).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('at an age of an hour or more'),
    });
    expect(await json<object>('predict', 'cellar', '--steps', '3')).toMatchObject({ version: 1 });
  });

  test('keys with less power are refused what they may not', async () => {
    const { stdout } = await sanderling('keys', 'create', 'dashboard', '--scope', 'read');
    expect((await sanderling('--key', stdout.trim(), 'models', 'cellar')).status).toBe(0);
    for (const command of [['train', 'cellar'], ['gc']])
      expect(await sanderling('--key', stdout.trim(), ...command)).toMatchObject({
        status: 4,
        stderr: expect.stringContaining('FORBIDDEN'),
      });
    const events = (await sanderling('events')).stdout;
    for (const type of [
      'project.saved',
      'device.enrolled',
      'readings.imported',
      'execution.finished',
      'release.created',
      'rollout.succeeded',
    ])
      expect(events).toContain(type);
  });
});
