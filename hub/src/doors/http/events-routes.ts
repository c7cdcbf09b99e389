// Events over HTTP: the log in pages, and live as server-sent events (WHATWG HTML, section 9.2).
import { createRoute } from '@hono/zod-openapi';
import { SanderlingError } from '@sanderling/kit';
import { event, page, slug, type HubEvent } from '@sanderling/wire';
import { z } from 'zod';
import type { EventLog } from '../../events/index.ts';
import { given } from './given.ts';
import { createRouter, errorResponses, json, needs, toPage, type Router } from './router.ts';

const tags = ['events'];

const filter = {
  after: z.coerce
    .number()
    .int()
    .min(0)
    .max(Number.MAX_SAFE_INTEGER)
    .optional()
    .describe('only events behind this number'),
  project: slug.optional(),
  type: z
    .union([z.string().max(100), z.array(z.string().max(100)).max(50)])
    .optional()
    .describe('only events of these types'),
};

const listEvents = createRoute({
  ...needs('read'),
  method: 'get',
  path: '/api/v1/events',
  operationId: 'listEvents',
  summary: 'What happened, in order',
  tags,
  request: {
    query: z.object({
      ...filter,
      limit: z.coerce.number().int().min(1).max(1000).default(100),
      cursor: z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER).optional(),
    }),
  },
  responses: { 200: json(page(event), 'Events'), ...errorResponses },
});

const streamEvents = createRoute({
  ...needs('read'),
  method: 'get',
  path: '/api/v1/events/stream',
  operationId: 'streamEvents',
  summary: 'What happened since `after` (or Last-Event-ID), then what happens, as server-sent events',
  tags,
  request: {
    query: z.object(filter),
    headers: z.object({
      'last-event-id': z
        .string()
        .regex(/^\d{1,15}$/)
        .optional(),
    }),
  },
  responses: {
    200: {
      content: { 'text/event-stream': { schema: { type: 'string' } } },
      description: '`id` is the event’s number, `event` its type, `data` the event as JSON',
    },
    ...errorResponses,
  },
});

const streamHeaders = { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' };

/** A comment that keeps a silent stream open, milliseconds. */
const heartbeatMs = 15_000;

/** What the routes need. */
export interface EventsRouteOptions {
  readonly events: EventLog;
  /** Most streams at the same time. */
  readonly maxStreams: number;
  /** Aborts when the hub stops. */
  readonly stopping: AbortSignal;
}

export function eventsRoutes({ events, maxStreams, stopping }: EventsRouteOptions): Router {
  const router = createRouter();
  let streams = 0;
  router.openapi(listEvents, async (c) => {
    const { after, cursor, limit, ...rest } = c.req.valid('query');
    const items = await events.list({ ...filterOf(rest), after: cursor ?? after ?? 0, limit: limit + 1 });
    return c.json(
      toPage(items, limit, ({ seq }) => String(seq)),
      200,
    );
  });
  router.openapi(streamEvents, async (c) => {
    const { after, ...rest } = c.req.valid('query');
    if (c.req.method === 'HEAD') return new Response(null, { headers: streamHeaders });
    if (streams >= maxStreams)
      throw new SanderlingError('LIMIT_REACHED', 'too many clients follow the events', {
        details: { retryAfterSeconds: 30 },
      });
    const last = c.req.valid('header')['last-event-id'];
    const query = { ...filterOf(rest), after: last === undefined ? (after ?? 0) : Number(last) };
    const signal = AbortSignal.any([stopping, c.req.raw.signal]);
    streams++;
    const body = eventStream(
      (own) => events.follow(query, own),
      signal,
      () => streams--,
    );
    return new Response(body, { headers: streamHeaders });
  });
  return router;
}

function filterOf({
  project,
  type,
}: {
  readonly project?: string | undefined;
  readonly type?: string | string[] | undefined;
}) {
  return given({ project, types: typeof type === 'string' ? [type] : type });
}

/** A stream of server-sent events; the following ends when the client goes away or the signal aborts. */
function eventStream(
  follow: (signal: AbortSignal) => AsyncGenerator<HubEvent>,
  signal: AbortSignal,
  ended: () => void,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const own = new AbortController();
  const events = follow(AbortSignal.any([signal, own.signal]));
  let heartbeat: NodeJS.Timeout | undefined;
  const end = (): void => {
    if (own.signal.aborted) return;
    own.abort();
    clearInterval(heartbeat);
    ended();
  };
  return new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(encoder.encode('retry: 1000\n\n'));
      heartbeat = setInterval(() => {
        if ((controller.desiredSize ?? 0) > 0) controller.enqueue(encoder.encode(': still here\n\n'));
      }, heartbeatMs);
    },
    async pull(controller) {
      const { done, value } = await events.next();
      if (done !== true) {
        controller.enqueue(encoder.encode(toText(value)));
      } else if (!own.signal.aborted) {
        end();
        controller.close();
      }
    },
    cancel: end,
  });
}

function toText(happened: HubEvent): string {
  return `id: ${happened.seq}\nevent: ${happened.type}\ndata: ${JSON.stringify(happened)}\n\n`;
}
