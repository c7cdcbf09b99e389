// Devices at a real hub: enrolment, signed requests, exactly-once delivery, desired states, statuses, bundles.
import { systemClock, type Clock } from '@sanderling/kit';
import { desiredPayload, verify, type EnrolmentTokenInfo, type OutboxEntry } from '@sanderling/wire';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DeviceSimulator, readingEntries } from '../device-simulator.suite.ts';
import { tables } from '../store/index.ts';
import { openTestHub, smallProject, type TestHub } from '../running-hub.suite.ts';

let hub: TestHub;
let offsetMs = 0;
const clock: Clock = { now: () => Date.now() + offsetMs, sleep: (ms, signal) => systemClock.sleep(ms, signal) };

beforeAll(async () => {
  hub = await openTestHub({ clock, settings: { limits: { waitingDevices: 3, failedAttempts: 1000 } } });
  await hub.call('/api/v1/projects/rooms', { method: 'PUT', body: smallProject('rooms') });
  await hub.call('/api/v1/projects/halls', { method: 'PUT', body: smallProject('halls') });
});
afterAll(async () => hub[Symbol.asyncDispose]());

async function token(body: Record<string, unknown> = {}, project = 'rooms'): Promise<string> {
  const answer = await hub.call(`/api/v1/projects/${project}/tokens`, { body });
  expect(answer.status).toBe(201);
  return (answer.body as unknown as EnrolmentTokenInfo).token!;
}

async function device(name = 'sensor'): Promise<DeviceSimulator> {
  const simulator = new DeviceSimulator(hub.hub.url);
  await simulator.enrol(await token(), name);
  return simulator;
}

const inProject = async (path: string) => (await hub.call(path)).body['items'] as Record<string, unknown>[];
const stored = async (source: string) =>
  (await inProject('/api/v1/projects/rooms/readings?limit=10000')).filter((row) => row['source'] === source);

