// sanderling project, readings, datasets: what is measured and what models are trained on.
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { SanderlingError } from '@sanderling/kit';
import type { IngestAnswer, Quality } from '@sanderling/wire';
import { loadProject } from '../authoring/load-project.ts';
import { facts, moment, table } from '../output.ts';
import type { CommandGroup } from './command.ts';
import { wholeNumber } from './numbers.ts';

export const projectCommands: CommandGroup = (program, run) => {
  const project = program
    .command('project')
    .description('what is to be learned: the checked content of sanderling.config.ts');
  project
    .command('apply')
    .argument('[folder]', 'project folder or config file', '.')
    .description('check a project and save it on the hub')
    .action((folder: string, _flags, command) =>
      run(command, async ({ hub }) => {
        const saved = await hub.saveProject(await loadProject(folder));
        return { data: saved, text: `saved project ${saved.name}` };
      }),
    );
  project
    .command('check')
    .argument('[folder]', 'project folder or config file', '.')
    .description('check a project without a hub; prints it with its defaults filled in')
    .action((folder: string, _flags, command) =>
      run(command, async () => {
        const spec = await loadProject(folder);
        return { data: spec, text: JSON.stringify(spec, undefined, 2) };
      }),
    );
  project
    .command('list')
    .description('projects of the hub')
    .action((_flags, command) =>
      run(command, async ({ hub }) => {
        const { items } = await hub.projects();
        const columns = [
          { title: 'project', of: (p: (typeof items)[number]) => p.name },
          { title: 'updated', of: (p: (typeof items)[number]) => moment(p.updatedAt) },
        ];
        return {
          data: items,
          text: table(items, columns, 'no project yet; make one with: sanderling project apply FOLDER'),
        };
      }),
    );
};

export const readingsCommands: CommandGroup = (program, run) => {
  const readings = program.command('readings').description('what devices measured');
  readings
    .command('import')
    .argument('<project>')
    .argument('<file>', 'CSV or TSV; the columns are found by themselves')
    .option('--time <column>', 'column with the times')
    .option('--value <column>', 'column with the values')
    .description('store the readings of a file, all or none')
    .action((name: string, file: string, flags: { time?: string; value?: string }, command) =>
      run(command, async ({ hub, signal }) => {
        const answer = await hub.importCsv(name, await openFile(file), { ...flags, signal });
        return { data: answer, text: describeImport(answer) };
      }),
    );
  readings
    .command('list')
    .argument('<project>')
    .option('--newest <n>', 'how many', wholeNumber(), 20)
    .description('the newest readings')
    .action((name: string, flags: { newest: number }, command) =>
      run(command, async ({ hub }) => {
        const { items } = await hub.readings(name, { newest: flags.newest });
        const columns = [
          { title: 'time', of: (r: (typeof items)[number]) => moment(r.time) },
          { title: 'value', of: (r: (typeof items)[number]) => r.value },
          { title: 'from', of: (r: (typeof items)[number]) => r.source },
        ];
        return { data: items, text: table(items, columns, 'no readings yet') };
      }),
    );
};

export const datasetCommands: CommandGroup = (program, run) => {
  const datasets = program.command('datasets').description('immutable training sets');
  datasets
    .command('create')
    .argument('<project>')
    .description('freeze the newest readings as a dataset version and check their quality')
    .action((name: string, _flags, command) =>
      run(command, async ({ hub }) => {
        const dataset = await hub.createDataset(name);
        return {
          data: dataset,
          text: `${dataset.digest}\n${dataset.quality === null ? '' : describeQuality(dataset.quality)}`,
        };
      }),
    );
  datasets
    .command('list')
    .argument('<project>')
    .description('dataset versions')
    .action((name: string, _flags, command) =>
      run(command, async ({ hub }) => {
        const { items } = await hub.datasets(name);
        type Row = (typeof items)[number];
        const columns = [
          { title: 'digest', of: (d: Row) => d.digest.slice(0, 12) },
          { title: 'rows', of: (d: Row) => d.rows },
          { title: 'from', of: (d: Row) => moment(d.firstTime) },
          { title: 'to', of: (d: Row) => moment(d.lastTime) },
          { title: 'usable', of: (d: Row) => (d.quality === null ? null : d.quality.usable ? 'yes' : 'no') },
        ];
        return { data: items, text: table(items, columns, 'no dataset yet') };
      }),
    );
  datasets
    .command('export')
    .argument('<digest>')
    .argument('<file>', 'where to write the CSV')
    .description('read a dataset version back, exactly')
    .action((digest: string, file: string, _flags, command) =>
      run(command, async ({ hub }) => {
        await pipeline(
          Readable.fromWeb((await hub.datasetCsv(digest)) as Parameters<typeof Readable.fromWeb>[0]),
          createWriteStream(file),
        );
        return { data: { file }, text: `wrote ${file}` };
      }),
    );
};

async function openFile(file: string): Promise<ReadableStream<Uint8Array>> {
  const found = await stat(file).catch(() => undefined);
  if (found === undefined) throw new SanderlingError('NOT_FOUND', `there is no file ${file}`, { where: file });
  if (!found.isFile()) throw new SanderlingError('INVALID_ARGUMENT', `${file} is not a file`, { where: file });
  return Readable.toWeb(createReadStream(file)) as ReadableStream<Uint8Array>;
}

/** One paragraph about an import. */
export function describeImport(answer: IngestAnswer): string {
  const head = `stored ${answer.accepted} readings from ${moment(answer.firstTime)} to ${moment(answer.lastTime)}`;
  const skipped = answer.reasons.map(
    ({ reason, count, firstLine }) =>
      `  skipped ${count}: ${reason}${firstLine === undefined ? '' : ` (first at line ${firstLine})`}`,
  );
  return [head, ...skipped].join('\n');
}

function describeQuality(quality: Quality): string {
  const findings = quality.findings.map((finding) => `  ${finding.severity.padEnd(7)} ${finding.message}`);
  return [
    facts([
      ['rows', quality.rows],
      ['usable', quality.usable ? 'yes' : `no: ${quality.reason ?? ''}`],
    ]),
    ...findings,
  ].join('\n');
}
