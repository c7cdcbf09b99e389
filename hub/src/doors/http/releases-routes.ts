// Releases and roll-outs over HTTP.
import { createRoute } from '@hono/zod-openapi';
import { SanderlingError } from '@sanderling/kit';
import { page, release, rollout, slug } from '@sanderling/wire';
import { z } from 'zod';
import { permits } from '../../access/index.ts';
import type { Registry } from '../../models/index.ts';
import type { Projects } from '../../projects/index.ts';
import { deploy, type Releases, type Rollouts } from '../../releases/index.ts';
import { given, listed } from './given.ts';
import { createRouter, errorResponses, json, needs, pageQuery, type Router } from './router.ts';

/** What these routes call. */
export interface ReleaseParts {
  readonly registry: Registry;
  readonly releases: Releases;
  readonly rollouts: Rollouts;
  readonly projects: Projects;
}

const tags = ['releases'];
const ofProject = z.object({ project: slug });
const ofRelease = z.object({ digest: z.string().regex(/^[0-9a-f]{64}$/) });
const ofRollout = z.object({ rollout: z.string().max(64) });

const listReleases = createRoute({
  ...needs('read'),
  method: 'get',
  path: '/api/v1/projects/{project}/releases',
  operationId: 'listReleases',
  summary: 'Releases of a project, newest first',
  tags,
  request: { params: ofProject, query: pageQuery },
  responses: { 200: json(page(release), 'Releases'), ...errorResponses },
});

const getRelease = createRoute({
  ...needs('read'),
  method: 'get',
  path: '/api/v1/releases/{digest}',
  operationId: 'getRelease',
  summary: 'One release',
  tags,
  request: { params: ofRelease },
  responses: { 200: json(release, 'The release'), ...errorResponses },
});

const getBundle = createRoute({
  ...needs('read'),
  method: 'get',
  path: '/api/v1/releases/{digest}/bundle',
  operationId: 'getBundle',
  summary: 'The signed bundle of a release',
  tags,
  request: { params: ofRelease },
  responses: {
    200: { content: { 'application/octet-stream': { schema: z.any() } }, description: 'The bundle' },
    ...errorResponses,
  },
});

const deployVersion = createRoute({
  ...needs('write'),
  method: 'post',
  path: '/api/v1/projects/{project}/deploy',
  operationId: 'deploy',
  summary:
    'Release a version, the candidate unless told, and roll it out; gates must have passed unless an admin forces it',
  tags,
  request: {
    params: ofProject,
    body: json(z.strictObject({ version: z.int().min(1).optional(), force: z.boolean().optional() }), 'Which version'),
  },
  responses: { 201: json(rollout, 'The roll-out'), ...errorResponses },
});

const listRollouts = createRoute({
  ...needs('read'),
  method: 'get',
  path: '/api/v1/projects/{project}/rollouts',
  operationId: 'listRollouts',
  summary: 'Roll-outs of a project, newest first',
  tags,
  request: { params: ofProject, query: pageQuery },
  responses: { 200: json(page(rollout), 'Roll-outs'), ...errorResponses },
});

const getRollout = createRoute({
  ...needs('read'),
  method: 'get',
  path: '/api/v1/rollouts/{rollout}',
  operationId: 'getRollout',
  summary: 'One roll-out with its devices',
  tags,
  request: { params: ofRollout },
  responses: { 200: json(rollout, 'The roll-out'), ...errorResponses },
});

const cancelRollout = createRoute({
  ...needs('write'),
  method: 'post',
  path: '/api/v1/rollouts/{rollout}/cancel',
  operationId: 'cancelRollout',
  summary: 'Stop a roll-out where it stands; unfinished devices go back to the release before',
  tags,
  request: { params: ofRollout },
  responses: { 200: json(rollout, 'The roll-out'), ...errorResponses },
});

export function releasesRoutes({ registry, releases, rollouts, projects }: ReleaseParts): Router {
  const router = createRouter();
  router.openapi(listReleases, async (c) => {
    const { project } = c.req.valid('param');
    await projects.get(project);
    return c.json(listed(await releases.list(project, given(c.req.valid('query')))), 200);
  });
  router.openapi(getRelease, async (c) => c.json(await releases.get(c.req.valid('param').digest), 200));
  router.openapi(getBundle, async (c) => {
    const { digest } = c.req.valid('param');
    const bundle = await releases.bundle(digest);
    return c.body(new Uint8Array(await bundle.read(0, bundle.size)), 200, {
      'content-type': 'application/octet-stream',
      'cache-control': 'private, max-age=31536000, immutable',
      etag: `"${digest}"`,
    });
  });
  router.openapi(deployVersion, async (c) => {
    const request = given(c.req.valid('json') ?? {});
    const principal = c.get('principal');
    if (request.force === true && (principal === undefined || !permits(principal.scope, 'admin')))
      throw new SanderlingError('FORBIDDEN', 'deploying with force needs a key with the scope "admin"');
    const { spec } = await projects.get(c.req.valid('param').project);
    return c.json(await deploy(spec, request, { registry, releases, rollouts }), 201);
  });
  router.openapi(listRollouts, async (c) => {
    const { project } = c.req.valid('param');
    await projects.get(project);
    return c.json(listed(await rollouts.list(project, given(c.req.valid('query')))), 200);
  });
  router.openapi(getRollout, async (c) => c.json(await rollouts.get(c.req.valid('param').rollout), 200));
  router.openapi(cancelRollout, async (c) => c.json(await rollouts.cancel(c.req.valid('param').rollout), 200));
  return router;
}
