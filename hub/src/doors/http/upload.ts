// A request's body as a stream with a limit, taken straight from the connection.
import { SanderlingError } from '@sanderling/kit';
import type { Context } from 'hono';
import { bodyTooLarge } from './body-limit.ts';
import type { HubEnv } from './environment.ts';

/** The body's bytes. Iterating throws TOO_LARGE behind the limit, UNAVAILABLE when the client goes away; the connection stays for the answer. */
export async function* uploadOf(c: Context<HubEnv>, limit: number): AsyncGenerator<Uint8Array> {
  if (Number(c.req.header('content-length') ?? 0) > limit) throw bodyTooLarge(limit);
  const encoding = c.req.header('content-encoding') ?? 'identity';
  if (encoding !== 'identity')
    throw new SanderlingError('UNSUPPORTED', 'compressed bodies are not taken', { where: 'content-encoding' });
  let size = 0;
  for await (const chunk of c.env.incoming.iterator({ destroyOnReturn: false })) {
    size += (chunk as Uint8Array).length;
    if (size > limit) throw bodyTooLarge(limit);
    yield chunk as Uint8Array;
  }
  if (!c.env.incoming.complete) throw new SanderlingError('UNAVAILABLE', 'the connection ended inside the body');
}
