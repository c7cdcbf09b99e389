// How a command finds its hub: flags first, then the environment, then the hub that was started in this folder.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SanderlingError } from '@sanderling/kit';
import { HubClient } from '@sanderling/wire';

/** Where hubs listen unless told otherwise. */
export const defaultUrl = 'http://127.0.0.1:7411';
/** Where hubs keep their data unless told otherwise. */
export const defaultDataFolder = '.sanderling';

/** Flags that every command with a hub has. */
export interface ConnectionFlags {
  readonly url?: string;
  readonly key?: string;
  readonly data?: string;
}

/** Which hub, and the key to it. */
interface HubAddress {
  readonly url: string;
  readonly key: string;
}

/** The client for a command. @throws UNAUTHENTICATED when no key is to be found. */
export function connect(flags: ConnectionFlags): HubClient {
  return new HubClient(hubAddress(flags));
}

/** The hub that flags, environment and data folder name, in this order. @throws UNAUTHENTICATED when no key is to be found. */
function hubAddress(flags: ConnectionFlags, env: NodeJS.ProcessEnv = process.env): HubAddress {
  const folder = flags.data ?? env['SANDERLING_DATA'] ?? defaultDataFolder;
  const url = flags.url ?? env['SANDERLING_URL'] ?? readLine(join(folder, 'url')) ?? defaultUrl;
  const key = flags.key ?? env['SANDERLING_KEY'] ?? readLine(join(folder, 'keys', 'admin.key'));
  if (key !== undefined) return { url, key };
  throw new SanderlingError('UNAUTHENTICATED', 'no API key', {
    fix: `pass --key, set SANDERLING_KEY, or run this where the hub’s data folder is (${folder})`,
  });
}

function readLine(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}
