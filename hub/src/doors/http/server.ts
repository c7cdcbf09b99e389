// The listening end: limits on time, headers and connections, coded answers to what is not even HTTP, and a graceful stop.
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { SanderlingError, toSanderlingError } from '@sanderling/kit';
import type { Router } from './router.ts';

/** Where to listen. */
export interface ListenOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
}

/** A listening server. */
export interface HttpServer {
  /** `http://host:port`, without a slash at the end. */
  readonly url: string;
  readonly port: number;
  /** Takes no more connections, lets running requests end for at most `graceMs`, then cuts them. */
  close(graceMs: number): Promise<void>;
}

const limits = {
  /** Time for the headers of a request, milliseconds. */
  headersTimeout: 20_000,
  /** Time for a whole request with its body, milliseconds; large uploads on slow lines need minutes. */
  requestTimeout: 30 * 60_000,
  keepAliveTimeout: 65_000,
  /** Bytes of all headers of a request. */
  maxHeaderSize: 16 * 1024,
};
const maxConnections = 4096;

/** Serves the application. @throws CONFLICT when the port is taken. */
export async function listen(app: Router, options: ListenOptions): Promise<HttpServer> {
  const answer = getRequestListener((request, env) => app.fetch(request, env), {
    overrideGlobalObjects: false,
    errorHandler: () => Response.json({ error: malformed.toBody() }, { status: 400 }),
  });
  const server = createServer(limits, (incoming, outgoing) => void answer(incoming, outgoing));
  server.maxConnections = maxConnections;
  server.on('clientError', refuseClient);
  await bind(server, options);
  const { port } = server.address() as AddressInfo;
  const host = options.host.includes(':') ? `[${options.host}]` : options.host;
  return { url: `http://${host}:${port}`, port, close: (graceMs) => close(server, graceMs) };
}

async function bind(server: Server, options: ListenOptions): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => {
      const known = toSanderlingError(error);
      reject(
        new SanderlingError(known.code, `cannot listen on ${options.host}:${options.port}: ${known.message}`, {
          fix: 'choose another port with SANDERLING_PORT, or 0 for any free one',
          cause: error,
        }),
      );
    });
    server.listen(options.port, options.host, resolve);
  });
}

async function close(server: Server, graceMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const cut = setTimeout(() => server.closeAllConnections(), graceMs);
  await closed;
  clearTimeout(cut);
}

const malformed = new SanderlingError('INVALID_ARGUMENT', 'this is not a well-formed HTTP request');

const clientErrors: Readonly<Record<string, { readonly status: string; readonly error: SanderlingError }>> = {
  HPE_HEADER_OVERFLOW: {
    status: '431 Request Header Fields Too Large',
    error: new SanderlingError('TOO_LARGE', 'the headers of this request are too large'),
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: '408 Request Timeout',
    error: new SanderlingError('TIMEOUT', 'the request took too long to arrive'),
  },
};

function refuseClient(error: NodeJS.ErrnoException, socket: import('node:stream').Duplex): void {
  if (!socket.writable || (socket as Socket).bytesWritten > 0) {
    socket.destroy();
    return;
  }
  const known = clientErrors[error.code ?? ''] ?? { status: '400 Bad Request', error: malformed };
  const body = JSON.stringify({ error: known.error.toBody() });
  socket.end(
    `HTTP/1.1 ${known.status}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}
