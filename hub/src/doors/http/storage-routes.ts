// Storage over HTTP: collecting blobs that no row names.
import { createRoute } from '@hono/zod-openapi';
import { collection, collectionRequest, durationMs, type Collection as CollectionAnswer } from '@sanderling/wire';
import type { Collection, Retention } from '../../retention/index.ts';
import { given } from './given.ts';
import { createRouter, errorResponses, json, needs, type Router } from './router.ts';

const tags = ['storage'];
const path = '/api/v1/storage/collection';

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

function answer({ error, examples, ...rest }: Collection): CollectionAnswer {
  return { ...rest, examples: [...examples], error: error === null ? null : plain(error) };
}

function plain({ details, ...error }: NonNullable<Collection['error']>) {
  return details === undefined ? error : { ...error, details: { ...details } };
}
