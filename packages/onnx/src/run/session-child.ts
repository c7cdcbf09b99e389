// The child's side of a session process: opens one model, answers runs, ends with its parent.
import { toSanderlingError } from '@sanderling/kit';
import { openSession, type Session } from './session.ts';
import type { Request, Response } from './session-process.ts';

let session: Session | undefined;

async function answer(request: Request): Promise<Response> {
  if ('open' in request) {
    session = await openSession(request.open, request.options);
    return { id: request.id, inputs: session.inputs, outputs: session.outputs };
  }
  const results = await session!.run(request.run, request.outputs ? { outputs: request.outputs } : {});
  return { id: request.id, results };
}

process.on('message', (request: Request) => {
  answer(request)
    .catch((error: unknown): Response => ({ id: request.id, error: toSanderlingError(error).toBody() }))
    .then((response) => process.send?.(response))
    .catch(() => process.exit(1));
});
process.once('disconnect', () => process.exit(0));