describe('enrolment', () => {
  test('a token makes one device; the same key again is the same device, another key is refused', async () => {
    const first = new DeviceSimulator(hub.hub.url);
    const text = await token();
    const answer = await first.enrol(text, 'kitchen');
    expect(await first.enrol(text, 'kitchen')).toEqual(answer);
    const other = new DeviceSimulator(hub.hub.url);
    await expect(other.enrol(text)).rejects.toMatchObject({ code: 'TOKEN_USED' });
    expect(await first.enrol(await token(), 'elsewhere')).toEqual(answer);
    expect((await other.enrol(await token(), 'kitchen')).name).toBe('kitchen-2');
    await expect(first.enrol(await token({}, 'halls'))).rejects.toMatchObject({ code: 'CONFLICT' });
  });

  test('expired and garbage tokens', async () => {
    const simulator = new DeviceSimulator(hub.hub.url);
    const text = await token({ expiresIn: '10m' });
    offsetMs += 11 * 60_000;
    await expect(simulator.enrol(text)).rejects.toMatchObject({ code: 'TOKEN_EXPIRED' });
    offsetMs = 0;
    const forged = text.replace(/_[0-9a-f]{64}_/, `_${'0'.repeat(64)}_`);
    for (const bad of [forged, 'sdl_', '', `${text}x`, text.slice(0, -1), 'ü'.repeat(100)])
      await expect(simulator.enrol(bad)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    expect((await hub.call('/api/v1/projects/rooms/tokens', { body: { expiresIn: '31d' } })).code).toBe(
      'INVALID_ARGUMENT',
    );
    expect((await hub.call('/api/v1/projects/rooms/tokens', { body: { expiresIn: 'soon' } })).code).toBe(
      'INVALID_ARGUMENT',
    );
    expect((await hub.call('/api/v1/projects/none/tokens', { body: {} })).code).toBe('NOT_FOUND');
  });

  test('the token’s text is kept nowhere', async () => {
    const text = await token();
    const listed = JSON.stringify(await inProject('/api/v1/projects/rooms/tokens'));
    expect(listed).not.toContain(text.split('_')[2]);
    expect(listed).toContain(text.split('_')[1]);
  });

  test('at the same moment, one token makes one device', async () => {
    const text = await token();
    const racing = Array.from({ length: 5 }, () => new DeviceSimulator(hub.hub.url).enrol(text, 'racer'));
    const outcomes = await Promise.allSettled(racing);
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });
});

describe('signed requests', () => {
  test('tampered, foreign, skewed and replayed requests are refused, with the hub’s time in the answer', async () => {
    const [simulator, other] = [await device(), await device()];
    await simulator.status();
    const sent = simulator.sent!;
    await expect(simulator.send(sent)).rejects.toMatchObject({ details: { reason: 'replay' } });
    const tampered = { ...sent, body: sent.body!.replace('"1"', '"2"') };
    await expect(simulator.send(tampered)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    await expect(simulator.send({ ...sent, path: '/agent/v1/deliver' })).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
    });
    const foreign = { ...sent, authorization: sent.authorization.replace(simulator.id, other.id) };
    await expect(simulator.send(foreign)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    for (const authorization of ['', 'Bearer x', 'Sanderling-Device a:b:c', hub.admin])
      await expect(simulator.send({ ...sent, authorization })).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    simulator.skewMs = -10 * 60_000;
    await expect(simulator.desired()).rejects.toMatchObject({ details: { reason: 'clock-skew' } });
    const answer = await simulator.fetch(simulator.sent!);
    expect(Math.abs(Number(answer.headers.get('sanderling-time')) - Date.now())).toBeLessThan(60_000);
  });

  test('a status that was sent before a restart is refused after it, and forgotten when it is too old to be believed', async () => {
    await using other = await openTestHub({ clock });
    await other.call('/api/v1/projects/rooms', { method: 'PUT', body: smallProject('rooms') });
    const answer = await other.call('/api/v1/projects/rooms/tokens', { body: {} });
    const simulator = new DeviceSimulator(other.hub.url);
    await simulator.enrol((answer.body as unknown as EnrolmentTokenInfo).token!);
    await simulator.status();
    const sent = simulator.sent!;
    await other.restart();
    simulator.url = other.hub.url;
    await expect(simulator.send(sent)).rejects.toMatchObject({ details: { reason: 'replay' } });
    const seen = () =>
      tables<{ seen_request: { signature: string } }>(other.hub.capabilities.database)
        .selectFrom('seen_request')
        .selectAll()
        .execute();
    expect(await seen()).toHaveLength(1);
    offsetMs = 60 * 60_000;
    simulator.skewMs = offsetMs;
    await simulator.status();
    expect(await seen()).toHaveLength(1);
    offsetMs = 0;
  });

  test('a replayed delivery stores nothing again', async () => {
    const simulator = await device();
    expect(await simulator.deliver('box', readingEntries(1, 20))).toEqual({ acked: 20 });
    expect(await simulator.send(simulator.sent!)).toEqual({ acked: 20 });
    expect(await stored(simulator.id)).toHaveLength(20);
  });

  test('a removed device is a stranger', async () => {
    const simulator = await device();
    expect((await hub.call(`/api/v1/devices/${simulator.id}`, { method: 'DELETE' })).status).toBe(204);
    await expect(simulator.desired()).rejects.toMatchObject({ details: { reason: 'unknown-device' } });
    expect((await hub.call(`/api/v1/devices/${simulator.id}`)).code).toBe('NOT_FOUND');
  });
});

describe('deliveries', () => {
  test('overlapping batches, lost numbers and a new outbox store every entry once', async () => {
    const simulator = await device();
    expect(await simulator.deliver('one', readingEntries(1, 10))).toEqual({ acked: 10 });
    expect(await simulator.deliver('one', readingEntries(5, 10))).toEqual({ acked: 14 });
    expect(await simulator.deliver('one', readingEntries(1, 3))).toEqual({ acked: 14 });
    expect(await simulator.deliver('one', readingEntries(20, 2))).toEqual({ acked: 21 });
    expect(await simulator.deliver('two', readingEntries(1, 4))).toEqual({ acked: 4 });
    expect(await simulator.deliver('one', [])).toEqual({ acked: 21 });
    expect(await stored(simulator.id)).toHaveLength(14 + 2 + 4);
  });

  test('reports and events arrive; what looks like the hub’s own events does not pass for one', async () => {
    const simulator = await device('reporter');
    const report: OutboxEntry = {
      kind: 'report',
      time: 1_735_689_600_000,
      release: 'a'.repeat(64),
      predictions: 5,
      rollingError: 0.25,
      driftScore: 0.75,
      latencyMs: { p50: 0.3, p99: 0.9 },
      forecast: [{ time: 1_735_689_660_000, value: 20 }],
      health: { residentMb: 80, uptimeSeconds: 5, outboxEntries: 3, outboxDropped: 0, diskFreeMb: null },
    };
    const event = (type: string, data: Record<string, unknown>): OutboxEntry => ({
      kind: 'event',
      time: 5,
      type,
      data,
    });
    const huge = { text: 'x'.repeat(100_000) };
    const entries = [
      report,
      event('drift.alarm', { score: 0.75 }),
      event('project.saved', { evil: true }),
      event('agent.note', huge),
    ].map((entry, i) => ({ seq: i + 1, entry }));
    expect(await simulator.deliver('box', entries)).toEqual({ acked: 4 });
    const nested = `{"outbox":"box","entries":[{"seq":5,"entry":{"kind":"event","time":5,"type":"agent.deep","data":${'{"x":'.repeat(20_000)}{}${'}'.repeat(20_000)}}}]}`;
    expect(await simulator.signed('POST', '/deliver', nested)).toEqual({ acked: 5 });
    const events = await inProject(`/api/v1/events?limit=1000&project=rooms`);
    const own = events.filter((item) => item['subject'] === simulator.id).map((item) => [item['type'], item['data']]);
    expect(own).toEqual([
      ['device.enrolled', expect.anything()],
      ['drift.alarm', { score: 0.75, deviceTime: 5 }],
      ['device.event', { evil: true, deviceTime: 5, type: 'project.saved' }],
      ['agent.note', { truncated: true, deviceTime: 5 }],
      ['agent.deep', { truncated: true, deviceTime: 5 }],
    ]);
    const { body } = await hub.call(`/api/v1/devices/${simulator.id}`);
    expect(body).toMatchObject({ online: true, report: { driftScore: 0.75, health: { residentMb: 80 } } });
    const points = await inProject(`/api/v1/projects/rooms/monitoring?device=${simulator.id}`);
    expect(points).toMatchObject([
      { rollingError: 0.25, driftScore: 0.75, latencyP99Ms: 0.9, health: { residentMb: 80 } },
    ]);
    const { text } = await hub.call('/metrics');
    expect(text).toContain('sanderling_device_drift_score{project="rooms",device="reporter"} 0.75');
    expect(text).toMatch(/^process_resident_memory_bytes \d+$/m);
  });

  test.each([
    ['numbers that do not ascend', { outbox: 'b', entries: [...readingEntries(2, 1), ...readingEntries(1, 1)] }],
    ['too many entries', { outbox: 'b', entries: readingEntries(1, 2001) }],
    ['an unknown kind', { outbox: 'b', entries: [{ seq: 1, entry: { kind: 'wish' } }] }],
    [
      'a fraction of a millisecond',
      { outbox: 'b', entries: [{ seq: 1, entry: { kind: 'reading', time: 1.5, value: 1 } }] },
    ],
    ['no outbox', { entries: [] }],
    ['an array', []],
  ])('%s is refused', async (_, body) => {
    const simulator = await device();
    await expect(simulator.signed('POST', '/deliver', JSON.stringify(body))).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    await expect(simulator.signed('POST', '/deliver', '{')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(await stored(simulator.id)).toHaveLength(0);
  });
});

test('a full disk is told, stores nothing of the batch, and is over when there is room again', async () => {
  const simulator = await device();
  const { database } = hub.hub.capabilities;
  const pages = async (limit: number) => sql`pragma max_page_count = ${sql.lit(limit)}`.execute(tables(database));
  await pages(1);
  let acked = 0;
  const filling = async (): Promise<void> => {
    for (;;) acked = (await simulator.deliver('box', readingEntries(acked + 1, 1000))).acked;
  };
  await expect(filling()).rejects.toMatchObject({ code: 'DISK_FULL' });
  expect((await simulator.fetch(simulator.sent!)).status).toBe(507);
  await pages(1_000_000);
  expect(await simulator.deliver('box', readingEntries(acked + 1, 10))).toEqual({ acked: acked + 10 });
  expect((await stored(simulator.id)).length).toBe(acked + 10);
});

describe('desired states', () => {
  test('are signed for the device, and news arrive at once', async () => {
    const simulator = await device();
    const first = await simulator.desired();
    expect(first).toMatchObject({ counter: 0, release: null });
    const digest = 'b'.repeat(64);
    const waiting = simulator.desired(0, 60);
    await hub.hub.capabilities.fleet.offer(simulator.id, digest);
    const news = await waiting;
    expect(news).toMatchObject({ counter: 1, release: digest });
    const signature = Buffer.from(news.signature, 'base64url');
    expect(verify(simulator.hubPublicKey, desiredPayload(simulator.id, news), signature)).toBe(true);
    expect(verify(simulator.hubPublicKey, desiredPayload('dev_other', news), signature)).toBe(false);
  });

  test('an offer in a transaction that fails changes nothing', async () => {
    const simulator = await device();
    const { database, fleet } = hub.hub.capabilities;
    const failing = tables<object>(database)
      .transaction()
      .execute(async (tx) => {
        await fleet.offer(simulator.id, 'c'.repeat(64), tx);
        throw new Error('no');
      });
    await expect(failing).rejects.toThrow('no');
    expect(await simulator.desired()).toMatchObject({ counter: 0, release: null });
  });

  test('a wait ends in time, when the device asks again, and when it goes away; too many wait in vain', async () => {
    const devices = [await device(), await device(), await device(), await device()];
    expect(await devices[0]!.desired(0, 0.05)).toMatchObject({ counter: 0 });
    const gone = new AbortController();
    const left = devices[0]!.desired(0, 60, gone.signal).catch(() => 'gone');
    const replaced = devices[1]!.desired(0, 60);
    const newer = devices[1]!.desired(0, 60);
    expect(await replaced).toMatchObject({ counter: 0 });
    const third = devices[2]!.desired(0, 60);
    await expect
      .poll(
        () =>
          devices[3]!.desired(0, 0.01).then(
            () => 'ok',
            (error: { code: string }) => error.code,
          ),
        { timeout: 30_000 },
      )
      .toBe('LIMIT_REACHED');
    gone.abort();
    expect(await left).toBe('gone');
    await expect
      .poll(
        () =>
          devices[3]!.desired(0, 0.01).then(
            () => 'ok',
            (error: { code: string }) => error.code,
          ),
        { timeout: 30_000 },
      )
      .toBe('ok');
    for (const { id } of devices.slice(1, 3)) await hub.hub.capabilities.fleet.offer(id, null);
    expect(await Promise.all([newer, third])).toMatchObject([{ counter: 1 }, { counter: 1 }]);
  });

  test('a hub that forgot its counter catches up with the device', async () => {
    const simulator = await device();
    expect(await simulator.desired(41)).toMatchObject({ counter: 42 });
    await expect(simulator.desired(Number.MAX_SAFE_INTEGER)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});

test('a status is an event when something but the progress changed', async () => {
  const simulator = await device();
  const update = { release: 'd'.repeat(64), stage: 'downloading', progress: 0.1, reason: null } as const;
  await simulator.status({ update });
  await simulator.status({ update: { ...update, progress: 0.9 } });
  await simulator.status({ update: { ...update, stage: 'active', progress: 1 }, active: 'd'.repeat(64) });
  const events = (await inProject('/api/v1/events?limit=1000&type=device.status')).filter(
    (item) => item['subject'] === simulator.id,
  );
  expect(events.map((item) => (item['data'] as { stage: string }).stage)).toEqual(['downloading', 'active']);
  expect(await hub.call(`/api/v1/devices/${simulator.id}`)).toMatchObject({
    body: { active: 'd'.repeat(64), update: { stage: 'active' } },
  });
});

test('devices are listed in pages, by project and by tags', async () => {
  const [a, b] = [await device('tag-a'), await device('tag-b')];
  await hub.call(`/api/v1/devices/${a.id}/tags`, { method: 'PUT', body: { floor: '1', side: 'west' } });
  await hub.call(`/api/v1/devices/${b.id}/tags`, { method: 'PUT', body: { floor: '1' } });
  const names = async (query: string) => (await inProject(`/api/v1/devices?${query}`)).map((item) => item['name']);
  expect(await names('tag=floor:1&tag=side:west')).toEqual(['tag-a']);
  expect(await names('tag=floor:1')).toEqual(['tag-a', 'tag-b']);
  expect(await names('tag=floor:1&limit=1')).toEqual(['tag-a']);
  expect(await names('project=halls')).toEqual([]);
  expect((await hub.call('/api/v1/devices?tag=floor')).code).toBe('INVALID_ARGUMENT');
  const first = await hub.call('/api/v1/devices?limit=2');
  const rest = await hub.call(`/api/v1/devices?limit=1000&cursor=${first.body['next'] as string}`);
  const all = await inProject('/api/v1/devices?limit=1000');
  expect([...(first.body['items'] as unknown[]), ...(rest.body['items'] as unknown[])].length).toBe(all.length);
});

test('a device is offline when it was silent for long', async () => {
  const simulator = await device();
  await simulator.desired();
  offsetMs += 10 * 60_000;
  expect(await hub.call(`/api/v1/devices/${simulator.id}`)).toMatchObject({ body: { online: false } });
  offsetMs = 0;
});
