// The hub as a process: ready line, graceful end, one hub a folder, coded exits; and kill -9 at random points of ingest and import.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createRandom } from '@sanderling/kit';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DeviceSimulator, readingEntries } from './device-simulator.suite.ts';
import { HubProcess, hubProgram } from './hub-process.suite.ts';
import { callHub, smallProject, type Call } from './running-hub.suite.ts';

let folder: string;
let hub: HubProcess;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sanderling-process-'));
  hub = new HubProcess(folder);
});
afterEach(async () => {
  await hub.stop('SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

const call = (path: string, options: Call = {}) => callHub(hub.url + path, { key: hub.admin, ...options });

async function freePort(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return String(port);
}

test('says where it listens, stops gracefully, keeps everything', async () => {
  await hub.start();
  const key = hub.admin;
  expect((await call('/api/v1/projects/p', { method: 'PUT', body: smallProject('p') })).status).toBe(200);
  expect(await hub.stop('SIGTERM')).toBe(0);
  await hub.start();
  expect(hub.admin).toBe(key);
  expect((await call('/api/v1/projects/p')).status).toBe(200);
  expect(await hub.stop('SIGINT')).toBe(0);
});

test('a new data folder is for its owner only', { skip: process.platform === 'win32' }, async () => {
  const inside = new HubProcess(join(folder, 'deep', 'data'));
  await inside.start();
  await inside.stop('SIGTERM');
  for (const path of [inside.folder, join(folder, 'deep')]) expect((await stat(path)).mode & 0o077).toBe(0);
});

test('with --until-stdin-ends the end of standard input is a graceful stop; without it, it is nothing', async () => {
  await hub.start();
  hub.endInput();
  expect((await call('/health')).status).toBe(200);
  expect(await hub.stop('SIGTERM')).toBe(0);
  const bound = new HubProcess(folder, ['--until-stdin-ends']);
  await bound.start();
  expect(await readFile(join(folder, 'url'), 'utf8')).toBe(`${bound.url}\n`);
  bound.endInput();
  expect(await bound.ended()).toBe(0);
  expect(bound.errors).toContain('standard input ended: stopping');
  await expect(readFile(join(folder, 'url'))).rejects.toMatchObject({ code: 'ENOENT' });
});

test('with --until-stdin-ends the hub goes when the program that started it is killed, and its folder is free', async () => {
  const args = [hubProgram, '--data', folder, '--port', '0', '--until-stdin-ends'];
  const starter = spawn(process.execPath, [
    '--input-type=module',
    '--eval',
    `import { spawn } from 'node:child_process';
     spawn(process.execPath, ${JSON.stringify(args)}, { stdio: ['pipe', 'inherit', 'ignore'] });`,
  ]);
  const [line] = (await once(createInterface({ input: starter.stdout }), 'line')) as [string];
  const { url } = JSON.parse(line) as { url: string };
  expect((await callHub(`${url}/health`)).status).toBe(200);
  starter.kill('SIGKILL');
  await expect
    .poll(() =>
      callHub(`${url}/health`).then(
        () => 'answers',
        () => 'gone',
      ),
    )
    .toBe('gone');
  await expect.poll(() => hub.start().then(() => 'started', String)).toBe('started');
});

test('a second hub on the folder, a taken port and wrong settings are coded exits without a stack', async () => {
  await hub.start();
  const second = new HubProcess(folder);
  await expect(second.start()).rejects.toThrow(/ended with 6: CONFLICT: another hub runs on this data folder/);
  const other = await mkdtemp(join(tmpdir(), 'sanderling-process-'));
  const third = new HubProcess(other);
  await expect(third.start(new URL(hub.url).port)).rejects.toThrow(/ended with 6: CONFLICT: cannot listen/);
  const fourth = new HubProcess(other);
  await expect(fourth.start('0', { SANDERLING_LIMITS_BODY_MB: 'much' })).rejects.toThrow(
    /ended with 2: INVALID_CONFIG: .*limits.bodyMb \(from SANDERLING_LIMITS_BODY_MB\)/,
  );
  expect(second.errors + third.errors + fourth.errors).not.toContain('    at ');
  await rm(other, { recursive: true, force: true });
});

test('kill -9 during ingest: no acknowledged reading is missing, none is doubled', async () => {
  const port = await freePort();
  await hub.start(port);
  await call('/api/v1/projects/rooms', { method: 'PUT', body: smallProject('rooms') });
  const { body } = await call('/api/v1/projects/rooms/tokens', { body: {} });
  const device = new DeviceSimulator(hub.url);
  await device.enrol(body['token'] as string);
  const random = createRandom(7, 'kills');
  const total = 4000;
  let acked = 0;
  let kills = 0;
  let restarting = Promise.resolve();
  const kill = async (): Promise<void> => {
    await hub.stop('SIGKILL');
    kills++;
    await hub.start(port);
  };
  while (acked < total) {
    const count = Math.min(total - acked, 1 + Math.floor(random.next() * 400));
    if (kills < 4 && random.next() < 0.5)
      restarting = new Promise((resolve) => setTimeout(() => resolve(kill()), random.next() * 15));
    try {
      // Every now and then some that were acknowledged come again.
      const from = Math.max(1, acked + 1 - Math.floor(random.next() * 50));
      acked = (await device.deliver('box', readingEntries(from, acked + count - from + 1))).acked;
    } catch (error) {
      expect(String(error)).toMatch(/fetch failed|terminated|other side closed/);
    }
    await restarting;
  }
  expect(kills).toBeGreaterThan(1);
  const times: number[] = [];
  let cursor = '';
  do {
    const page = await call(`/api/v1/projects/rooms/readings?limit=5000${cursor}`);
    times.push(...(page.body['items'] as { time: number }[]).map(({ time }) => time));
    cursor = page.body['next'] === undefined ? '' : `&cursor=${page.body['next'] as string}`;
  } while (cursor !== '');
  expect(times).toEqual(readingEntries(1, total).map(({ entry }) => entry.time));
});

test('kill -9 during an import: nothing of it is seen, and sent again it is there once', async () => {
  const port = await freePort();
  await hub.start(port);
  await call('/api/v1/projects/rooms', { method: 'PUT', body: smallProject('rooms') });
  const rows = 30_000;
  const csv = `time,value\n${Array.from({ length: rows }, (_, i) => `${new Date(1.7e12 + i * 60_000).toISOString()},${i % 97}`).join('\n')}\n`;
  const headers = { 'idempotency-key': 'once' };
  const send = () => call('/api/v1/projects/rooms/readings', { body: csv, type: 'text/csv', headers });
  const random = createRandom(3, 'imports');
  for (let round = 0; round < 2; round++) {
    const sent = send().then(
      (answer) => answer.status,
      () => 'cut off',
    );
    await new Promise((resolve) => setTimeout(resolve, 40 + random.next() * 150));
    await hub.stop('SIGKILL');
    const outcome = await sent;
    await hub.start(port);
    const { body } = await call('/api/v1/projects/rooms/readings/span');
    expect(body['count']).toBe(outcome === 200 ? rows : 0);
  }
  expect(await send()).toMatchObject({ status: 200, body: { accepted: rows } });
  expect(await call('/api/v1/projects/rooms/readings/span')).toMatchObject({ body: { count: rows } });
});
