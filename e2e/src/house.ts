// A whole house for tests: a hub and an agent as real processes in temporary folders, to be killed and started again at will.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { HubClient, type ProjectInput } from '@sanderling/wire';

type Line = Readonly<Record<string, unknown>>;

/** One of our programs, started as often as a test wants. */
export class Process {
  readonly #door: string;
  readonly #args: readonly string[];
  readonly #env: NodeJS.ProcessEnv;
  readonly lines: Line[] = [];
  readonly errors: string[] = [];
  #child: ChildProcess | undefined;
  #listeners = new Set<() => void>();

  constructor(door: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    this.#door = door;
    this.#args = args;
    this.#env = env;
  }

  start(): void {
    const child = spawn(process.execPath, [fileURLToPath(import.meta.resolve(this.#door)), ...this.#args], {
      stdio: ['pipe', 'pipe', 'pipe'],
      // Workers as urgent as everything else: on a busy machine nice ones starve.
      env: { ...process.env, SANDERLING_WORKERS_NICENESS: '0', ...this.#env },
    });
    child.stdin.on('error', () => undefined);
    createInterface({ input: child.stdout }).on('line', (text) => this.#hear(text));
    createInterface({ input: child.stderr }).on('line', (text) => this.errors.push(text));
    this.#child = child;
  }

  /** Waits for a line that the process has printed or prints from `since` on. */
  async line(matches: (line: Line) => boolean, since = 0): Promise<Line> {
    for (;;) {
      const found = this.lines.slice(since).find(matches);
      if (found !== undefined) return found;
      await this.#next();
    }
  }

  /** Writes to the standard input, as fast as it is taken. */
  async write(text: string): Promise<void> {
    const input = this.#child?.stdin;
    if (input !== null && input !== undefined && !input.write(text))
      await Promise.race([once(input, 'drain'), once(this.#child!, 'exit')]);
  }

  get pid(): number {
    return this.#child?.pid ?? -1;
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  }

  #hear(text: string): void {
    if (!text.startsWith('{')) return;
    this.lines.push(JSON.parse(text) as Line);
    for (const listener of this.#listeners) listener();
  }

  #next(): Promise<void> {
    return new Promise((resolve, reject) => {
      const child = this.#child;
      const done = (): void => {
        this.#listeners.delete(done);
        child?.off('exit', died);
        resolve();
      };
      const died = (code: number | null): void => {
        this.#listeners.delete(done);
        reject(new Error(`${this.#door} ended with ${code}: ${this.errors.slice(-10).join('\n')}`));
      };
      this.#listeners.add(done);
      child?.once('exit', died);
    });
  }
}

/** A hub, an agent, and a client of the hub. */
export interface House {
  readonly folder: string;
  readonly hub: Process;
  readonly agent: Process;
  readonly client: HubClient;
  readonly project: string;
  stop(): Promise<void>;
}

/** Starts a hub on a port that stays the same over restarts, saves the project, and starts an enrolled agent that reads its standard input. Both get `env` beside what is there. */
export async function openHouse(project: ProjectInput, env: NodeJS.ProcessEnv = {}): Promise<House> {
  const folder = await mkdtemp(join(tmpdir(), 'sanderling-house-'));
  const port = await freePort();
  const hub = new Process('@sanderling/hub/bin', ['--data', join(folder, 'hub'), '--port', String(port)], env);
  hub.start();
  const { url } = await hub.line((line) => typeof line['url'] === 'string');
  const key = (await readFile(join(folder, 'hub', 'keys', 'admin.key'), 'utf8')).trim();
  const client = new HubClient({ url: url as string, key });
  await client.saveProject(project);
  const { token } = await client.createToken(project.name);
  const agent = new Process(
    '@sanderling/agent/bin',
    [
      '--hub',
      url as string,
      '--token',
      token!,
      '--data',
      join(folder, 'device'),
      '--source',
      'stdin',
      '--name',
      'sensor-1',
      '--json-status',
    ],
    env,
  );
  agent.start();
  await agent.line((line) => line['type'] === 'enrolled');
  const stop = async (): Promise<void> => {
    await agent.kill('SIGTERM');
    await hub.kill('SIGTERM');
  };
  return { folder, hub, agent, client, project: project.name, stop };
}

/** Kills the hub as a power cut would and starts it again, on the same folder and port. */
export async function restartHub(house: House): Promise<void> {
  await house.hub.kill('SIGKILL');
  const since = house.hub.lines.length;
  house.hub.start();
  await house.hub.line((line) => typeof line['url'] === 'string', since);
}

/** Every reading that the hub holds, in its order. */
export async function allReadings(
  client: HubClient,
  project: string,
): Promise<{ readonly time: number; readonly value: number }[]> {
  const all: { time: number; value: number }[] = [];
  let cursor: string | undefined;
  do {
    const page = await client.readings(project, { limit: 1000, ...(cursor === undefined ? {} : { cursor }) });
    all.push(...page.items.map(({ time, value }) => ({ time, value })));
    cursor = page.next;
  } while (cursor !== undefined);
  return all;
}

/** Asks until the answer satisfies; a hub that is down is asked again. */
export async function eventually<T>(ask: () => Promise<T>, satisfies: (answer: T) => boolean): Promise<T> {
  for (;;) {
    const answer = await ask().catch((error: { code?: string }) => {
      if (error.code === 'UNAVAILABLE' || error.code === 'TIMEOUT') return undefined;
      throw error;
    });
    if (answer !== undefined && satisfies(answer)) return answer;
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
