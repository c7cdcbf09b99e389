// For tests: a real hub on a free port and a temporary folder, and calls to it.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startHub, type Hub, type HubOptions } from './index.ts';

/** An answer, its JSON parsed. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly body: Record<string, unknown> & {
    readonly error?: { readonly code: string; readonly where?: string; readonly message: string };
  };
  readonly code: string | undefined;
}

/** A request; `body` is sent as JSON unless it is text, bytes or a stream. */
export interface Call {
  readonly method?: string;
  readonly body?: unknown;
  readonly type?: string;
  /** @default the admin key; null sends none */
  readonly key?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A running hub under test. */
export interface TestHub extends AsyncDisposable {
  hub: Hub;
  readonly folder: string;
  readonly admin: string;
  call(path: string, call?: Call): Promise<Answer>;
  /** Stops the hub and starts another on the same folder. */
  restart(): Promise<void>;
}

/** Starts a hub in a temporary folder that goes with it. */
export async function openTestHub(options: HubOptions = {}): Promise<TestHub> {
  const folder = await mkdtemp(join(tmpdir(), 'sanderling-hub-'));
  const full: HubOptions = { ...options, settings: { port: 0, ...options.settings, data: folder } };
  const hub = await startHub(full);
  const admin = (await readFile(hub.adminKeyPath, 'utf8')).trim();
  const test: TestHub = {
    hub,
    folder,
    admin,
    call: (path, call) => callHub(test.hub.url + path, { key: admin, ...call }),
    restart: async () => {
      await test.hub.stop();
      test.hub = await startHub(full);
    },
    [Symbol.asyncDispose]: async () => {
      await test.hub.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
  return test;
}

/** Sends a request and reads the whole answer. */
export async function callHub(url: string, { method, body, type, key, headers = {} }: Call = {}): Promise<Answer> {
  const raw = typeof body === 'string' || body instanceof Uint8Array || body instanceof ReadableStream;
  const response = await fetch(url, {
    method: method ?? (body === undefined ? 'GET' : 'POST'),
    headers: {
      ...(key == null ? {} : { authorization: `Bearer ${key}` }),
      ...(body === undefined ? {} : { 'content-type': type ?? 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: raw ? (body as string) : JSON.stringify(body), duplex: 'half' }),
  });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json') === true;
  const parsed = (isJson ? JSON.parse(text) : {}) as Answer['body'];
  return { status: response.status, headers: response.headers, text, body: parsed, code: parsed.error?.code };
}

/** The smallest project. */
export function smallProject(name: string, data: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return { name, model: { kind: 'forecaster' }, targets: ['linux-x64'], data };
}
