// A request to a route of the hub that the typed client does not have.
import { SanderlingError, type ErrorBody } from '@sanderling/kit';
import type { HubAddress } from './connection.ts';

/** Longest wait for an answer, milliseconds. */
const patienceMs = 30_000;

/** Sends JSON, takes JSON. @throws the hub's own coded error; UNAVAILABLE when none answers; CANCELLED */
export async function hubRequest<T>(
  { url, key }: HubAddress,
  { method, path, body }: { readonly method: 'GET' | 'POST' | 'DELETE'; readonly path: string; readonly body?: object },
): Promise<T> {
  const response = await fetch(new URL(path, url), {
    method,
    headers: { authorization: `Bearer ${key}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(patienceMs),
  }).catch((cause: unknown) => {
    throw new SanderlingError('UNAVAILABLE', `no hub answers at ${url}`, {
      fix: 'start one with: sanderling hub',
      cause,
    });
  });
  const answer = (await response.json().catch(() => undefined)) as { readonly error?: ErrorBody } | undefined;
  if (response.ok && answer !== undefined) return answer as T;
  if (answer?.error !== undefined) throw SanderlingError.fromBody(answer.error);
  throw new SanderlingError('UNAVAILABLE', `the hub answered ${response.status} ${response.statusText}`);
}
