// Errors at the HTTP door: one coded answer for each, never a stack, never the inside of the hub.
import { isDiskFull, newId, SanderlingError } from '@sanderling/kit';
import type { Context } from 'hono';
import { HTTPException } from 'hono/http-exception';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import type { z } from 'zod';
import type { HubEnv } from './environment.ts';

/** Where failures of the hub itself are told, beside the answer that keeps them to itself. */
export type FailureLog = (message: string, error: unknown) => void;

/** The answer to a failed request. */
export function answerError(thrown: unknown, c: Context<HubEnv>): Response {
  const error = publicError(thrown, c.get('tell') ?? warn);
  const wait = error.details?.['retryAfterSeconds'];
  const headers = error.code === 'LIMIT_REACHED' ? { 'retry-after': typeof wait === 'number' ? `${wait}` : '1' } : {};
  return c.json({ error: error.toBody() }, error.row.http as ContentfulStatusCode, headers);
}

/** What of a failure may leave the hub. */
export function publicError(thrown: unknown, tell: FailureLog): SanderlingError {
  if (thrown instanceof SanderlingError && thrown.code !== 'INTERNAL') return thrown;
  if (thrown instanceof HTTPException) return fromHttpException(thrown);
  if (isDiskFull(thrown)) return diskFull(thrown);
  if (thrown instanceof Error && thrown.name === 'AbortError')
    return new SanderlingError('CANCELLED', 'the request was cancelled');
  const reference = newId('fail');
  tell(`${reference} a request failed inside the hub`, thrown);
  return new SanderlingError('INTERNAL', 'something went wrong inside the hub', {
    fix: 'look for this reference in the hub’s log',
    details: { reference },
  });
}

/** A request that does not fit its route's schema. @param part the part of the request: json, query, param, header. */
export function invalidRequest(part: string, error: { readonly issues: readonly z.core.$ZodIssue[] }): SanderlingError {
  const place = part === 'json' ? 'body' : part;
  const issues = error.issues.slice(0, 20).map((issue) => {
    const path = [place, ...issue.path.map(String)].join('.').slice(0, 300);
    return { where: path, message: issue.message.slice(0, 300) };
  });
  const [first] = issues;
  return new SanderlingError('INVALID_ARGUMENT', `${first?.where ?? place}: ${first?.message ?? 'is wrong'}`, {
    where: first?.where ?? place,
    details: { issues },
  });
}

const warn: FailureLog = (message, error) => process.emitWarning(`${message}: ${String(error)}`);

const exceptionCodes = { 413: 'TOO_LARGE', 415: 'UNSUPPORTED' } as const;

function fromHttpException(exception: HTTPException): SanderlingError {
  const code = exceptionCodes[exception.status as keyof typeof exceptionCodes] ?? 'INVALID_ARGUMENT';
  return new SanderlingError(code, exception.message.slice(0, 300) || 'the request is malformed');
}

function diskFull(cause: unknown): SanderlingError {
  return new SanderlingError('DISK_FULL', 'the hub’s disk is full; nothing was stored', {
    fix: 'free some space in the hub’s data folder and try again',
    cause,
  });
}
