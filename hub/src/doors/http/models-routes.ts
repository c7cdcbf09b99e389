// The model registry and forecasts over HTTP.
import { createRoute } from '@hono/zod-openapi';
import { forecast, modelVersion, page, reading, slug } from '@sanderling/wire';
import { z } from 'zod';
import { mostReadings, toModelVersion, type Forecasts, type Registry } from '../../models/index.ts';
import type { Projects } from '../../projects/index.ts';
import type { BlobStore } from '../../store/index.ts';
import { given, listed } from './given.ts';
import { createRouter, errorResponses, json, needs, pageQuery, type Router } from './router.ts';

/** What these routes call. */
export interface ModelParts {
  readonly registry: Registry;
  readonly forecasts: Forecasts;
  readonly projects: Projects;
  readonly blobs: BlobStore;
}

const tags = ['models'];
const ofProject = z.object({ project: slug });
const ofVersion = ofProject.extend({ version: z.string().max(63).describe('a number, or an alias such as champion') });
const ofAlias = ofProject.extend({ alias: slug });

const listVersions = createRoute({
  ...needs('read'),
  method: 'get',
  path: '/api/v1/projects/{project}/versions',
  operationId: 'listVersions',
  summary: 'Versions of a project’s model, newest first',
  tags,
  request: { params: ofProject, query: pageQuery },
  responses: { 200: json(page(modelVersion), 'Versions'), ...errorResponses },
});

const getVersion = createRoute({
  ...needs('read'),
  method: 'get',
  path: '/api/v1/projects/{project}/versions/{version}',
  operationId: 'getVersion',
  summary: 'One version, by number or alias',
  tags,
  request: { params: ofVersion },
  responses: { 200: json(modelVersion, 'The version'), ...errorResponses },
});

const getModel = createRoute({
  ...needs('read'),
  method: 'get',
  path: '/api/v1/projects/{project}/versions/{version}/model',
  operationId: 'getModel',
  summary: 'The ONNX model of a version',
  tags,
  request: { params: ofVersion },
  responses: {
    200: { content: { 'application/octet-stream': { schema: z.any() } }, description: 'The model' },
    ...errorResponses,
  },
});

const setAlias = createRoute({
  ...needs('admin'),
  method: 'put',
  path: '/api/v1/projects/{project}/aliases/{alias}',
  operationId: 'setAlias',
  summary: 'Point an alias at a version',
  tags,
  request: {
    params: ofAlias,
    body: { ...json(z.strictObject({ version: z.int().min(1) }), 'The version'), required: true },
  },
  responses: { 200: json(modelVersion, 'The version'), ...errorResponses },
});

const removeAlias = createRoute({
  ...needs('admin'),
  method: 'delete',
  path: '/api/v1/projects/{project}/aliases/{alias}',
  operationId: 'removeAlias',
  summary: 'Take an alias away',
  tags,
  request: { params: ofAlias },
  responses: { 204: { description: 'It is gone' }, ...errorResponses },
});

const predict = createRoute({
  ...needs('read'),
  method: 'post',
  path: '/api/v1/projects/{project}/predict',
  operationId: 'predict',
  summary: 'Forecast the next steps with the champion, from the newest readings or from those in the request',
  tags,
  request: {
    params: ofProject,
    body: json(
      z.strictObject({ steps: z.int().min(1).optional(), readings: z.array(reading).max(mostReadings).optional() }),
      'How far, and from what',
    ),
  },
  responses: { 200: json(forecast, 'The forecast'), ...errorResponses },
});

export function modelsRoutes({ registry, forecasts, projects, blobs }: ModelParts): Router {
  const router = createRouter();
  router.openapi(listVersions, async (c) => {
    const { project } = c.req.valid('param');
    await projects.get(project);
    const { items, ...rest } = listed(await registry.list(project, given(c.req.valid('query'))));
    return c.json({ items: items.map(toModelVersion), ...rest }, 200);
  });
  router.openapi(getVersion, async (c) => {
    const { project, version } = c.req.valid('param');
    return c.json(toModelVersion(await registry.get(project, version)), 200);
  });
  router.openapi(getModel, async (c) => {
    const { project, version } = c.req.valid('param');
    const record = await registry.get(project, version);
    const bytes = await blobs.get(record.artifact);
    const name = `${project}-${record.version}.onnx`;
    return c.body(new Uint8Array(bytes), 200, {
      'content-type': 'application/octet-stream',
      'content-disposition': `attachment; filename="${name}"`,
    });
  });
  router.openapi(setAlias, async (c) => {
    const { project, alias } = c.req.valid('param');
    await registry.setAlias(project, alias, c.req.valid('json').version);
    return c.json(toModelVersion(await registry.get(project, alias)), 200);
  });
  router.openapi(removeAlias, async (c) => {
    const { project, alias } = c.req.valid('param');
    await registry.removeAlias(project, alias);
    return c.body(null, 204);
  });
  router.openapi(predict, async (c) => {
    const { project } = c.req.valid('param');
    await projects.get(project);
    return c.json(await forecasts.forecast(project, given(c.req.valid('json') ?? {})), 200);
  });
  return router;
}
