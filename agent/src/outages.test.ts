// The hub gone, slow, broken or lying; the clocks apart; the disk full.
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRandom } from '@sanderling/kit';
import { describe, expect, test } from 'vitest';
import type { Fault } from './testing/test-hub.ts';
import { TestHub } from './testing/test-hub.ts';
import { Scene } from './testing/scene.ts';

describe.concurrent('without a hub', () => {
  test('readings are kept and predicted from, over a restart, and delivered when it is back', async () => {
    await using scene = await Scene.create();
    const { hub } = scene;
    const agent = scene.agent();
    await scene.activate(agent, hub.release().digest);
    await agent.until(() => hub.readings.length === 15, 'the readings');
    await hub.stop();
    scene.send(agent, 20);
    await agent.until(() => agent.all('forecast').at(-1)?.time === scene.lastTime, 'forecasts');
    await agent.until(() => agent.all('stored').at(-1)?.readings === 35, 'readings on disk');
    await agent.kill();
    const again = scene.agent();
    scene.send(again, 10);
    await again.until(() => again.all('forecast').length === 10, 'a forecast for every reading');
    await hub.restart();
    await again.until(() => hub.readings.length === 45, 'the readings');
    expect(new Set(hub.readings.map(({ time }) => time)).size).toBe(45);
  });

  test('enrolment waits, and what came before it is delivered after it', async () => {
    await using scene = await Scene.create();
    await scene.hub.stop();
    const agent = scene.agent();
    scene.send(agent, 5);
    await agent.line('error', ({ about, code }) => about === 'enrolment' && code === 'UNAVAILABLE');
    await scene.hub.restart();
    await agent.until(() => scene.hub.readings.length === 5, 'the readings');
    expect(scene.hub.devices).toHaveLength(1);
  });
});

test.concurrent.each<Fault>(['drop', 'error', 'garbage', 'answer-then-drop'])(
  'a hub that answers with %s half of the time gets everything once',
  async (fault) => {
    await using scene = await Scene.create();
    const { hub } = scene;
    const random = createRandom(1, fault);
    hub.fault = () => (random.next() < 0.5 ? fault : 'pass');
    const release = hub.release({ padding: 20_000 });
    hub.want(release.digest);
    const agent = scene.agent();
    scene.send(agent, 100);
    await agent.until(() => hub.readings.length === 100, 'the readings');
    await agent.line('update', ({ stage }) => stage === 'probation');
    expect(new Set(hub.readings.map(({ time }) => time)).size).toBe(100);
  },
);

describe.concurrent('a download', () => {
  test('that breaks goes on where it was, also in another process', async () => {
    await using scene = await Scene.create();
    const { hub } = scene;
    const release = hub.release({ padding: 400_000 });
    hub.chunk = { bytes: 50_000, pauseMs: 10 };
    let breaks = 0;
    hub.fault = (path) => (path.startsWith('/releases/') && breaks++ < 2 ? 'cut-body' : 'pass');
    const agent = scene.agent();
    hub.want(release.digest);
    await agent.until(() => hub.ranges.length === 1, 'a resumed download');
    await agent.kill();
    const again = scene.agent();
    await again.line('update', ({ stage }) => stage === 'probation');
    const starts = hub.ranges.map((range) => Number(/\d+/.exec(range)));
    expect(starts.length).toBeGreaterThanOrEqual(2);
    for (const [i, start] of starts.entries()) expect(start).toBeGreaterThanOrEqual(i === 0 ? 100_000 : starts[i - 1]!);
  });

  test('with wrong bytes from an earlier try is fetched again in one piece', async () => {
    await using scene = await Scene.create();
    const { hub } = scene;
    const release = hub.release({ padding: 100_000 });
    hub.want(release.digest);
    expect(await scene.agent({ crashAt: 'download-started' }).exited).toBe('SIGKILL');
    await writeFile(join(scene.data, 'downloads', `${release.digest}.partial`), Buffer.alloc(30_000));
    await scene.agent().line('update', ({ stage }) => stage === 'probation');
    expect(hub.ranges).toEqual(['bytes=30000-']);
  });

  test('beyond the bound is refused before it fills the disk', async () => {
    await using scene = await Scene.create();
    const { hub } = scene;
    const release = hub.release({ padding: 3 << 20 });
    const agent = scene.agent({ args: ['--max-bundle-mb', '1'] });
    hub.want(release.digest);
    const { reason } = await agent.line('update', ({ stage }) => stage === 'refused');
    expect(reason).toContain('1048576');
  });

  test('of a release that is no longer wanted ends', async () => {
    await using scene = await Scene.create();
    const { hub } = scene;
    const [slow, next] = [hub.release({ version: 1, padding: 1 << 20 }), hub.release({ version: 2 })];
    hub.chunk = { bytes: 1000, pauseMs: 20 };
    const agent = scene.agent();
    hub.want(slow.digest);
    await agent.until(() => hub.requests.includes(`GET /releases/${slow.digest}`), 'the request');
    hub.chunk = { bytes: 1 << 20, pauseMs: 0 };
    hub.want(next.digest);
    await agent.line('update', ({ stage, active }) => stage === 'probation' && active === next.digest);
    expect(agent.all('update').some(({ release, stage }) => release === slow.digest && stage === 'verifying')).toBe(
      false,
    );
  });
});

test.concurrent('an hour between the clocks does no harm', async () => {
  await using scene = await Scene.create();
  scene.hub.skewMs = -3_600_000;
  const agent = scene.agent();
  scene.send(agent, 5);
  await agent.until(() => scene.hub.readings.length === 5, 'the readings');
  scene.hub.skewMs = 7_200_000;
  scene.send(agent, 5);
  await agent.until(() => scene.hub.readings.length === 10, 'more readings');
  expect(agent.all('error')).toEqual([]);
});

