// Events over HTTP: paged, and live as server-sent events that a client can take up again where it was cut off.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { HubClient } from '@sanderling/wire';
import { openTestHub, smallProject, type TestHub } from '../running-hub.suite.ts';

let hub: TestHub;

beforeAll(async () => {
  hub = await openTestHub({ settings: { limits: { eventStreams: 2 } } });
});
afterAll(async () => hub[Symbol.asyncDispose]());

async function happen(count: number, project = 'p'): Promise<void> {
  for (let i = 0; i < count; i++)
    await hub.hub.capabilities.events.append({ type: 'test.happened', project, data: { i } });
}

function open(query: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${hub.hub.url}/api/v1/events/stream?${query}`, {
    headers: { authorization: `Bearer ${hub.admin}`, ...headers },
  });
}

/** Reads until `count` events were seen, then goes away. */
async function take(response: Response, count: number): Promise<{ id: string; type: string; data: { i: number } }[]> {
  const seen: { id: string; type: string; data: { i: number } }[] = [];
  let text = '';
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const fields = new Map(
        text
          .slice(0, end)
          .split('\n')
          .map((line) => [line.slice(0, line.indexOf(': ')), line.slice(line.indexOf(': ') + 2)]),
      );
      text = text.slice(end + 2);
      const data = fields.get('data');
      if (data !== undefined) {
        const event = JSON.parse(data) as { data: { i: number } };
        seen.push({ id: fields.get('id')!, type: fields.get('event')!, data: event.data });
      }
    }
    if (seen.length >= count) break;
  }
  return seen;
}

test('the past, then what happens; Last-Event-ID takes up where it was cut off', async () => {
  await happen(3);
  const response = await open('type=test.happened&project=p');
  expect(response.headers.get('content-type')).toBe('text/event-stream');
  setTimeout(() => void happen(2), 50);
  const seen = await take(response, 5);
  expect(seen.map((event) => event.data.i)).toEqual([0, 1, 2, 0, 1]);
  const rest = await take(await open('type=test.happened', { 'last-event-id': seen[2]!.id }), 2);
  expect(rest.map((event) => event.id)).toEqual(seen.slice(3).map((event) => event.id));
});

test('the typed client follows and misses nothing', async () => {
  const stop = new AbortController();
  const client = new HubClient({ url: hub.hub.url, key: hub.admin });
  const seen: number[] = [];
  const following = (async () => {
    for await (const event of client.followEvents({ project: 'q' }, stop.signal)) {
      seen.push(event.data['i'] as number);
      if (seen.length === 10) stop.abort();
    }
  })();
  await happen(5, 'q');
  await expect.poll(() => seen.length, { timeout: 30_000 }).toBe(5);
  await happen(5, 'q');
  await following;
  expect(seen).toEqual([0, 1, 2, 3, 4, 0, 1, 2, 3, 4]);
});

test('pages', async () => {
  await happen(5, 'paged');
  const first = await hub.call('/api/v1/events?project=paged&limit=3');
  const second = await hub.call(`/api/v1/events?project=paged&limit=3&cursor=${first.body['next'] as string}`);
  const all = [
    ...(first.body['items'] as { data: { i: number } }[]),
    ...(second.body['items'] as { data: { i: number } }[]),
  ];
  expect(all.map((event) => event.data.i)).toEqual([0, 1, 2, 3, 4]);
  expect(second.body['next']).toBeUndefined();
});

test('streams are bounded, and end with their clients and with the hub', async () => {
  const gone = new AbortController();
  const auth = { authorization: `Bearer ${hub.admin}` };
  const path = `${hub.hub.url}/api/v1/events/stream`;
  await fetch(path, { headers: auth, signal: gone.signal });
  const staying = await open('');
  await expect
    .poll(async () => (await fetch(path, { headers: auth, signal: AbortSignal.timeout(2000) })).status, {
      timeout: 30_000,
    })
    .toBe(429);
  gone.abort();
  const freed = async (): Promise<number> => {
    const response = await open('');
    await response.body?.cancel();
    return response.status;
  };
  await expect.poll(freed, { timeout: 30_000 }).toBe(200);
  for (let i = 0; i < 4; i++) expect((await fetch(path, { method: 'HEAD', headers: auth })).status).toBe(200);
  expect(await freed()).toBe(200);
  await hub.restart();
  await staying.text();
  await hub.call('/api/v1/projects/p', { method: 'PUT', body: smallProject('p') });
  expect((await take(await open('type=project.saved'), 1)).map((event) => event.type)).toEqual(['project.saved']);
});
