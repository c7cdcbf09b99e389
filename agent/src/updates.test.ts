// Updates end to end: a real agent process, a real HTTP hub, real signatures, real models.
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createSigningKey } from '@sanderling/wire/device';
import type { SealedRelease } from './testing/test-releases.ts';
import { makeRelease } from './testing/test-releases.ts';
import { Scene } from './testing/scene.ts';

describe.concurrent('an update', () => {
  test('runs through its stages, keeps the previous release, collects older ones, and predicts at once', async () => {
    await using scene = await Scene.create();
    const { hub } = scene;
    const [first, second, third] = [
      hub.release({ version: 1 }),
      hub.release({ version: 2 }),
      hub.release({ version: 3, window: 9 }),
    ];
    const agent = scene.agent();
    await scene.activate(agent, first.digest);
    const stages = agent.all('update').filter(({ release }) => release === first.digest);
    expect([...new Set(stages.map(({ stage }) => stage))]).toEqual([
      'downloading',
      'verifying',
      'testing',
      'switching',
      'probation',
      'active',
    ]);
    await scene.activate(agent, second.digest);
    await scene.activate(agent, third.digest);
    // A longer window than any before is full from the first reading on: no reading was without a forecast since the first release.
    const from = agent.lines.findIndex(({ type }) => type === 'forecast');
    expect(agent.lines.slice(from).some(({ type }) => type === 'reading')).toBe(false);
    expect(agent.all('update').at(-1)).toMatchObject({
      active: third.digest,
      previous: second.digest,
      stage: 'active',
    });
    await agent.until(() => hub.events('release.activated').length === 3, 'three events');
    const stored = await readdir(join(scene.data, 'releases'));
    expect(new Set(stored)).toEqual(new Set([second.digest, third.digest]));
    await agent.until(() => hub.statuses.at(-1)?.update.stage === 'active', 'the status');
    expect(hub.statuses.at(-1)).toMatchObject({ counter: 3, active: third.digest, previous: second.digest });
  });

  test('an older release is installed when the hub has signed the step back', async () => {
    await using scene = await Scene.create();
    const [first, second] = [scene.hub.release({ version: 1 }), scene.hub.release({ version: 2 })];
    const agent = scene.agent();
    await scene.activate(agent, first.digest);
    await scene.activate(agent, second.digest);
    await scene.activate(agent, first.digest);
    expect(agent.all('update').at(-1)).toMatchObject({ active: first.digest, previous: second.digest });
  });

  test('every bad release is refused with its code, remembered, and the good one serves on', async () => {
    await using scene = await Scene.create();
    const { hub } = scene;
    const agent = scene.agent();
    const good = hub.release();
    await scene.activate(agent, good.digest);
    const cases = badReleases(scene);
    for (const [what, code, release] of cases) {
      const counter = hub.want(release.digest);
      const { reason, active } = await agent.line(
        'update',
        (line) => line.counter === counter && line.stage === 'refused',
      );
      await agent.until(() => hub.events('release.refused').at(-1)?.data['counter'] === counter, what);
      expect.soft(hub.events('release.refused').at(-1)?.data, what).toMatchObject({ release: release.digest, code });
      expect.soft(reason, what).toBeTruthy();
      expect.soft(active).toBe(good.digest);
    }
    scene.send(agent, 3);
    await agent.until(() => agent.all('forecast').at(-1)?.time === scene.lastTime, 'a forecast');
    expect(agent.all('forecast').at(-1)?.release).toBe(good.digest);
    // Remembered: a new process does not try again; a new wish with a higher counter is tried.
    await agent.kill('SIGTERM');
    const posts = hub.statuses.length;
    const again = scene.agent();
    await again.until(() => hub.statuses.length > posts, 'the status');
    expect(hub.statuses.at(-1)).toMatchObject({ active: good.digest, update: { stage: 'refused' } });
    expect(again.all('update').some(({ stage }) => stage === 'testing' || stage === 'downloading')).toBe(false);
    const counter = hub.want(cases.at(-1)![2].digest);
    await again.line('update', (line) => line.counter === counter && line.stage === 'testing');
    await again.line('update', (line) => line.counter === counter && line.stage === 'refused');
  });

  test('what is not signed by the hub for this device, or is a replay, is refused', async () => {
    await using scene = await Scene.create();
    const { hub } = scene;
    const [good, other] = [hub.release({ version: 1 }), hub.release({ version: 2 })];
    const agent = scene.agent();
    await scene.activate(agent, good.digest);
    const [device] = hub.devices;
    const codes = (): unknown[] => hub.events('agent.desired-refused').map(({ data }) => data['code']);
    for (const [desired, code] of [
      [{ ...hub.signed(device!, { counter: 9, release: other.digest }), counter: 10 }, 'BAD_SIGNATURE'],
      [hub.signed('dev_another', { counter: 9, release: other.digest }), 'BAD_SIGNATURE'],
      [hub.signed(device!, { counter: 0, release: other.digest }), 'CONFLICT'],
      [hub.signed(device!, { counter: 1, release: other.digest }), 'CONFLICT'],
    ] as const) {
      const known = codes().length;
      hub.desired = desired;
      hub.want(null);
      await agent.until(() => codes().length > known, code);
      expect(codes().at(-1)).toBe(code);
    }
    scene.send(agent, 2);
    await agent.until(() => agent.all('forecast').length > 12, 'forecasts');
    expect(agent.all('forecast').at(-1)?.release).toBe(good.digest);
    expect(hub.requests).not.toContain(`GET /releases/${other.digest}`);
  });

  test('the replay is refused after a restart as well', async () => {
    await using scene = await Scene.create();
    const { hub } = scene;
    const [old, good] = [hub.release({ version: 1 }), hub.release({ version: 2 })];
    const first = scene.agent();
    await scene.activate(first, old.digest);
    const replay = hub.signed(hub.devices[0]!);
    await scene.activate(first, good.digest);
    await first.kill();
    hub.desired = replay;
    const second = scene.agent();
    expect((await second.line('started')).release).toBe(good.digest);
    await second.until(() => hub.events('agent.desired-refused').length > 0, 'the refusal');
    expect(hub.events('agent.desired-refused')[0]?.data).toMatchObject({ code: 'CONFLICT', counter: 1 });
  });
});

