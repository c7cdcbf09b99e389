// For tests: a hub as a real process, to be killed and started again on the same folder and port.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** The file that starts a hub. */
export const hubProgram = join(import.meta.dirname, '..', 'bin', 'sanderling-hub.js');

/** What the hub says when it is ready. */
export interface ReadyLine {
  readonly url: string;
  readonly adminKey: string;
}

/** A hub's process. */
export class HubProcess {
  readonly folder: string;
  readonly #flags: readonly string[];
  #child: ChildProcess | undefined;
  url = '';
  admin = '';
  errors = '';

  constructor(folder: string, flags: readonly string[] = []) {
    this.folder = folder;
    this.#flags = flags;
  }

  get pid(): number {
    return this.#child?.pid ?? -1;
  }

  /** Starts it and waits until it is ready. @throws Error with what it said when it ends instead. */
  async start(port = '0', env: Readonly<Record<string, string>> = {}): Promise<void> {
    const child = spawn(process.execPath, [hubProgram, '--data', this.folder, '--port', port, ...this.#flags], {
      stdio: ['pipe', 'pipe', 'pipe'],
      // Workers as urgent as everything else: a busy machine would starve nice ones.
      env: { ...process.env, SANDERLING_WORKERS_NICENESS: '0', ...env },
    });
    this.#child = child;
    child.stderr.on('data', (chunk: Buffer) => (this.errors += chunk.toString()));
    const ready = once(createInterface({ input: child.stdout }), 'line') as Promise<[string]>;
    const ended = once(child, 'exit').then(([code]) => {
      throw new Error(`the hub ended with ${code}: ${this.errors}`);
    });
    ended.catch(() => undefined);
    const [line] = await Promise.race([ready, ended]);
    const { url, adminKey } = JSON.parse(line) as ReadyLine;
    this.url = url;
    this.admin = (await readFile(adminKey, 'utf8')).trim();
  }

  /** Ends its standard input. */
  endInput(): void {
    this.#child?.stdin?.end();
  }

  /** Waits until it ends by itself. @returns the exit status, null when a signal killed it. */
  async ended(): Promise<number | null> {
    const child = this.#child!;
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    return child.exitCode;
  }

  /** Ends it. @returns the exit status, null when a signal killed it. */
  async stop(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const exited = once(child, 'exit') as Promise<[number | null]>;
    child.kill(signal);
    return (await exited)[0];
  }
}
