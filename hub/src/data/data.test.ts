// Readings in and out of a real hub: every format, hostile files, exactly-once imports, exact dataset versions.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tables } from '../store/index.ts';
import { openTestHub, smallProject, type TestHub } from '../running-hub.suite.ts';

let hub: TestHub;
let projects = 0;

beforeAll(async () => {
  hub = await openTestHub({ settings: { limits: { uploadMb: 2 } } });
});
afterAll(async () => hub[Symbol.asyncDispose]());

async function newProject(data: Readonly<Record<string, unknown>> = {}): Promise<string> {
  const name = `room-${++projects}`;
  expect(await hub.call(`/api/v1/projects/${name}`, { method: 'PUT', body: smallProject(name, data) })).toMatchObject({
    status: 200,
  });
  return name;
}

const start = Date.UTC(2025, 0, 1);
const minute = 60_000;
const series = (rows: number, from = 0) =>
  Array.from({ length: rows }, (_, i) => ({
    time: start + (from + i) * minute,
    value: 20 + Math.sin((from + i) / 50),
  }));
const csv = (rows: readonly { time: number; value: number }[]) =>
  `time,value\n${rows.map(({ time, value }) => `${new Date(time).toISOString()},${value}`).join('\n')}\n`;
const readings = async (project: string, query = '') =>
  (await hub.call(`/api/v1/projects/${project}/readings?limit=10000${query}`)).body['items'] as {
    time: number;
    value: number;
  }[];
const send = (project: string, body: string | Uint8Array, type: string, headers: Record<string, string> = {}) =>
  hub.call(`/api/v1/projects/${project}/readings`, { body, type, headers });
const pairs = (rows: readonly { time: number; value: number }[]) => rows.map(({ time, value }) => ({ time, value }));

test.each([
  ['text/csv', csv(series(300))],
  [
    'application/x-ndjson',
    series(300)
      .map((row) => JSON.stringify(row))
      .join('\n'),
  ],
  ['application/json', JSON.stringify(series(300))],
])('%s comes back exactly, in pages, by range, newest and as CSV', async (type, body) => {
  const project = await newProject();
  expect(await send(project, body, type)).toMatchObject({ status: 200, body: { accepted: 300, skipped: 0 } });
  expect(pairs(await readings(project))).toEqual(series(300));
  expect(pairs(await readings(project, '&newest=5'))).toEqual(series(300).slice(-5));
  const range = `&from=${start + 10 * minute}&to=${new Date(start + 20 * minute).toISOString()}`;
  expect(pairs(await readings(project, range))).toEqual(series(300).slice(10, 20));
  const pages: { time: number; value: number }[] = [];
  let cursor = '';
  do {
    const { body: page } = await hub.call(`/api/v1/projects/${project}/readings?limit=70${cursor}`);
    pages.push(...(page['items'] as { time: number; value: number }[]));
    cursor = page['next'] === undefined ? '' : `&cursor=${page['next'] as string}`;
  } while (cursor !== '');
  expect(pairs(pages)).toEqual(series(300));
  expect((await hub.call(`/api/v1/projects/${project}/readings.csv`)).text).toBe(csv(series(300)));
});

test('the same Idempotency-Key stores once and answers the same', async () => {
  const project = await newProject();
  const headers = { 'idempotency-key': 'first-load' };
  const first = await send(project, csv(series(50)), 'text/csv', headers);
  const again = await send(project, csv(series(60)), 'text/csv', headers);
  expect(again.body).toEqual(first.body);
  expect(await readings(project)).toHaveLength(50);
});

test('the same key at the same time stores once', async () => {
  const project = await newProject();
  const headers = { 'idempotency-key': 'race' };
  const answers = await Promise.all(
    Array.from({ length: 4 }, () => send(project, csv(series(500)), 'text/csv', headers)),
  );
  for (const { code } of answers) expect([undefined, 'CONFLICT']).toContain(code);
  expect(answers.some(({ code }) => code === undefined)).toBe(true);
  expect(await readings(project)).toHaveLength(500);
});