/** Every way in which a release can be wrong, with the code that says so. */
function badReleases({ hub }: Scene): [string, string, SealedRelease][] {
  const wrongKey = makeRelease({ version: 10 }, createSigningKey().privateKey);
  hub.store(wrongKey.digest, wrongKey.bytes);
  const truncated = hub.release({ version: 11, padding: 5000 });
  hub.store(truncated.digest, truncated.bytes.subarray(0, -100));
  const tampered = hub.release({ version: 12, padding: 5000 });
  hub.store(tampered.digest, Buffer.from(tampered.bytes).fill(1, tampered.bytes.length - 50));
  const manifestChanged = hub.release({ version: 13 });
  hub.store(manifestChanged.digest, Buffer.from(manifestChanged.bytes).fill(0x20, 40, 44));
  const other = hub.release({ version: 14 });
  const swapped = hub.release({ version: 15 });
  hub.store(swapped.digest, other.bytes);
  const garbage = hub.release({ version: 16 });
  hub.store(garbage.digest, Buffer.from('<html>log in to the guest network</html>'));
  return [
    ['wrong key', 'BAD_SIGNATURE', wrongKey],
    ['truncated', 'CORRUPT', truncated],
    ['tampered file', 'CORRUPT', tampered],
    ['tampered manifest', 'BAD_SIGNATURE', manifestChanged],
    ['another release under this address', 'CORRUPT', swapped],
    ['no bundle at all', 'CORRUPT', garbage],
    ['another target', 'UNSUPPORTED', hub.release({ version: 17, manifest: { target: 'stm32h745' } })],
    ['self-test off', 'SELF_TEST_FAILED', hub.release({ version: 18, selfTestOffset: 0.01 })],
    ['always NaN', 'SELF_TEST_FAILED', hub.release({ version: 19, behaviour: 'nan' })],
    [
      'no self-test',
      'SELF_TEST_FAILED',
      hub.release({ version: 20, manifest: { selfTest: { cases: [], tolerance: 1 } } }),
    ],
    [
      'no such model file',
      'INVALID_MODEL',
      hub.release({ version: 21, manifest: { model: { file: 'x', input: 'window', output: 'forecast' } } }),
    ],
    [
      'model is padding',
      'INVALID_MODEL',
      hub.release({
        version: 22,
        padding: 10,
        manifest: { model: { file: 'padding.bin', input: 'window', output: 'forecast' } },
      }),
    ],
    [
      'wrong preprocessing',
      'INVALID_ARGUMENT',
      hub.release({ version: 23, manifest: { preprocessing: { window: -1 } } }),
    ],
    ['wrong drift settings', 'INVALID_CONFIG', hub.release({ version: 24, manifest: { drift: {} } })],
    [
      'output missing',
      'SELF_TEST_FAILED',
      hub.release({ version: 25, manifest: { model: { file: 'model.onnx', input: 'window', output: 'y' } } }),
    ],
  ];
}

