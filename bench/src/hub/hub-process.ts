// A hub in a process of its own, in a temporary folder; and a device that speaks to it.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { authorise, createSigningKey, type EnrolAnswer, type OutboxEntry } from '@sanderling/wire';

/** A running hub. */
export class HubUnderTest {
  readonly folder: string;
  readonly #child: ChildProcess;
  readonly url: string;
  readonly key: string;

  constructor(folder: string, child: ChildProcess, at: { readonly url: string; readonly key: string }) {
    this.folder = folder;
    this.#child = child;
    this.url = at.url;
    this.key = at.key;
  }

  /** Starts one; without a folder in a new one. */
  static async start(folder?: string): Promise<HubUnderTest> {
    const data = folder ?? (await mkdtemp(join(tmpdir(), 'bench-hub-')));
    const program = fileURLToPath(import.meta.resolve('@sanderling/hub/bin'));
    const child = spawn(process.execPath, [program, '--data', data, '--port', '0'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
    const { url, adminKey } = JSON.parse(line) as { readonly url: string; readonly adminKey: string };
    return new HubUnderTest(data, child, { url, key: (await readFile(adminKey, 'utf8')).trim() });
  }

  /** Resident memory, MB. @param peak the highest so far. */
  async residentMb(peak = false): Promise<number> {
    const status = await readFile(`/proc/${this.#child.pid}/status`, 'utf8');
    const match = (peak ? /VmHWM:\s+(\d+)/ : /VmRSS:\s+(\d+)/).exec(status);
    return Number(match?.[1]) / 1024;
  }

  /** A request with the admin key; the answer is read to its end. */
  async call(method: string, path: string, body?: unknown): Promise<Record<string, unknown>> {
    const response = await fetch(this.url + path, {
      method,
      headers: { authorization: `Bearer ${this.key}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${text}`);
    return text.startsWith('{') ? (JSON.parse(text) as Record<string, unknown>) : {};
  }

  /** Saves a project of this name. @param search as in its config */
  async project(name: string, search: object = {}): Promise<void> {
    await this.call('PUT', `/api/v1/projects/${name}`, {
      name,
      search,
      model: { kind: 'forecaster' },
      targets: ['linux-x64'],
      data: { newest: 7000 },
    });
  }

  /** Stops it; with `remove`, its folder goes too. */
  async stop(remove = true): Promise<void> {
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    await exited;
    if (remove) await rm(this.folder, { recursive: true, force: true });
  }
}

/** An enrolled device with one outbox. */
export class BenchDevice {
  readonly #hub: HubUnderTest;
  readonly #key = createSigningKey();
  #id = '';
  #seq = 0;

  constructor(hub: HubUnderTest) {
    this.#hub = hub;
  }

  async enrol(project: string): Promise<this> {
    const { token } = await this.#hub.call('POST', `/api/v1/projects/${project}/tokens`, {});
    const { publicKey } = this.#key;
    const request = { token, publicKey, name: 'bench', target: 'linux-x64', tags: {}, agentVersion: '1' };
    const answer = (await this.#hub.call('POST', '/agent/v1/enrol', request)) as unknown as EnrolAnswer;
    this.#id = answer.device;
    return this;
  }

  /** Delivers so many new readings. */
  async deliver(count: number): Promise<void> {
    const entries = Array.from({ length: count }, (): { seq: number; entry: OutboxEntry } => {
      const seq = ++this.#seq;
      return {
        seq,
        entry: { kind: 'reading', time: 1_600_000_000_000 + seq * 600_000, value: 20 + Math.sin(seq / 50) },
      };
    });
    const path = '/agent/v1/deliver';
    const body = Buffer.from(JSON.stringify({ outbox: 'bench', entries }));
    const options = { privateKey: this.#key.privateKey, time: Date.now() };
    const authorization = authorise({ method: 'POST', path, body }, this.#id, options);
    const headers = { authorization, 'content-type': 'application/json' };
    const response = await fetch(this.#hub.url + path, { method: 'POST', headers, body });
    if (!response.ok) throw new Error(await response.text());
    await response.arrayBuffer();
  }
}

/** The value below which this share of the numbers lies. */
export function quantile(numbers: readonly number[], share: number): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}
