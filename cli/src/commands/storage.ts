// sanderling gc: removes blobs that nothing names any more.
import { setTimeout as delay } from 'node:timers/promises';
import { SanderlingError, type ErrorBody } from '@sanderling/kit';
import type { Collection, Duration } from '@sanderling/wire';
import { facts } from '../output.ts';
import { ProgressLine } from '../progress-line.ts';
import type { CommandGroup, Context } from './command.ts';

/** Between two looks at how far it is, milliseconds. */
const lookMs = 250;
/** Digests that are printed for people. */
const mostShown = 20;

const phases = {
  listing: 'looking at the blobs',
  rows: 'reading the database',
  contents: 'reading what names others',
  removing: 'removing',
} as const satisfies Record<NonNullable<Collection['progress']>['phase'], string>;

interface Flags {
  readonly dryRun?: boolean;
  readonly olderThan?: string;
  readonly evenMost?: boolean;
}

export const storageCommands: CommandGroup = (program, run) => {
  program
    .command('gc')
    .option('--dry-run', 'say what would go, and remove nothing')
    .option('--older-than <time>', 'only what has been there so long, such as 6h or 7d; an hour or more (default: 1d)')
    .option('--even-most', 'go on although more than half of all blobs would go')
    .description('remove stored blobs (models, datasets, bundles …) that no row of the database names')
    .action((flags: Flags, command) =>
      run(command, async (context) => {
        const collection = await collect(context, flags);
        return { data: collection, text: describe(collection) };
      }),
    );
};

/** Begins a collection and follows it to its end. @throws what ended it; CANCELLED when the signal aborts, and then it has ended on the hub too */
async function collect({ hub, signal, json }: Context, flags: Flags): Promise<Collection> {
  const { dryRun = false, evenMost = false, olderThan } = flags;
  const body = { dryRun, evenMost, ...(olderThan === undefined ? {} : { olderThan: olderThan as Duration }) };
  let collection = await hub.beginCollection(body);
  const line = new ProgressLine(process.stderr);
  try {
    while (collection.state === 'running') {
      const { progress } = collection;
      if (progress !== null && !json) line.show({ ...progress, what: phases[progress.phase] });
      const cancelled = await delay(lookMs, false, { signal }).catch(() => true);
      collection = cancelled ? await hub.cancelCollection() : await hub.collection();
    }
  } finally {
    line.end();
  }
  if (collection.error !== null) throw SanderlingError.fromBody(collection.error as ErrorBody);
  return collection;
}

function describe({ dryRun, blobs, unnamed, removed, partials, examples }: Collection): string {
  const shown = dryRun ? examples.slice(0, mostShown) : [];
  const more = unnamed.count - shown.length;
  return [
    facts([
      ['stored', text(blobs)],
      ['named by nothing', text(unnamed)],
      ['unfinished files', partials],
      ['removed', dryRun ? 'nothing: a dry run' : text(removed)],
    ]),
    ...shown.map(({ digest, size }) => `${digest}  ${bytes(size)}`),
    ...(dryRun && shown.length > 0 && more > 0 ? [`and ${more} more`] : []),
  ].join('\n');
}

function text(sum: Collection['blobs']): string {
  return `${sum.count} ${sum.count === 1 ? 'blob' : 'blobs'}, ${bytes(sum.bytes)}`;
}

function bytes(count: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const step = count < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(count) / 3));
  return `${step === 0 ? count : (count / 1000 ** step).toPrecision(3)} ${units[step]}`;
}
