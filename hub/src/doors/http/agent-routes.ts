// The device API: enrolment with a token, everything else signed with the device's own key.
import { createRoute } from '@hono/zod-openapi';
import { SanderlingError } from '@sanderling/kit';
import { deliverRequest, enrolRequest, statusRequest } from '@sanderling/wire';
import type { Context } from 'hono';
import { z } from 'zod';
import type { FailedAttempts } from '../../access/index.ts';
import type { Fleet, KnownDevice } from '../../fleet/index.ts';
import { counted } from './authentication.ts';
import { wantedRange } from './byte-range.ts';
import type { HubEnv } from './environment.ts';
import { invalidRequest } from './error-answers.ts';
import { digestField } from './query-fields.ts';
import { createRouter, describedOnly, errorResponses, json, type Router } from './router.ts';

/** Where devices fetch releases from. */
export interface ReleaseSource {
  get(digest: string): Promise<{ readonly project: string }>;
  bundle(digest: string): Promise<{
    readonly size: number;
    /** Bytes `start` to `end`, the last excluded. */
    read(start: number, end: number): Promise<Uint8Array>;
  }>;
}

/** What the device API needs. */
export interface AgentRouteOptions {
  readonly fleet: Fleet;
  readonly releases: ReleaseSource;
  readonly attempts: FailedAttempts;
  /** Aborts when the hub stops. */
  readonly stopping: AbortSignal;
}

const tags = ['device'];
const security = [{ device: [] }];
/** Longest wait for news, seconds. */
const maxWaitSeconds = 120;
/** Bytes of a bundle in one piece. */
const pieceBytes = 256 * 1024;

const signedBody = (schema: z.ZodType, description: string) => ({
  content: { 'application/json': { schema: describedOnly(schema) } },
  description,
});

const enrolRoute = createRoute({
  method: 'post',
  path: '/agent/v1/enrol',
  operationId: 'enrolDevice',
  summary: 'Become known with a one-time token; the same key again is the same device',
  tags,
  request: { body: { ...json(enrolRequest, 'Token, public key and what the device is'), required: true } },
  responses: {
    200: json(
      z.object({ device: z.string(), name: z.string(), project: z.string(), hubPublicKey: z.string() }),
      'The device’s identity, and the hub’s release key',
    ),
    ...errorResponses,
  },
});

const deliverRoute = createRoute({
  method: 'post',
  path: '/agent/v1/deliver',
  operationId: 'deliver',
  summary: 'Hand over entries of the outbox; everything up to `acked` is stored for good, once',
  tags,
  security,
  request: { body: signedBody(deliverRequest, 'Entries in the order of their numbers') },
  responses: { 200: json(z.object({ acked: z.int() }), 'How far the outbox has been taken over'), ...errorResponses },
});

const desiredRoute = createRoute({
  method: 'get',
  path: '/agent/v1/desired',
  operationId: 'getDesired',
  summary: 'What the device should run, signed; waits while that is still counter `have`',
  tags,
  security,
  request: {
    query: z.object({
      have: z.coerce.number().int().min(-1).max(Number.MAX_SAFE_INTEGER).default(-1),
      wait: z.coerce.number().min(0).max(maxWaitSeconds).default(0).describe('seconds'),
    }),
  },
  responses: {
    200: json(
      z.object({ counter: z.int(), release: z.string().nullable(), signature: z.string() }),
      'The desired state',
    ),
    ...errorResponses,
  },
});

const statusRoute = createRoute({
  method: 'post',
  path: '/agent/v1/status',
  operationId: 'postStatus',
  summary: 'The device’s present state; replaces the one before',
  tags,
  security,
  request: { body: signedBody(statusRequest, 'The state') },
  responses: { 200: json(z.object({}), 'Taken'), ...errorResponses },
});

const bundle = { content: { 'application/octet-stream': { schema: { type: 'string' as const, format: 'binary' } } } };

