import { createHmac, randomBytes } from 'node:crypto';
import { Duplex, duplexPair } from 'node:stream';
import { expect, onTestFinished, test } from 'vitest';
import { createRandom } from '@sanderling/kit';
import type { LinkDesk, LinkOptions } from './desk.ts';
import { toOutboxEntry, type LinkEntries } from './entries.ts';
import { FieldWriter } from './fields.ts';
import { encodeFrame, FrameReader, type Frame } from './frames.ts';
import { answerBit, frameTypes } from './protocol.ts';
import { LinkSession } from './session.ts';

const quick: LinkOptions = { answerMs: 20, longAnswerMs: 20, attempts: 3, interByteMs: 20, knockMs: 20, helloMs: 500 };
const key = randomBytes(32);
const id = Buffer.alloc(64);
id.write('dev_one');

/** A device of a few lines, written from the table in protocol.ts. */
class SmallDevice {
  readonly taken: Frame[] = [];
  readonly #stream: Duplex;
  readonly #reader = new FrameReader(1000);
  #session: Buffer = Buffer.alloc(32);
  #nonce: Buffer = Buffer.alloc(16);
  #sent = 0;
  /** How it answers requests; without an answer it is silent. */
  answer: (frame: Frame) => Buffer | undefined = () => undefined;

