// Bundles over HTTP: whole, resumed, and refused to strangers.
import { randomBytes } from 'node:crypto';
import { sha256 } from '@sanderling/kit';
import { authorise } from '@sanderling/wire';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { FailedAttempts } from '../../access/index.ts';
import { DeviceSimulator } from '../../device-simulator.suite.ts';
import { openTestHub, smallProject, type TestHub } from '../../running-hub.suite.ts';
import { agentRoutes } from './agent-routes.ts';
import { wantedRange } from './byte-range.ts';
import { createRouter } from './router.ts';
import { listen, type HttpServer } from './server.ts';

const bytes = randomBytes(900_001);
const digest = sha256(bytes);
const foreign = sha256('foreign');
let hub: TestHub;
let server: HttpServer;
let device: DeviceSimulator;

beforeAll(async () => {
  hub = await openTestHub();
  await hub.call('/api/v1/projects/rooms', { method: 'PUT', body: smallProject('rooms') });
  const { body } = await hub.call('/api/v1/projects/rooms/tokens', { body: {} });
  const { fleet, clock } = hub.hub.capabilities;
  const app = createRouter();
  const releases = {
    get: async (wanted: string) => ({ project: wanted === digest ? 'rooms' : 'halls' }),
    bundle: async () => ({
      size: bytes.length,
      read: async (start: number, end: number) => bytes.subarray(start, end),
    }),
  };
  app.route(
    '/',
    agentRoutes({ fleet, releases, attempts: new FailedAttempts(clock), stopping: new AbortController().signal }),
  );
  server = await listen(app, { host: '127.0.0.1', port: 0 });
  device = new DeviceSimulator(server.url);
  await device.enrol(body['token'] as string);
});
afterAll(async () => {
  await server.close(100);
  await hub[Symbol.asyncDispose]();
});

function ask(wanted: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
  const path = `/agent/v1/releases/${wanted}`;
  const options = { privateKey: device.key.privateKey, time: Date.now() };
  const authorization = authorise({ method: 'GET', path, body: undefined }, device.id, options);
  return device.fetch({ method: 'GET', path, body: undefined, authorization }, undefined, headers);
}

test('whole, with length and address', async () => {
  const response = await ask(digest);
  expect(response.status).toBe(200);
  expect(response.headers.get('content-length')).toBe(String(bytes.length));
  expect(response.headers.get('etag')).toBe(`"${digest}"`);
  expect(sha256(new Uint8Array(await response.arrayBuffer()))).toBe(digest);
});

test('from a byte on, and whole again when the file is another', async () => {
  const rest = await ask(digest, { range: 'bytes=600000-', 'if-range': `"${digest}"` });
  expect(rest.status).toBe(206);
  expect(rest.headers.get('content-range')).toBe(`bytes 600000-900000/900001`);
  expect(Buffer.from(await rest.arrayBuffer()).equals(bytes.subarray(600_000))).toBe(true);
  const other = await ask(digest, { range: 'bytes=600000-', 'if-range': '"older"' });
  expect(other.status).toBe(200);
  await other.body?.cancel();
  const beyond = await ask(digest, { range: 'bytes=900001-' });
  expect(beyond.status).toBe(416);
  expect(beyond.headers.get('content-range')).toBe('bytes */900001');
});

test('not for another project’s device, nor without a signature', async () => {
  expect((await ask(foreign)).status).toBe(404);
  expect((await fetch(`${server.url}/agent/v1/releases/${digest}`)).status).toBe(401);
});

test.each([
  ['bytes=0-0', { start: 0, end: 1 }],
  ['bytes=5-', { start: 5, end: 10 }],
  ['bytes=-3', { start: 7, end: 10 }],
  ['bytes=-30', { start: 0, end: 10 }],
  ['bytes=2-100', { start: 2, end: 10 }],
  ['bytes=10-', 'unsatisfiable'],
  ['bytes=-0', 'unsatisfiable'],
  ['bytes=-', undefined],
  ['bytes=3-2', undefined],
  ['bytes=1-2,4-5', undefined],
  ['items=1-2', undefined],
  ['bytes=99999999999999999999-', undefined],
])('%s of ten bytes', (range, expected) => {
  expect(wantedRange({ range, ifRange: undefined }, { size: 10, etag: '"x"' })).toEqual(expected);
});
