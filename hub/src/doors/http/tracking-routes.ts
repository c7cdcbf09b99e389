// Experiments and runs over HTTP.
import { createRoute } from '@hono/zod-openapi';
import { artifact, experiment, metricPoint, page, run, runStates, slug } from '@sanderling/wire';
import { z } from 'zod';
import type { Projects } from '../../projects/index.ts';
import { trackingLimits, type Tracking } from '../../tracking/index.ts';
import { given, listed } from './given.ts';
import { createRouter, errorResponses, json, needs, pageQuery, type Router } from './router.ts';

const tags = ['tracking'];
const id = z.string().max(64);
const key = z.string().min(1).max(trackingLimits.keyLength);
const texts = z.record(key, z.string().max(trackingLimits.valueLength));
const ofProject = z.object({ project: slug });
const ofRun = z.object({ run: id });

const listExperiments = createRoute({
  ...needs('read'),
  method: 'get',
  path: '/api/v1/projects/{project}/experiments',
  operationId: 'listExperiments',
  summary: 'Experiments of a project, newest first',
  tags,
  request: { params: ofProject, query: pageQuery },
  responses: { 200: json(page(experiment), 'Experiments'), ...errorResponses },
});

const createExperiment = createRoute({
  ...needs('write'),
  method: 'post',
  path: '/api/v1/projects/{project}/experiments',
  operationId: 'createExperiment',
  summary: 'The experiment of this name, made when it is not there',
  tags,
  request: {
    params: ofProject,
    body: { ...json(z.strictObject({ name: z.string().min(1).max(200) }), 'Its name'), required: true },
  },
  responses: { 200: json(experiment, 'The experiment'), ...errorResponses },
});

const listRuns = createRoute({
  ...needs('read'),
  method: 'get',
  path: '/api/v1/experiments/{experiment}/runs',
  operationId: 'listRuns',
  summary: 'Runs of an experiment, newest first',
  tags,
  request: {
    params: z.object({ experiment: id }),
    query: pageQuery.extend({ parent: id.optional(), state: z.enum(runStates).optional() }),
  },
  responses: { 200: json(page(run), 'Runs'), ...errorResponses },
});

const startRun = createRoute({
  ...needs('write'),
  method: 'post',
  path: '/api/v1/experiments/{experiment}/runs',
  operationId: 'startRun',
  summary: 'Start a run',
  tags,
  request: {
    params: z.object({ experiment: id }),
    body: {
      ...json(
        z.strictObject({
          name: z.string().min(1).max(200),
          parent: id.optional(),
          params: texts.optional(),
          tags: texts.optional(),
        }),
        'The run',
      ),
      required: true,
    },
  },
  responses: { 201: json(run, 'The run'), ...errorResponses },
});

const getRun = createRoute({
  ...needs('read'),
  method: 'get',
  path: '/api/v1/runs/{run}',
  operationId: 'getRun',
  summary: 'A run with its params, newest metrics and tags',
  tags,
  request: { params: ofRun },
  responses: { 200: json(run, 'The run'), ...errorResponses },
});

const logRun = createRoute({
  ...needs('write'),
  method: 'post',
  path: '/api/v1/runs/{run}/log',
  operationId: 'logRun',
  summary: 'Log params, metric points and tags; all of them or none',
  tags,
  request: {
    params: ofRun,
    body: {
      ...json(
        z.strictObject({
          params: texts.optional(),
          metrics: z
            .array(z.strictObject({ key, value: z.number(), step: z.int(), time: z.int() }))
            .max(trackingLimits.batchMetrics)
            .optional(),
          tags: texts.optional(),
        }),
        'What to log',
      ),
      required: true,
    },
  },
  responses: { 200: json(run, 'The run'), ...errorResponses },
});

const endRun = createRoute({
  ...needs('write'),
  method: 'post',
  path: '/api/v1/runs/{run}/end',
  operationId: 'endRun',
  summary: 'End a run',
  tags,
  request: {
    params: ofRun,
    body: { ...json(z.strictObject({ state: z.enum(['finished', 'failed', 'killed']) }), 'How'), required: true },
  },
  responses: { 200: json(run, 'The run'), ...errorResponses },
});

const metricHistory = createRoute({
  ...needs('read'),
  method: 'get',
  path: '/api/v1/runs/{run}/metrics/{metric}',
  operationId: 'metricHistory',
  summary: 'Every point of a metric, by step',
  tags,
  request: {
    params: ofRun.extend({ metric: key }),
    query: pageQuery.extend({ limit: z.coerce.number().int().min(1).max(10_000).default(1000) }),
  },
  responses: { 200: json(page(metricPoint), 'Points'), ...errorResponses },
});

const listArtifacts = createRoute({
  ...needs('read'),
  method: 'get',
  path: '/api/v1/runs/{run}/artifacts',
  operationId: 'listArtifacts',
  summary: 'Artifacts of a run, by path',
  tags,
  request: { params: ofRun },
  responses: { 200: json(page(artifact), 'Artifacts'), ...errorResponses },
});

const getArtifact = createRoute({
  ...needs('read'),
  method: 'get',
  path: '/api/v1/runs/{run}/artifact',
  operationId: 'getArtifact',
  summary: 'The bytes of an artifact',
  tags,
  request: { params: ofRun, query: z.object({ path: z.string().min(1).max(trackingLimits.keyLength) }) },
  responses: {
    200: { content: { 'application/octet-stream': { schema: z.any() } }, description: 'The bytes' },
    ...errorResponses,
  },
});

export function trackingRoutes(tracking: Tracking, projects: Projects): Router {
  const router = createRouter();
  router.openapi(listExperiments, async (c) => {
    const { project } = c.req.valid('param');
    await projects.get(project);
    return c.json(listed(await tracking.experiments({ project, ...given(c.req.valid('query')) })), 200);
  });
  router.openapi(createExperiment, async (c) => {
    const { project } = c.req.valid('param');
    await projects.get(project);
    return c.json(await tracking.experiment(project, c.req.valid('json').name), 200);
  });
  router.openapi(listRuns, async (c) => {
    const { experiment: experimentId } = c.req.valid('param');
    await tracking.getExperiment(experimentId);
    return c.json(listed(await tracking.runs({ experiment: experimentId, ...given(c.req.valid('query')) })), 200);
  });
  router.openapi(startRun, async (c) => {
    const started = await tracking.startRun({ ...c.req.valid('param'), ...given(c.req.valid('json')) });
    return c.json(await tracking.run(started), 201);
  });
  router.openapi(getRun, async (c) => c.json(await tracking.run(c.req.valid('param').run), 200));
  router.openapi(logRun, async (c) => {
    const { run: runId } = c.req.valid('param');
    await tracking.log(runId, given(c.req.valid('json')));
    return c.json(await tracking.run(runId), 200);
  });
  router.openapi(endRun, async (c) => {
    const { run: runId } = c.req.valid('param');
    await tracking.endRun(runId, c.req.valid('json').state);
    return c.json(await tracking.run(runId), 200);
  });
  router.openapi(metricHistory, async (c) => {
    const { run: runId, metric } = c.req.valid('param');
    return c.json(listed(await tracking.history(runId, metric, given(c.req.valid('query')))), 200);
  });
  router.openapi(listArtifacts, async (c) =>
    c.json({ items: await tracking.artifacts(c.req.valid('param').run) }, 200),
  );
  router.openapi(getArtifact, async (c) => {
    const bytes = await tracking.artifact(c.req.valid('param').run, c.req.valid('query').path);
    return c.body(new Uint8Array(bytes), 200, { 'content-type': 'application/octet-stream' });
  });
  return router;
}
