// One stream to one microcontroller, as the hub sees it: says hello again whenever the device does, delivers its entries, sends it requests and updates.
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { SanderlingError, systemClock, toSanderlingError } from '@sanderling/kit';
import type { LinkDesk, LinkOptions } from './desk.ts';
import { decodeEntries } from './entries.ts';
import { Exchange } from './exchange.ts';
import { FieldWriter, type FieldReader } from './fields.ts';
import { encodeFrame, FrameReader, type Frame, type FrameCounts } from './frames.ts';
import { Handshake, type Authenticated } from './handshake.ts';
import { decodeInfo, encodeResume, type DeviceInfo, type SlotInfo } from './info.ts';
import { frameTypes, maxFeed, type RequestName } from './protocol.ts';
import { sendImage, type UpdateOptions } from './update.ts';

/** A device that has been authenticated, and what it said of itself. */
export interface LinkedDevice {
  readonly device: string;
  readonly info: DeviceInfo;
}

/** When a new model counts as good; until then the device returns to the previous one by itself. */
export interface ActivateOptions {
  /** Slot with the image. */
  readonly slot: 0 | 1;
  /** Finite forecasts to make. @default 8 */
  readonly predictions?: number;
  /** Longest probation, minutes; it ends well when nothing bad has happened. @default 10 */
  readonly minutes?: number;
  /** Largest rolling error at its end, unit of the data; 0: any. @default 0 */
  readonly maxError?: number;
  /** Allow a lower sequence than the device has run. @default false */
  readonly stepBack?: boolean;
}

/** Handshake frames that wait for the desk. */
const mostUnheard = 8;

interface Live extends Authenticated {
  readonly exchange: Exchange;
  readonly ready: Promise<DeviceInfo>;
}

/**
 * A link over a stream of bytes: a socket, a serial file, QEMU's UART.
 *
 * The constructor assigns; {@link start} begins. The session outlives restarts of the device on the same stream (each says hello anew) and ends with the
 * stream; after a reconnect make a new one. Requests wait for hello first, one is on its way at a time, and each rejects with a coded error: what the
 * device's status stands for, TIMEOUT, CANCELLED, or UNAVAILABLE when the stream ended or the device restarted meanwhile (then it may or may not have been
 * done; ask {@link status}).
 */
export class LinkSession implements AsyncDisposable {
  /** Frames seen on this stream. */
  readonly counts: FrameCounts;
  readonly #stream: Duplex;
  readonly #desk: LinkDesk;
  readonly #options: Required<LinkOptions>;
  readonly #reader: FrameReader;
  readonly #handshake: Handshake;
  readonly #changed = new EventTarget();
  readonly #end = Promise.withResolvers<void>();
  #live: Live | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #hellos: Promise<unknown> = Promise.resolve();
  #unheard = 0;
  #ended: SanderlingError | undefined;
  #timers: NodeJS.Timeout[] = [];

  constructor(stream: Duplex, desk: LinkDesk, options: LinkOptions = {}) {
    const { answerMs = 1000, longAnswerMs = 10_000, attempts = 8, interByteMs = 500 } = options;
    const { knockMs = 1000, helloMs = 30_000, clock = systemClock } = options;
    this.#options = { answerMs, longAnswerMs, attempts, interByteMs, knockMs, helloMs, clock };
    this.#stream = stream;
    this.#desk = desk;
    this.#handshake = new Handshake(desk);
    this.#reader = new FrameReader(interByteMs);
    this.counts = this.#reader.counts;
  }

