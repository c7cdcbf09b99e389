// Training, executions and automations over HTTP.
import { createRoute } from '@hono/zod-openapi';
import { automationSpec, execution, executionLog, page, slug } from '@sanderling/wire';
import { z } from 'zod';
import type { Automations, Pipelines } from '../../pipelines/index.ts';
import type { Projects } from '../../projects/index.ts';
import { given, listed } from './given.ts';
import { createRouter, errorResponses, json, needs, pageQuery, type Router } from './router.ts';

/** What these routes call. */
export interface PipelineParts {
  readonly pipelines: Pipelines;
  readonly automations: Automations;
  readonly projects: Projects;
}

const tags = ['pipelines'];
const ofProject = z.object({ project: slug });
const ofExecution = z.object({ execution: z.string().max(64) });
const time = z.int().nullable();

const automation = z.object({
  when: automationSpec.shape.when,
  run: automationSpec.shape.run,
  state: z.enum(['idle', 'armed', 'running']),
  cause: z.string().nullable().describe('the event that set it off'),
  freshFrom: time.describe('time of the first fresh reading'),
  waitUntilTime: time.describe('reading time that it waits for'),
  waitUntilCount: z.int().nullable().describe('readings of the project that it waits for'),
  tries: z.int(),
  execution: z.string().nullable(),
  dueAt: time.describe('when a schedule is due'),
});

const train = createRoute({
  ...needs('write'),
  method: 'post',
  path: '/api/v1/projects/{project}/train',
  operationId: 'train',
  summary: 'Run the project’s pipeline: train on the newest readings, judge, release, roll out',
  tags,
  request: {
    params: ofProject,
    body: json(
      z.strictObject({
        run: automationSpec.shape.run.optional().describe('what to do; everything unless told'),
        ignoreCache: z.boolean().optional().describe('take nothing from earlier executions'),
      }),
      'What to do',
    ),
  },
  responses: { 202: json(execution, 'The execution, queued'), ...errorResponses },
});

const listExecutions = createRoute({
  ...needs('read'),
  method: 'get',
  path: '/api/v1/projects/{project}/executions',
  operationId: 'listExecutions',
  summary: 'Executions of a project, newest first',
  tags,
  request: { params: ofProject, query: pageQuery },
  responses: { 200: json(page(execution), 'Executions'), ...errorResponses },
});

const getExecution = createRoute({
  ...needs('read'),
  method: 'get',
  path: '/api/v1/executions/{execution}',
  operationId: 'getExecution',
  summary: 'One execution with its steps',
  tags,
  request: { params: ofExecution },
  responses: { 200: json(execution, 'The execution'), ...errorResponses },
});

const getLog = createRoute({
  ...needs('read'),
  method: 'get',
  path: '/api/v1/executions/{execution}/log',
  operationId: 'getExecutionLog',
  summary: 'The newest 2000 lines of an execution’s log',
  tags,
  request: { params: ofExecution },
  responses: { 200: json(executionLog, 'The log'), ...errorResponses },
});

const cancelExecution = createRoute({
  ...needs('write'),
  method: 'post',
  path: '/api/v1/executions/{execution}/cancel',
  operationId: 'cancelExecution',
  summary: 'End an execution; its trials are killed',
  tags,
  request: { params: ofExecution },
  responses: { 202: json(execution, 'The execution, ending'), ...errorResponses },
});

const listAutomations = createRoute({
  ...needs('read'),
  method: 'get',
  path: '/api/v1/projects/{project}/automations',
  operationId: 'listAutomations',
  summary: 'A project’s automations and what each is doing',
  tags,
  request: { params: ofProject },
  responses: { 200: json(page(automation), 'Automations'), ...errorResponses },
});

export function pipelinesRoutes({ pipelines, automations, projects }: PipelineParts): Router {
  const router = createRouter();
  router.openapi(train, async (c) => {
    const { run: actions, ignoreCache } = c.req.valid('json') ?? {};
    const request = given({ actions, ignoreCache });
    return c.json(await pipelines.begin(c.req.valid('param').project, request), 202);
  });
  router.openapi(listExecutions, async (c) => {
    const { project } = c.req.valid('param');
    await projects.get(project);
    return c.json(listed(await pipelines.list({ project, ...given(c.req.valid('query')) })), 200);
  });
  router.openapi(getExecution, async (c) => c.json(await pipelines.get(c.req.valid('param').execution), 200));
  router.openapi(getLog, async (c) => c.json(await pipelines.log(c.req.valid('param').execution), 200));
  router.openapi(cancelExecution, async (c) => c.json(await pipelines.cancel(c.req.valid('param').execution), 202));
  router.openapi(listAutomations, async (c) => {
    const { project } = c.req.valid('param');
    const { spec } = await projects.get(project);
    const states = new Map((await automations.list(project)).map((state) => [state.position, state]));
    const nothing = { cause: null, freshFrom: null, waitUntilTime: null, waitUntilCount: null };
    const items = spec.automations.map(({ when, run }, position) => {
      const known = states.get(position);
      if (known === undefined)
        return { when, run, state: 'idle' as const, ...nothing, tries: 0, execution: null, dueAt: null };
      const { state, cause, freshFrom, waitUntilTime, waitUntilCount, tries, execution: id, dueAt } = known;
      return { when, run, state, cause, freshFrom, waitUntilTime, waitUntilCount, tries, execution: id, dueAt };
    });
    return c.json({ items }, 200);
  });
  return router;
}
