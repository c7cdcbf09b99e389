// A whole house with an emulated board: the hub and QEMU are killed while the first release is on its way; nothing measured is missing or doubled.
import { mkdtempSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createRandom, toSanderlingError } from '@sanderling/kit';
import { hasBoardTools } from '@sanderling/micro';
import type { Reading } from '@sanderling/series';
import { HubClient, type Device, type ProjectInput } from '@sanderling/wire';
import { expect, onTestFinished, test } from 'vitest';
import { Board, buildBoard } from './board.ts';
import { readAnswer, sensorLine, type BoardAnswer } from './board-lines.ts';
import { startProgram, type Program } from './processes.ts';

const possible = await hasBoardTools();
if (!possible)
  console.log(
    'skipped: the loop on an emulated board (no qemu-system-arm, gcc-arm-none-eabi, libnewlib-arm-none-eabi)',
  );

const project: ProjectInput = {
  name: 'cellar',
  data: { quantity: 'temperature', unit: '°C', newest: 3000 },
  model: { kind: 'forecaster', horizon: 4, features: ['value', 'hour-of-day'] },
  search: { trials: 2, population: 2, epochs: 3, patience: 2, space: { hidden: 6, window: 12, batch: 64 } },
  gates: [
    { gate: 'beats-baseline', baseline: 'persistence', byPercent: 1 },
    { gate: 'ram', maxKb: 64 },
    { gate: 'flash', maxKb: 128 },
    { gate: 'latency', maxMs: 1, target: 'stm32h745' },
  ],
  optimise: ['fold-constants', 'quantise-int8'],
  targets: ['stm32h745'],
  rollout: { probation: { predictions: 5, minutes: 5, maxErrorRatio: 50 } },
};

/** A warm and cold day every 144 readings, with a little noise; every reading is different. */
function readings(from: number, count: number): Reading[] {
  const random = createRandom(1, `readings ${from}`);
  return Array.from({ length: count }, (_, i) => ({
    time: Date.UTC(2026, 0, 1) + (from + i) * 600_000,
    value: Math.fround(20 + 3 * Math.sin((2 * Math.PI * (from + i)) / 144) + 0.05 * random.normal()),
  }));
}

/** A hub process on ports that stay the same. */
class HubProcess {
  readonly #folder: string;
  #program: Program | undefined;
  ports: readonly [number, number] = [0, 0];

  constructor(folder: string) {
    this.#folder = folder;
  }

