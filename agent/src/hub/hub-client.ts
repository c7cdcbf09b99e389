// The hub's device API, `/agent/v1`: signs requests, learns the hub's time from every answer, turns whatever comes back into values or coded errors.
import { isDigest, SanderlingError, systemClock, type Clock, type Digest, type ErrorBody } from '@sanderling/kit';
import {
  authorise,
  hubTimeHeader,
  type DeliverAnswer,
  type DeliverRequest,
  type DesiredAnswer,
  type EnrolAnswer,
  type EnrolRequest,
  type StatusRequest,
} from '@sanderling/wire/device';
import type { HttpAnswer, Transport } from './transport.ts';

/** Who signs the requests. */
export interface Credential {
  readonly device: string;
  /** Ed25519, PKCS #8 PEM. */
  readonly privateKey: string;
}

/** What a client needs. */
export interface HubClientOptions {
  /** The hub's address, such as `http://127.0.0.1:8200`; a path before `/agent/v1` is kept. */
  readonly hub: string;
  readonly transport: Transport;
  readonly clock?: Clock;
  /** Longest silence of the hub, milliseconds. @default 30000 */
  readonly idleMs?: number;
}

/** Part of a bundle, from the byte asked for or, when the hub would have it so, from the start. */
export interface BundlePart {
  /** Position of the first byte that comes. */
  readonly from: number;
  /** Bytes of the whole bundle; undefined when the hub does not say. */
  readonly total: number | undefined;
  readonly body: AsyncIterable<Uint8Array>;
  destroy(): void;
}

interface Call {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Added to the silence allowed: the hub answers late on purpose. */
  readonly waitMs?: number;
  readonly signed?: boolean;
}

/** Largest JSON answer, bytes. */
const maxAnswerBytes = 1 << 20;
/** The device's own clock is trusted while it is this close to the hub's, milliseconds. */
const tolerableSkewMs = 2000;

/** The hub, as an agent sees it. */
export class HubClient {
  readonly #options: HubClientOptions;
  readonly #base: URL;
  readonly #clock: Clock;
  #credential: Credential | undefined;
  #skewMs = 0;

  /** @throws INVALID_CONFIG when the address is not one. */
  constructor(options: HubClientOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#base = hubAddress(options.hub);
  }

  /** How far the hub's clock is ahead of this machine's, milliseconds; 0 while unknown or small. */
  get skewMs(): number {
    return this.#skewMs;
  }

  /** Signs every later request. */
  use(credential: Credential): void {
    this.#credential = credential;
  }

  /** Asks to be known. */
  async enrol(request: EnrolRequest, signal: AbortSignal): Promise<EnrolAnswer> {
    const answer = await this.#json({ method: 'POST', path: '/enrol', body: request, signed: false }, signal);
    const { device, name, project, hubPublicKey } = answer;
    if (![device, name, project, hubPublicKey].every((field) => typeof field === 'string')) throw garbled('/enrol');
    return { device, name, project, hubPublicKey } as EnrolAnswer;
  }

  /** Hands entries over. */
  async deliver(request: DeliverRequest, signal: AbortSignal): Promise<DeliverAnswer> {
    const { acked } = await this.#json({ method: 'POST', path: '/deliver', body: request }, signal);
    if (!Number.isSafeInteger(acked) || (acked as number) < 0) throw garbled('/deliver');
    return { acked: acked as number };
  }

  /** What the device should run; waits up to `waitSeconds` for something other than counter `have`. */
  async desired(have: number, waitSeconds: number, signal: AbortSignal): Promise<DesiredAnswer> {
    const path = `/desired?have=${have}&wait=${waitSeconds}`;
    const answer = await this.#json({ method: 'GET', path, waitMs: waitSeconds * 1000 }, signal);
    const { counter, release, signature } = answer;
    const sound = Number.isSafeInteger(counter) && (release === null || isDigest(release));
    if (!sound || typeof signature !== 'string') throw garbled('/desired');
    return { counter, release, signature } as DesiredAnswer;
  }

  /** Says how the device is. */
  async status(request: StatusRequest, signal: AbortSignal): Promise<void> {
    await this.#json({ method: 'POST', path: '/status', body: request }, signal);
  }

  /** Asks for a bundle's bytes from `from` on. @throws NOT_FOUND when the hub does not have it. */
  async bundle(digest: Digest, from: number, signal: AbortSignal): Promise<BundlePart> {
    const range = { range: `bytes=${from}-`, 'if-range': `"${digest}"` };
    const headers: Readonly<Record<string, string>> = from === 0 ? {} : range;
    const answer = await this.#send({ method: 'GET', path: `/releases/${digest}`, headers }, signal);
    if (answer.status === 416 && from > 0) {
      answer.destroy();
      return this.bundle(digest, 0, signal);
    }
    if (answer.status !== 200 && answer.status !== 206) throw await this.#refusal(answer, `/releases/${digest}`);
    // Only the hub knows this tag: a portal's page is no bundle, and no reason to refuse one.
    if (!String(answer.headers['etag']).endsWith(`"${digest}"`)) {
      answer.destroy();
      throw garbled('/releases');
    }
    const { start, total } = answer.status === 206 ? contentRange(answer) : wholeLength(answer);
    if (start > from) {
      answer.destroy();
      throw garbled('/releases');
    }
    return { from: start, total, body: answer.body, destroy: () => answer.destroy() };
  }

