// Projects over HTTP.
import { createRoute } from '@hono/zod-openapi';
import { SanderlingError } from '@sanderling/kit';
import { page, project, projectSpec, slug } from '@sanderling/wire';
import { z } from 'zod';
import type { Projects } from '../../projects/index.ts';
import { readJson } from './json-body.ts';
import { given } from './given.ts';
import { createRouter, describedOnly, errorResponses, json, needs, pageQuery, toPage, type Router } from './router.ts';

const tags = ['projects'];
const params = z.object({ project: slug });

const putProject = createRoute({
  ...needs('write'),
  method: 'put',
  path: '/api/v1/projects/{project}',
  operationId: 'putProject',
  summary: 'Create a project, or replace its specification',
  tags,
  request: {
    params,
    body: {
      content: { 'application/json': { schema: describedOnly(projectSpec) } },
      description: 'The specification, as `sanderling.config.ts` exports it',
    },
  },
  responses: { 200: json(project, 'The project with every default filled in'), ...errorResponses },
});

const getProject = createRoute({
  ...needs('read'),
  method: 'get',
  path: '/api/v1/projects/{project}',
  operationId: 'getProject',
  summary: 'One project',
  tags,
  request: { params },
  responses: { 200: json(project, 'The project'), ...errorResponses },
});

const listProjects = createRoute({
  ...needs('read'),
  method: 'get',
  path: '/api/v1/projects',
  operationId: 'listProjects',
  summary: 'Every project, by name',
  tags,
  request: { query: pageQuery },
  responses: { 200: json(page(project), 'Projects'), ...errorResponses },
});

export function projectsRoutes(projects: Projects): Router {
  const router = createRouter();
  router.openapi(putProject, async (c) => {
    const name = c.req.valid('param').project;
    const input = await readJson(c);
    const named = (input as { readonly name?: unknown } | null)?.name;
    if (typeof named === 'string' && named !== name) {
      throw new SanderlingError('INVALID_ARGUMENT', 'the name in the body is not the one in the path', {
        where: 'body.name',
      });
    }
    return c.json(await projects.put(input), 200);
  });
  router.openapi(getProject, async (c) => c.json(await projects.get(c.req.valid('param').project), 200));
  router.openapi(listProjects, async (c) => {
    const { limit, cursor } = c.req.valid('query');
    return c.json(
      toPage(await projects.list({ limit: limit + 1, ...given({ after: cursor }) }), limit, ({ name }) => name),
      200,
    );
  });
  return router;
}
