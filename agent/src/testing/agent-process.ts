// A real agent process for tests: started, fed with readings, killed, and listened to.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { agentCommand } from '../agent-command.ts';
import type { StatusLine } from '../status/lines.ts';
import type { TestHub } from './test-hub.ts';

/** How to start it. */
export interface ProcessOptions {
  readonly hub: TestHub;
  readonly data: string;
  readonly token?: string;
  /** @default 'stdin' */
  readonly source?: string;
  readonly args?: readonly string[];
  readonly crashAt?: string;
  readonly env?: Readonly<Record<string, string>>;
}

type Line<Type extends StatusLine['type']> = Extract<StatusLine, { type: Type }>;

/** One agent process. */
export class AgentProcess {
  readonly #child: ChildProcess;
  readonly lines: StatusLine[] = [];
  stderr = '';
  readonly #listeners = new Set<() => void>();
  /** Resolves with exit code or signal. */
  readonly exited: Promise<number | string>;
  #ended = false;

  constructor({ hub, data, token, source = 'stdin', args = [], crashAt, env = {} }: ProcessOptions) {
    const flags = ['--hub', hub.url, '--data', data, '--source', source, '--json-status', ...args];
    this.#child = spawn(process.execPath, [agentCommand, ...flags], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: {
        ...process.env,
        // One cache of compiled code for all tests: a cold start costs a second.
        NODE_COMPILE_CACHE: join(tmpdir(), 'sanderling-agent-compile-cache'),
        SANDERLING_AGENT_TOKEN: token ?? '',
        SANDERLING_AGENT_COMMIT_EVERY_MS: '20',
        ...(crashAt === undefined ? {} : { SANDERLING_AGENT_CRASH_AT: crashAt }),
        ...env,
      },
    });
    this.#child.stdin!.on('error', () => undefined);
    this.#child.stderr!.on('data', (chunk: Buffer) => {
      this.stderr += chunk.toString();
    });
    createInterface({ input: this.#child.stdout! }).on('line', (line) => {
      this.lines.push(JSON.parse(line) as StatusLine);
      for (const listener of this.#listeners) listener();
    });
    this.exited = once(this.#child, 'close').then(([code, signal]) => {
      this.#ended = true;
      for (const listener of this.#listeners) listener();
      return (code ?? signal) as number | string;
    });
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** Sends a reading. */
  send(time: number, value: number): void {
    this.write(`${JSON.stringify({ time, value })}\n`);
  }

  write(text: string): void {
    this.#child.stdin!.write(text);
  }

  /** Closes standard input. */
  end(): void {
    this.#child.stdin!.end();
  }

  kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<number | string> {
    this.#child.kill(signal);
    return this.exited;
  }

  /** The lines of a type so far. */
  all<Type extends StatusLine['type']>(type: Type): Line<Type>[] {
    return this.lines.filter((line): line is Line<Type> => line.type === type);
  }

  /** The first line of a type, past or to come, that passes. Fails when the process ends before. */
  async line<Type extends StatusLine['type']>(
    type: Type,
    passes: (line: Line<Type>) => boolean = () => true,
  ): Promise<Line<Type>> {
    await this.until(() => this.all(type).some(passes), `a ${type} line`);
    return this.all(type).find(passes)!;
  }

  /** Waits until something holds; it is asked again at every line and every 20 ms. Fails when the process ends before. */
  async until(holds: () => boolean, what: string): Promise<void> {
    for (;;) {
      if (holds()) return;
      if (this.#ended) throw new Error(`the agent ended without ${what}: ${this.stderr}\n${this.#tail()}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(finish, 20);
        const listeners = this.#listeners;
        function finish(): void {
          clearTimeout(timer);
          listeners.delete(finish);
          resolve();
        }
        listeners.add(finish);
      });
    }
  }

  #tail(): string {
    return this.lines
      .slice(-10)
      .map((line) => JSON.stringify(line))
      .join('\n');
  }
}
