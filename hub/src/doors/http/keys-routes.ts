// API keys over HTTP.
import { createRoute } from '@hono/zod-openapi';
import { apiKey, apiScopes, createdApiKey, page } from '@sanderling/wire';
import { z } from 'zod';
import type { ApiKeys } from '../../access/index.ts';
import { createRouter, errorResponses, json, needs, type Router } from './router.ts';

const tags = ['access'];

const createKey = createRoute({
  ...needs('admin'),
  method: 'post',
  path: '/api/v1/keys',
  operationId: 'createKey',
  summary: 'Make an API key; its text is shown this once',
  tags,
  request: {
    body: {
      ...json(z.strictObject({ name: z.string().min(1).max(100), scope: z.enum(apiScopes) }), 'The key to make'),
      required: true,
    },
  },
  responses: { 201: json(createdApiKey, 'The key'), ...errorResponses },
});

const listKeys = createRoute({
  ...needs('admin'),
  method: 'get',
  path: '/api/v1/keys',
  operationId: 'listKeys',
  summary: 'Every API key, revoked ones too; never the secret',
  tags,
  responses: { 200: json(page(apiKey), 'The keys'), ...errorResponses },
});

const revokeKey = createRoute({
  ...needs('admin'),
  method: 'delete',
  path: '/api/v1/keys/{key}',
  operationId: 'revokeKey',
  summary: 'Take an API key out of use at once',
  tags,
  request: { params: z.object({ key: z.string().max(64) }) },
  responses: { 200: json(apiKey, 'The revoked key'), ...errorResponses },
});

export function keysRoutes(keys: ApiKeys): Router {
  const router = createRouter();
  router.openapi(createKey, async (c) => c.json(await keys.create(c.req.valid('json')), 201));
  router.openapi(listKeys, async (c) => c.json({ items: await keys.list() }, 200));
  router.openapi(revokeKey, async (c) => c.json(await keys.revoke(c.req.valid('param').key), 200));
  return router;
}
