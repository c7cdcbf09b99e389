// The agent killed where it hurts: at every step of enrolment, update, roll-back and delivery, and at random moments.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createRandom, SanderlingError } from '@sanderling/kit';
import { describe, expect, test } from 'vitest';
import { crashAt, crashPoints, type CrashPoint } from './crash-points.ts';
import { Scene } from './testing/scene.ts';

/** Where an update passes; the other points belong to enrolment, roll-back or delivery. */
const updatePoints = crashPoints.slice(
  crashPoints.indexOf('desired-verified'),
  crashPoints.indexOf('collect-done') + 1,
);
const rollbackPoints = ['rollback-begun', 'rollback-written', 'rollback-done'] as const satisfies readonly CrashPoint[];

describe.concurrent('an agent killed', () => {
  test.each(updatePoints)(
    'at %s of an update comes back with a working model and finishes the update',
    async (point) => {
      await using scene = await Scene.create();
      const { hub } = scene;
      // A bundle that comes in several chunks, so that there is a half way.
      const [old, next] = [hub.release({ version: 1 }), hub.release({ version: 2, padding: 300_000 })];
      hub.chunk = { bytes: 100_000, pauseMs: 5 };
      const first = scene.agent();
      await scene.activate(first, old.digest);
      await first.kill('SIGTERM');
      const doomed = scene.agent({ crashAt: point });
      await doomed.line('started');
      hub.want(next.digest);
      const feed = setInterval(() => scene.send(doomed, 2), 10);
      expect(await doomed.exited).toBe('SIGKILL');
      clearInterval(feed);
      scene.rewind(doomed);
      const survivor = scene.agent();
      const { release } = await survivor.line('started');
      expect([old.digest, next.digest]).toContain(release);
      // What the dead one stored without having said so makes the first ones late; none may find the window empty.
      await survivor.until(() => {
        scene.send(survivor, 1);
        return survivor.all('forecast').length > 0;
      }, 'a forecast at once');
      expect(survivor.all('reading').filter(({ window }) => window !== 'late')).toEqual([]);
      await survivor.until(() => {
        scene.send(survivor, 1);
        return survivor.all('update').some(({ stage, active }) => stage === 'active' && active === next.digest);
      }, 'the new release');
      expect(survivor.all('update').at(-1)).toMatchObject({ active: next.digest, previous: old.digest });
      expect(new Set(await readdir(join(scene.data, 'releases')))).toEqual(new Set([old.digest, next.digest]));
      // Nothing of the update stays behind.
      expect(await readdir(join(scene.data, 'downloads'))).toEqual([]);
    },
  );

  test.each(rollbackPoints)('at %s comes back with a working model, in the end the good one', async (point) => {
    await using scene = await Scene.create();
    const { hub } = scene;
    const bad = hub.release({ version: 2, behaviour: 'nan-when-far', probation: { predictions: 50 } });
    const good = hub.release({ version: 1 });
    const first = scene.agent();
    await scene.activate(first, good.digest);
    await first.kill('SIGTERM');
    const doomed = scene.agent({ crashAt: point });
    const counter = hub.want(bad.digest);
    await doomed.line('update', (line) => line.counter === counter && line.stage === 'probation');
    scene.send(doomed, 10, 28);
    expect(await doomed.exited).toBe('SIGKILL');
    scene.rewind(doomed);
    const survivor = scene.agent();
    expect([good.digest, bad.digest]).toContain((await survivor.line('started')).release);
    await survivor.until(() => {
      scene.send(survivor, 1, 28);
      return survivor.all('forecast').at(-1)?.release === good.digest;
    }, 'forecasts of the good release');
  });

  test.each(['key-written', 'enrol-sent', 'identity-written'] as const)(
    'at %s of enrolment becomes one device and no other',
    async (point) => {
      await using scene = await Scene.create();
      expect(await scene.agent({ crashAt: point }).exited).toBe('SIGKILL');
      const survivor = scene.agent();
      await survivor.until(() => scene.hub.statuses.length > 0, 'a status');
      expect(scene.hub.devices).toHaveLength(1);
    },
  );

  test('after the hub stored a delivery and before it was noted: nothing is delivered twice', async () => {
    await using scene = await Scene.create();
    const doomed = scene.agent({ crashAt: 'deliver-answered' });
    scene.send(doomed, 50);
    expect(await doomed.exited).toBe('SIGKILL');
    const stored = doomed.all('stored').at(-1)?.readings ?? 0;
    const survivor = scene.agent();
    await survivor.until(() => scene.hub.requests.filter((line) => line === 'POST /deliver').length > 1, 'a delivery');
    const times = scene.hub.readings.map(({ time }) => time);
    expect(new Set(times).size).toBe(times.length);
    expect(times.length).toBeGreaterThanOrEqual(stored);
  });

  test('at random moments while readings come and updates run: every durable reading arrives once', async () => {
    await using scene = await Scene.create();
    const { hub } = scene;
    const random = createRandom(20261121, 'kills');
    const releases = [1, 2, 3, 4, 5, 6].map((version) =>
      hub.release({ version, padding: 50_000, probation: { predictions: 3 } }),
    );
    hub.fault = (path) =>
      path === '/deliver' && random.next() < 0.2 ? random.pick(['answer-then-drop', 'error', 'drop']) : 'pass';
    const durable: number[] = [];
    const from: number[] = [];
    for (const { digest } of releases) {
      const agent = scene.agent();
      hub.want(digest);
      from.push(scene.lastTime);
      const feed = setInterval(() => scene.send(agent, 20), 10);
      await agent.line('started');
      await new Promise((resolve) => setTimeout(resolve, random.int(50, 700)));
      clearInterval(feed);
      await agent.kill();
      durable.push(agent.all('stored').at(-1)?.readings ?? 0);
    }
    hub.fault = () => 'pass';
    const last = scene.agent();
    await last.until(
      () => last.all('update').some(({ active, stage }) => active === releases.at(-1)!.digest && stage !== 'switching'),
      'the last release',
    );
    await last.until(() => last.all('delivered').at(-1)?.waiting === 0, 'everything delivered');
    const times = hub.readings.map(({ time }) => time);
    expect(new Set(times).size).toBe(times.length);
    // Of every run, what was said to be durable is there.
    for (const [run, start] of from.entries()) {
      const end = from[run + 1] ?? Number.POSITIVE_INFINITY;
      const arrived = times.filter((time) => time > start && time <= end).length;
      expect(arrived).toBeGreaterThanOrEqual(durable[run]!);
    }
    expect(durable.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(100);
  });
});

test('a crash point that does not exist is a mistake, not silence', () => {
  expect(() => crashAt('nowhere')).toThrow(SanderlingError);
});
