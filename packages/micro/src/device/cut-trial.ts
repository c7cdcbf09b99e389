// An emulated board at work whose power goes at exact steps of its flash, and what must be so after each cut and in the end.
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SanderlingError } from '@sanderling/kit';
import type { LinkEntry, LinkReading, SlotInfo } from '@sanderling/wire';
import { boards, flashLayout, type BoardName } from '../boards/index.ts';
import { boardImage, type BoardModel } from './board-image.ts';
import { buildDevice, type DeviceProgram } from './build.ts';
import { CutHands, type Reading } from './cut-hands.ts';
import { readSettings, type Settings } from './flash-content.ts';
import { hostRelease } from './host-image.ts';
import { powerCutStatus, stepsTaken, type PowerCut } from './power-cut.ts';
import { provisionFlash, type DeviceIdentity } from './provision.ts';
import { startDevice, type Device } from './start.ts';
import { TestHub } from './test-hub.ts';

/** A piece of work, from a device that is brought to its beginning to what must be true at its end. */
export interface CutWork {
  readonly name: string;
  /** Who the new device is. */
  readonly identity: DeviceIdentity;
  /** What the hub knows before it sees the device. */
  introduce(hub: TestHub): void;
  /** Brings the new device to where the work begins. */
  prepare(hands: CutHands): Promise<void>;
  /** Changes the flash of the device, which is off now. */
  arrange?(flash: Buffer, hands: CutHands): void;
  /** Does the work from wherever the device stands; the device may restart at any time. */
  work(hands: CutHands): Promise<void>;
  /** What is wrong at the end of it. */
  judge(end: CutEnd): readonly string[];
  /** The hub orders a step back: the floor may sink. @default false */
  readonly stepsBack?: boolean;
}

/** How a device and its hub are left. */
export interface CutEnd {
  readonly hub: TestHub;
  readonly flash: Buffer;
  /** The flash before the work. */
  readonly base: Buffer;
  readonly settings: Settings;
  /** Entries that came during the work. */
  readonly entries: readonly LinkEntry[];
}

/** What a trial did. */
export interface CutOutcome {
  /** Steps of the flash in the last life: of the whole work when nothing was cut. */
  readonly steps: number;
  /** The settings as each cut left them: fewer than asked for when the work ended before. */
  readonly cuts: readonly (Settings | undefined)[];
  /** Promises that were broken; empty when all is well. */
  readonly broken: readonly string[];
}

interface Base {
  readonly flash: Buffer;
  readonly hub: Pick<TestHub, 'stored' | 'keys' | 'tokens' | 'installations'>;
  readonly fed: readonly Reading[];
  readonly entries: number;
}

const link = { answerMs: 2000, knockMs: 100, helloMs: 60_000 };
/** Longest time of one trial on a busy machine, milliseconds. */
const patienceMs = 300_000;
/** Waits of the firmware's link are so much shorter, lest trials wait for them. */
const defines = { DEVICE_REPORT_MS: '0u', LINK_UNIT_MS: '100u' };

/** Trials on one board. Disposing of it removes its files. */
export class CutBench implements AsyncDisposable {
  readonly board: BoardName;
  readonly #program: DeviceProgram;
  readonly #folder: string;
  readonly #images = new Map<string, Promise<Uint8Array>>();
  readonly #bases = new Map<string, Promise<Base>>();
  #trials = 0;

  private constructor(program: DeviceProgram, board: BoardName, folder: string) {
    this.#program = program;
    this.board = board;
    this.#folder = folder;
  }

