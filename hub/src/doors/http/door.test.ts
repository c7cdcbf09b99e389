// The HTTP door of a real hub on a free port: who gets in, and what bad requests are answered with.
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startHub, type Hub } from '../../index.ts';

let folder: string;
let hub: Hub;
let admin: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hub-door-'));
  hub = await startHub({ settings: { data: folder, port: 0 } });
  admin = (await readFile(hub.adminKeyPath, 'utf8')).trim();
});

afterAll(async () => {
  await hub.stop();
  await rm(folder, { recursive: true });
});

async function call(path: string, init: RequestInit & { readonly key?: string } = {}) {
  const headers = new Headers(init.headers);
  if (init.key !== undefined) headers.set('authorization', `Bearer ${init.key}`);
  if (init.body !== undefined && !headers.has('content-type')) headers.set('content-type', 'application/json');
  const response = await fetch(`${hub.url}${path}`, { ...init, headers });
  const body = (await response.json()) as { error?: { code: string; where?: string } } & Record<string, unknown>;
  return { status: response.status, body, code: body.error?.code, headers: response.headers };
}

test('health is open, the API is not', async () => {
  expect(await call('/health')).toMatchObject({ status: 200, body: { status: 'ok' } });
  expect(await call('/api/v1/keys')).toMatchObject({ status: 401, code: 'UNAUTHENTICATED' });
  expect(await call('/api/v1/nothing')).toMatchObject({ status: 401 });
  expect(await call('/nothing')).toMatchObject({ status: 404, code: 'NOT_FOUND' });
});

test('the first admin key lies in a file that only its owner can read, and works', async () => {
  expect((await stat(hub.adminKeyPath)).mode & 0o777).toBe(0o600);
  const { status, body } = await call('/api/v1/keys', { key: admin });
  expect(status).toBe(200);
  expect(body['items']).toMatchObject([{ name: 'bootstrap', scope: 'admin' }]);
  expect(JSON.stringify(body)).not.toContain(admin.split('_')[2]);
});

test('scopes hold, revoked keys are dead at once, the last admin key stays', async () => {
  const body = JSON.stringify({ name: 'reader', scope: 'read' });
  const made = await call('/api/v1/keys', { method: 'POST', key: admin, body });
  expect(made.status).toBe(201);
  const reader = made.body['key'] as string;
  expect(await call('/api/v1/keys', { key: reader })).toMatchObject({ status: 403, code: 'FORBIDDEN' });
  const id = made.body['id'] as string;
  expect(await call(`/api/v1/keys/${id}`, { method: 'DELETE', key: admin })).toMatchObject({ status: 200 });
  expect(await call('/api/v1/keys', { key: reader })).toMatchObject({ status: 401, code: 'UNAUTHENTICATED' });
  const adminId = `key_${admin.split('_')[1]}`;
  expect(await call(`/api/v1/keys/${adminId}`, { method: 'DELETE', key: admin })).toMatchObject({ code: 'CONFLICT' });
});

describe('bad requests are coded errors', () => {
  const post = (body: string, headers: Record<string, string> = {}) =>
    call('/api/v1/keys', { method: 'POST', key: admin, body, headers });

  test.each([
    ['not JSON', '{', 'INVALID_ARGUMENT'],
    ['an unknown field', '{"name":"x","scope":"read","more":1}', 'INVALID_ARGUMENT'],
    ['an unknown scope', '{"name":"x","scope":"root"}', 'INVALID_ARGUMENT'],
    ['too large', `{"name":"${'x'.repeat(2 << 20)}","scope":"read"}`, 'TOO_LARGE'],
    ['deeply nested', '['.repeat(200_000), 'INVALID_ARGUMENT'],
  ])('%s', async (_, body, code) => {
    const answer = await post(body);
    expect(answer).toMatchObject({ code });
    expect(answer.status).toBeLessThan(500);
  });

  test('the path of the wrong field is told', async () => {
    expect(await post('{"name":"x","scope":"root"}')).toMatchObject({ body: { error: { where: 'body.scope' } } });
  });

  test('another media type', async () => {
    expect(await post('a,b', { 'content-type': 'text/csv' })).toMatchObject({ code: 'UNSUPPORTED' });
  });

  test('a body without a stated length is limited too', async () => {
    const stream = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new Uint8Array(65_536).fill(32)),
    });
    const sent = call('/api/v1/keys', { method: 'POST', key: admin, body: stream, duplex: 'half' });
    expect(await sent).toMatchObject({ status: 413, code: 'TOO_LARGE' });
  });

  test('headers that are too large, and bytes that are no HTTP', async () => {
    expect(await raw(`GET /health HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(40_000)}\r\n\r\n`)).toMatch(
      /^HTTP\/1.1 431 .*TOO_LARGE/s,
    );
    expect(await raw('\u0016\u0003\u0001 nonsense\r\n\r\n')).toMatch(/^HTTP\/1.1 400 .*INVALID_ARGUMENT/s);
    expect(await raw('GET /health HTTP/1.1\r\nhost: a b\r\nconnection: close\r\n\r\n')).toMatch(/^HTTP\/1.1 400 /);
  });
});

test('after many failures an address has to wait, while right keys still work', async () => {
  const codes = new Set<string | undefined>();
  for (let i = 0; i < 30; i++)
    codes.add((await call('/api/v1/keys', { key: `sdk_${'0'.repeat(26)}_${'a'.repeat(64)}` })).code);
  expect(codes).toEqual(new Set(['UNAUTHENTICATED', 'LIMIT_REACHED']));
  expect(await call('/api/v1/keys', { key: admin })).toMatchObject({ status: 200 });
});

test('a second hub on the same data folder is refused', async () => {
  await expect(startHub({ settings: { data: folder, port: 0 } })).rejects.toMatchObject({ code: 'CONFLICT' });
});

function raw(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(hub.port, '127.0.0.1', () => socket.write(text, 'latin1'));
    let answer = '';
    socket.on('data', (chunk) => (answer += chunk.toString()));
    socket.on('end', () => resolve(answer));
    socket.on('error', reject);
  });
}
