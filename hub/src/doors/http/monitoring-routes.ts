// Monitoring over HTTP.
import { createRoute } from '@hono/zod-openapi';
import { monitoringPoint, page, slug } from '@sanderling/wire';
import { z } from 'zod';
import type { Monitoring } from '../../monitoring/index.ts';
import { pairCursor, rangeFields } from './query-fields.ts';
import { given } from './given.ts';
import { createRouter, errorResponses, json, needs, toPage, type Router } from './router.ts';

const listPoints = createRoute({
  ...needs('read'),
  method: 'get',
  path: '/api/v1/projects/{project}/monitoring',
  operationId: 'listMonitoringPoints',
  summary: 'Rolling error, drift score, latency and health over time',
  description:
    'Points in the order of time: from `from` on in pages, or the newest when `from` is left out. Every report is kept for a week, then one an hour for a year.',
  tags: ['monitoring'],
  request: {
    params: z.object({ project: slug }),
    query: z.object({
      ...rangeFields,
      device: z.string().max(64).optional(),
      limit: z.coerce.number().int().min(1).max(10_000).default(1000),
      cursor: pairCursor((time, id) => ({ time, id: Number.parseInt(id, 36) || 0 })).optional(),
    }),
  },
  responses: { 200: json(page(monitoringPoint), 'Points'), ...errorResponses },
});

export function monitoringRoutes(monitoring: Monitoring, projects: { get(name: string): Promise<unknown> }): Router {
  const router = createRouter();
  router.openapi(listPoints, async (c) => {
    const { project } = c.req.valid('param');
    const { from, to, device, limit, cursor } = c.req.valid('query');
    await projects.get(project);
    const paged = from !== undefined || cursor !== undefined;
    const points = await monitoring.points(project, {
      limit: paged ? limit + 1 : limit,
      ...given({ from, to, device, after: cursor }),
    });
    const { items, next } = toPage(points, limit, ({ id, point }) => `${point.time}.${id.toString(36)}`);
    const shown = items.map(({ point }) => point);
    return c.json(next === undefined ? { items: shown } : { items: shown, next }, 200);
  });
  return router;
}