  constructor(stream: Duplex) {
    this.#stream = stream;
    stream.on('data', (bytes: Buffer) => {
      for (const frame of this.#reader.push(bytes, 0)) this.#take(frame);
    });
  }

  hello(): void {
    this.#nonce = randomBytes(16);
    this.raw({ type: frameTypes.hello, seq: 0, payload: Buffer.concat([this.#nonce, id, Buffer.from([1, 0, 0, 0])]) });
  }

  raw(frame: Frame): void {
    this.#stream.write(encodeFrame(frame));
  }

  sealed(type: number, seq: number, body: Buffer): Frame {
    const head = Buffer.from([type, 1, 0, 0, 0, 0, 0, 0]);
    head.writeUInt32LE(seq, 2);
    head.writeUInt16LE(body.length + 16, 6);
    const mac = createHmac('sha256', this.#session).update(head).update(body).digest().subarray(0, 16);
    return { type, seq, payload: Buffer.concat([body, mac]) };
  }

  entries(body: Buffer, seq = ++this.#sent): void {
    this.raw(this.sealed(frameTypes.entries, seq, Buffer.concat([Buffer.alloc(8, 1), body])));
  }

  #take(frame: Frame): void {
    this.taken.push(frame);
    if (frame.type === frameTypes.challenge) this.#prove(Buffer.from(frame.payload.subarray(16, 32)));
    if (frame.type < frameTypes.resume || frame.type > frameTypes.feed) return;
    const body = frame.type === frameTypes.resume ? info() : this.answer(frame);
    if (body !== undefined) this.raw(this.sealed(frame.type | answerBit, frame.seq, body));
  }

  #prove(hubNonce: Buffer): void {
    const parts = Buffer.concat([id, this.#nonce, hubNonce]);
    const outbox = Buffer.alloc(8, 1);
    this.#session = hmac('session', parts);
    this.#sent = 0;
    this.raw({
      type: frameTypes.proof,
      seq: 0,
      payload: Buffer.concat([hubNonce, outbox, hmac('device', parts, outbox)]),
    });
  }
}

const hmac = (purpose: string, ...parts: Buffer[]): Buffer =>
  createHmac('sha256', key).update(`sanderling-link/1 ${purpose}\0`).update(Buffer.concat(parts)).digest();

function info(): Buffer {
  const body = new FieldWriter().u32(0).u32(1).u32(3).text('9.9', 16).u32(4).u8(255).u8(255).u8(0).u8(1);
  for (let slot = 0; slot < 2; slot++)
    body
      .u32(0x1000 * slot)
      .u32(500)
      .u32(0)
      .u32(0)
      .zeros(32);
  body.u32(0).u32(1000).u32(255).u32(0).u32(0).zeros(32).zeros(8).i64(1).u32(0).u32(0).i64(5).i64(6);
  return body.zeros(12).f32(0).f32(-1).u32(0).u32(0).done();
}

interface Setup {
  readonly session: LinkSession;
  readonly device: SmallDevice;
  readonly stored: LinkEntries[];
  readonly problems: string[];
}

function setUp(desk: Partial<LinkDesk> = {}): Setup {
  const [hubSide, deviceSide] = duplexPair();
  const [stored, problems]: [LinkEntries[], string[]] = [[], []];
  const session = new LinkSession(
    hubSide,
    {
      deviceKey: async (device) => (device === 'dev_one' ? key : undefined),
      tokenKey: async () => undefined,
      enrol: async () => Promise.reject(new Error('nobody enrols here')),
      stored: async () => 0,
      take: async (_device, entries) => {
        stored.push(entries);
        return entries.entries.at(-1)?.number ?? 0;
      },
      onProblem: (error) => problems.push(error.message),
      ...desk,
    },
    quick,
  ).start();
  onTestFinished(() => session.close());
  return { session, device: new SmallDevice(deviceSide), stored, problems };
}

const pause = (ms = 30): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const reading = (number: number): Buffer =>
  new FieldWriter()
    .u8(1)
    .u8(0)
    .u16(4)
    .i64(number)
    .i64(number * 1000)
    .f32(1.5)
    .done();

test('it knocks until a device says hello, and then knows it', async () => {
  const { session, device } = setUp();
  await pause(60);
  expect(device.taken.filter(({ type }) => type === frameTypes.knock).length).toBeGreaterThanOrEqual(2);
  device.hello();
  const { device: name, info: told } = await session.hello();
  expect([name, told.firmware, told.board, told.active, told.rollingError]).toEqual([
    'dev_one',
    '9.9',
    'host',
    null,
    null,
  ]);
});

test('entries are stored once: the same frame again is answered again, a damaged or foreign one never', async () => {
  const { session, device, stored, problems } = setUp();
  device.hello();
  await session.hello();
  device.entries(Buffer.concat([reading(1), reading(2)]));
  await pause();
  device.entries(Buffer.concat([reading(1), reading(2)]), 1);
  const other = device.sealed(frameTypes.entries, 2, Buffer.concat([Buffer.alloc(8, 1), reading(3)]));
  other.payload[10]! ^= 1;
  device.raw(other);
  await pause();
  expect(stored.map(({ entries }) => entries.map(({ number }) => number))).toEqual([[1, 2]]);
  const answers = device.taken.filter(({ type }) => type === (frameTypes.entries | answerBit));
  expect(answers.map(({ seq }) => seq)).toEqual([1, 1]);
  let seq = 7;
  // Numbers that do not ascend, a kind that is not known, a frame that ends early: told, not stored, not confirmed.
  for (const body of [Buffer.concat([reading(4), reading(3)]), Buffer.from([9, 0, 0, 0]), reading(5).subarray(0, 22)])
    device.entries(body, seq++);
  await pause();
  expect(stored).toHaveLength(1);
  expect(problems).toHaveLength(3);
});

test('requests are sent again, give up, can be cancelled, and end with the stream', async () => {
  const { session, device } = setUp();
  device.hello();
  await session.hello();
  await expect(session.setTime(5)).rejects.toMatchObject({ code: 'TIMEOUT' });
  const sent = device.taken.filter(({ type }) => type === frameTypes.setTime);
  expect(sent.map(({ seq }) => seq)).toEqual([2, 2, 2]);
  await expect(session.rollback(AbortSignal.timeout(10))).rejects.toMatchObject({ code: 'CANCELLED' });
  device.answer = () => new FieldWriter().u32(16).done();
  await expect(session.rollback()).rejects.toMatchObject({ code: 'NOT_FOUND', details: { status: 'no-image' } });
  device.answer = () => new FieldWriter().u32(99).done();
  await expect(session.rollback()).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  device.answer = () => Buffer.from([0]);
  await expect(session.rollback()).rejects.toMatchObject({ code: 'INVALID_DATA' });
  device.answer = () => undefined;
  const refused = session.status().catch((error: unknown) => error);
  await session.close();
  expect(await refused).toMatchObject({ code: 'UNAVAILABLE' });
  await expect(session.status()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
});

test('a device that restarts ends what was asked of it, and is asked again from 1', async () => {
  const { session, device } = setUp();
  device.hello();
  await session.hello();
  const refused = session.status().catch((error: unknown) => error);
  await pause(5);
  device.hello();
  expect(await refused).toMatchObject({ code: 'UNAVAILABLE', message: 'the device said hello anew' });
  device.answer = () => info();
  expect((await session.status()).firmware).toBe('9.9');
  expect(device.taken.at(-1)?.seq).toBe(2);
});

test('who does not know the key gets no session, and is told', async () => {
  const { session, device, problems } = setUp({ deviceKey: async () => randomBytes(32) });
  device.hello();
  await expect(session.hello()).rejects.toMatchObject({ code: 'TIMEOUT' });
  expect(device.taken.some(({ type }) => type === frameTypes.refused)).toBe(true);
  expect(problems[0]).toMatch(/does not know its key/);
});

test('a device may send anything: nothing is thrown, nothing stored, and a sound one is still heard', async () => {
  const { session, device, stored } = setUp();
  const random = createRandom(8);
  for (let i = 0; i < 3000; i++) {
    const payload = randomBytes(random.int(0, 200));
    device.raw({ type: random.int(0, 255), seq: random.int(0, 3), payload });
  }
  // A device says hello again and again.
  const again = setInterval(() => device.hello(), 50);
  await session.hello();
  clearInterval(again);
  await pause();
  for (let i = 0; i < 1000; i++) device.entries(randomBytes(random.int(0, 120)));
  await pause();
  expect(stored.every(({ entries }) => entries.length === 0)).toBe(true);
  device.answer = () => info();
  expect((await session.status()).boots).toBe(4);
});

test('entries become what the rest of the hub knows', () => {
  const context = { release: (image: string) => (image === 'a' ? 'r'.repeat(64) : undefined), stepMs: () => 500 };
  const report = {
    kind: 'report',
    number: 3,
    time: 9000,
    release: 'a',
    predictions: 4,
    rollingError: 0.5,
    driftScore: 0.2,
    residual: null,
    driftAlarm: false,
    latencyMs: { p50: 1, p99: 2 },
    uptimeSeconds: 7,
    memory: 2 ** 19,
    waiting: 1,
    dropped: 0,
    forecastFrom: 9000,
    forecast: [1, 2],
  } as const;
  expect(toOutboxEntry(report, context)).toMatchObject({
    kind: 'report',
    release: 'r'.repeat(64),
    forecast: [
      { time: 9500, value: 1 },
      { time: 10_000, value: 2 },
    ],
    health: { residentMb: 0.5, uptimeSeconds: 7, outboxEntries: 1, outboxDropped: 0, diskFreeMb: null },
  });
  expect(toOutboxEntry({ ...report, release: 'b' }, context)).toBeUndefined();
});
