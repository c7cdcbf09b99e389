// The device of the loop as an emulated microcontroller: firmware built, flash provisioned, QEMU started; the sensor is a line on its console.
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { SanderlingError } from '@sanderling/kit';
import { buildDevice, provisionFlash, runFirmware, type DeviceProgram, type Emulator } from '@sanderling/micro';
import type { Reading } from '@sanderling/series';
import { readAnswer, sensorLine, type BoardAnswer } from './board-lines.ts';

/** How a board is run. */
export interface BoardOptions {
  readonly program: DeviceProgram;
  /** Folder of its flash. */
  readonly folder: string;
  /** The hub's link port on this machine. */
  readonly port: number;
  /** One-time enrolment token; used when there is no flash yet. */
  readonly token: string;
  /** What came of each reading. */
  readonly onAnswer: (answer: BoardAnswer) => void;
}

/** Readings on their way to the board at most. */
const mostUnanswered = 24;
/** Readings that were not answered for so long are sent again: the board ignores those that it has. Milliseconds. */
const resendMs = 3000;
/** Shortest time from one report to the next, milliseconds: the loop plays weeks in minutes. */
const reportMs = 1000;

/** Builds the firmware with its sensor on the console. @throws UNAVAILABLE naming the Debian packages */
export function buildBoard(): Promise<DeviceProgram> {
  return buildDevice('m7', { defines: { DEVICE_SENSOR_SERIAL: 1, DEVICE_REPORT_MS: `${reportMs}u` } });
}

/** An emulated board with its sensor. */
export class Board implements AsyncDisposable {
  readonly #options: BoardOptions;
  readonly #unanswered: Reading[] = [];
  readonly #waiting = new Set<() => void>();
  #emulator: Emulator | undefined;
  #stopped = false;
  #answeredAt = performance.now();
  readonly #crash = Promise.withResolvers<never>();

  constructor(options: BoardOptions) {
    this.#options = options;
    this.#crash.promise.catch(() => undefined);
  }

  /** Rejects when the board ends without having been asked to. */
  get crashed(): Promise<never> {
    return this.#crash.promise;
  }

  /** Switches the board on, as a new device or with the flash that it has. */
  async start(): Promise<void> {
    const { program, folder, port, token } = this.#options;
    const flash = join(folder, 'flash.bin');
    await mkdir(folder, { recursive: true });
    if (!existsSync(flash)) await provisionFlash(flash, program.board, { token });
    const emulator = await runFirmware(
      { board: 'm7', path: program.path },
      { flash, link: { connect: { port }, reconnect: 1 }, onLine: (line) => this.#hear(line) },
    );
    this.#emulator = emulator;
    // First what an earlier life did not answer: once the board has a newer reading, it refuses an older one.
    this.#resend();
    const died = (status: unknown): void => {
      if (this.#stopped || this.#emulator !== emulator) return;
      const words = emulator.lines.filter((line) => !line.startsWith('@')).slice(-5);
      this.#crash.reject(
        new SanderlingError('UNAVAILABLE', `the emulated board ended: ${String(status)}`, { fix: words.join('\n') }),
      );
    };
    emulator.ended.then(died, died);
  }

  /** Cuts the power. The flash keeps what it holds; readings that were not answered are sent again at the next start. */
  async kill(): Promise<void> {
    const emulator = this.#emulator;
    this.#emulator = undefined;
    await emulator?.kill();
  }

  /** Lets the sensor measure; resolves when the board has taken nearly all of it. */
  async measure(readings: readonly Reading[]): Promise<void> {
    for (const reading of readings) {
      while (this.#unanswered.length >= mostUnanswered && !this.#stopped) await this.#answered();
      this.#unanswered.push(reading);
      this.#emulator?.type(sensorLine(reading));
    }
  }

  /** Resolves when everything that was measured has been answered. */
  async settled(): Promise<void> {
    while (this.#unanswered.length > 0 && !this.#stopped) await this.#answered();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    this.#wake();
    await this.#emulator?.kill();
  }

  #hear(line: string): void {
    const answer = readAnswer(line);
    if (answer === undefined) return;
    const at = this.#unanswered.findIndex(({ time }) => time === answer.time);
    if (at < 0) return;
    this.#unanswered.splice(0, at + 1);
    this.#answeredAt = performance.now();
    this.#wake();
    this.#options.onAnswer(answer);
  }

  #answered(): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(() => {
        if (performance.now() - this.#answeredAt > resendMs) this.#resend();
        done();
      }, resendMs);
      this.#waiting.add(done);
    });
  }

  #resend(): void {
    this.#answeredAt = performance.now();
    for (const reading of this.#unanswered) this.#emulator?.type(sensorLine(reading));
  }

  #wake(): void {
    for (const done of this.#waiting) done();
  }
}
