// A hub for tests: real HTTP, real signatures, everything that the protocol promises, and faults on request.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { errorCodes, newId, SanderlingError, toSanderlingError, type Digest } from '@sanderling/kit';
import {
  createSigningKey,
  desiredPayload,
  formatToken,
  hubTimeHeader,
  keyFingerprint,
  parseToken,
  readCredential,
  sign,
  verifyRequest,
  type DeliverRequest,
  type DesiredAnswer,
  type EventEntry,
  type OutboxEntry,
  type ReadingEntry,
  type ReportEntry,
  type SigningKey,
  type StatusRequest,
} from '@sanderling/wire/device';
import { deliverRequest, enrolRequest, statusRequest } from '@sanderling/wire';
import { Bell } from '../bell.ts';
import { makeRelease, type SealedRelease, type TestRelease } from './test-releases.ts';

/** What a fault does to a request; `pass` leaves it alone. */
export type Fault = 'pass' | 'drop' | 'answer-then-drop' | 'error' | 'garbage' | 'cut-body' | 'hang';

interface Route {
  readonly path: string;
  readonly url: URL;
  readonly body: Buffer;
  readonly request: IncomingMessage;
}

/** What a device sent, by the schema that a real hub checks it with. */
function checked<T>(schema: { parse(value: unknown): T }, body: Buffer): T {
  try {
    return schema.parse(JSON.parse(body.toString()));
  } catch (error) {
    // Loud: an agent that breaks the protocol must fail every test.
    console.error('the agent sent what the protocol forbids:', error);
    throw new SanderlingError('INVALID_DATA', `the protocol forbids this: ${String(error)}`);
  }
}

/** The hub. */
export class TestHub implements AsyncDisposable {
  readonly key: SigningKey = createSigningKey();
  readonly #server: Server;
  readonly #tokens = new Set<string>();
  readonly #devices = new Map<string, { readonly name: string; readonly publicKey: string }>();
  readonly #releases = new Map<Digest, Uint8Array>();
  readonly #entries = new Map<string, OutboxEntry>();
  readonly #acked = new Map<string, number>();
  readonly #bells = new Set<Bell>();
  /** Every request that came, as `METHOD /path`. */
  readonly requests: string[] = [];
  /** Every Range header that came. */
  readonly ranges: string[] = [];
  readonly statuses: StatusRequest[] = [];
  /** Decides what happens to a request. */
  fault: (path: string) => Fault = () => 'pass';
  /** Added to the hub's clock, milliseconds. */
  skewMs = 0;
  /** Bytes of a bundle sent at once, and the pause between them, milliseconds. */
  chunk = { bytes: 1 << 20, pauseMs: 0 };
  /** Refuses deliveries that hold such an entry. */
  refuses: (entry: OutboxEntry) => boolean = () => false;
  desired: DesiredAnswer | undefined;
  #counter = 0;
  #wish: { counter: number; release: Digest | null } = { counter: 0, release: null };
  #port = 0;

