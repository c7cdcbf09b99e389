// A hub and a folder for agents, gone with the test; and readings that a test model predicts well.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AgentProcess, type ProcessOptions } from './agent-process.ts';
import { TestHub } from './test-hub.ts';

/** The time before the first reading. */
export const firstTime = Date.UTC(2026, 0, 1);

/** One hub, one device folder, and the agents that ran in it. `await using` cleans up. */
export class Scene implements AsyncDisposable {
  readonly hub: TestHub;
  readonly data: string;
  readonly #token: string;
  readonly #agents: AgentProcess[] = [];
  readonly #sentBefore = new Map<AgentProcess, number>();
  #sent = 0;

  private constructor(hub: TestHub, data: string) {
    this.hub = hub;
    this.data = data;
    this.#token = hub.token();
  }

  /** Time of the newest reading sent. */
  get lastTime(): number {
    return firstTime + this.#sent * 1000;
  }

  /** Readings sent so far. */
  get sent(): number {
    return this.#sent;
  }

  static async create(): Promise<Scene> {
    return new Scene(await new TestHub().start(), await mkdtemp(join(tmpdir(), 'sanderling-agent-')));
  }

  /** Starts an agent on the folder. */
  agent(options: Partial<ProcessOptions> = {}): AgentProcess {
    const agent = new AgentProcess({ hub: this.hub, data: this.data, token: this.#token, ...options });
    this.#agents.push(agent);
    this.#sentBefore.set(agent, this.#sent);
    return agent;
  }

  /** Sends readings one second apart, near 20 °C unless told otherwise. */
  send(agent: AgentProcess, count: number, value: number | ((i: number) => number) = (i) => 20 + (i % 5) * 0.01): void {
    for (let n = 0; n < count; n++) {
      const i = ++this.#sent;
      agent.send(firstTime + i * 1000, typeof value === 'number' ? value : value(i));
    }
  }

  /** Goes on behind the last reading that a dead agent said to be durable, as a careful sensor would. */
  rewind(agent: AgentProcess): void {
    this.#sent = this.#sentBefore.get(agent)! + (agent.all('stored').at(-1)?.readings ?? 0);
  }

  /** Installs a release and brings it through its probation; everything sent is on the agent's disk then. */
  async activate(agent: AgentProcess, digest: string): Promise<void> {
    const counter = this.hub.want(digest);
    await agent.line('update', (line) => line.counter === counter && line.stage === 'probation');
    this.send(agent, 15);
    await agent.line('update', (line) => line.counter === counter && line.stage === 'active');
    // It may be active before the last of them is stored: who stops it then would tear a gap.
    const sent = this.#sent - this.#sentBefore.get(agent)!;
    await agent.until(() => (agent.all('stored').at(-1)?.readings ?? 0) >= sent, 'the readings on its disk');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#agents.map((agent) => agent.kill()));
    await this.hub.stop();
    await rm(this.data, { recursive: true, force: true, maxRetries: 3 });
  }
}
