// How far a long command is: one line that is written over on a terminal, a line now and then elsewhere.
import { stripVTControlCharacters } from 'node:util';

/** Where it is written. */
export interface ProgressOutput {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** A state of the work. */
export interface Progress {
  readonly what: string;
  readonly done: number;
  readonly total: number;
}

const barLength = 24;
/** Lines written where there is no terminal. */
const plainSteps = 10;

/** Shows how far something is. */
export class ProgressLine {
  readonly #output: ProgressOutput;
  #step = '';

  constructor(output: ProgressOutput) {
    this.#output = output;
  }

  show({ what, done, total }: Progress): void {
    const share = total === 0 ? 1 : done / total;
    const count = `${done}/${total}`;
    const label = stripVTControlCharacters(what);
    if (this.#output.isTTY === true) {
      const filled = Math.round(share * barLength);
      const text = `${'█'.repeat(filled)}${'░'.repeat(barLength - filled)} ${count} ${label}`;
      this.#output.write(`\r\u001B[K${text.slice(0, (this.#output.columns ?? 80) - 1)}`);
      return;
    }
    const step = `${total} ${Math.floor(share * plainSteps)}`;
    if (step === this.#step) return;
    this.#step = step;
    this.#output.write(`${count} ${label}\n`);
  }

  /** Clears the line of a terminal. */
  end(): void {
    if (this.#output.isTTY === true) this.#output.write('\r\u001B[K');
  }
}
