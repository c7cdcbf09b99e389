// sanderling drift: compare drift detectors on streams with known drifts, without a hub.
import { availableParallelism } from 'node:os';
import { basename, join } from 'node:path';
import type { Command } from 'commander';
import {
  dominates,
  frontOf,
  labHtml,
  labMarkdown,
  labReport,
  readLabFile,
  runLab,
  searchDetector,
  searchGoals,
  searchSpaceOf,
  type LabFile,
  type LabOptimiser,
  type LabReport,
  type LabSearch,
  type NamedSearch,
} from '@sanderling/drift';
import { SanderlingError, writeFileAtomic } from '@sanderling/kit';
import { createSearch, float, int, nsga2, space, type FloatDimension, type IntDimension } from '@sanderling/search';
import { facts, table } from '../output.ts';
import { ProgressLine } from '../progress-line.ts';
import type { CommandGroup } from './command.ts';
import { wholeNumber } from './numbers.ts';

interface LabFlags {
  readonly out?: string;
  readonly processes: number;
  readonly search?: boolean;
  readonly data?: string;
}

export const driftCommands: CommandGroup = (program, run) => {
  const drift = program.command('drift').description('compare drift detectors');
  drift
    .command('lab')
    .argument('<config>', 'JSON file of detectors, streams and seeds')
    .option('--out <folder>', 'where results and reports go; a run that was stopped goes on from there')
    .option('--processes <n>', 'tasks at once', wholeNumber(), availableParallelism())
    .option('--search', 'also search the options of the detectors that the file names')
    .option('--data <folder>', 'folder of recorded streams')
    .description('run detectors over streams with known drifts; writes report.md, report.json and report.html')
    .addHelpText(
      'after',
      '\nFour labs lie in packages/drift/lab: synthetic, recorded (needs --data), vibration, brightness.',
    )
    .action((path: string, _flags, command: Command) =>
      run(command, async ({ signal }) => {
        const { out = `drift-lab-${basename(path, '.json')}`, ...flags } = command.optsWithGlobals<LabFlags>();
        const file = readLabFile(path, flags.data);
        if (flags.search === true && file.searches.length === 0) {
          const fix = 'add for example "search": { "detectors": ["adwin"], "trials": 60 }, or leave --search out';
          throw new SanderlingError('INVALID_CONFIG', 'the file says nothing of a search', { where: 'search', fix });
        }
        const report = await runWhole(file, { ...flags, out, signal });
        const files = await writeReports(report, file, out);
        return { data: { files, ...report }, text: `${overview(report)}\n\n${facts(Object.entries(files))}` };
      }),
    );
};

interface Running extends LabFlags {
  readonly out: string;
  readonly signal: AbortSignal;
}

async function runWhole(file: LabFile, { out, processes, search, signal }: Running): Promise<LabReport> {
  const line = new ProgressLine(process.stderr);
  try {
    const shared = { folder: out, processes, signal };
    const results = await runLab(file.config, {
      ...shared,
      onProgress: ({ done, total, newest }) =>
        line.show({ what: newest === undefined ? 'lab' : `${newest.detector} on ${newest.stream}`, done, total }),
    });
    const searches: NamedSearch[] = [];
    for (const asked of search === true ? file.searches : []) {
      let done = 0;
      const total = asked.search.trials;
      const onTrial = (): void => line.show({ what: `search ${asked.name}`, done: ++done, total });
      const report = await searchDetector({ ...asked.search, ...shared, onTrial }, optimiserOf(asked));
      searches.push({ name: asked.name, report });
    }
    return labReport(results, file.config, searches);
  } finally {
    line.end();
  }
}

/** NSGA-II over the options that the entry leaves free. */
function optimiserOf({ search, population, seed }: LabSearch): LabOptimiser {
  const free = searchSpaceOf(search.detector).filter(({ name }) => !Object.hasOwn(search.fixed ?? {}, name));
  const dimensions = free.map(({ name, low, high, log, whole }) => [
    name,
    whole ? int(low, high, { log }) : float(low, high, { log }),
  ]);
  const shape = Object.fromEntries(dimensions) as Record<string, FloatDimension | IntDimension>;
  const goals = searchGoals.map((name) => ({ name, direction: 'minimize' as const }));
  const options = { seed, goals, trials: search.trials };
  return createSearch(nsga2({ population }), space(shape), options);
}

async function writeReports(
  report: LabReport,
  { title, about }: LabFile,
  out: string,
): Promise<Readonly<Record<'report' | 'page' | 'json', string>>> {
  const files = { report: join(out, 'report.md'), page: join(out, 'report.html'), json: join(out, 'report.json') };
  await writeFileAtomic(files.report, labMarkdown(report, title, about));
  await writeFileAtomic(files.page, labHtml(report, title, about));
  await writeFileAtomic(files.json, JSON.stringify(report));
  return files;
}

/** What stands out: for each stream the detectors that no other beats; for each search the proposal. */
function overview({ streams, summaries, searches }: LabReport): string {
  const rows = streams.flatMap(({ name }) => frontOf(summaries.filter(({ stream }) => stream === name)));
  type Row = (typeof rows)[number];
  const columns = [
    { title: 'stream', of: (row: Row) => row.stream },
    { title: 'best', of: (row: Row) => row.detector },
    { title: 'delay', of: (row: Row) => Math.round(row.delay?.median ?? 0) },
    { title: 'missed', of: (row: Row) => row.mdr?.median },
    { title: 'false/1000', of: (row: Row) => row.fdPer1000.median },
    { title: 'ns', of: (row: Row) => Math.round(row.nsPerSample) },
    { title: 'bytes', of: (row: Row) => row.bytes },
  ];
  const proposals = searches.map(({ name, report: { knee, defaults } }) => {
    if (knee === null) return `search ${name}: nothing found`;
    const options = Object.entries(knee.options).map(([key, value]) => `${key} ${Number(value.toPrecision(3))}`);
    const worth = dominates(knee.heldOut, defaults)
      ? 'no goal worse than with the defaults'
      : 'a trade against the defaults';
    return `search ${name}: ${options.join(', ')}; ${worth} (unseen: ${costs(knee.heldOut)}; defaults: ${costs(defaults)})`;
  });
  return [table(rows, columns, 'no stream has known drifts'), ...proposals].join('\n');
}

function costs([delay = 0, mdr = 0, fd = 0]: readonly number[]): string {
  return `delay ${delay.toFixed(0)}, missed ${mdr.toFixed(2)}, false/1000 ${fd.toFixed(2)}`;
}
