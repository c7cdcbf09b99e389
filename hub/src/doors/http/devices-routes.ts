// Devices and enrolment tokens over HTTP.
import { createRoute } from '@hono/zod-openapi';
import { SanderlingError } from '@sanderling/kit';
import { device, duration, enrolmentToken, page, slug, targets } from '@sanderling/wire';
import { z } from 'zod';
import type { Fleet } from '../../fleet/index.ts';
import { given } from './given.ts';
import { createRouter, errorResponses, json, needs, pageQuery, toPage, type Router } from './router.ts';

const tags = ['fleet'];
const params = z.object({ device: z.string().max(64) });
const tagMap = z.record(slug, z.string().max(200)).refine((map) => Object.keys(map).length <= 32, 'at most 32 tags');

const createToken = createRoute({
  ...needs('admin'),
  method: 'post',
  path: '/api/v1/projects/{project}/tokens',
  operationId: 'createToken',
  summary: 'Make a one-time enrolment token; its text is shown this once',
  tags,
  request: {
    params: z.object({ project: slug }),
    body: json(
      z.strictObject({ expiresIn: duration.optional() }),
      'How long it lives; an hour unless told, 30 days at most',
    ),
  },
  responses: { 201: json(enrolmentToken, 'The token'), ...errorResponses },
});

const listTokens = createRoute({
  ...needs('admin'),
  method: 'get',
  path: '/api/v1/projects/{project}/tokens',
  operationId: 'listTokens',
  summary: 'Enrolment tokens of a project, newest first; never their text',
  tags,
  request: { params: z.object({ project: slug }), query: pageQuery },
  responses: { 200: json(page(enrolmentToken), 'Tokens'), ...errorResponses },
});

const listDevices = createRoute({
  ...needs('read'),
  method: 'get',
  path: '/api/v1/devices',
  operationId: 'listDevices',
  summary: 'Devices in the order of their enrolment',
  tags,
  request: {
    query: pageQuery.extend({
      project: slug.optional(),
      target: z.enum(targets).optional(),
      tag: z
        .union([z.string().max(300), z.array(z.string().max(300)).max(32)])
        .optional()
        .describe('`name:value`; several must all match'),
    }),
  },
  responses: { 200: json(page(device), 'Devices'), ...errorResponses },
});

const getDevice = createRoute({
  ...needs('read'),
  method: 'get',
  path: '/api/v1/devices/{device}',
  operationId: 'getDevice',
  summary: 'One device with its newest report',
  tags,
  request: { params },
  responses: { 200: json(device, 'The device'), ...errorResponses },
});

const tagDevice = createRoute({
  ...needs('write'),
  method: 'put',
  path: '/api/v1/devices/{device}/tags',
  operationId: 'tagDevice',
  summary: 'Replace a device’s tags',
  tags,
  request: { params, body: { ...json(tagMap, 'The tags'), required: true } },
  responses: { 200: json(device, 'The device'), ...errorResponses },
});

const removeDevice = createRoute({
  ...needs('admin'),
  method: 'delete',
  path: '/api/v1/devices/{device}',
  operationId: 'removeDevice',
  summary: 'Forget a device: its key is worth nothing from now on; its readings stay',
  tags,
  request: { params },
  responses: { 204: { description: 'Forgotten' }, ...errorResponses },
});

export function devicesRoutes(fleet: Fleet): Router {
  const router = createRouter();
  router.openapi(createToken, async (c) => {
    const { expiresIn } = c.req.valid('json');
    return c.json(await fleet.createToken(c.req.valid('param').project, expiresIn), 201);
  });
  router.openapi(listTokens, async (c) => {
    const { limit, cursor } = c.req.valid('query');
    const items = await fleet.tokens(c.req.valid('param').project, { limit: limit + 1, ...given({ after: cursor }) });
    return c.json(
      toPage(items, limit, ({ id }) => id),
      200,
    );
  });
  router.openapi(listDevices, async (c) => {
    const { limit, cursor, project, target, tag } = c.req.valid('query');
    const items = await fleet.devices({
      limit: limit + 1,
      tags: tagsOf(tag),
      ...given({ after: cursor, project, target }),
    });
    return c.json(
      toPage(items, limit, ({ id }) => id),
      200,
    );
  });
  router.openapi(getDevice, async (c) => c.json(await fleet.device(c.req.valid('param').device), 200));
  router.openapi(tagDevice, async (c) => {
    return c.json(await fleet.tag(c.req.valid('param').device, c.req.valid('json')), 200);
  });
  router.openapi(removeDevice, async (c) => {
    await fleet.remove(c.req.valid('param').device);
    return c.body(null, 204);
  });
  return router;
}

function tagsOf(tag: string | readonly string[] | undefined): Readonly<Record<string, string>> {
  const texts = tag === undefined ? [] : typeof tag === 'string' ? [tag] : tag;
  return Object.fromEntries(
    texts.map((text) => {
      const at = text.indexOf(':');
      if (at < 1) throw new SanderlingError('INVALID_ARGUMENT', 'expected name:value', { where: 'query.tag' });
      return [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}
