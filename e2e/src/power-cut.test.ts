// A power cut takes what the disk was not asked to keep: the bytes of a file, and the name of every folder on the way to it. What hub and agent have
// acknowledged must be kept, their new data folders included. Nothing is really cut: the synchronisations are noted and judged.
import { mkdtempSync, readFileSync, statSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Fact } from './disk-journal.ts';
import { eventually, openHouse, type House } from './house.ts';

const journal = join(mkdtempSync(join(tmpdir(), 'sanderling-journal-')), 'journal.ndjson');
const start = Date.UTC(2026, 0, 1);
let house: House;
let active: string;

const programs = { hub: 'sanderling-hub.js', device: 'sanderling-agent.js' } as const;
type Machine = keyof typeof programs;

/** What a power cut of a machine at this moment would take of a file in its data folder, that folder's own name included. Empty: nothing. */
function lost(machine: Machine, path: string): string[] {
  const facts = readFileSync(journal, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Fact)
    .filter(({ program }) => program === programs[machine]);
  const inode = (below: readonly string[]): number => statSync(join(house.folder, ...below)).ino;
  const way = [machine, ...path.split(sep)];
  const names = way.filter((name, i) => {
    const [folder, inside] = [inode(way.slice(0, i)), inode(way.slice(0, i + 1))];
    return !facts.some((fact) => 'folder' in fact && fact.folder === folder && fact.names[name] === inside);
  });
  const { ino, size } = statSync(join(house.folder, ...way));
  const isKept = facts.some((fact) => 'file' in fact && fact.file === ino && fact.size === size);
  return [...names.map((name) => `the name ${name}`), ...(isKept ? [] : ['the bytes'])];
}

/** What a power cut would take of several files, by their paths. */
function allLost(machine: Machine, paths: readonly string[]): Record<string, string[]> {
  return Object.fromEntries(paths.map((path) => [path, lost(machine, path)]).filter(([, taken]) => taken!.length > 0));
}

/** Paths of the files in a part of a data folder. */
async function filesIn(machine: Machine, part: string): Promise<string[]> {
  const data = join(house.folder, machine);
  const entries = await readdir(join(data, part), { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return files.map((entry) => relative(data, join(entry.parentPath, entry.name)));
}

beforeAll(async () => {
  const hook = pathToFileURL(join(import.meta.dirname, 'disk-journal.ts'));
  house = await openHouse(
    {
      name: 'cellar',
      model: { kind: 'forecaster', horizon: 3 },
      search: { trials: 1, population: 2, epochs: 1, space: { hidden: 4, window: 6, batch: 64 } },
      gates: [],
      targets: ['linux-x64', 'linux-arm64', 'darwin-x64', 'win-x64'],
    },
    { NODE_OPTIONS: `--import=${hook.href}`, SANDERLING_TEST_JOURNAL: journal },
  );
  const line = (_: unknown, i: number) =>
    JSON.stringify({ time: start + i * 600_000, value: 20 + Math.sin(i / 23) + (i % 7) / 50 });
  await house.agent.write(`${Array.from({ length: 600 }, line).join('\n')}\n`);
  await eventually(
    () => house.client.readingSpan('cellar'),
    ({ count }) => count === 600,
  );
  const { id } = await house.client.train('cellar');
  const ended = await eventually(
    () => house.client.execution(id),
    ({ state }) => state !== 'queued' && state !== 'running',
  );
  if (ended.state !== 'succeeded') throw new Error(`nothing to judge: ${ended.reason}`);
  const { items } = await eventually(
    () => house.client.devices(),
    ({ items: devices }) => (devices[0]?.active ?? null) !== null,
  );
  active = items[0]!.active!;
});
afterAll(() => house?.stop());

describe('after a power cut', () => {
  test('the hub has its keys: without them no device would believe it again', () => {
    const keys = ['release.json', 'link.key', 'admin.key'].map((name) => join('keys', name));
    expect(allLost('hub', keys)).toEqual({});
  });

  test('the hub has every dataset, model and bundle that it stored', async () => {
    const blobs = await filesIn('hub', 'blobs');
    expect(blobs.length).toBeGreaterThan(5);
    expect(allLost('hub', blobs)).toEqual({});
  });

  test('the device is who it was, and has the release that it said it runs', () => {
    expect(lost('device', 'identity.json')).toEqual([]);
    expect(lost('device', join('releases', active, 'bundle'))).toEqual([]);
  });

  test('the device knows which release that is', async () => {
    const pointers = await filesIn('device', 'state');
    const texts = pointers.map((path) => readFileSync(join(house.folder, 'device', path), 'utf8'));
    expect(texts.join()).toContain(active);
    expect(allLost('device', pointers)).toEqual({});
  });

  test('a device that lost its releases once has the one that it got again', async () => {
    await house.agent.kill('SIGTERM');
    await rm(join(house.folder, 'device', 'releases'), { recursive: true });
    const since = house.agent.lines.length;
    house.agent.start();
    await house.agent.line((line) => line['type'] === 'update' && line['active'] === active, since);
    expect(lost('device', join('releases', active, 'bundle'))).toEqual([]);
  });
});