  async start(): Promise<HubClient> {
    const ready = Promise.withResolvers<string>();
    const [port, link] = this.ports.map(String) as [string, string];
    const args = ['--data', this.#folder, '--port', port, '--link-port', link, '--until-stdin-ends'];
    this.#program = startProgram({
      door: '@sanderling/hub/bin',
      args,
      env: { SANDERLING_WORKERS_NICENESS: '0' },
      onLine: ({ url, linkPort }) => {
        this.ports = [Number(new URL(String(url)).port), Number(linkPort)];
        ready.resolve(String(url));
      },
    });
    const url = await Promise.race([ready.promise, this.#program.crashed]);
    return new HubClient({ url, key: readFileSync(join(this.#folder, 'keys', 'admin.key'), 'utf8').trim() });
  }

  async kill(): Promise<void> {
    const child = this.#program?.child;
    if (child?.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }
}

async function until<T>(ask: () => Promise<T>, enough: (value: T) => boolean, timeoutMs = 120_000): Promise<T> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const value = await ask().catch((error: unknown) => {
      if (['UNAVAILABLE', 'TIMEOUT'].includes(toSanderlingError(error).code)) return undefined;
      throw error;
    });
    if (value !== undefined && enough(value)) return value;
    if (Date.now() > end) throw new Error(`it did not come: … ${JSON.stringify(value).slice(-1000)}`);
    await sleep(50);
  }
}

async function storedTimes(hub: HubClient): Promise<number[]> {
  const times: number[] = [];
  let cursor: string | undefined;
  do {
    const page = await hub.readings('cellar', { limit: 1000, ...(cursor === undefined ? {} : { cursor }) });
    times.push(...page.items.map(({ time }) => time));
    cursor = page.next;
  } while (cursor !== undefined);
  return times;
}

test.runIf(possible)(
  'enrols, is trained for, forecasts int8 on the board; hub and board are killed in between',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sanderling-board-'));
    const process = new HubProcess(join(folder, 'hub'));
    let hub = await process.start();
    onTestFinished(async () => {
      await process.kill();
      await rm(folder, { recursive: true, force: true });
    });
    await hub.saveProject(project);
    const { token = '' } = await hub.createToken('cellar');
    await using program = await buildBoard();
    const answers: BoardAnswer[] = [];
    const boardFolder = join(folder, 'device');
    await using board = new Board({
      program,
      folder: boardFolder,
      port: process.ports[1],
      token,
      onAnswer: (answer) => answers.push(answer),
    });
    await board.start();
    await board.measure(readings(0, 900));
    await until(
      () => hub.readingSpan('cellar'),
      ({ count }) => count >= 880,
    );
    const { id } = await hub.train('cellar');
    const execution = await until(
      () => hub.execution(id),
      ({ endedAt }) => endedAt !== null,
    );
    expect([execution.state, execution.reason]).toEqual(['succeeded', null]);

    let played = 900;
    const play = async (count: number): Promise<void> => {
      await board.measure(readings(played, count));
      played += count;
    };
    const updateOf = async (): Promise<Device> => (await hub.devices()).items[0]!;
    for (const victim of ['hub', 'board', 'hub', 'board']) {
      await until(updateOf, ({ update }) => update !== null && update.stage !== 'idle');
      await sleep(createRandom(Date.now()).int(50, 400));
      if (victim === 'hub') {
        await process.kill();
        await play(10);
        hub = await process.start();
      } else {
        await board.kill();
        await board.start();
        await play(10);
      }
    }
    const active = await until(
      async () => {
        await play(3);
        return updateOf();
      },
      ({ update }) => update?.stage === 'active',
    );
    const [release] = (await hub.releases('cellar')).items;
    expect(active).toMatchObject({ target: 'stm32h745', active: release!.digest });
    await play(150);
    const forecasts = answers.filter(({ forecast }) => forecast.length > 0);
    expect(forecasts.length).toBeGreaterThan(100);
    const errors = forecasts.flatMap(({ error }) => error ?? []);
    expect(errors.reduce((sum, error) => sum + error, 0) / errors.length).toBeLessThan(0.5);
    await board.settled();
    const times = await until(
      () => storedTimes(hub),
      (all) => all.length >= played,
    );
    expect(times.toSorted((a, b) => a - b)).toEqual(readings(0, played).map(({ time }) => time));
    const { items } = await hub.devices();
    expect(items).toHaveLength(1);
    expect(items[0]!.report).toMatchObject({ release: release!.digest });
  },
);

test('lines of sensor and board are read bit by bit; anything else is nothing', () => {
  expect(sensorLine({ time: 1_700_000_000_123, value: -1.5 })).toBe('R 0000018bcfe5687b bfc00000\n');
  const words = '0000018b cfe5687b bfc00000 00000001 00000007 0000000b bf000000 3f400000 3e800000 40000000 40400000';
  expect(readAnswer(`@ ${words}`)).toEqual({
    time: 1_700_000_000_123,
    value: -1.5,
    taken: true,
    predictions: 7,
    forecast: [2, 3],
    error: 0.5,
    driftScore: 0.75,
    rollingError: 0.25,
    alarm: 'raised',
  });
  for (const line of ['', '@', '@ 1', 'fault 3', `@ ${words}x`, `@ ${words.slice(9, 80)}`, words])
    expect(readAnswer(line)).toBeUndefined();
});
