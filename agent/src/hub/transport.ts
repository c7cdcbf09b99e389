// HTTP as the agent needs it: one request, a streamed answer, limits on every wait. On Node's own client, which costs less memory than fetch.
import { Agent as HttpAgent, request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { SanderlingError } from '@sanderling/kit';

/** A request. */
export interface HttpRequest {
  readonly method: 'GET' | 'POST';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** Longest silence on the connection, before and during the answer, milliseconds. */
  readonly idleMs: number;
  readonly signal: AbortSignal;
}

/** An answer whose body is still on its way. Read it or destroy it. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: AsyncIterable<Uint8Array>;
  /** Gives up the rest of the body. */
  destroy(): void;
}

/** How requests reach the hub. */
export interface Transport {
  /** @throws UNAVAILABLE when the hub cannot be reached, TIMEOUT when it falls silent, CANCELLED. */
  send(request: HttpRequest): Promise<HttpAnswer>;
  close(): void;
}

/** The transport over HTTP and HTTPS with kept-alive connections. */
export class NodeTransport implements Transport {
  readonly #http = new HttpAgent({ keepAlive: true, maxSockets: 4 });
  readonly #https = new HttpsAgent({ keepAlive: true, maxSockets: 4 });

  send(request: HttpRequest): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
      const sent = this.#open(request);
      const fail = (error: Error): void => reject(networkError(error, request));
      sent.on('error', fail);
      sent.on('response', (message) => resolve(answerOf(message, request)));
      sent.setTimeout(request.idleMs, () => sent.destroy(silent(request)));
      sent.end(request.body);
    });
  }

  close(): void {
    this.#http.destroy();
    this.#https.destroy();
  }

  #open({ method, url, headers, body, signal }: HttpRequest): ClientRequest {
    const length = body === undefined ? {} : { 'content-length': String(body.length) };
    const options = { method, headers: { ...headers, ...length }, signal };
    return url.protocol === 'https:'
      ? httpsRequest(url, { ...options, agent: this.#https })
      : httpRequest(url, { ...options, agent: this.#http });
  }
}

function answerOf(message: IncomingMessage, request: HttpRequest): HttpAnswer {
  // Without a listener, a connection that breaks before anybody reads would end the process.
  message.on('error', () => undefined);
  return {
    status: message.statusCode ?? 0,
    headers: message.headers,
    body: chunks(message, request),
    destroy: () => void message.destroy(),
  };
}

async function* chunks(message: IncomingMessage, request: HttpRequest): AsyncGenerator<Uint8Array> {
  try {
    yield* message as AsyncIterable<Uint8Array>;
  } catch (error) {
    throw networkError(error as Error, request);
  }
}

function silent({ url, idleMs }: HttpRequest): SanderlingError {
  return new SanderlingError('TIMEOUT', `the hub at ${url.host} was silent for ${Math.round(idleMs / 1000)} s`);
}

function networkError(error: Error, { url, signal }: HttpRequest): SanderlingError {
  if (error instanceof SanderlingError) return error;
  if (signal.aborted) return new SanderlingError('CANCELLED', 'cancelled', { cause: error });
  const { code } = error as NodeJS.ErrnoException;
  return new SanderlingError('UNAVAILABLE', `cannot reach the hub at ${url.host}: ${code ?? error.message}`, {
    fix: 'the agent goes on and tries again by itself; check the network and the address if this lasts',
    cause: error,
  });
}
