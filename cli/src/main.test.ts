// The command as a newcomer types it: help, typing mistakes, no hub, JSON.
import { execFile } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const bin = join(import.meta.dirname, '..', 'bin', 'sanderling.js');
const project = join(import.meta.dirname, '..', '..', 'projects', 'temperature');

interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

function sanderling(...args: string[]): Promise<Outcome> {
  const { SANDERLING_URL: _url, SANDERLING_KEY: _key, ...env } = process.env;
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [bin, ...args],
      { cwd: mkdtempSync(join(tmpdir(), 'sanderling-cli-')), env: { ...env, NO_COLOR: '1' } },
      (error, stdout, stderr) => {
        resolve({ status: Number(error?.code ?? 0), stdout, stderr });
      },
    );
  });
}

test('--help lists the commands and ends well', async () => {
  const { status, stdout } = await sanderling('--help');
  expect(status).toBe(0);
  for (const command of ['project', 'readings', 'train', 'models', 'deploy', 'devices', 'events', 'onnx'])
    expect(stdout).toContain(command);
});

test('a typing mistake suggests what was meant, with status 2', async () => {
  const { status, stderr } = await sanderling('devces');
  expect(status).toBe(2);
  expect(stderr).toContain('Did you mean devices?');
});

test('without a key it says how to get one', async () => {
  const { status, stderr } = await sanderling('devices', 'list');
  expect(status).toBe(4);
  expect(stderr).toMatch(/UNAUTHENTICATED no API key\n {2}try: .*SANDERLING_KEY/);
});

test('without a hub it says so, as JSON when asked', async () => {
  const { status, stderr } = await sanderling(
    'models',
    'temperature',
    '--json',
    '--url',
    'http://127.0.0.1:9',
    '--key',
    'x',
  );
  expect(status).toBe(11);
  expect(JSON.parse(stderr)).toMatchObject({
    error: { code: 'UNAVAILABLE', fix: expect.stringContaining('sanderling hub') },
  });
});

test('project check works without a hub', async () => {
  const { status, stdout } = await sanderling('project', 'check', project, '--json');
  expect(status).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ name: 'temperature', drift: { alertAt: 0.7 } });
  expect(await sanderling('project', 'check', tmpdir())).toMatchObject({ status: 5 });
});

test('what is no number is wrong use, told before a hub is asked', async () => {
  const wrong = [
    ['predict', 'p', '--steps', 'abc'],
    ['events', '--after', '-1'],
    ['readings', 'list', 'p', '--newest', '1.5'],
  ];
  for (const args of wrong) {
    const { status, stderr } = await sanderling(...args, '--url', 'http://127.0.0.1:9', '--key', 'x');
    expect(status).toBe(2);
    expect(stderr).toMatch(/takes a whole number of at least [01]/);
  }
});

test('a subcommand without its argument is wrong use too', async () => {
  const { status, stderr } = await sanderling('readings', 'list');
  expect(status).toBe(2);
  expect(stderr).toContain("missing required argument 'project'");
});
