// A request's JSON body, for routes whose capability checks it with errors of its own.
import { SanderlingError } from '@sanderling/kit';
import type { Context } from 'hono';
import type { HubEnv } from './environment.ts';

/** The body's value. @throws UNSUPPORTED for another media type; INVALID_ARGUMENT when it is not JSON. */
export async function readJson(c: Context<HubEnv>): Promise<unknown> {
  const type = c.req.header('content-type') ?? '';
  if (!/^application\/([a-z.-]+\+)?json\b/i.test(type)) {
    throw new SanderlingError('UNSUPPORTED', 'the body must be application/json', { where: 'content-type' });
  }
  const text = await c.req.text();
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new SanderlingError('INVALID_ARGUMENT', 'the body is not JSON', { where: 'body', cause: error });
  }
}