  async #json(call: Call, signal: AbortSignal): Promise<Record<string, unknown>> {
    const answer = await this.#send(call, signal);
    if (answer.status < 200 || answer.status > 299) throw await this.#refusal(answer, call.path);
    const value = await readJson(answer);
    if (typeof value !== 'object' || value === null) throw garbled(call.path);
    return value as Record<string, unknown>;
  }

  /** Sends; once more when the hub says that the clocks disagree, since its answer has told the right time. */
  async #send(call: Call, signal: AbortSignal): Promise<HttpAnswer> {
    const answer = await this.#sendOnce(call, signal);
    if (answer.status !== 401 || call.signed === false) return answer;
    const skew = this.#skewMs;
    if (!this.#learnTime(answer) || Math.abs(this.#skewMs - skew) < tolerableSkewMs) return answer;
    answer.destroy();
    return this.#sendOnce(call, signal);
  }

  async #sendOnce(call: Call, signal: AbortSignal): Promise<HttpAnswer> {
    const { transport, idleMs = 30_000 } = this.#options;
    const { method, waitMs = 0 } = call;
    const url = new URL(`${this.#base.pathname.replace(/\/$/, '')}/agent/v1${call.path}`, this.#base);
    const body = call.body === undefined ? undefined : Buffer.from(JSON.stringify(call.body));
    const headers = {
      accept: 'application/json, application/octet-stream',
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...call.headers,
      ...this.#authorisation({ method, path: url.pathname + url.search, body }, call),
    };
    const request = { method, url, headers, idleMs: idleMs + waitMs, signal };
    const answer = await transport.send(body === undefined ? request : { ...request, body });
    if (answer.status < 400) this.#learnTime(answer);
    return answer;
  }

  #authorisation(
    request: { readonly method: string; readonly path: string; readonly body: Uint8Array | undefined },
    call: Call,
  ): Readonly<Record<string, string>> {
    if (call.signed === false) return {};
    if (this.#credential === undefined) throw new SanderlingError('UNAUTHENTICATED', 'this device is not enrolled');
    const { device, privateKey } = this.#credential;
    const time = Math.round(this.#clock.now() + this.#skewMs);
    return { authorization: authorise(request, device, { privateKey, time }) };
  }

  #learnTime(answer: HttpAnswer): boolean {
    const time = Number(answer.headers[hubTimeHeader]);
    if (!Number.isFinite(time) || time <= 0) return false;
    const skew = time - this.#clock.now();
    this.#skewMs = Math.abs(skew) > tolerableSkewMs ? skew : 0;
    return true;
  }

  /** The coded error that an answer stands for. Only a well-formed body of the hub's own is believed; what proxies and portals say counts as "not now". */
  async #refusal(answer: HttpAnswer, path: string): Promise<SanderlingError> {
    let body: ErrorBody | undefined;
    try {
      body = ((await readJson(answer)) as { error?: ErrorBody } | null)?.error;
    } catch {
      body = undefined;
    }
    if (typeof body?.code === 'string' && typeof body.message === 'string') {
      const { code, message } = body;
      return SanderlingError.fromBody({ ...body, code, message: message.slice(0, 500) });
    }
    return new SanderlingError('UNAVAILABLE', `something answered ${answer.status} to ${path} in the hub’s place`, {
      fix: 'check the address and any proxy on the way',
      details: { status: answer.status },
    });
  }
}

/** The address of a hub. @throws INVALID_CONFIG. */
function hubAddress(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url;
  throw new SanderlingError('INVALID_CONFIG', `${text} is not the address of a hub`, {
    where: 'hub',
    fix: 'give one such as http://127.0.0.1:8200',
  });
}

async function readJson(answer: HttpAnswer): Promise<unknown> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of answer.body) {
    size += part.length;
    if (size > maxAnswerBytes) throw garbled('an answer of more than 1 MB');
    parts.push(part);
  }
  try {
    return JSON.parse(Buffer.concat(parts).toString('utf8'));
  } catch (error) {
    throw garbled('the request', error);
  }
}

/** Whatever stands between device and hub and talks nonsense: worth another try later. */
function garbled(path: string, cause?: unknown): SanderlingError {
  return new SanderlingError('UNAVAILABLE', `the answer to ${path} is not the hub’s`, {
    fix: 'check the address and any proxy on the way',
    ...(cause === undefined ? {} : { cause }),
  });
}

function contentRange(answer: HttpAnswer): { readonly start: number; readonly total: number | undefined } {
  const match = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(String(answer.headers['content-range']));
  if (match === null) {
    answer.destroy();
    throw garbled('/releases');
  }
  return { start: Number(match[1]), total: match[2] === '*' ? undefined : Number(match[2]) };
}

function wholeLength(answer: HttpAnswer): { readonly start: number; readonly total: number | undefined } {
  const length = answer.headers['content-length'];
  return { start: 0, total: length === undefined ? undefined : Number(length) };
}
