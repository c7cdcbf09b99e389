// Readings over HTTP: in as CSV, NDJSON or JSON; out in pages, the newest, or as CSV.
import { createRoute } from '@hono/zod-openapi';
import { SanderlingError, type Clock } from '@sanderling/kit';
import { ingestAnswer, page, reading, slug, storedReading } from '@sanderling/wire';
import { z } from 'zod';
import type { Data, ImportFormat, ImportRequest, Place } from '../../data/index.ts';
import { pairCursor, rangeFields } from './query-fields.ts';
import { given } from './given.ts';
import { createRouter, describedOnly, errorResponses, json, needs, toPage, type Router } from './router.ts';
import { csvHeaders, csvText, streamed } from './streamed.ts';
import { uploadOf } from './upload.ts';

const tags = ['data'];
const params = z.object({ project: slug });
const dayMs = 86_400_000;

const importQuery = z.object({
  time: z.string().max(200).optional().describe('CSV: name of the time column, or its position from 0'),
  value: z.string().max(200).optional().describe('CSV: name of the value column, or its position from 0'),
  delimiter: z.string().length(1).optional().describe('CSV: what separates the fields'),
  future: z
    .enum(['skip', 'keep'])
    .default('skip')
    .describe('what to do with readings that are more than a day ahead of the hub’s clock'),
});

const importReadings = createRoute({
  ...needs('write'),
  method: 'post',
  path: '/api/v1/projects/{project}/readings',
  operationId: 'importReadings',
  summary: 'Store readings: all of them or, when the answer is an error, none',
  description:
    'CSV and NDJSON are read as streams. The layout of a CSV is recognised unless told. Lines of a CSV that cannot be used are skipped and counted; in JSON and NDJSON the first bad reading fails the batch.',
  tags,
  request: {
    params,
    query: importQuery,
    headers: z.object({ 'idempotency-key': z.string().min(1).max(200).optional() }),
    body: {
      content: {
        'text/csv': { schema: { type: 'string' } },
        'application/x-ndjson': { schema: { type: 'string' } },
        'application/json': { schema: describedOnly(z.array(reading)) },
      },
      description: 'The readings',
    },
  },
  responses: { 200: json(ingestAnswer, 'What was stored and what was skipped'), ...errorResponses },
});

const readingCursor = pairCursor((time, id): Place => ({ time, id: Number.parseInt(id, 36) || 0 }));

const listReadings = createRoute({
  ...needs('read'),
  method: 'get',
  path: '/api/v1/projects/{project}/readings',
  operationId: 'listReadings',
  summary: 'Readings in the order of time: a range in pages, or the newest',
  tags,
  request: {
    params,
    query: z.object({
      ...rangeFields,
      newest: z.coerce.number().int().min(1).max(10_000).optional().describe('only the newest so many'),
      limit: z.coerce.number().int().min(1).max(10_000).default(1000),
      cursor: readingCursor.optional().describe('`next` of the page before'),
    }),
  },
  responses: { 200: json(page(storedReading), 'Readings'), ...errorResponses },
});

const exportReadings = createRoute({
  ...needs('read'),
  method: 'get',
  path: '/api/v1/projects/{project}/readings.csv',
  operationId: 'exportReadings',
  summary: 'Readings of a range as CSV',
  tags,
  request: { params, query: z.object(rangeFields) },
  responses: {
    200: { content: { 'text/csv': { schema: { type: 'string' } } }, description: 'time,value' },
    ...errorResponses,
  },
});

const getSpan = createRoute({
  ...needs('read'),
  method: 'get',
  path: '/api/v1/projects/{project}/readings/span',
  operationId: 'getReadingsSpan',
  summary: 'How many readings there are, and over which time',
  tags,
  request: { params },
  responses: {
    200: json(
      z.object({ count: z.int(), firstTime: z.int().nullable(), lastTime: z.int().nullable() }),
      'Count, earliest and latest time',
    ),
    ...errorResponses,
  },
});

/** What the routes need beside the data. */
export interface ReadingsRouteOptions {
  readonly data: Data;
  readonly projects: { get(name: string): Promise<unknown> };
  readonly clock: Clock;
  readonly maxUploadBytes: number;
  readonly maxJsonBytes: number;
}

export function readingsRoutes({ data, projects, clock, ...limits }: ReadingsRouteOptions): Router {
  const router = createRouter();
  router.openapi(importReadings, async (c) => {
    const { time, value, delimiter, future } = c.req.valid('query');
    const key = c.req.valid('header')['idempotency-key'];
    const request: ImportRequest = {
      project: c.req.valid('param').project,
      format: formatOf(c.req.header('content-type')),
      body: uploadOf(c, limits.maxUploadBytes),
      options: {
        ...given({ timeColumn: columnOf(time), valueColumn: columnOf(value), delimiter }),
        ...(future === 'skip' ? { latest: clock.now() + dayMs } : {}),
        maxJsonBytes: limits.maxJsonBytes,
      },
      ...given({ idempotencyKey: key }),
    };
    return c.json(await data.import(request), 200);
  });
  router.openapi(listReadings, async (c) => {
    const { project } = c.req.valid('param');
    const { from, to, newest, limit, cursor } = c.req.valid('query');
    await projects.get(project);
    const range = given({ from, to });
    if (newest !== undefined) return c.json({ items: await data.readings(project, { ...range, newest }) }, 200);
    const items = await data.readings(project, { ...range, ...given({ after: cursor }), limit: limit + 1 });
    return c.json(
      toPage(items, limit, (item) => `${item.time}.${item.id.toString(36)}`),
      200,
    );
  });
  router.openapi(exportReadings, async (c) => {
    const { project } = c.req.valid('param');
    const { from, to } = c.req.valid('query');
    await projects.get(project);
    return streamed(csvText(data.stream(project, given({ from, to }))), csvHeaders(`${project}-readings`));
  });
  router.openapi(getSpan, async (c) => {
    const { project } = c.req.valid('param');
    await projects.get(project);
    return c.json(await data.span(project), 200);
  });
  return router;
}

const formats: Readonly<Record<string, ImportFormat>> = {
  'text/csv': 'csv',
  'text/plain': 'csv',
  'application/csv': 'csv',
  'text/tab-separated-values': 'csv',
  'application/x-ndjson': 'ndjson',
  'application/ndjson': 'ndjson',
  'application/json': 'json',
};

function formatOf(contentType: string | undefined): ImportFormat {
  const format = formats[(contentType ?? '').split(';')[0]!.trim().toLowerCase()];
  if (format !== undefined) return format;
  throw new SanderlingError('UNSUPPORTED', 'readings come as text/csv, application/x-ndjson or application/json', {
    where: 'content-type',
  });
}

function columnOf(text: string | undefined): string | number | undefined {
  return text !== undefined && /^\d{1,4}$/.test(text) ? Number(text) : text;
}