  /** Begins to listen and asks the device to say hello. */
  start(): this {
    const { interByteMs, knockMs } = this.#options;
    const stream = this.#stream;
    stream.on('data', (bytes: Buffer) => {
      for (const frame of this.#reader.push(bytes, performance.now())) this.#take(frame);
    });
    stream.on('error', (error) => this.#finish(toSanderlingError(error)));
    stream.on('close', () => this.#finish(new SanderlingError('UNAVAILABLE', 'the link was closed')));
    stream.on('end', () => this.#finish(new SanderlingError('UNAVAILABLE', 'the device closed the link')));
    const expire = (): void => {
      for (const frame of this.#reader.expire(performance.now())) this.#take(frame);
    };
    const knock = (): void => {
      if (this.#live === undefined) this.#write({ type: frameTypes.knock, seq: 0, payload: new Uint8Array(0) });
    };
    this.#timers = [setInterval(expire, interByteMs), setInterval(knock, knockMs)];
    knock();
    return this;
  }

  /** Resolves when the stream has ended; nothing can be asked of this session any more. */
  get ended(): Promise<void> {
    return this.#end.promise;
  }

  /** The device that the stream leads to, once it has proved itself. @throws TIMEOUT when it does not within `helloMs`; CANCELLED, UNAVAILABLE. */
  async hello(signal?: AbortSignal): Promise<LinkedDevice> {
    const live = await this.#awaitLive(signal);
    return { device: live.device, info: await live.ready };
  }

  /** What the device says of itself now. */
  async status(signal?: AbortSignal): Promise<DeviceInfo> {
    return readInfo(await this.#request('status', new Uint8Array(0), { signal }));
  }

  /** Sets the device's clock. `time`: milliseconds since 1970. Hello does it, too. */
  async setTime(time: number, signal?: AbortSignal): Promise<void> {
    await this.#request('setTime', new FieldWriter().i64(time).done(), { signal });
  }

  /**
   * Hands readings to a device whose sensor is the hub's (a simulated room, a replay). Readings not newer than the newest that the device has are taken for
   * repetitions and not counted.
   * @returns how many were new.
   */
  async feed(
    readings: readonly { readonly time: number; readonly value: number }[],
    signal?: AbortSignal,
  ): Promise<number> {
    let taken = 0;
    for (let at = 0; at < readings.length; at += maxFeed) {
      const some = readings.slice(at, at + maxFeed);
      const body = new FieldWriter().u16(some.length).u16(0);
      for (const { time, value } of some) body.i64(time).f32(value);
      taken += (await this.#request('feed', body.done(), { signal })).u32();
    }
    return taken;
  }

  /** Runs the self-test of a slot's model. @returns its time in milliseconds. @throws SELF_TEST_FAILED with the number of the vector in `details`, NOT_FOUND. */
  async selfTest(slot: 0 | 1 | null = null, signal?: AbortSignal): Promise<number> {
    const body = new FieldWriter().u8(slot ?? 255).zeros(3);
    const answer = await this.#request('selfTest', body.done(), { signal, long: true });
    answer.u32();
    return answer.u32() / 1000;
  }

  /** Verifies a slot once more, runs its self-test and puts its model in charge, on probation. @throws SELF_TEST_FAILED, BAD_SIGNATURE, CONFLICT for an older sequence … and then nothing has changed. */
  async activate(options: ActivateOptions, signal?: AbortSignal): Promise<void> {
    const { slot, predictions = 8, minutes = 10, maxError = 0, stepBack = false } = options;
    const body = new FieldWriter().u8(slot).u8(stepBack ? 1 : 0);
    body.u16(predictions).u32(minutes).f32(maxError);
    await this.#request('activate', body.done(), { signal, long: true });
  }

  /** Returns to the previous model. @throws NOT_FOUND when there is none. */
  async rollback(signal?: AbortSignal): Promise<void> {
    await this.#request('rollback', new Uint8Array(0), { signal, long: true });
  }

  /**
   * Brings an image into the slot that is not in charge; continues where an earlier try stopped, also over restarts of the device on this stream. Does not activate it.
   * @param imageFor The image (see packages/micro) linked for the slot's address.
   * @returns the slot.
   */
  update(imageFor: (slot: SlotInfo) => Uint8Array | Promise<Uint8Array>, options: UpdateOptions = {}): Promise<0 | 1> {
    const { signal } = options;
    const device = async (): Promise<LinkedDevice & { readonly key: Uint8Array }> => {
      const { key } = await this.#awaitLive(signal);
      const { device: id } = await this.hello(signal);
      return { device: id, info: await this.status(signal), key };
    };
    const ask = (name: RequestName, body: Uint8Array): Promise<FieldReader> =>
      this.#request(name, body, { signal, long: name !== 'updateChunk' });
    return sendImage({ device, ask, imageFor }, options);
  }

  /** Ends the session and the stream. */
  async close(): Promise<void> {
    this.#finish(new SanderlingError('UNAVAILABLE', 'the link was closed here'));
    if (!this.#stream.destroyed) this.#stream.destroy();
    await this.#end.promise;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #take(frame: Frame): void {
    if (frame.type < frameTypes.resume) {
      // One after the other, for the desk's answers may come in any order; and who talks faster than the desk answers is not heard.
      if (this.#unheard >= mostUnheard) return;
      this.#unheard += 1;
      this.#hellos = this.#hellos.then(() => this.#takeHello(frame));
      return;
    }
    this.#live?.exchange.take(frame).catch((error: unknown) => this.#problem(error));
  }

  async #takeHello(frame: Frame): Promise<void> {
    try {
      const { answer, authenticated, problem } = await this.#handshake.take(frame);
      if (this.#ended !== undefined) return;
      if (problem !== undefined) this.#problem(problem);
      if (answer !== undefined) this.#write(answer);
      if (authenticated !== undefined) this.#begin(authenticated);
    } catch (error) {
      this.#problem(error);
    } finally {
      this.#unheard -= 1;
    }
  }

  #begin(authenticated: Authenticated): void {
    this.#live?.exchange.end(new SanderlingError('UNAVAILABLE', 'the device said hello anew'));
    const { device, session } = authenticated;
    const exchange = new Exchange(
      session,
      (frame) => this.#write(frame),
      async (body) => {
        const entries = decodeEntries(body);
        const stored = await this.#desk.take(device, entries);
        return new FieldWriter().bytes(Buffer.from(entries.outbox, 'hex')).i64(stored).done();
      },
    );
    const ready = this.#resume(authenticated, exchange);
    const live: Live = { ...authenticated, exchange, ready };
    this.#live = live;
    ready.then(
      (info) => this.#desk.onHello?.(device, info),
      (error: unknown) => {
        this.#problem(error);
        if (this.#live !== live) return;
        exchange.end(toSanderlingError(error));
        this.#live = undefined;
      },
    );
    this.#changed.dispatchEvent(new Event('change'));
  }

  /** Tells the device the time and what of its outbox is stored. A device that has taken a new outbox starts at 1, and nothing of that is stored. */
  async #resume({ device, outbox }: Authenticated, exchange: Exchange): Promise<DeviceInfo> {
    const { answerMs, attempts, clock } = this.#options;
    const stored = /^0*$/.test(outbox) ? 0 : await this.#desk.stored(device, outbox);
    const body = encodeResume(Math.round(clock.now()), stored);
    return readInfo(await exchange.request('resume', body, { answerMs, attempts, signal: undefined }));
  }

  async #request(
    name: RequestName,
    body: Uint8Array,
    options: { readonly signal: AbortSignal | undefined; readonly long?: boolean },
  ): Promise<FieldReader> {
    const { answerMs, longAnswerMs, attempts } = this.#options;
    const { signal, long = false } = options;
    const turn = this.#turn.then(async () => {
      const { exchange, ready } = await this.#awaitLive(signal);
      await ready;
      return exchange.request(name, body, { answerMs: long ? longAnswerMs : answerMs, attempts, signal });
    });
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async #awaitLive(signal: AbortSignal | undefined): Promise<Live> {
    const patience = AbortSignal.timeout(this.#options.helloMs);
    const either = signal === undefined ? patience : AbortSignal.any([signal, patience]);
    while (this.#live === undefined) {
      if (this.#ended !== undefined) throw this.#ended;
      try {
        await once(this.#changed, 'change', { signal: either });
      } catch (error) {
        if (signal?.aborted) throw new SanderlingError('CANCELLED', 'cancelled while waiting for the device');
        throw new SanderlingError('TIMEOUT', 'the device has not said hello', { cause: error });
      }
    }
    return this.#live;
  }

  #write(frame: Frame): void {
    if (this.#stream.writable) this.#stream.write(encodeFrame(frame));
  }

  #problem(error: unknown): void {
    if (this.#ended === undefined) this.#desk.onProblem?.(toSanderlingError(error));
  }

  #finish(error: SanderlingError): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    for (const timer of this.#timers) clearInterval(timer);
    this.#live?.exchange.end(error);
    this.#live = undefined;
    this.#changed.dispatchEvent(new Event('change'));
    this.#end.resolve();
  }
}

function readInfo(answer: FieldReader): DeviceInfo {
  return decodeInfo(answer.bytes(answer.left));
}
