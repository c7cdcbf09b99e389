// The API's description and page, and a fuzz of every route by it: whatever is sent, the answer is coded and never a failure of the hub.
import { authorise } from '@sanderling/wire';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DeviceSimulator } from '../../device-simulator.suite.ts';
import { openTestHub, smallProject, type TestHub } from '../../running-hub.suite.ts';

interface Schema {
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly additionalProperties?: Schema | boolean;
  readonly $ref?: string;
}

interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly tags: readonly string[];
  readonly security?: readonly Readonly<Record<string, unknown>>[];
  readonly 'x-scope'?: string;
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly schema: Schema }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
  readonly responses: Readonly<Record<string, unknown>>;
}

let hub: TestHub;
let device: DeviceSimulator;
let operations: { method: string; path: string; operation: Operation }[];
let schemas: Readonly<Record<string, Schema>>;
let tags: readonly { readonly name: string }[];

beforeAll(async () => {
  hub = await openTestHub();
  const { body } = await hub.call('/openapi.json', { key: null });
  const paths = body['paths'] as Record<string, Record<string, Operation>>;
  tags = body['tags'] as typeof tags;
  schemas = (body['components'] as { schemas: Record<string, Schema> }).schemas;
  operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method, path, operation })),
  );
  await hub.call('/api/v1/projects/fuzzed', { method: 'PUT', body: smallProject('fuzzed') });
  const { body: token } = await hub.call('/api/v1/projects/fuzzed/tokens', { body: {} });
  device = new DeviceSimulator(hub.hub.url);
  await device.enrol(token['token'] as string);
});
afterAll(async () => hub[Symbol.asyncDispose]());

test('every route says what it is, what it needs and how it fails', () => {
  expect(operations.length).toBeGreaterThan(30);
  const lacking = operations
    .filter(({ path }) => path !== '/health')
    .filter(({ operation }) => !operation.summary || operation.tags.length !== 1 || !('4XX' in operation.responses))
    .map(({ path }) => path);
  expect(lacking).toEqual([]);
  const unguarded = operations
    .filter(({ operation }) => operation['x-scope'] === undefined && operation.security === undefined)
    .map(({ path }) => path);
  expect(unguarded.toSorted()).toEqual(['/agent/v1/enrol', '/health']);
  const described = new Set(tags.map(({ name }) => name));
  expect(operations.filter(({ operation }) => !described.has(operation.tags[0]!)).map(({ path }) => path)).toEqual([]);
  const ids = operations.map(({ operation }) => operation.operationId);
  expect(new Set(ids).size).toBe(ids.length);
});

test('no route but the open ones answers without a key, and a read key changes nothing', async () => {
  const { body } = await hub.call('/api/v1/keys', { body: { name: 'reader', scope: 'read' } });
  const complaints: string[] = [];
  for (const { method, path, operation } of operations) {
    if (path === '/health') continue;
    const url = path.replaceAll(/\{(\w+)\}/g, 'fuzzed');
    const open = await hub.call(url, { method: method.toUpperCase(), key: null });
    if (![400, 401, 422, 429].includes(open.status)) complaints.push(`${method} ${path} without a key: ${open.status}`);
    if (operation['x-scope'] === undefined || operation['x-scope'] === 'read') continue;
    const asReader = await hub.call(url, { method: method.toUpperCase(), key: body['key'] as string });
    if (asReader.code !== 'FORBIDDEN') complaints.push(`${method} ${path} with a read key: ${asReader.status}`);
  }
  expect(complaints).toEqual([]);
});

test('whoever opens the hub’s address in a browser comes to the page; programs are told that nothing is there', async () => {
  const accept = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8';
  const opened = await fetch(`${hub.hub.url}/`, { headers: { accept }, redirect: 'manual' });
  expect([opened.status, opened.headers.get('location')]).toEqual([302, '/docs']);
  expect(await hub.call('/', { key: null })).toMatchObject({ status: 404, code: 'NOT_FOUND' });
});