test('a failed import may be sent again with the same key', async () => {
  const project = await newProject();
  const headers = { 'idempotency-key': 'retry' };
  expect((await send(project, 'nothing', 'text/csv', headers)).status).toBe(422);
  expect(await send(project, csv(series(5)), 'text/csv', headers)).toMatchObject({ body: { accepted: 5 } });
});

describe('hostile imports are coded errors and store nothing', () => {
  const bomb = '['.repeat(100_000) + ']'.repeat(100_000);
  const shuffledHeader = 'time,value,value\n2025-01-01T00:00:00Z,1,2\n2025-01-01T00:01:00Z,1,2\n';
  test.each<[string, string, string | Uint8Array, string]>([
    ['an empty CSV', 'text/csv', '', 'TOO_LITTLE_DATA'],
    ['one line', 'text/csv', 'time,value\n', 'TOO_LITTLE_DATA'],
    ['binary', 'text/csv', Uint8Array.from({ length: 5000 }, (_, i) => (i * 37) % 256), 'INVALID_DATA'],
    ['a wrong delimiter', 'text/csv', csv(series(50)).replaceAll(',', '~'), 'INVALID_DATA'],
    ['a duplicate header', 'text/csv', shuffledHeader, 'INVALID_DATA'],
    ['no numbers', 'text/csv', csv(series(50)).replaceAll(/,\S+/g, ',warm'), 'INVALID_DATA'],
    ['a JSON bomb', 'application/json', bomb, 'INVALID_DATA'],
    ['an object', 'application/json', '{"time":1}', 'INVALID_ARGUMENT'],
    ['a number beyond all', 'application/json', '[{"time":1e400,"value":1}]', 'INVALID_DATA'],
    ['a value beyond all', 'application/json', '[{"time":1,"value":1e999}]', 'INVALID_DATA'],
    ['a time of half a millisecond', 'application/json', '[{"time":1.5,"value":1}]', 'INVALID_DATA'],
    ['another field', 'application/json', '[{"time":1,"value":1,"__proto__":1}]', 'INVALID_DATA'],
    ['a bad line at the end', 'application/x-ndjson', '{"time":1,"value":1}\n{"time":2}', 'INVALID_DATA'],
    ['a line without end', 'application/x-ndjson', `{"time":1,"value":1}\n${'x'.repeat(200_000)}`, 'INVALID_DATA'],
    ['broken UTF-8', 'application/x-ndjson', Uint8Array.of(0x7b, 0xff, 0xfe), 'INVALID_DATA'],
    ['a picture', 'image/png', 'x', 'UNSUPPORTED'],
    ['JSON above its limit', 'application/json', `[${' '.repeat(2 << 20)}]`, 'TOO_LARGE'],
  ])('%s', async (_, type, body, code) => {
    const project = await newProject();
    const answer = await send(project, body, type);
    expect(answer).toMatchObject({ code });
    expect(answer.status).toBeLessThan(500);
    expect(await hub.call(`/api/v1/projects/${project}/readings/span`)).toMatchObject({ body: { count: 0 } });
  });

  test('NaN, infinities, the future and odd lines are skipped and counted', async () => {
    const project = await newProject();
    const odd = `${csv(series(100))}2025-02-01T00:00:00Z,NaN\n2025-02-01T00:01:00Z,Infinity\n2199-01-01T00:00:00Z,3\n2025-02-01T00:02:00Z,\n`;
    const answer = await send(project, odd, 'text/csv');
    expect(answer.body).toMatchObject({ accepted: 100, skipped: 4 });
    const reasons = (answer.body['reasons'] as { reason: string }[]).map(({ reason }) => reason);
    expect(reasons.toSorted()).toEqual(['future-dated', 'infinite-value', 'missing-value']);
    expect(pairs(await readings(project))).toEqual(series(100));
  });

  test('shuffled readings come back in the order of time', async () => {
    const project = await newProject();
    const rows = series(200);
    const shuffled = rows.map((row, i) => rows[(i * 73) % 200] ?? row);
    await send(project, csv(shuffled), 'text/csv');
    expect(pairs(await readings(project))).toEqual(rows);
  });

  test('unknown projects, and names that are none', async () => {
    expect(await send('nowhere', csv(series(5)), 'text/csv')).toMatchObject({ code: 'NOT_FOUND' });
    expect(await send('%F0%9F%90%A6', csv(series(5)), 'text/csv')).toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(await send("x'%20or%201=1", csv(series(5)), 'text/csv')).toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});

describe('large imports', () => {
  test('are merged with what was there, and vanish whole when they fail at the end', async () => {
    const project = await newProject();
    await send(project, csv(series(300, 100)), 'text/csv');
    const big = series(9000, 1000);
    expect(await send(project, csv(big), 'text/csv')).toMatchObject({ body: { accepted: 9000 } });
    await send(project, csv(series(5000, 50)), 'text/csv');
    const merged = [...series(300, 100), ...big, ...series(5000, 50)].toSorted((a, b) => a.time - b.time);
    const seen: { time: number; value: number }[] = [];
    let cursor = '';
    do {
      const { body } = await hub.call(`/api/v1/projects/${project}/readings?limit=4999${cursor}`);
      seen.push(...(body['items'] as { time: number; value: number }[]));
      cursor = body['next'] === undefined ? '' : `&cursor=${body['next'] as string}`;
    } while (cursor !== '');
    expect(pairs(seen)).toEqual(merged);

    const broken = big.map((row) => JSON.stringify(row)).join('\n');
    expect(await send(project, `${broken}\n{}`, 'application/x-ndjson')).toMatchObject({ code: 'INVALID_DATA' });
    expect(await hub.call(`/api/v1/projects/${project}/readings/span`)).toMatchObject({
      body: { count: merged.length },
    });
  });

  test('are refused behind the limit, stated or not, and leave nothing', async () => {
    const project = await newProject();
    const text = csv(series(60_000));
    expect(text.length).toBeGreaterThan(2 << 20);
    expect(await send(project, text, 'text/csv')).toMatchObject({ status: 413, code: 'TOO_LARGE' });
    let at = 0;
    const body = new ReadableStream({
      pull(controller) {
        controller.enqueue(Buffer.from(text.slice(at, (at += 50_000))));
        if (at >= text.length) controller.close();
      },
    });
    const answer = await hub.call(`/api/v1/projects/${project}/readings`, { body, type: 'text/csv' });
    expect(answer).toMatchObject({ status: 413, code: 'TOO_LARGE' });
    expect(await hub.call(`/api/v1/projects/${project}/readings/span`)).toMatchObject({ body: { count: 0 } });
    const { database } = hub.hub.capabilities;
    const left = () =>
      tables<{ data_part: { state: string } }>(database)
        .selectFrom('data_part')
        .select('state')
        .where('state', '!=', 'visible')
        .execute();
    await expect.poll(left, { timeout: 30_000 }).toEqual([]);
  });

  test('a client that goes away in the middle leaves nothing', async () => {
    const project = await newProject();
    const gone = new AbortController();
    const text = csv(series(9000));
    const body = new ReadableStream({
      start: (controller) => controller.enqueue(Buffer.from(text)),
    });
    const sent = fetch(`${hub.hub.url}/api/v1/projects/${project}/readings`, {
      method: 'POST',
      body,
      duplex: 'half',
      signal: gone.signal,
      headers: { authorization: `Bearer ${hub.admin}`, 'content-type': 'text/csv', 'idempotency-key': 'gone' },
    });
    setTimeout(() => gone.abort(), 300);
    await expect(sent).rejects.toThrow('aborted');
    let again = await send(project, csv(series(5)), 'text/csv', { 'idempotency-key': 'gone' });
    while (again.code === 'CONFLICT')
      again = await send(project, csv(series(5)), 'text/csv', { 'idempotency-key': 'gone' });
    expect(again.body).toMatchObject({ accepted: 5 });
    expect(await readings(project)).toHaveLength(5);
  });
});

describe('datasets', () => {
  test('the same readings are the same version and read back exactly, also after a restart', async () => {
    const project = await newProject({ newest: 500, minimum: 50 });
    const awkward = [0.1 + 0.2, -0.0625, 1e-300, 123456789.12345679, 5e-324, 1.7976931348623157e308];
    const rows = series(800).map((row, i) => ({ ...row, value: awkward[i % awkward.length]! }));
    await send(project, JSON.stringify(rows), 'application/json');
    const made = await hub.call(`/api/v1/projects/${project}/datasets`, { method: 'POST' });
    expect(made).toMatchObject({ status: 201, body: { rows: 500, quality: { rows: 500 } } });
    const digest = made.body['digest'] as string;
    const again = await hub.call(`/api/v1/projects/${project}/datasets`, { method: 'POST' });
    expect(again.body['digest']).toBe(digest);
    await hub.restart();
    const { text } = await hub.call(`/api/v1/datasets/${digest}/rows.csv`);
    expect(text).toBe(csv(rows.slice(-500)));
    const { times, values } = await hub.hub.capabilities.data.columns(digest);
    expect([...values]).toEqual(rows.slice(-500).map((row) => row.value));
    expect([...times]).toEqual(rows.slice(-500).map((row) => row.time));
    await send(project, JSON.stringify([{ time: start + 9999 * minute, value: 1 }]), 'application/json');
    const newer = await hub.call(`/api/v1/projects/${project}/datasets`, { method: 'POST' });
    expect(newer.body['digest']).not.toBe(digest);
    const { body: list } = await hub.call(`/api/v1/projects/${project}/datasets`);
    expect((list['items'] as { digest: string }[]).map((item) => item.digest)).toEqual([newer.body['digest'], digest]);
  });

  test('large ones are judged beside the hub’s thread, and disorder shows in the report', async () => {
    const project = await newProject({ newest: 20_000, quantity: 'temperature', unit: '°C' });
    const rows = series(12_000);
    await send(project, csv([...rows.slice(6000), ...rows.slice(0, 6000)]), 'text/csv');
    const made = await hub.call(`/api/v1/projects/${project}/datasets`, { method: 'POST' });
    const { findings, rows: count } = made.body['quality'] as { findings: { code: string }[]; rows: number };
    expect(count).toBe(12_000);
    expect(findings.map((finding) => finding.code)).toContain('clock-step');
  });

  test('none without readings', async () => {
    const project = await newProject();
    expect(await hub.call(`/api/v1/projects/${project}/datasets`, { method: 'POST' })).toMatchObject({
      status: 422,
      code: 'TOO_LITTLE_DATA',
    });
    expect(await hub.call(`/api/v1/datasets/${'0'.repeat(64)}`)).toMatchObject({ code: 'NOT_FOUND' });
  });
});

test('a project’s wrong fields are told by their paths', async () => {
  const wrong = { ...smallProject('bad'), data: { newest: 1, step: 'soon' }, extra: 1 };
  const answer = await hub.call('/api/v1/projects/bad', { method: 'PUT', body: wrong });
  expect(answer).toMatchObject({ status: 400, code: 'INVALID_CONFIG' });
  for (const path of ['data.newest', 'data.step', 'extra']) expect(answer.body.error?.message).toContain(path);
  expect(await hub.call('/api/v1/projects/bad')).toMatchObject({ code: 'NOT_FOUND' });
  const other = await hub.call('/api/v1/projects/other', { method: 'PUT', body: smallProject('bad') });
  expect(other).toMatchObject({ code: 'INVALID_ARGUMENT' });
});