describe.concurrent('a release that fails in its first minutes', () => {
  test.each([
    ['forecasts that are not finite', 'nan-when-far', 'INVALID_MODEL', 28],
    ['failures of the runtime', 'throws-when-far', 'INTERNAL', 28],
    ['an error far above the test error', 'biased', 'GATE_FAILED', 20],
  ] as const)('goes back by itself: %s', async (_, behaviour, code, value) => {
    await using scene = await Scene.create();
    const { hub } = scene;
    const [good, bad] = [
      hub.release({ version: 1 }),
      hub.release({ version: 2, behaviour, probation: { predictions: 12 } }),
    ];
    const agent = scene.agent();
    await scene.activate(agent, good.digest);
    const counter = hub.want(bad.digest);
    await agent.line('update', (line) => line.counter === counter && line.stage === 'probation');
    scene.send(agent, 12, value);
    const back = await agent.line('update', (line) => line.stage === 'rolled-back');
    expect(back).toMatchObject({ active: good.digest, release: bad.digest });
    await agent.until(() => hub.events('release.rolled-back').length > 0, 'the event');
    expect(hub.events('release.rolled-back')[0]?.data).toMatchObject({ code, release: bad.digest, to: good.digest });
    scene.send(agent, 5);
    await agent.until(() => agent.all('forecast').at(-1)?.release === good.digest, 'forecasts of the good one');
    // It is not tried again, not even by a new process, until the hub asks anew.
    await agent.kill('SIGTERM');
    const again = scene.agent();
    expect((await again.line('started')).release).toBe(good.digest);
    await again.until(() => hub.statuses.at(-1)?.update.stage === 'rolled-back', 'the status');
    expect(hub.statuses.at(-1)?.update.reason).toBe(back.reason);
    const asked = hub.want(bad.digest);
    await again.line('update', (line) => line.counter === asked && line.stage === 'probation');
  });

  test('three deaths of the process end it; a clean stop does not count', async () => {
    await using scene = await Scene.create();
    const { hub } = scene;
    const [good, bad] = [hub.release({ version: 1 }), hub.release({ version: 2, probation: { predictions: 1000 } })];
    const first = scene.agent();
    await scene.activate(first, good.digest);
    hub.want(bad.digest);
    await first.line('update', (line) => line.release === bad.digest && line.stage === 'probation');
    expect(await first.kill('SIGTERM')).toBe(0);
    for (let death = 1; death <= 3; death++) {
      const agent = scene.agent();
      expect((await agent.line('started')).release).toBe(bad.digest);
      await agent.kill();
    }
    const last = scene.agent();
    expect((await last.line('started')).release).toBe(good.digest);
    await last.until(() => hub.events('release.rolled-back').length > 0, 'the event');
    expect(hub.events('release.rolled-back')[0]?.data).toMatchObject({ numbers: { deaths: 3 }, to: good.digest });
  });
});

describe.concurrent('the stored releases', () => {
  test('a damaged release is noticed at the start; the previous one serves, and the damaged one is fetched again', async () => {
    await using scene = await Scene.create();
    const { hub } = scene;
    const [first, second] = [hub.release({ version: 1 }), hub.release({ version: 2 })];
    const agent = scene.agent();
    await scene.activate(agent, first.digest);
    await scene.activate(agent, second.digest);
    await agent.kill();
    const path = join(scene.data, 'releases', second.digest, 'bundle');
    const bytes = await readFile(path);
    await writeFile(path, bytes.fill(0, bytes.length - 20));
    const again = scene.agent();
    expect((await again.line('started')).release).toBe(first.digest);
    await again.line('update', (line) => line.active === second.digest && line.stage === 'probation');
    await again.until(() => hub.events('release.damaged').length === 1, 'the event');
  });

  test('when both copies of the record are lost, the newest release serves', async () => {
    await using scene = await Scene.create();
    const { hub } = scene;
    const [first, second] = [hub.release({ version: 1 }), hub.release({ version: 2 })];
    const agent = scene.agent();
    await scene.activate(agent, first.digest);
    await scene.activate(agent, second.digest);
    await agent.kill();
    for (const name of ['pointer-a.json', 'pointer-b.json']) await writeFile(join(scene.data, 'state', name), '{"revi');
    expect((await scene.agent().line('started')).release).toBe(second.digest);
  });
});
