// What every route of the HTTP door is made of: a router whose failures are coded errors, the scope a route needs, and the answers it gives.
import { OpenAPIHono } from '@hono/zod-openapi';
import { SanderlingError } from '@sanderling/kit';
import { errorAnswer, type ApiScope } from '@sanderling/wire';
import type { MiddlewareHandler } from 'hono';
import { z } from 'zod';
import { permits } from '../../access/index.ts';
import type { HubEnv } from './environment.ts';
import { answerError, invalidRequest } from './error-answers.ts';

/** A router of the door. */
export type Router = OpenAPIHono<HubEnv>;

/** A router whose validation failures and thrown errors answer `{ error }` with the code's HTTP status. */
export function createRouter(): Router {
  const router = new OpenAPIHono<HubEnv>({
    defaultHook: (result) => {
      if (!result.success) throw invalidRequest(result.target, result.error);
    },
  });
  router.onError(answerError);
  router.notFound((c) =>
    answerError(new SanderlingError('NOT_FOUND', 'there is no such route', { fix: 'see /docs for what there is' }), c),
  );
  return router;
}

/** The parts of a route's description that say which scope it needs and what may go wrong; spread into `createRoute`, and `errorResponses` into its responses. */
export function needs(scope: ApiScope): {
  readonly middleware: MiddlewareHandler<HubEnv>;
  readonly security: { apiKey: string[] }[];
  readonly 'x-scope': ApiScope;
} {
  return { middleware: requireScope(scope), security: [{ apiKey: [] }], 'x-scope': scope };
}

function requireScope(scope: ApiScope): MiddlewareHandler<HubEnv> {
  return async (c, next) => {
    const principal = c.get('principal');
    if (principal === undefined) throw new SanderlingError('UNAUTHENTICATED', 'this route needs an API key');
    if (!permits(principal.scope, scope)) {
      throw new SanderlingError(
        'FORBIDDEN',
        `this route needs a key with the scope "${scope}"; this one has "${principal.scope}"`,
        { fix: 'use another key, or have an administrator make one' },
      );
    }
    await next();
  };
}

/** A JSON body or answer of a route. */
export function json<T extends z.ZodType>(schema: T, description: string) {
  return { content: { 'application/json': { schema } }, description };
}

/** A schema for the description only: the capability checks the body itself, with errors of its own. */
export function describedOnly(schema: z.ZodType): Record<string, unknown> {
  return z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
}

/** The failures that every route may answer with. */
export const errorResponses = { '4XX': json(errorAnswer, 'What was wrong, where, and what to do about it') } as const;

/** Query of a list. */
export const pageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(1000).default(100).describe('most items to answer'),
  cursor: z.string().max(200).optional().describe('`next` of the page before'),
});

/** One page of items that were fetched with one more than asked for. */
export function toPage<T>(
  items: readonly T[],
  limit: number,
  cursorOf: (item: T) => string,
): { items: T[]; next?: string } {
  const shown = items.slice(0, limit);
  const last = shown.at(-1);
  return items.length > limit && last !== undefined ? { items: shown, next: cursorOf(last) } : { items: shown };
}
