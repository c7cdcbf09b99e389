// Storage over HTTP: collecting blobs that no row names.
import { createRoute } from '@hono/zod-openapi';
import { duration, durationMs, errorAnswer } from '@sanderling/wire';
import { z } from 'zod';
import type { Collection, Retention } from '../../retention/index.ts';
import { given } from './given.ts';
import { createRouter, errorResponses, json, needs, type Router } from './router.ts';

const tags = ['storage'];
const path = '/api/v1/storage/collection';

const sum = z.object({ count: z.int(), bytes: z.int() });
const collection = z.object({
  state: z.enum(['never', 'running', 'done', 'failed', 'cancelled']),
  dryRun: z.boolean(),
  olderThanMs: z.int(),
  startedAt: z.int().nullable(),
  endedAt: z.int().nullable(),
  progress: z
    .object({ phase: z.enum(['listing', 'rows', 'contents', 'removing']), done: z.int(), total: z.int() })
    .nullable(),
  blobs: sum.describe('what was there'),
  unnamed: sum.describe('named by no row and old enough'),
  removed: sum,
  partials: z.int().describe('unfinished files of killed writes'),
  examples: z.array(z.object({ digest: z.string(), size: z.int() })).describe('the first hundred of the unnamed'),
  error: errorAnswer.shape.error.nullable(),
});

const collectionRequest = z.strictObject({
  olderThan: duration.optional().describe('how long a blob must have been there, an hour or more; a day without'),
  dryRun: z.boolean().optional().describe('say what would go, and remove nothing'),
  evenMost: z.boolean().optional().describe('go on although more than half of all blobs would go'),
});

const begin = createRoute({
  ...needs('admin'),
  method: 'post',
  path,
  operationId: 'beginCollection',
  summary: 'Remove blobs that no row names; follow it with GET',
  tags,
  request: { body: { ...json(collectionRequest, 'What to collect'), required: true } },
  responses: { 202: json(collection, 'The collection, begun'), ...errorResponses },
});

const newest = createRoute({
  ...needs('admin'),
  method: 'get',
  path,
  operationId: 'getCollection',
  summary: 'The newest collection: how far it is, what it found and removed',
  tags,
  responses: { 200: json(collection, 'The collection'), ...errorResponses },
});

const cancel = createRoute({
  ...needs('admin'),
  method: 'delete',
  path,
  operationId: 'cancelCollection',
  summary: 'End the collection that runs; what it removed stays removed',
  tags,
  responses: { 200: json(collection, 'How it ended'), ...errorResponses },
});

export function storageRoutes(retention: Retention): Router {
  const router = createRouter();
  router.openapi(begin, (c) => {
    const { olderThan, ...rest } = c.req.valid('json');
    const age = olderThan === undefined ? {} : { olderThanMs: durationMs(olderThan) };
    return c.json(answer(retention.begin({ ...given(rest), ...age })), 202);
  });
  router.openapi(newest, (c) => c.json(answer(retention.newest), 200));
  router.openapi(cancel, async (c) => c.json(answer(await retention.cancel()), 200));
  return router;
}

function answer({ error, examples, ...rest }: Collection): z.output<typeof collection> {
  return { ...rest, examples: [...examples], error: error === null ? null : plain(error) };
}

function plain({ details, ...error }: NonNullable<Collection['error']>) {
  return details === undefined ? error : { ...error, details: { ...details } };
}
