// The lab from the command line: reports, resuming after a kill, Ctrl-C, what is wrong in a config.
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

const bin = join(import.meta.dirname, '..', '..', 'bin', 'sanderling.js');
const env = { ...process.env, NO_COLOR: '1' };

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sanderling-lab-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

function sanderling(...args: string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(process.execPath, [bin, ...args], { cwd: folder, env }, (error, stdout, stderr) => {
      resolve({ status: Number(error?.code ?? 0), stdout, stderr });
    });
  });
}

function config(change: object = {}): string {
  const path = join(folder, 'lab.json');
  const lab = {
    title: 'Small lab',
    seeds: [1, 2],
    acceptance: { after: 400 },
    streams: [{ name: 'errors', made: { concept: 'errors', length: 2500, drifts: 1 } }],
    detectors: ['stepd', 'hddm-w', { baseline: 'never' }, { baseline: 'every', k: 300 }],
    search: { detectors: ['stepd'], trials: 8, population: 4, heldOutSeeds: [11] },
    ...change,
  };
  writeFileSync(path, JSON.stringify(lab));
  return path;
}

/** Runs until the first task is on the disk, then gets a signal. */
async function stopped(signal: NodeJS.Signals, args: readonly string[]): Promise<ChildProcess> {
  const child = spawn(process.execPath, [bin, ...args], { cwd: folder, env, stdio: 'ignore', detached: true });
  const ended = once(child, 'exit');
  // The file is there before its first line is: a kill between the two rightly leaves nothing to go on from.
  const results = join(folder, 'out', 'results.jsonl');
  const written = () => existsSync(results) && readFileSync(results, 'utf8').includes('\n');
  while (!written() && child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 10));
  // To the whole group, as Ctrl-C in a terminal does.
  process.kill(signal === 'SIGINT' ? -(child.pid as number) : (child.pid as number), signal);
  await ended;
  return child;
}

const long = { streams: [{ name: 'errors', made: { concept: 'errors', length: 150_000, drifts: 3 } }] };

test('runs a lab with its search, and writes the same in three forms', async () => {
  const { status, stdout, stderr } = await sanderling(
    'drift',
    'lab',
    config(),
    '--search',
    '--processes',
    '2',
    '--json',
  );
  expect(status).toBe(0);
  const out = join(folder, 'drift-lab-lab');
  const printed = JSON.parse(stdout) as { searches: { name: string; report: { knee: object; hypervolume: number } }[] };
  expect(printed.searches).toMatchObject([{ name: 'stepd', report: { tried: 8, reference: [400, 1, 10] } }]);
  expect(printed.searches[0]?.report.hypervolume).toBeGreaterThan(0.2);
  expect(printed.searches[0]?.report.hypervolume).toBeLessThan(1);
  expect(stderr).toMatch(/8\/8 .* on errors\n/);
  const text = readFileSync(join(out, 'report.md'), 'utf8');
  expect(text).toMatch(/^# Small lab/);
  expect(text).toMatch(/\| ★ /);
  expect(readFileSync(join(out, 'report.html'), 'utf8')).toContain('proposed');
  const stored = JSON.parse(readFileSync(join(out, 'report.json'), 'utf8')) as object;
  expect(printed).toMatchObject(stored);
  // Once more: everything is found in the folder, also the search's trials.
  const lines = readFileSync(join(out, 'results.jsonl'), 'utf8').split('\n').length;
  const again = await sanderling('drift', 'lab', config(), '--search', '--json');
  expect(JSON.parse(again.stdout)).toEqual(printed);
  expect(readFileSync(join(out, 'results.jsonl'), 'utf8').split('\n').length).toBe(lines);
});

test('Ctrl-C ends it with status 130; the next run goes on where it was', async () => {
  const args = ['drift', 'lab', config(long), '--out', 'out', '--processes', '1'];
  expect((await stopped('SIGINT', args)).exitCode).toBe(130);
  const done = readFileSync(join(folder, 'out', 'results.jsonl'), 'utf8').split('\n').length - 1;
  expect(done).toBeGreaterThan(0);
  expect(existsSync(join(folder, 'out', 'report.md'))).toBe(false);
  const { status, stderr } = await sanderling(...args);
  expect(status).toBe(0);
  expect(stderr.split('\n')[0]).toBe(`${done}/8 lab`);
});

test('a killed run goes on where it was', async () => {
  const args = ['drift', 'lab', config(long), '--out', 'out', '--processes', '1'];
  expect((await stopped('SIGKILL', args)).signalCode).toBe('SIGKILL');
  const { status, stderr } = await sanderling(...args);
  expect(status).toBe(0);
  expect(stderr.split('\n')[0]).toMatch(/^[1-8]\/8 lab$/);
});

test('says which field of the config is wrong, and what to fetch', async () => {
  const wrong = await sanderling('drift', 'lab', config({ seeds: ['one'] }));
  expect(wrong.status).toBe(2);
  expect(wrong.stderr).toContain('where: seeds[0]');
  const lacking = await sanderling('drift', 'lab', config({ search: undefined }), '--search');
  expect(lacking.stderr).toContain('INVALID_CONFIG');
  const recorded = join(import.meta.dirname, '../../../packages/drift/lab/recorded.json');
  const missing = await sanderling('drift', 'lab', recorded, '--data', folder);
  expect(missing.status).toBe(5);
  expect(missing.stderr).toMatch(/NOT_FOUND[^]*INSECTS[^]*Electricity/);
  expect(await sanderling('drift', 'lab', config(), '--processes', 'many')).toMatchObject({ status: 2 });
});