const releaseRoute = createRoute({
  method: 'get',
  path: '/agent/v1/releases/{digest}',
  operationId: 'fetchBundle',
  summary: 'A release’s bundle, whole or from a byte on (Range, If-Range)',
  tags,
  security,
  request: { params: z.object({ digest: digestField }) },
  responses: {
    200: { ...bundle, description: 'The bundle' },
    206: { ...bundle, description: 'A part of it' },
    416: { description: 'The bundle is shorter' },
    ...errorResponses,
  },
});

export function agentRoutes({ fleet, releases, attempts, stopping }: AgentRouteOptions): Router {
  const router = createRouter();
  const authenticate = deviceAuthentication(fleet, attempts);

  router.openapi(enrolRoute, async (c) => {
    const request = c.req.valid('json');
    return c.json(await counted(c, attempts, () => fleet.enrol(request)), 200);
  });
  router.openapi(deliverRoute, async (c) => {
    const { device, body } = await authenticate(c, false);
    return c.json(await fleet.deliver(device, checked(deliverRequest, body)), 200);
  });
  router.openapi(desiredRoute, async (c) => {
    const { device } = await authenticate(c, false);
    const { have, wait } = c.req.valid('query');
    const signal = AbortSignal.any([stopping, c.req.raw.signal]);
    return c.json(await fleet.desired(device.id, { have, waitMs: wait * 1000 }, signal), 200);
  });
  router.openapi(statusRoute, async (c) => {
    const { device, body } = await authenticate(c, true);
    await fleet.status(device, checked(statusRequest, body));
    return c.json({}, 200);
  });
  router.openapi(releaseRoute, async (c) => {
    const { device } = await authenticate(c, false);
    const { digest } = c.req.valid('param');
    if ((await releases.get(digest)).project !== device.project)
      throw new SanderlingError('NOT_FOUND', `there is no release ${digest.slice(0, 12)} for this device`);
    return serveBundle(c, await releases.bundle(digest), digest);
  });
  return router;
}

function deviceAuthentication(fleet: Fleet, attempts: FailedAttempts) {
  return async (
    c: Context<HubEnv>,
    once: boolean,
  ): Promise<{ readonly device: KnownDevice; readonly body: Uint8Array }> => {
    const body = c.req.method === 'GET' ? new Uint8Array() : new Uint8Array(await c.req.arrayBuffer());
    const request = {
      method: c.req.method,
      path: c.env.incoming.url ?? '',
      body: body.length === 0 ? undefined : body,
    };
    const device = await counted(c, attempts, () => fleet.authenticate(c.req.header('authorization'), request, once));
    return { device, body };
  };
}

/** A body that fits its schema. */
function checked<T extends z.ZodType>(schema: T, body: Uint8Array): z.output<T> {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(body).toString('utf8'));
  } catch (error) {
    throw new SanderlingError('INVALID_ARGUMENT', 'the body is not JSON', { where: 'body', cause: error });
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw invalidRequest('json', result.error);
}

function serveBundle(
  c: Context<HubEnv>,
  bundle: Awaited<ReturnType<ReleaseSource['bundle']>>,
  digest: string,
): Response {
  const { size } = bundle;
  const etag = `"${digest}"`;
  const range = wantedRange({ range: c.req.header('range'), ifRange: c.req.header('if-range') }, { size, etag });
  const headers = { etag, 'accept-ranges': 'bytes', 'content-type': 'application/octet-stream' };
  if (range === 'unsatisfiable')
    return new Response(null, { status: 416, headers: { etag, 'content-range': `bytes */${size}` } });
  const { start, end } = range ?? { start: 0, end: size };
  let at = start;
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const piece = await bundle.read(at, Math.min(end, at + pieceBytes));
      at += piece.length;
      if (piece.length > 0) controller.enqueue(piece);
      if (at >= end || piece.length === 0) controller.close();
    },
  });
  const length = { 'content-length': String(end - start) };
  if (range === undefined) return new Response(body, { status: 200, headers: { ...headers, ...length } });
  const part = { 'content-range': `bytes ${start}-${end - 1}/${size}` };
  return new Response(body, { status: 206, headers: { ...headers, ...length, ...part } });
}