  /** @throws UNAVAILABLE without the tools. */
  static async open(board: BoardName): Promise<CutBench> {
    const program = await buildDevice(board, { powerCuts: true, defines });
    return new CutBench(program, board, await mkdtemp(join(tmpdir(), 'power-cuts-')));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program[Symbol.asyncDispose]();
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** Does a work while the power goes at these steps, one cut a life, and judges it. Several may run at a time. @throws TIMEOUT when it does not come to its end. */
  async run(work: CutWork, cuts: readonly PowerCut[]): Promise<CutOutcome> {
    const base = await this.#baseOf(work);
    const path = join(this.#folder, `trial-${(this.#trials += 1)}.bin`);
    await writeFlash(path, base.flash);
    await using hub = await TestHub.listen({ link });
    restore(hub, base.hub);
    const hands = new CutHands(hub, this.#imageFor, base.fed);
    const watch = new Watch(work, base.flash, (slot) => this.#imagesOf(slot));
    const left: (Settings | undefined)[] = [];
    const look = async (content: Buffer): Promise<void> => {
      left.push(readSettings(content));
      await watch.look(content, `after cut ${left.length}`);
    };
    await new Lives(this.#program, path, hub.port).through(cuts, look, () => work.work(hands));
    const steps = await stepsTaken(path);
    const flash = await readFlash(path);
    await rm(path);
    await watch.look(flash, 'in the end');
    const entries = hub.entries.slice(base.entries);
    const settings = readSettings(flash);
    const broken = [...watch.broken, ...judgeDelivery(hub, hands.fed)];
    if (settings !== undefined) broken.push(...work.judge({ hub, flash, base: base.flash, settings, entries }));
    return { steps, cuts: left, broken };
  }

  readonly #imageFor = (model: Omit<BoardModel, 'board' | 'slotAddress'>) => (slot: Pick<SlotInfo, 'address'>) => {
    const name = JSON.stringify([slot.address, model]);
    const image = this.#images.get(name) ?? boardImage({ board: this.board, slotAddress: slot.address, ...model });
    this.#images.set(name, image);
    return image;
  };

  /** All images that were made for a slot. */
  async #imagesOf(slot: 0 | 1): Promise<readonly Uint8Array[]> {
    const address = Object.values(boards[this.board].slots)[slot];
    const made = [...this.#images].filter(([name]) => name.startsWith(`[${address},`));
    return Promise.all(made.map(([, image]) => image));
  }

  #baseOf(work: CutWork): Promise<Base> {
    const base = this.#bases.get(work.name) ?? this.#makeBase(work);
    this.#bases.set(work.name, base);
    return base;
  }

  async #makeBase(work: CutWork): Promise<Base> {
    const path = join(this.#folder, `base-${this.#bases.size}.bin`);
    await provisionFlash(path, this.board, work.identity);
    await using hub = await TestHub.listen({ link });
    work.introduce(hub);
    const hands = new CutHands(hub, this.#imageFor, []);
    await new Lives(this.#program, path, hub.port).through(
      [],
      async () => undefined,
      () => work.prepare(hands),
    );
    const flash = await readFlash(path);
    const entries = hub.entries.length;
    work.arrange?.(flash, hands);
    return { flash, hub: copyOf(hub), fed: [...hands.fed], entries };
  }
}

async function writeFlash(path: string, content: Buffer): Promise<void> {
  const file = await open(path, 'w');
  try {
    await file.write(content);
    await file.truncate(flashLayout.fileBytes);
  } finally {
    await file.close();
  }
}

/** Without what lies behind the flash in its file. */
async function readFlash(path: string): Promise<Buffer> {
  const file = await open(path);
  try {
    const { buffer } = await file.read(Buffer.alloc(flashLayout.bytes), 0, flashLayout.bytes, 0);
    return buffer;
  } finally {
    await file.close();
  }
}

const copyOf = (hub: Base['hub']): Base['hub'] => ({
  stored: new Map([...hub.stored].map(([outbox, entries]) => [outbox, [...entries]])),
  keys: new Map(hub.keys),
  tokens: new Map(hub.tokens),
  installations: new Map(hub.installations),
});

function restore(hub: TestHub, from: Base['hub']): void {
  const { stored, keys, tokens, installations } = copyOf(from);
  for (const [name, value] of stored) hub.stored.set(name, value);
  for (const [name, value] of keys) hub.keys.set(name, value);
  for (const [name, value] of tokens) hub.tokens.set(name, value);
  for (const [name, value] of installations) hub.installations.set(name, value);
}

/** One device from cut to cut. */
class Lives {
  readonly #program: DeviceProgram;
  readonly #flash: string;
  readonly #port: number;
  #cuts = 0;

  constructor(program: DeviceProgram, flash: string, port: number) {
    this.#program = program;
    this.#flash = flash;
    this.#port = port;
  }

  /** Starts the device again after every cut, until `work` has come to its end; then it is switched off. */
  async through(
    cuts: readonly PowerCut[],
    look: (flash: Buffer) => Promise<void>,
    work: () => Promise<void>,
  ): Promise<void> {
    const over = new AbortController();
    const lives = this.#live(cuts, look, over.signal);
    const late = new Promise<never>((_, reject) => {
      const timer = setTimeout(
        () => reject(new SanderlingError('TIMEOUT', `the work was not done in ${patienceMs} ms`)),
        patienceMs,
      );
      over.signal.addEventListener('abort', () => clearTimeout(timer));
    });
    try {
      await Promise.race([work(), lives, late]);
    } finally {
      over.abort();
      await lives;
    }
  }

  async #live(cuts: readonly PowerCut[], look: (flash: Buffer) => Promise<void>, signal: AbortSignal): Promise<void> {
    const stopped = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    for (;;) {
      const { at = 0, seed = 0 } = cuts[this.#cuts] ?? {};
      const device = await startDevice(this.#program, {
        flash: this.#flash,
        port: this.#port,
        dieAt: at,
        tearSeed: seed,
      });
      if (await this.#outlived(device, stopped, signal)) return;
      this.#cuts += 1;
      await look(await readFlash(this.#flash));
    }
  }

  async #outlived(device: Device, stopped: Promise<void>, signal: AbortSignal): Promise<boolean> {
    const status = await Promise.race([device.ended, stopped]);
    if (signal.aborted) {
      await device.kill();
      return true;
    }
    if (status !== powerCutStatus)
      throw new SanderlingError('INTERNAL', `the emulator ended with ${String(status)} and not by a power cut`);
    return false;
  }
}

/** Looks at the flash of a device that is off. */
class Watch {
  readonly broken: string[] = [];
  readonly #work: CutWork;
  readonly #images: (slot: 0 | 1) => Promise<readonly Uint8Array[]>;
  #before: Settings | undefined;

  constructor(work: CutWork, base: Buffer, images: (slot: 0 | 1) => Promise<readonly Uint8Array[]>) {
    this.#work = work;
    this.#images = images;
    this.#before = readSettings(base);
  }

  async look(flash: Buffer, when: string): Promise<void> {
    const [now, before] = [readSettings(flash), this.#before];
    if (now === undefined || before === undefined) {
      this.broken.push(`${when}: no settings`);
      return;
    }
    this.#before = now;
    const none = /^0*$/;
    for (const name of ['device', 'key', 'outbox'] as const)
      if (now[name] !== before[name] && !none.test(before[name])) this.broken.push(`${when}: another ${name}`);
    if (now.floor < before.floor && this.#work.stepsBack !== true)
      this.broken.push(`${when}: the floor sank from ${before.floor} to ${now.floor}`);
    if (now.revision < before.revision) this.broken.push(`${when}: an older record counts`);
    if (now.active === null && before.active !== null) this.broken.push(`${when}: no model`);
    if (now.active !== null && !(await this.#holdsImage(flash, now.active)))
      this.broken.push(`${when}: the active slot holds no image that was made`);
  }

  async #holdsImage(flash: Buffer, slot: 0 | 1): Promise<boolean> {
    const start = slot === 0 ? flashLayout.slotOffsets.a : flashLayout.slotOffsets.b;
    const images = await this.#images(slot);
    return images.some((image) => flash.subarray(start, start + image.length).equals(image));
  }
}

/** Every reading once, in order, and reports that are of one model. */
function judgeDelivery(hub: TestHub, fed: readonly Reading[]): readonly string[] {
  const broken: string[] = [];
  const { entries } = hub;
  if (entries.some(({ number }, i) => i > 0 && number <= entries[i - 1]!.number))
    broken.push('an entry came twice or out of order');
  const readings = entries.filter((entry): entry is LinkReading => entry.kind === 'reading');
  const values = new Map(fed.map(({ time, value }) => [time, value]));
  const wrong = readings.some(({ time, value }, i) => time !== fed[i]?.time || value !== fed[i]?.value);
  if (readings.length !== fed.length || wrong)
    broken.push(`${readings.length} readings of ${fed.length}${wrong ? ', not as they were fed' : ''}`);
  for (const entry of entries) {
    if (entry.kind !== 'report') continue;
    const sequence = entry.residual ?? -1;
    const value = values.get(entry.time) ?? Number.NaN;
    const ofOne = entry.release === hostRelease(sequence) && entry.forecast[0] === Math.fround(value + sequence);
    if (!ofOne) broken.push(`the report at ${entry.time} is of no model`);
  }
  // What a device says of itself at every start.
  for (const { active, slots } of hub.infos)
    if (active !== null && slots[active].state !== 'ready')
      broken.push(`slot ${active} runs and is ${slots[active].state}`);
  return broken;
}
