// For tests: a device that speaks the real protocol with its own key, one request at a time.
import { SanderlingError, type ErrorBody } from '@sanderling/kit';
import {
  authorise,
  createSigningKey,
  type DeliverAnswer,
  type DesiredAnswer,
  type EnrolAnswer,
  type OutboxEntry,
  type SigningKey,
  type StatusRequest,
} from '@sanderling/wire';

/** A signed request as it went out. */
export interface SentRequest {
  readonly method: string;
  readonly path: string;
  readonly body: string | undefined;
  readonly authorization: string;
}

/** A device. Faults are made by changing what it is about to send. */
export class DeviceSimulator {
  readonly key: SigningKey = createSigningKey();
  url: string;
  id = '';
  hubPublicKey = '';
  /** Added to the clock that signs, milliseconds. */
  skewMs = 0;
  /** The newest signed request. */
  sent: SentRequest | undefined;

  constructor(url: string) {
    this.url = url;
  }

  async enrol(token: string, name = 'room-sensor'): Promise<EnrolAnswer> {
    const request = { token, publicKey: this.key.publicKey, name, target: 'linux-x64', tags: {}, agentVersion: '1' };
    const answer = await this.post<EnrolAnswer>('/enrol', JSON.stringify(request));
    this.id = answer.device;
    this.hubPublicKey = answer.hubPublicKey;
    return answer;
  }

  deliver(
    outbox: string,
    entries: readonly { readonly seq: number; readonly entry: OutboxEntry }[],
  ): Promise<DeliverAnswer> {
    return this.signed('POST', '/deliver', JSON.stringify({ outbox, entries }));
  }

  desired(have = -1, wait = 0, signal?: AbortSignal): Promise<DesiredAnswer> {
    return this.signed('GET', `/desired?have=${have}&wait=${wait}`, undefined, signal);
  }

  status(status: Partial<StatusRequest> = {}): Promise<unknown> {
    const update = { release: null, stage: 'idle', progress: 0, reason: null } as const;
    const request = { counter: 0, active: null, previous: null, update, agentVersion: '1', ...status };
    return this.signed('POST', '/status', JSON.stringify(request));
  }

  async signed<T>(method: string, route: string, body?: string, signal?: AbortSignal): Promise<T> {
    const path = `/agent/v1${route}`;
    const bytes = body === undefined ? undefined : Buffer.from(body);
    const options = { privateKey: this.key.privateKey, time: Date.now() + this.skewMs };
    const authorization = authorise({ method, path, body: bytes }, this.id, options);
    this.sent = { method, path, body, authorization };
    return this.send<T>(this.sent, signal);
  }

  /** Sends a request as it is, also one that was sent before. */
  async send<T>(request: SentRequest, signal?: AbortSignal): Promise<T> {
    const response = await this.fetch(request, signal);
    const value = (await response.json()) as T & { error?: ErrorBody };
    if (value.error !== undefined) throw SanderlingError.fromBody(value.error);
    return value;
  }

  fetch(request: SentRequest, signal?: AbortSignal, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
    return fetch(this.url + request.path, {
      method: request.method,
      headers: { authorization: request.authorization, 'content-type': 'application/json', ...headers },
      ...(request.body === undefined ? {} : { body: request.body }),
      ...(signal === undefined ? {} : { signal }),
    });
  }

  async post<T>(route: string, body: string): Promise<T> {
    return this.send<T>({ method: 'POST', path: `/agent/v1${route}`, body, authorization: '' });
  }
}

/** Readings as outbox entries with the numbers `from` to `from + count - 1`. */
export function readingEntries(from: number, count: number): { seq: number; entry: OutboxEntry }[] {
  return Array.from({ length: count }, (_, i) => ({
    seq: from + i,
    entry: { kind: 'reading', time: 1_735_689_600_000 + (from + i) * 60_000, value: 20 + (from + i) / 1000 },
  }));
}
