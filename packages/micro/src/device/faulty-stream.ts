// A stream as bad as a cable: frames are dropped, flipped, doubled, swapped, cut, held back, and now and then the connection goes. Seeded.
import { Duplex } from 'node:stream';
import { createRandom, type Random } from '@sanderling/kit';
import { encodeFrame, FrameReader } from '@sanderling/wire';

/** The faults, and how many there were. */
export const faultNames = ['drop', 'flip', 'duplicate', 'reorder', 'truncate', 'stall', 'disconnect'] as const;
export type FaultName = (typeof faultNames)[number];

/** What happened to all frames of a trial; shared by its streams. */
export interface FaultCounts {
  frames: number;
  readonly faults: Record<FaultName, number>;
}

/** A fresh count. */
export function noFaults(): FaultCounts {
  const faults = Object.fromEntries(faultNames.map((name) => [name, 0])) as Record<FaultName, number>;
  return { frames: 0, faults };
}

/** How bad. */
export interface FaultOptions {
  readonly random: Random;
  /** Share of frames that something happens to; a disconnect is ten times rarer than the other faults. */
  readonly rate: number;
  /** How long a stalled frame stops in its middle, milliseconds. */
  readonly stallMs: number;
  readonly counts: FaultCounts;
}

/** Seeded faults. */
export function faultOptions(seed: number, rate: number, stallMs: number): FaultOptions {
  return { random: createRandom(seed, 'link faults'), rate, stallMs, counts: noFaults() };
}

/** Puts faults between a socket and who uses it, in both directions. */
export function faultyStream(socket: Duplex, options: FaultOptions): Duplex {
  const toDevice = new FaultyWay(
    (bytes) => void (socket.writable && socket.write(bytes)),
    () => stream.destroy(),
    options,
  );
  const toHub = new FaultyWay(
    (bytes) => void (stream.destroyed || stream.push(bytes)),
    () => stream.destroy(),
    options,
  );
  const stream: Duplex = new Duplex({
    read: () => undefined,
    write: (bytes: Buffer, _encoding, done) => {
      toDevice.take(bytes);
      done();
    },
    destroy: (error, done) => {
      toDevice.end();
      toHub.end();
      socket.destroy();
      done(error);
    },
  });
  socket.on('data', (bytes: Buffer) => toHub.take(bytes));
  socket.on('error', () => stream.destroy());
  socket.on('close', () => stream.destroy());
  return stream;
}

/** One direction: whole frames come in, what is left of them goes out. */
class FaultyWay {
  readonly #reader = new FrameReader(1e9);
  readonly #send: (bytes: Buffer) => void;
  readonly #disconnect: () => void;
  readonly #options: FaultOptions;
  #held: Buffer | undefined;
  #queue: Promise<void> = Promise.resolve();
  #ended = false;

  constructor(send: (bytes: Buffer) => void, disconnect: () => void, options: FaultOptions) {
    this.#send = send;
    this.#disconnect = disconnect;
    this.#options = options;
  }

  take(bytes: Uint8Array): void {
    for (const frame of this.#reader.push(bytes, 0)) {
      this.#options.counts.frames += 1;
      const whole = encodeFrame(frame);
      this.#queue = this.#queue.then(() => this.#pass(whole));
    }
  }

  end(): void {
    this.#ended = true;
  }

  async #pass(frame: Buffer): Promise<void> {
    if (this.#ended) return;
    const fault = this.#draw();
    if (fault !== undefined) this.#options.counts.faults[fault] += 1;
    const behind = this.#held;
    this.#held = undefined;
    await this.#happen(fault, frame);
    if (behind !== undefined && !this.#ended) this.#send(behind);
  }

  #draw(): FaultName | undefined {
    const { random, rate } = this.#options;
    if (random.next() >= rate) return undefined;
    const fault = random.pick(faultNames);
    return fault === 'disconnect' && random.next() > 0.1 ? 'flip' : fault;
  }

  async #happen(fault: FaultName | undefined, frame: Buffer): Promise<void> {
    const { random, stallMs } = this.#options;
    switch (fault) {
      case undefined:
        return this.#send(frame);
      case 'drop':
        return;
      case 'flip':
        for (let flips = random.int(1, 3); flips > 0; flips--)
          frame[random.int(0, frame.length - 1)]! ^= 1 << random.int(0, 7);
        return this.#send(frame);
      case 'duplicate':
        this.#send(frame);
        return this.#send(frame);
      case 'reorder':
        // It goes out behind the next one.
        this.#held = frame;
        return;
      case 'truncate':
        return this.#send(frame.subarray(0, random.int(1, frame.length - 1)));
      case 'stall': {
        const at = random.int(1, frame.length - 1);
        this.#send(frame.subarray(0, at));
        await new Promise((resolve) => setTimeout(resolve, stallMs));
        if (!this.#ended) this.#send(frame.subarray(at));
        return;
      }
      case 'disconnect':
        return this.#disconnect();
    }
  }
}
