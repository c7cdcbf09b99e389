// The agent embedded in a program: its options, its end, a hub that never answers, and the drift monitor over restarts.
import { rm } from 'node:fs/promises';
import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { jsonLines, startAgent, type AgentOptions, type RunningAgent, type StatusLine } from './index.ts';
import { TestHub } from './testing/test-hub.ts';
import { temporaryFolder } from './testing/temporary-folder.suite.ts';

const firstTime = Date.UTC(2026, 0, 1);

interface Embedded {
  readonly agent: RunningAgent;
  readonly lines: StatusLine[];
  readonly send: (values: readonly number[]) => void;
  readonly until: (holds: () => boolean) => Promise<void>;
}

let sent = 0;

async function embed(hub: TestHub, data: string, options: Partial<AgentOptions> = {}): Promise<Embedded> {
  const input = new PassThrough();
  const lines: StatusLine[] = [];
  const agent = await startAgent({
    hub: hub.url,
    data,
    token: hub.token(),
    source: jsonLines(input, 'stay'),
    narrate: (line) => lines.push(line),
    commitEveryMs: 10,
    deliverEveryMs: 20,
    random: () => 0.1,
    ...options,
  });
  const send = (values: readonly number[]): void => {
    for (const value of values) input.write(`${JSON.stringify({ time: firstTime + ++sent * 1000, value })}\n`);
  };
  const until = async (holds: () => boolean): Promise<void> => {
    while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  return { agent, lines, send, until };
}

const calm = (count: number): number[] => Array.from({ length: count }, (_, i) => 20 + (i % 2) * 0.05);
const wild = (count: number): number[] => Array.from({ length: count }, (_, i) => 20 + (i % 2) * 3);

describe('drift', () => {
  test('sounds one alarm an episode, with a report, also over a restart in the middle of it', async () => {
    await using hub = await new TestHub().start();
    const data = await temporaryFolder();
    hub.want(hub.release({ probation: { maxErrorRatio: 1000 } }).digest);
    const first = await embed(hub, data);
    await first.until(() => first.lines.some((line) => line.type === 'update' && line.stage === 'probation'));
    first.send(calm(100));
    first.send(wild(150));
    await first.until(() => hub.events('drift.alarm').length > 0 && hub.readings.length === 250);
    await first.agent.stop();
    const second = await embed(hub, data);
    second.send(wild(100));
    await second.until(() => hub.readings.length === 350);
    expect(hub.events('drift.alarm')).toHaveLength(1);
    const alarm = second.lines.filter((line) => line.type === 'forecast').at(-1);
    expect(alarm?.driftScore).toBeGreaterThanOrEqual(0.7);
    const [event] = hub.events('drift.alarm');
    expect(event?.data).toMatchObject({ score: expect.any(Number), release: alarm?.release });
    expect(hub.reports.some(({ time, driftScore }) => time === event?.time && driftScore >= 0.7)).toBe(true);
    await second.agent.stop();
  });
});

describe('an embedded agent', () => {
  test('goes on when the hub takes requests and never answers', async () => {
    await using hub = await new TestHub().start();
    const data = await temporaryFolder();
    hub.fault = () => 'hang';
    const { agent, lines, send, until } = await embed(hub, data, { idleMs: 200 });
    await until(() => lines.some((line) => line.type === 'error' && line.code === 'TIMEOUT'));
    hub.fault = () => 'pass';
    send([20, 21]);
    await until(() => lines.some((line) => line.type === 'delivered' && line.waiting === 0));
    await agent.stop();
    expect(hub.readings).toHaveLength(2);
    expect(lines.at(-1)).toEqual({ type: 'stopped', waiting: 0 });
  });

  test('rejects `done` with the coded reason when the hub refuses it', async () => {
    await using hub = await new TestHub().start();
    await using other = await new TestHub().start();
    const data = await temporaryFolder();
    const { agent } = await embed(other, data, { token: hub.token() });
    await expect(agent.done).rejects.toMatchObject({ code: 'TOKEN_USED' });
  });

  test.each([
    ['an address that is none', { hub: 'room 101' }, 'INVALID_CONFIG'],
    ['a token that is none', { token: 'let me in' }, 'UNAUTHENTICATED'],
  ] as const)('does not start with %s', async (_, options, code) => {
    await using hub = await new TestHub().start();
    await expect(embed(hub, await temporaryFolder(), options)).rejects.toMatchObject({ code });
  });

  test('without a hub or a model still takes readings, within its bounds, and tells of what it lost', async () => {
    await using hub = await new TestHub().start();
    const data = await temporaryFolder();
    await hub.stop();
    const { agent, lines, send, until } = await embed(hub, data, { outbox: { maxEntries: 50 } });
    for (let i = 0; i < 10; i++) {
      send(calm(20));
      await new Promise((resolve) => setTimeout(resolve, 15));
    }
    await until(() => lines.filter((line) => line.type === 'reading').length === 200);
    await hub.restart();
    await until(() => hub.events('readings.dropped').length > 0);
    const { readings, lastTime } = hub.events('readings.dropped')[0]!.data as { readings: number; lastTime: number };
    await until(() => hub.readings.length + readings >= 200);
    expect(hub.readings.every(({ time }) => time > lastTime)).toBe(true);
    expect(hub.readings.length + readings).toBe(200);
    await agent.stop();
    await rm(data, { recursive: true });
  });
});
