// Where everything lies in the data folder of an agent.
import { join } from 'node:path';

/** Paths inside one data folder. */
export interface Layout {
  readonly folder: string;
  /** The device's private key and what it was enrolled as; readable by its owner only. */
  readonly identity: string;
  /** Two copies of the record that says which release runs; written in turn. */
  readonly pointers: readonly [string, string];
  /** One folder a release, named by its digest. */
  readonly releases: string;
  /** Unfinished downloads, named by their digest. */
  readonly downloads: string;
  /** Outbox, recent readings and the monitor's state. */
  readonly database: string;
}

/** The layout of a data folder. */
export function layoutOf(folder: string): Layout {
  return {
    folder,
    identity: join(folder, 'identity.json'),
    pointers: [join(folder, 'state', 'pointer-a.json'), join(folder, 'state', 'pointer-b.json')],
    releases: join(folder, 'releases'),
    downloads: join(folder, 'downloads'),
    database: join(folder, 'outbox.db'),
  };
}
