// Settings from every source, in their order, and wrong ones told with their origin.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readSettings } from './index.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sanderling-settings-'));
});
afterEach(async () => rm(folder, { recursive: true }));

const write = (name: string, text: string) => writeFile(join(folder, name), text);

test('defaults listen on loopback', async () => {
  expect(await readSettings({ folder, env: {} })).toMatchObject({ host: '127.0.0.1', data: '.sanderling' });
});

test('the door for microcontrollers is closed until it has a port', async () => {
  expect((await readSettings({ folder, env: {} })).link).toEqual({
    host: '127.0.0.1',
    connections: 1000,
    helloSeconds: 30,
  });
  const env = { SANDERLING_LINK_PORT: '7412', SANDERLING_LINK_HOST: '0.0.0.0' };
  expect((await readSettings({ folder, env })).link).toMatchObject({ host: '0.0.0.0', port: 7412 });
  expect((await readSettings({ folder, env, flags: { 'link.port': '0' } })).link.port).toBe(0);
});

test('flags beat the environment beats .env beats the file', async () => {
  await write('sanderling-hub.json', '{"port":1,"host":"a","data":"file","limits":{"bodyMb":2,"uploadMb":3}}');
  await write('.env', 'SANDERLING_HOST=b\nSANDERLING_DATA="from env file"\nSANDERLING_PORT=2\nOTHER=1\n');
  const env = { SANDERLING_PORT: '3', SANDERLING_LIMITS_UPLOAD_MB: '7' };
  expect(await readSettings({ folder, env, flags: { port: '4' } })).toMatchObject({
    port: 4,
    host: 'b',
    data: 'from env file',
    limits: { bodyMb: 2, uploadMb: 7 },
  });
});

test('YAML is read like JSON; a malformed file is told with its path; other formats are refused', async () => {
  await write('sanderling-hub.yaml', 'port: 5\nlimits:\n  bodyMb: 3 # megabytes\n');
  expect(await readSettings({ folder, env: {} })).toMatchObject({ port: 5, limits: { bodyMb: 3 } });
  await write('sanderling-hub.yaml', 'port: [5');
  await expect(readSettings({ folder, env: {} })).rejects.toMatchObject({
    code: 'INVALID_CONFIG',
    where: join(folder, 'sanderling-hub.yaml'),
  });
  await write('hub.toml', 'port = 5');
  await expect(readSettings({ folder, env: {}, file: 'hub.toml' })).rejects.toMatchObject({ code: 'UNSUPPORTED' });
});

test.each([
  ['a wrong type in the environment', { env: { SANDERLING_PORT: 'many' } }, 'port (from SANDERLING_PORT)'],
  ['a value out of range', { env: {}, flags: { port: '70000' } }, 'port (from --port)'],
  ['a port of the link', { env: {}, flags: { 'link.port': '-1' } }, 'link.port (from --link-port)'],
  ['an unknown field', { env: {}, file: 'bad.json' }, 'limits.more (from '],
])('%s is told with its path and origin', async (_, sources, message) => {
  await write('bad.json', '{"limits":{"more":1}}');
  const reading = readSettings({ folder, ...sources });
  await expect(reading).rejects.toMatchObject({
    code: 'INVALID_CONFIG',
    message: expect.stringContaining(message) as string,
  });
});

test('a malformed and a missing settings file', async () => {
  await write('broken.json', '{');
  await expect(readSettings({ folder, env: {}, file: 'broken.json' })).rejects.toMatchObject({
    code: 'INVALID_CONFIG',
  });
  await expect(readSettings({ folder, env: {}, file: 'none.json' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await write('list.json', '[1]');
  await expect(readSettings({ folder, env: {}, file: 'list.json' })).rejects.toMatchObject({ code: 'INVALID_CONFIG' });
});
