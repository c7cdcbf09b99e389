// Is the hub there? Open to everyone, tells nothing else.
import { createRoute } from '@hono/zod-openapi';
import { z } from 'zod';
import { createRouter, json, type Router } from './router.ts';

const healthRoute = createRoute({
  method: 'get',
  path: '/health',
  operationId: 'getHealth',
  summary: 'Whether the hub answers and its database does',
  tags: ['hub'],
  responses: { 200: json(z.object({ status: z.literal('ok'), version: z.string() }), 'The hub is well') },
});

/** @param probe throws when the database does not answer. */
export function healthRoutes(version: string, probe: () => Promise<void>): Router {
  const router = createRouter();
  router.openapi(healthRoute, async (c) => {
    await probe();
    return c.json({ status: 'ok' as const, version }, 200);
  });
  return router;
}