  constructor() {
    this.#server = createServer((request, response) => void this.#serve(request, response));
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async start(port = 0): Promise<this> {
    this.#server.listen(port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = (this.#server.address() as AddressInfo).port;
    return this;
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    this.#server.close();
    this.#server.closeAllConnections();
    for (const bell of this.#bells) bell.ring();
    await once(this.#server, 'close');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** Comes back at the same address. */
  async restart(): Promise<void> {
    await this.start(this.#port);
  }

  token(): string {
    const token = {
      id: newId('x').slice(2),
      secret: Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('hex'),
      fingerprint: keyFingerprint(this.key.publicKey),
    };
    this.#tokens.add(token.secret);
    return formatToken(token);
  }

  /** Takes a token that another hub made. */
  admit(token: string): void {
    this.#tokens.add(parseToken(token).secret);
  }

  /** Makes a release and stores it. */
  release(options: TestRelease = {}): SealedRelease {
    const sealed = makeRelease(options, this.key.privateKey);
    this.store(sealed.digest, sealed.bytes);
    return sealed;
  }

  /** Stores bytes under an address, right or wrong. */
  store(digest: Digest, bytes: Uint8Array): void {
    this.#releases.set(digest, bytes);
  }

  /** Asks every device for a release. */
  want(release: Digest | null): number {
    this.#wish = { counter: ++this.#counter, release };
    for (const bell of this.#bells) bell.ring();
    return this.#counter;
  }

  /** What a device would be told now. */
  signed(device: string, wish = this.#wish): DesiredAnswer {
    const signature = sign(this.key.privateKey, desiredPayload(device, wish));
    return { ...wish, signature: Buffer.from(signature).toString('base64url') };
  }

  get devices(): readonly string[] {
    return [...this.#devices.keys()];
  }

  /** Everything delivered, once each, in the order of delivery. */
  get entries(): readonly OutboxEntry[] {
    return [...this.#entries.values()];
  }

  get readings(): readonly ReadingEntry[] {
    return this.entries.filter((entry) => entry.kind === 'reading');
  }

  get reports(): readonly ReportEntry[] {
    return this.entries.filter((entry) => entry.kind === 'report');
  }

  events(type: string): readonly EventEntry[] {
    return this.entries.filter((entry): entry is EventEntry => entry.kind === 'event' && entry.type === type);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.url);
    const path = url.pathname.replace('/agent/v1', '');
    this.requests.push(`${request.method} ${path}`);
    response.setHeader(hubTimeHeader, String(this.#now()));
    const fault = this.fault(path);
    try {
      const parts: Buffer[] = [];
      for await (const part of request) parts.push(part as Buffer);
      if (fault === 'hang') return;
      if (fault === 'drop') {
        request.socket.destroy();
        return;
      }
      if (fault === 'error') {
        response.writeHead(500).end('<html>oops</html>');
        return;
      }
      if (fault === 'garbage') {
        response.writeHead(200, { 'content-type': 'application/json' }).end('{"acked": <b>no</b>');
        return;
      }
      const route = { path, url, body: Buffer.concat(parts), request };
      if (path.startsWith('/releases/')) return await this.#bundle(route, response, fault);
      const answer = path === '/enrol' ? this.#enrol(route) : await this.#signedRoute(route);
      if (fault === 'answer-then-drop') request.socket.destroy();
      else response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
    } catch (thrown) {
      const error = toSanderlingError(thrown);
      response.writeHead(errorCodes[error.code].http, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ error: error.toBody() }));
    }
  }

  #now(): number {
    return Date.now() + this.skewMs;
  }

  #enrol({ body }: Route): unknown {
    const { token, publicKey, name } = checked(enrolRequest, body);
    const known = [...this.#devices].find(([, device]) => device.publicKey === publicKey)?.[0];
    if (known === undefined && !this.#tokens.delete(parseToken(token).secret))
      throw new SanderlingError('TOKEN_USED', 'this token was used');
    const device = known ?? newId('dev');
    this.#devices.set(device, { name, publicKey });
    return { device, name, project: 'test', hubPublicKey: this.key.publicKey };
  }

  #authenticate({ request, url, body }: Route): string {
    const credential = readCredential(request.headers.authorization);
    const device = this.#devices.get(credential.device);
    if (device === undefined) throw new SanderlingError('UNAUTHENTICATED', 'no such device');
    verifyRequest(
      { method: request.method!, path: url.pathname + url.search, body: body.length === 0 ? undefined : body },
      credential,
      { publicKey: device.publicKey, now: this.#now() },
    );
    return credential.device;
  }

  async #signedRoute(route: Route): Promise<unknown> {
    const device = this.#authenticate(route);
    switch (route.path) {
      case '/deliver':
        return this.#deliver(checked(deliverRequest, route.body));
      case '/desired':
        return this.#desired(device, route.url);
      case '/status':
        this.statuses.push(checked(statusRequest, route.body));
        return {};
      default:
        throw new SanderlingError('NOT_FOUND', 'no such route');
    }
  }

  #deliver({ outbox, entries }: DeliverRequest): unknown {
    if (entries.some(({ entry }) => this.refuses(entry))) throw new SanderlingError('INVALID_DATA', 'not that one');
    let acked = this.#acked.get(outbox) ?? 0;
    for (const { seq, entry } of entries) {
      if (seq <= acked) continue;
      this.#entries.set(`${outbox}:${seq}`, entry);
      acked = seq;
    }
    this.#acked.set(outbox, acked);
    return { acked };
  }

  async #desired(device: string, url: URL): Promise<DesiredAnswer> {
    if (this.desired !== undefined) return this.desired;
    const [have, wait] = [Number(url.searchParams.get('have')), Number(url.searchParams.get('wait'))];
    if (have === this.#wish.counter && wait > 0) {
      const bell = new Bell();
      this.#bells.add(bell);
      await bell.wait(new AbortController().signal, wait * 1000);
      this.#bells.delete(bell);
    }
    return this.signed(device);
  }

  async #bundle(route: Route, response: ServerResponse, fault: Fault): Promise<void> {
    this.#authenticate(route);
    const digest = route.path.split('/')[2]!;
    const bytes = this.#releases.get(digest);
    if (bytes === undefined) throw new SanderlingError('NOT_FOUND', 'no such release');
    const { range } = route.request.headers;
    if (range !== undefined) this.ranges.push(range);
    const match = route.request.headers['if-range'] === `"${digest}"` ? /^bytes=(\d+)-$/.exec(range ?? '') : null;
    const from = Number(match?.[1] ?? 0);
    if (from >= bytes.length) {
      response.writeHead(416).end();
      return;
    }
    response.writeHead(match === null ? 200 : 206, {
      etag: `"${digest}"`,
      'content-length': bytes.length - from,
      ...(match === null ? {} : { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` }),
    });
    const end = fault === 'cut-body' ? from + Math.ceil((bytes.length - from) / 2) : bytes.length;
    for (let at = from; at < end && !response.destroyed; at += this.chunk.bytes) {
      response.write(bytes.subarray(at, Math.min(end, at + this.chunk.bytes)));
      if (this.chunk.pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, this.chunk.pauseMs));
    }
    if (fault === 'cut-body') {
      await new Promise((resolve) => setTimeout(resolve, 30));
      route.request.socket.destroy();
    } else response.end();
  }
}
