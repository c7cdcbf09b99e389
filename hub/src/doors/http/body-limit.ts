// How large a request's body may be. Routes that stream (uploads) count for themselves.
import { SanderlingError } from '@sanderling/kit';
import type { MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import type { HubEnv } from './environment.ts';

/** Bytes of a body that this request may have; Infinity where the route counts for itself. */
export type BodyLimitOf = (method: string, path: string) => number;

/** Refuses larger bodies: by the stated length before a byte is read, else as soon as the limit is passed. @throws TOO_LARGE */
export function limitBodies(limitOf: BodyLimitOf): MiddlewareHandler<HubEnv> {
  return async (c, next) => {
    const limit = limitOf(c.req.method, c.req.path);
    if (Number(c.req.header('content-length') ?? 0) > limit) throw bodyTooLarge(limit);
    if (c.req.header('transfer-encoding') === undefined || limit === Number.POSITIVE_INFINITY) return next();
    const refuse = (): never => {
      throw bodyTooLarge(limit);
    };
    return bodyLimit({ maxSize: limit, onError: refuse })(c, next);
  };
}

/** The error for a body above the limit. */
export function bodyTooLarge(limit: number): SanderlingError {
  return new SanderlingError('TOO_LARGE', `the body is larger than ${limit} bytes`, {
    fix: 'send it in parts',
    details: { limit },
  });
}
