// Who is asking: the API key of every request to the public API, and the address that failed attempts are counted for.
import { SanderlingError } from '@sanderling/kit';
import type { Context, MiddlewareHandler } from 'hono';
import type { ApiKeys, FailedAttempts } from '../../access/index.ts';
import type { HubEnv } from './environment.ts';

/** Lets only requests with a valid key through. @throws UNAUTHENTICATED; LIMIT_REACHED when the address failed too often. */
export function authenticate(keys: ApiKeys, attempts: FailedAttempts): MiddlewareHandler<HubEnv> {
  return async (c, next) => {
    const principal = await counted(c, attempts, () => keys.authenticate(c.req.header('authorization')));
    c.set('principal', principal);
    await next();
  };
}

/** Counts a refusal by `check` against the remote address, then passes it on. */
export async function counted<T>(c: Context<HubEnv>, attempts: FailedAttempts, check: () => Promise<T>): Promise<T> {
  try {
    return await check();
  } catch (error) {
    if (isRefusal(error)) attempts.note(remoteAddress(c));
    throw error;
  }
}

/** Whether somebody was refused for what they showed; a wrong clock is not held against a device. */
function isRefusal(error: unknown): boolean {
  return error instanceof SanderlingError && error.row.http === 401 && error.details?.['reason'] !== 'clock-skew';
}

/** The address of the other end of the connection. */
export function remoteAddress(c: Context<HubEnv>): string {
  return c.env?.incoming?.socket?.remoteAddress ?? 'unknown';
}