test.concurrent('an entry that the hub will never take does not hold up the others', async () => {
  await using scene = await Scene.create();
  scene.hub.refuses = (entry) => entry.kind === 'reading' && entry.value === 666;
  const agent = scene.agent();
  scene.send(agent, 3);
  scene.send(agent, 1, 666);
  scene.send(agent, 3);
  await agent.until(() => scene.hub.readings.length === 6, 'the others');
  await agent.until(() => scene.hub.events('agent.entry-refused').length === 1, 'the event');
  expect(scene.hub.readings.some(({ value }) => value === 666)).toBe(false);
});

describe.concurrent('the start fails with a coded message', () => {
  test('without a token, with a used one, at the wrong hub, on a folder in use', async () => {
    await using scene = await Scene.create();
    await using other = await new TestHub().start();
    const without = scene.agent({ token: '' });
    expect(await without.exited).toBe(4);
    expect(without.stderr).toContain('UNAUTHENTICATED');
    const wrongHub = scene.agent({ hub: other, token: scene.hub.token() });
    expect(await wrongHub.exited).toBe(4);
    const liar = scene.agent({ token: other.token() });
    expect(await liar.exited).toBe(4);
    const good = scene.agent();
    await good.line('enrolled');
    const second = scene.agent();
    expect(await second.exited).toBe(6);
    expect(second.stderr).toContain('another agent runs on this data folder');
    await good.kill();
    const stranger = scene.agent({ token: other.token() });
    expect(await stranger.exited).toBe(6);
    expect(stranger.stderr).toContain('another hub');
    expect((await stat(join(scene.data, 'identity.json'))).mode & 0o777).toBe(0o600);
    const { enrolment } = JSON.parse(await readFile(join(scene.data, 'identity.json'), 'utf8')) as Record<
      string,
      unknown
    >;
    expect(enrolment).toMatchObject({ project: 'test', hubPublicKey: scene.hub.key.publicKey });
  });

  test('a hub with another key than the token says is not believed', async () => {
    await using scene = await Scene.create();
    await using other = await new TestHub().start();
    const token = scene.hub.token();
    // The wrong hub takes any token of the right one.
    other.fault = () => 'pass';
    other.admit(token);
    const agent = scene.agent({ hub: other, token });
    expect(await agent.exited).toBe(9);
    expect(agent.stderr).toContain('BAD_SIGNATURE');
  });
});

test.concurrent('lines that are no readings are counted and told of, and a filter ends with its input', async () => {
  await using scene = await Scene.create();
  const agent = scene.agent();
  agent.write('nonsense\n{"time": 12, "value": 1}\n');
  scene.send(agent, 3);
  agent.end();
  expect(await agent.exited).toBe(0);
  expect(agent.all('source')).toEqual([{ type: 'source', state: 'ended', readings: 3, rejected: 2 }]);
  expect(scene.hub.readings).toHaveLength(3);
  expect(scene.hub.events('readings.rejected')[0]?.data).toMatchObject({ count: 1 });
});

test.concurrent('a full disk: predictions go on, nothing durable is lost, and the hub hears of it when there is space', async ({
  skip,
  onTestFinished,
}) => {
  const mount = await mkdtemp(join(tmpdir(), 'sanderling-small-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=6m', 'tmpfs', mount], { stdio: 'pipe' });
  } catch (error) {
    console.warn(
      `SKIPPED: a small file system cannot be mounted here (${String((error as Error).message).split('\n')[0]}); needs root`,
    );
    skip();
    return;
  }
  onTestFinished(async () => {
    execFileSync('umount', ['-l', mount]);
    await rm(mount, { recursive: true });
  });
  await using scene = await Scene.create();
  const { hub } = scene;
  const data = join(mount, 'data');
  const release = hub.release();
  const agent = scene.agent({ data });
  await scene.activate(agent, release.digest);
  await agent.until(() => hub.readings.length === 15, 'the first readings');
  await hub.stop();
  const ballast = join(mount, 'ballast');
  try {
    await writeFile(ballast, Buffer.alloc(6 << 20));
  } catch {
    // It is full now: that is the point.
  }
  let before = scene.lastTime;
  await agent.until(() => {
    if (agent.all('forecast').at(-1)?.time === before || before === scene.lastTime) {
      scene.send(agent, 200);
      before = scene.lastTime;
    }
    return agent.all('error').some(({ code }) => code === 'DISK_FULL');
  }, 'the full disk');
  scene.send(agent, 20);
  await agent.until(() => agent.all('forecast').at(-1)?.time === scene.lastTime, 'forecasts on a full disk');
  // A process that starts on the full disk predicts as well; what the dead one held in memory only is the sensor's to send again.
  await agent.kill();
  scene.rewind(agent);
  const second = scene.agent({ data });
  scene.send(second, 30);
  await second.until(() => second.all('forecast').at(-1)?.time === scene.lastTime, 'forecasts of a new process');
  await rm(ballast);
  await hub.restart();
  const { sent } = scene;
  await second.until(() => hub.readings.length === sent, 'every reading');
  expect(new Set(hub.readings.map(({ time }) => time)).size).toBe(sent);
  await second.until(() => hub.events('agent.disk-full').length === 1, 'the event');
  expect(hub.events('agent.disk-full')[0]?.data).toMatchObject({ code: 'DISK_FULL', dropped: 0 });
  await second.kill();
});