test('no description holds what a page would take for a tag and not show', async () => {
  const { body } = await hub.call('/openapi.json', { key: null });
  const texts: string[] = [];
  const walk = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return;
    for (const [key, value] of Object.entries(node))
      if (key === 'description' && typeof value === 'string') texts.push(value);
      else walk(value);
  };
  walk(body);
  expect(texts.length).toBeGreaterThan(50);
  expect(texts.filter((text) => /<\w/.test(text.replaceAll(/`[^`]*`/g, '')))).toEqual([]);
});

test('the page works without a key and takes nothing from elsewhere', async () => {
  const page = await hub.call('/docs', { key: null });
  expect(page.status).toBe(200);
  expect(page.text).not.toMatch(/https?:/);
  const links = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1]!);
  expect(links.length).toBeGreaterThan(2);
  for (const link of links) expect(await hub.call(link, { key: null })).toMatchObject({ status: 200 });
  for (const bad of ['/docs/package.json', '/docs/..%2fpackage.json', '/docs/%00', '/docs/__proto__'])
    expect(await hub.call(bad, { key: null })).toMatchObject({ status: 404 });
});

const nasty = fc.oneof(
  fc.constantFrom(
    '',
    ' ',
    '\u0000',
    '🐦'.repeat(20),
    '__proto__',
    'constructor',
    '../../etc/passwd',
    "' OR 1=1 --",
    'NaN',
    '1e999',
    '-1',
    '0',
    '9'.repeat(30),
  ),
  fc.string({ unit: 'binary', maxLength: 40 }),
);
const anything = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  nasty,
  fc.double(),
  fc.constantFrom(null, 2 ** 53, -(2 ** 53), 1e308),
);

/** Values that fit a schema, mostly. */
function fitting(schema: Schema, depth = 0): fc.Arbitrary<unknown> {
  const known = schema.$ref === undefined ? schema : schemas[schema.$ref.split('/').at(-1)!]!;
  if (depth > 6) return anything;
  return fc.oneof({ weight: 6, arbitrary: exact(known, depth) }, { weight: 1, arbitrary: anything });
}

function exact(schema: Schema, depth: number): fc.Arbitrary<unknown> {
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  const options = schema.anyOf ?? schema.oneOf;
  if (options !== undefined) return fc.oneof(...options.map((option) => fitting(option, depth + 1)));
  const type = typeof schema.type === 'string' ? schema.type : schema.type?.[0];
  switch (type) {
    case 'object': {
      const fields = Object.entries(schema.properties ?? {}).map(
        ([name, field]) => [name, fitting(field, depth + 1)] as const,
      );
      const requiredKeys = (schema.required ?? []).filter((name) => name in (schema.properties ?? {}));
      return fc.record(Object.fromEntries(fields), { requiredKeys });
    }
    case 'array':
      return fc.array(fitting(schema.items ?? {}, depth + 1), { maxLength: 4 });
    case 'string':
      return fc.oneof(nasty, fc.constantFrom('fuzzed', 'a', '10m', 'f'.repeat(64)));
    case 'integer':
    case 'number':
      return fc.oneof(fc.integer({ min: -5, max: 500 }), fc.double());
    case 'boolean':
      return fc.boolean();
    default:
      return anything;
  }
}

/** What waits for the future by design, and what would end the only key. */
const skipped = new Set(['streamEvents', 'revokeKey']);
const runs = Number(process.env['SANDERLING_FUZZ_RUNS'] ?? 12);

interface FuzzedRequest {
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, unknown>>;
  readonly body: readonly [string, unknown] | undefined;
}

function requestsFor({ parameters = [], requestBody }: Operation): fc.Arbitrary<FuzzedRequest> {
  const of = (place: string) => parameters.filter((parameter) => parameter.in === place);
  const value = fc.oneof(nasty, fc.constantFrom('fuzzed', 'f'.repeat(64), '1'));
  const bodies = Object.entries(requestBody?.content ?? {}).map(([type, { schema }]) =>
    fc.tuple(fc.constant(type), fitting(schema)),
  );
  return fc.record<FuzzedRequest>({
    params: fc.record(Object.fromEntries(of('path').map(({ name }) => [name, value]))),
    query: fc.record(Object.fromEntries(of('query').map(({ name, schema }) => [name, fitting(schema)])), {
      requiredKeys: [],
    }),
    body: bodies.length === 0 ? fc.constant(undefined) : fc.oneof(...bodies),
  });
}

/** A request of an enrolled device. */
function signed(method: string, path: string, body: string | undefined) {
  const bytes = body === undefined ? undefined : Buffer.from(body);
  const options = { privateKey: device.key.privateKey, time: Date.now() };
  const authorization = authorise({ method, path, body: bytes }, device.id, options);
  return { key: null, headers: { authorization }, ...(body === undefined ? {} : { body }) };
}

function asText(value: unknown): string {
  return (typeof value === 'string' ? value : (JSON.stringify(value) ?? '')).toWellFormed();
}

test('a fuzz of every route: never a failure of the hub, always a coded answer', async () => {
  const complaints: string[] = [];
  for (const { method, path, operation } of operations) {
    if (skipped.has(operation.operationId)) continue;
    const property = fc.asyncProperty(requestsFor(operation), async ({ params, query, body }) => {
      const url = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(asText(params[name])) || '%20');
      const search = new URLSearchParams();
      for (const [name, value] of Object.entries(query)) if (name !== 'wait') search.set(name, asText(value));
      const [type = 'application/json', value] = body ?? [];
      const text = body === undefined ? undefined : type.includes('json') ? JSON.stringify(value) : asText(value);
      const target = `${url}?${search.toString()}`;
      const answer =
        operation.security?.[0]?.['device'] === undefined
          ? await hub.call(target, {
              method: method.toUpperCase(),
              type,
              ...(text === undefined ? {} : { body: text }),
            })
          : await hub.call(target, { method: method.toUpperCase(), type, ...signed(method, target, text) });
      const coded = answer.status < 400 || answer.status === 416 || answer.code !== undefined;
      if (answer.status >= 500 || !coded) throw new Error(`${method} ${url}?${search.toString()}: ${answer.text}`);
    });
    const details = await fc.check(property, { numRuns: runs, seed: 20_261_121, endOnFailure: true });
    if (details.failed) complaints.push(fc.defaultReportMessage(details) ?? path);
  }
  expect(complaints).toEqual([]);
});
