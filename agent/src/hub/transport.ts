// HTTP as the agent needs it: one request, a streamed answer, limits on every wait. On Node's own client, which costs less memory than fetch.
import type { ClientRequest, IncomingMessage } from 'node:http';
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

/** A protocol's client and its kept-alive connections. */
interface Client {
  readonly request: typeof import('node:http').request | typeof import('node:https').request;
  readonly agent: import('node:http').Agent;
}

/**
 * A client, loaded when first used. Taken from the process: an `import` of `node:http` also loads its WebSocket, 10 MB of resident memory.
 */
function loadClient(protocol: string): Client {
  const { request, Agent } =
    protocol === 'https:' ? process.getBuiltinModule('node:https') : process.getBuiltinModule('node:http');
  return { request, agent: new Agent({ keepAlive: true, maxSockets: 4 }) };
}

/** The transport over HTTP and HTTPS with kept-alive connections. */
export class NodeTransport implements Transport {
  readonly #clients = new Map<string, Client>();

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
    for (const { agent } of this.#clients.values()) agent.destroy();
    this.#clients.clear();
  }

  #open({ method, url, headers, body, signal }: HttpRequest): ClientRequest {
    const length = body === undefined ? {} : { 'content-length': String(body.length) };
    const options = { method, headers: { ...headers, ...length }, signal };
    let client = this.#clients.get(url.protocol);
    if (client === undefined) this.#clients.set(url.protocol, (client = loadClient(url.protocol)));
    return client.request(url, { ...options, agent: client.agent });
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
