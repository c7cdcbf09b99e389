// Stop and wait under one session key: a request is sent until its answer comes; the other side's requests are done once, however often they come.
import { SanderlingError } from '@sanderling/kit';
import { FieldReader } from './fields.ts';
import type { Frame } from './frames.ts';
import { answerBit, deviceStatuses, frameTypes, type RequestName } from './protocol.ts';
import { seal, unseal } from './secrets.ts';

/** How a request is sent. */
export interface RequestPatience {
  /** Wait for the answer before it is sent again, milliseconds. */
  readonly answerMs: number;
  /** How often it is sent in all. */
  readonly attempts: number;
  readonly signal: AbortSignal | undefined;
}

interface Pending {
  readonly type: number;
  readonly seq: number;
  readonly answer: (body: Uint8Array) => void;
  readonly fail: (error: SanderlingError) => void;
}

/** One session's requests in both directions. */
export class Exchange {
  readonly #session: Uint8Array;
  readonly #write: (frame: Frame) => void;
  readonly #onEntries: (body: Uint8Array) => Promise<Uint8Array>;
  #sent = 0;
  #pending: Pending | undefined;
  #taken = 0;
  #answer: Frame | undefined;
  #ended: SanderlingError | undefined;

  /** @param onEntries Does a request of the device; its answer's body. When it fails, nothing is answered and the device's next try is a new one. */
  constructor(
    session: Uint8Array,
    write: (frame: Frame) => void,
    onEntries: (body: Uint8Array) => Promise<Uint8Array>,
  ) {
    this.#session = session;
    this.#write = write;
    this.#onEntries = onEntries;
  }

  /** Takes a sealed frame; one with another session's seal, a stale or an unknown one is ignored. */
  async take(frame: Frame): Promise<void> {
    const body = unseal(this.#session, frame);
    if (body === undefined || this.#ended !== undefined) return;
    const pending = this.#pending;
    if (pending !== undefined && frame.type === (pending.type | answerBit) && frame.seq === pending.seq) {
      pending.answer(body);
      return;
    }
    if (frame.type === frameTypes.entries) await this.#takeEntries(frame.seq, body);
  }

  async #takeEntries(seq: number, body: Uint8Array): Promise<void> {
    if (seq === this.#taken && this.#answer !== undefined) this.#write(this.#answer);
    if (seq <= this.#taken) return;
    const before = this.#taken;
    this.#taken = seq;
    this.#answer = undefined;
    try {
      const answer = await this.#onEntries(body);
      if (this.#taken !== seq || this.#ended !== undefined) return;
      this.#answer = seal(this.#session, { type: frameTypes.entries | answerBit, seq, payload: answer });
      this.#write(this.#answer);
    } catch (error) {
      if (this.#taken === seq) this.#taken = before;
      throw error;
    }
  }

  /**
   * Sends one request; there must be no other on its way.
   * @returns the answer's body behind its status.
   * @throws what the device's status stands for; TIMEOUT, CANCELLED, UNAVAILABLE when the session ends first.
   */
  request(name: RequestName, body: Uint8Array, patience: RequestPatience): Promise<FieldReader> {
    const { answerMs, attempts, signal } = patience;
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) return reject(this.#ended);
      if (signal?.aborted) return reject(cancelled(name));
      const type = frameTypes[name];
      const seq = ++this.#sent;
      const frame = seal(this.#session, { type, seq, payload: body });
      let tries = 0;
      const send = (): void => {
        if (tries++ === attempts) return settle(() => reject(noAnswer(name, attempts)));
        this.#write(frame);
      };
      const abort = (): void => settle(() => reject(cancelled(name)));
      const timer = setInterval(send, answerMs);
      const settle = (then: () => void): void => {
        clearInterval(timer);
        signal?.removeEventListener('abort', abort);
        this.#pending = undefined;
        then();
      };
      const fail = (error: SanderlingError): void => settle(() => reject(error));
      const answer = (bytes: Uint8Array): void => settle(() => resolve(readAnswer(name, bytes)));
      this.#pending = { type, seq, fail, answer: (bytes) => attempt(() => answer(bytes), fail) };
      signal?.addEventListener('abort', abort);
      send();
    });
  }

  /** No answer will come any more. */
  end(error: SanderlingError): void {
    this.#ended = error;
    this.#pending?.fail(error);
  }
}

function attempt(work: () => void, fail: (error: SanderlingError) => void): void {
  try {
    work();
  } catch (error) {
    fail(error as SanderlingError);
  }
}

function readAnswer(name: RequestName, bytes: Uint8Array): FieldReader {
  const from = new FieldReader(bytes);
  const status = deviceStatuses[from.u32()];
  if (status === undefined) throw new SanderlingError('UNSUPPORTED', `${name}: a status that this hub does not know`);
  const [word, code, meaning] = status;
  if (word === 'ok') return from;
  const number = from.left >= 4 ? from.u32() : undefined;
  throw new SanderlingError(code, `${name}: ${meaning}`, { where: name, details: { status: word, number } });
}

const cancelled = (name: string): SanderlingError => new SanderlingError('CANCELLED', `${name}: cancelled`);
const noAnswer = (name: string, attempts: number): SanderlingError =>
  new SanderlingError('TIMEOUT', `${name}: the device did not answer ${attempts} times`);
