// The door for microcontrollers, with the real firmware as a process of this machine: enrolment, readings once, roll-outs, and what hostile peers can do.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRandom, sha256 } from '@sanderling/kit';
import {
  buildDevice,
  hasCompiler,
  hostImage,
  provisionFlash,
  readImage,
  sealImage,
  startDevice,
  type Device as RunningDevice,
  type DeviceProgram,
  type HostModel,
} from '@sanderling/micro';
import {
  encodeFrame,
  frameTypes,
  imageRelease,
  parseProject,
  sealBundle,
  type Device,
  type Release,
  type ReleaseManifest,
} from '@sanderling/wire';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Capabilities } from '../../capabilities.ts';
import type { NewVersion } from '../../models/index.ts';
import { openTestHub, smallProject, type TestHub } from '../../running-hub.suite.ts';
import { tables } from '../../store/index.ts';

const possible = await hasCompiler();
if (!possible) console.log('skipped: the door for microcontrollers, for want of gcc');

/** Where the firmware on this machine says that its slots are. */
const hostSlots = [0x08080000, 0x08100000];
const project = parseProject({ ...smallProject('room'), targets: ['stm32h745'] });
let program: DeviceProgram;
let folder: string;

beforeAll(async () => {
  if (!possible) return;
  folder = await mkdtemp(join(tmpdir(), 'link-door-'));
  program = await buildDevice('host', { defines: { DEVICE_REPORT_MS: '50u' } });
});
afterAll(async () => {
  if (!possible) return;
  await program[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

/** A hub with an open link door that keeps its port over restarts. */
async function openHub(link: object = {}): Promise<TestHub & { readonly port: number }> {
  const probe = await openTestHub({ settings: { link: { port: 0 } } });
  const port = probe.hub.linkPort!;
  await probe[Symbol.asyncDispose]();
  const problems: unknown[] = [];
  const hub = await openTestHub({
    settings: { link: { port, ...link } },
    tell: (message, error) => problems.push([message, error]),
  });
  onTestFinished(async () => {
    await hub[Symbol.asyncDispose]();
    expect(problems).toEqual([]);
  });
  await hub.hub.capabilities.projects.put(project);
  return Object.assign(hub, { port });
}

interface Board {
  readonly flash: string;
  start(sensorMs?: number): Promise<RunningDevice>;
}

/** A device with a token; started and killed as a test wants. */
async function newBoard(hub: TestHub & { readonly port: number }, token?: string): Promise<Board> {
  const flash = join(folder, `${randomBytes(4).toString('hex')}.flash`);
  const made = token ?? (await hub.hub.capabilities.fleet.createToken('room')).token!;
  await provisionFlash(flash, 'host', { token: made });
  return {
    flash,
    start: async (sensorMs = 0) => {
      const device = await startDevice(program, { flash, port: hub.port, sensorMs });
      onTestFinished(() => device.kill());
      return device;
    },
  };
}

/** A line to a port on which every write takes its time. @returns its own port */
async function slowLine(port: number): Promise<number> {
  const server = createServer((device) => {
    const hub = connect(port, '127.0.0.1');
    const both = [device, hub];
    for (const end of both) {
      end.on('error', () => both.forEach((one) => one.destroy()));
      end.on('close', () => both.forEach((one) => one.destroy()));
    }
    device.pipe(hub);
    hub.on('data', (bytes: Buffer) => {
      hub.pause();
      setTimeout(() => {
        device.write(bytes);
        hub.resume();
      }, 5);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

/** A line to a port whose far end stays open when the device has gone, as behind a router that lost its tables. @returns its own port */
async function halfOpenLine(port: number): Promise<number> {
  const server = createServer((device) => {
    const hub = connect(port, '127.0.0.1');
    hub.on('error', () => undefined);
    device.on('error', () => undefined);
    device.on('data', (bytes: Buffer) => void hub.write(bytes));
    hub.on('data', (bytes: Buffer) => void device.write(bytes));
    onTestFinished(() => void hub.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

const devicesOf = (hub: TestHub): Promise<Device[]> => hub.hub.capabilities.fleet.devices({ project: 'room' });

async function until<T>(ask: () => Promise<T>, enough: (value: T) => boolean, timeoutMs = 60_000): Promise<T> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const value = await ask();
    if (enough(value)) return value;
    if (Date.now() > end) throw new Error(`it did not come: ${JSON.stringify(value).slice(0, 2000)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function readingTimes({ data }: Capabilities): Promise<number[]> {
  const rows = await data.readings('room', { limit: 100_000 });
  return rows.map(({ time }) => time);
}

/** A version and its release as the pipeline makes them, with simulated models as images. */
async function shelve(hub: TestHub, version: number, model: Partial<HostModel>): Promise<Release> {
  const { blobs, hubKeys, database, registry } = hub.hub.capabilities;
  const evaluation = { metrics: {}, baselines: {} } as NewVersion['evaluation'];
  const origin = { project: 'room', run: 'run_1', execution: null, dataset: sha256('data'), artifact: sha256('model') };
  const nothing = { sizeBytes: 1, preprocessing: {}, prepared: {} } as Pick<
    NewVersion,
    'sizeBytes' | 'preprocessing' | 'prepared'
  >;
  expect(await registry.register({ ...origin, ...nothing, evaluation })).toBe(version);
  const target = 'stm32h745';
  const release = imageRelease({ project: 'room', version, target });
  const images = hostSlots.map((slotAddress, i) => {
    const { header, payload } = readImage(hostImage({ slotAddress, sequence: version, ...model }));
    return { file: `image-${i}.bin`, slotAddress, bytes: sealImage({ ...header, release }, payload) };
  });
  const files = new Map(images.map(({ file, bytes }) => [file, bytes]));
  const manifest = {
    format: 'sanderling-release/1',
    project: 'room',
    version,
    target,
    sequence: version,
    createdAt: Date.now(),
    files: images.map(({ file, bytes }) => ({ path: file, size: bytes.length, sha256: sha256(bytes) })),
    model: { file: 'image-0.bin', input: 'window', output: 'forecast' },
    preprocessing: { stepMs: 1000 },
    drift: {},
    selfTest: { cases: [], tolerance: 0 },
    probation: { predictions: 3, minutes: 5, maxErrorRatio: 5 },
    provenance: { dataset: '', run: '', execution: '', codeVersion: '', metrics: { mae: 100 } },
    images: images.map(({ file, slotAddress }) => ({ file, slotAddress, board: 'm7', sequence: version, release })),
  } satisfies ReleaseManifest;
  const { digest, bytes } = sealBundle(manifest, files, hubKeys.release.privateKey);
  const bundle = await blobs.put(bytes);
  const made = { digest, project: 'room', version, sequence: version, target: 'stm32h745' as const };
  const createdAt = Date.now();
  await tables<{ release: Record<string, unknown> }>(database)
    .insertInto('release')
    .values({ ...made, size_bytes: bytes.length, bundle, created_at: createdAt, image: release })
    .execute();
  return { ...made, sizeBytes: bytes.length, createdAt, cost: null };
}

describe.runIf(possible)('a device on the link', () => {
  test('enrols with a one-time token and delivers once, whoever is killed when', async () => {
    const hub = await openHub();
    const board = await newBoard(hub);
    let device = await board.start(4);
    const [known] = await until(
      () => devicesOf(hub),
      ([first]) => first?.online === true,
    );
    expect(known).toMatchObject({ target: 'stm32h745', tags: { board: 'host' }, agentVersion: 'firmware 1.0.0' });
    for (let i = 0; i < 3; i++) {
      const { length } = await readingTimes(hub.hub.capabilities);
      await until(
        () => readingTimes(hub.hub.capabilities),
        (times) => times.length >= length + 40,
      );
      if (i % 2 === 0) await hub.restart();
      else {
        await device.kill();
        device = await board.start(4);
      }
    }
    const before = (await readingTimes(hub.hub.capabilities)).length;
    await until(
      () => readingTimes(hub.hub.capabilities),
      (times) => times.length >= before + 40,
    );
    const times = await readingTimes(hub.hub.capabilities);
    expect(new Set(times).size).toBe(times.length);
    const { events } = hub.hub.capabilities;
    const started = await events.list({ types: ['agent.started'], limit: 100 });
    expect(started.map(({ data }) => data['boots'])).toEqual([1, 2]);
    expect((await events.list({ types: ['readings.rejected', 'readings.dropped'], limit: 10 })).length).toBe(0);
    expect(await devicesOf(hub)).toHaveLength(1);
  });

  test('a token serves one device; a device that was removed is none', async () => {
    const hub = await openHub();
    const { token } = await hub.hub.capabilities.fleet.createToken('room');
    const first = await newBoard(hub, token);
    await first.start(50);
    const [known] = await until(
      () => devicesOf(hub),
      (devices) => devices.length === 1,
    );
    const second = await newBoard(hub, token);
    await second.start(50);
    await until(
      () => readingTimes(hub.hub.capabilities),
      (times) => times.length >= 20,
    );
    expect(await devicesOf(hub)).toHaveLength(1);
    const signed = await hub.call('/agent/v1/desired', {
      key: null,
      headers: { authorization: `Sanderling-Device ${known!.id}:${Date.now()}:${'A'.repeat(86)}` },
    });
    expect([signed.status, signed.code]).toEqual([401, 'UNAUTHENTICATED']);
    await hub.hub.capabilities.fleet.remove(known!.id);
    const { length } = await readingTimes(hub.hub.capabilities);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect((await readingTimes(hub.hub.capabilities)).length - length).toBeLessThan(20);
    expect(await devicesOf(hub)).toEqual([]);
  });

  test('and a copy of its flash do not push each other off the link for ever: the hub says so, and one of them stays', async () => {
    const hub = await openHub();
    const board = await newBoard(hub);
    const original = await board.start(20);
    const [known] = await until(
      () => devicesOf(hub),
      ([first]) => first?.online === true,
    );
    await original.kill();
    const copy = join(folder, `${randomBytes(4).toString('hex')}.flash`);
    await copyFile(board.flash, copy);
    const first = await board.start(20);
    const second = await startDevice(program, { flash: copy, port: hub.port, sensorMs: 20 });
    onTestFinished(() => second.kill());
    const { events } = hub.hub.capabilities;
    const contests = () => events.list({ types: ['device.connected-twice'], limit: 10 });
    const [contest] = await until(contests, ({ length }) => length > 0);
    expect(contest).toMatchObject({ subject: known!.id, project: 'room', data: { code: 'CONFLICT' } });
    const { connected, refused } = contest!.data as { connected: string; refused: string };
    expect(connected).toMatch(/^\S*127\.0\.0\.1:\d+$/);
    expect(refused).not.toBe(connected);
    // One of them goes on undisturbed; when it ends, the other one gets the place.
    const more = async (): Promise<void> => {
      const { length } = await readingTimes(hub.hub.capabilities);
      await until(
        () => readingTimes(hub.hub.capabilities),
        (times) => times.length >= length + 30,
      );
    };
    await more();
    await first.kill();
    await more();
    await second.kill();
    await board.start(20);
    await more();
    expect(await contests()).toHaveLength(1);
  });

  test('whose old connections are dead gets its place each time, and is not taken for two', async () => {
    const hub = await openHub();
    const board = await newBoard({ ...hub, hub: hub.hub, port: await halfOpenLine(hub.port) });
    const { events } = hub.hub.capabilities;
    const starts = () => events.list({ types: ['agent.started'], limit: 100 });
    for (let i = 0; i < 6; i++) {
      const { length } = await readingTimes(hub.hub.capabilities);
      const device = await board.start(20);
      // Readings of the one before may still come: that this one is heard, its start says.
      await until(starts, (told) => told.length === i + 1);
      await until(
        () => readingTimes(hub.hub.capabilities),
        (times) => times.length >= length + 10,
      );
      await device.kill();
    }
    expect((await starts()).length).toBe(6);
    expect(await events.list({ types: ['device.connected-twice'], limit: 10 })).toEqual([]);
  });

  test('a release comes into service after its probation; bad ones are refused or taken back, and the roll-out ends by itself', async () => {
    const hub = await openHub();
    const board = await newBoard(hub);
    await board.start(20);
    await until(
      () => devicesOf(hub),
      (devices) => devices.length === 1,
    );
    const { rollouts } = hub.hub.capabilities;
    const rollOut = async (version: number, model: Partial<HostModel>) => {
      const release = await shelve(hub, version, model);
      const { id } = await rollouts.begin({ spec: project, version, releases: [release], execution: null });
      const { state, devices } = await until(
        () => rollouts.get(id),
        (rollout) => rollout.state !== 'running',
      );
      return { release, state, device: devices[0]!, active: (await devicesOf(hub))[0]!.active };
    };
    const good = await rollOut(1, {});
    expect(good).toMatchObject({ state: 'succeeded', device: { state: 'active' }, active: good.release.digest });
    const untested = await rollOut(2, { behaviour: 'failsTest' });
    expect(untested).toMatchObject({ state: 'aborted', active: good.release.digest });
    expect(untested.device.reason).toMatch(/does not answer as its maker computed/);
    const wild = await rollOut(3, { behaviour: 'notFinite' });
    expect(wild).toMatchObject({ state: 'aborted', active: good.release.digest });
    expect(wild.device.reason).toMatch(/went back.*not-finite/);
    const foreign = await rollOut(4, { board: 'm4' });
    expect(foreign.device.reason).toMatch(/another processor/);
    const large = await rollOut(5, { bytes: 200_000 });
    expect(large).toMatchObject({ state: 'succeeded', active: large.release.digest });
    const [device] = await until(
      () => devicesOf(hub),
      ([first]) => first?.report?.['release'] === large.release.digest,
    );
    expect(device!.report).toMatchObject({ rollingError: expect.any(Number) });
    expect(device!.report!['forecast']).toHaveLength(4);
  });

  test('the hub and the device are killed in the middle of updates, again and again', async () => {
    const hub = await openHub();
    const board = await newBoard({ ...hub, hub: hub.hub, port: await slowLine(hub.port) });
    let device = await board.start(10);
    await until(
      () => devicesOf(hub),
      (devices) => devices.length === 1,
    );
    const release = await shelve(hub, 1, { bytes: 450_000 });
    const { rollouts } = hub.hub.capabilities;
    const { id } = await rollouts.begin({ spec: project, version: 1, releases: [release], execution: null });
    const random = createRandom(Date.now());
    let inTheMiddle = 0;
    for (let i = 0; i < 6; i++) {
      const [seen] = await until(
        () => devicesOf(hub),
        ([first]) => first?.update !== null && first!.update.stage !== 'idle',
      );
      if (seen!.update!.stage === 'downloading') inTheMiddle++;
      await new Promise((resolve) => setTimeout(resolve, random.int(50, 400)));
      if (i % 2 === 0) await hub.restart();
      else {
        await device.kill();
        device = await board.start(10);
      }
    }
    const ended = await until(
      () => hub.hub.capabilities.rollouts.get(id),
      (rollout) => rollout.state !== 'running',
    );
    expect(ended).toMatchObject({ state: 'succeeded', devices: [{ state: 'active' }] });
    expect(inTheMiddle).toBeGreaterThan(1);
    const times = await readingTimes(hub.hub.capabilities);
    expect(new Set(times).size).toBe(times.length);
  });
});

describe('whoever connects', () => {
  const opened = async (port: number): Promise<Socket> => {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.resume();
    await once(socket, 'connect');
    return socket;
  };

  test('and says nothing, or rubbish, or that it is somebody, is closed after a while; the hub goes on', async () => {
    const hub = await openHub({ helloSeconds: 0.5 });
    const random = createRandom(5, 'rubbish');
    const bytes = (count: number): Buffer => Buffer.from(Array.from({ length: count }, () => random.int(0, 255)));
    const hello = (): Buffer => {
      const payload = Buffer.alloc(16 + 64 + 4);
      payload.write(`dev_${randomBytes(8).toString('hex')}`, 16, 'latin1');
      payload.writeUInt32LE(1, 80);
      return encodeFrame({
        type: frameTypes.hello,
        seq: 0,
        payload: Buffer.concat([randomBytes(16), payload.subarray(16)]),
      });
    };
    const peers: ((socket: Socket) => void)[] = [
      () => undefined,
      (socket) => void socket.write(bytes(20_000)),
      (socket) => void Array.from({ length: 40 }, () => socket.write(hello())),
      (socket) =>
        void Array.from({ length: 200 }, () =>
          socket.write(
            encodeFrame({ type: random.int(0, 255), seq: random.int(0, 9), payload: bytes(random.int(0, 300)) }),
          ),
        ),
      (socket) => void socket.write(Buffer.from('GET / HTTP/1.1\r\n\r\n')),
      (socket) => void socket.write(Buffer.concat([Buffer.from([0xa5, 0x5a]), bytes(3000)])),
    ];
    const closed = [];
    for (const peer of peers) {
      const socket = await opened(hub.port);
      peer(socket);
      closed.push(once(socket, 'close'));
    }
    await Promise.all(closed);
    expect((await hub.call('/api/v1/projects')).status).toBe(200);
    expect(await devicesOf(hub)).toEqual([]);
  });

  test('when there are too many, is closed at once', async () => {
    const hub = await openHub({ connections: 3 });
    const sockets = [];
    for (let i = 0; i < 3; i++) sockets.push(await opened(hub.port));
    const last = await opened(hub.port);
    await once(last, 'close');
    expect(sockets.every((socket) => !socket.destroyed)).toBe(true);
    for (const socket of sockets) socket.destroy();
  });

  test('finds no door unless it was opened', async () => {
    await using hub = await openTestHub();
    expect(hub.hub.linkPort).toBeUndefined();
  });
});
