// Dataset versions over HTTP.
import { createRoute } from '@hono/zod-openapi';
import { SanderlingError } from '@sanderling/kit';
import { dataset, page, quality, slug } from '@sanderling/wire';
import { z } from 'zod';
import type { Columns, Data } from '../../data/index.ts';
import { digestField, pairCursor } from './query-fields.ts';
import { given } from './given.ts';
import { createRouter, errorResponses, json, needs, toPage, type Router } from './router.ts';
import { csvHeaders, csvText, streamed } from './streamed.ts';

const tags = ['data'];
const params = z.object({ project: slug });

const createDataset = createRoute({
  ...needs('write'),
  method: 'post',
  path: '/api/v1/projects/{project}/datasets',
  operationId: 'createDataset',
  summary: 'Take the newest readings as an immutable version; the same readings give the same version',
  tags,
  request: { params },
  responses: { 201: json(dataset, 'The version with its quality report'), ...errorResponses },
});

const listDatasets = createRoute({
  ...needs('read'),
  method: 'get',
  path: '/api/v1/projects/{project}/datasets',
  operationId: 'listDatasets',
  summary: 'Versions of a project, newest first',
  tags,
  request: {
    params,
    query: z.object({
      limit: z.coerce.number().int().min(1).max(1000).default(100),
      cursor: pairCursor((createdAt, digest) => ({ createdAt, digest })).optional(),
    }),
  },
  responses: { 200: json(page(dataset), 'Versions'), ...errorResponses },
});

const getDataset = createRoute({
  ...needs('read'),
  method: 'get',
  path: '/api/v1/datasets/{digest}',
  operationId: 'getDataset',
  summary: 'One version',
  tags,
  request: { params: z.object({ digest: digestField }) },
  responses: { 200: json(dataset, 'The version'), ...errorResponses },
});

const getQuality = createRoute({
  ...needs('read'),
  method: 'get',
  path: '/api/v1/datasets/{digest}/quality',
  operationId: 'getDatasetQuality',
  summary: 'What was noticed about a version’s rows',
  tags,
  request: { params: z.object({ digest: digestField }) },
  responses: { 200: json(quality, 'The report'), ...errorResponses },
});

const readDataset = createRoute({
  ...needs('read'),
  method: 'get',
  path: '/api/v1/datasets/{digest}/rows.csv',
  operationId: 'readDataset',
  summary: 'The rows of a version, exactly as they were',
  tags,
  request: { params: z.object({ digest: digestField }) },
  responses: {
    200: { content: { 'text/csv': { schema: { type: 'string' } } }, description: 'time,value' },
    ...errorResponses,
  },
});

export function datasetsRoutes(data: Data): Router {
  const router = createRouter();
  router.openapi(createDataset, async (c) => {
    const made = await data.createDataset(c.req.valid('param').project);
    return c.json(made.dataset, 201);
  });
  router.openapi(listDatasets, async (c) => {
    const { limit, cursor } = c.req.valid('query');
    const items = await data.datasets(c.req.valid('param').project, { limit: limit + 1, ...given({ after: cursor }) });
    return c.json(
      toPage(items, limit, (item) => `${item.createdAt}.${item.digest}`),
      200,
    );
  });
  router.openapi(getDataset, async (c) => c.json(await data.dataset(c.req.valid('param').digest), 200));
  router.openapi(getQuality, async (c) => {
    const { quality: report } = await data.dataset(c.req.valid('param').digest);
    if (report === null) throw new SanderlingError('NOT_FOUND', 'this dataset was not judged');
    return c.json(report, 200);
  });
  router.openapi(readDataset, async (c) => {
    const { digest } = c.req.valid('param');
    return streamed(csvText(blocksOf(await data.columns(digest))), csvHeaders(digest.slice(0, 12)));
  });
  return router;
}

const blockRows = 2000;

async function* blocksOf({ times, values }: Columns) {
  for (let at = 0; at < times.length; at += blockRows)
    yield Array.from(times.subarray(at, at + blockRows), (time, i) => ({ time, value: values[at + i]! }));
}
