// What a request carries through the HTTP door.
import type { HttpBindings } from '@hono/node-server';
import type { ApiKey } from '@sanderling/wire';
import type { FailureLog } from './error-answers.ts';

/** Hono's environment of every router of the door. */
export type HubEnv = {
  Bindings: HttpBindings;
  Variables: {
    /** The key that the request came with; absent on the open routes. */
    principal?: ApiKey;
    /** Where unexpected failures are told. */
    tell?: FailureLog;
  };
};
