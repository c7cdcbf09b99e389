// The command: settings in, an agent, status out, a clean end on a signal.
import { flushCompileCache } from 'node:module';
import { toSanderlingError } from '@sanderling/kit';
import { startAgent } from './agent.ts';
import { crashAt } from './crash-points.ts';
import { help, readSettings, type CommandSettings, type SourceSetting } from './settings.ts';
import { jsonLines } from './sources/json-lines.ts';
import { noSource, type Source } from './sources/source.ts';
import { tableFile } from './sources/table-file.ts';
import { jsonPrinter, textPrinter } from './status/printer.ts';

/** Runs the command. @returns the exit status: 0 after a clean end, else the one of the error's code. */
export async function main(args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  try {
    const settings = readSettings(args, env);
    if (settings === 'help') {
      process.stdout.write(help);
      return 0;
    }
    await run(settings, env);
    return 0;
  } catch (thrown) {
    const error = toSanderlingError(thrown);
    const where = error.where === undefined ? '' : ` (${error.where})`;
    process.stderr.write(`sanderling-agent: ${error.code}: ${error.message}${where}\n`);
    if (error.fix !== undefined) process.stderr.write(`  ${error.fix}\n`);
    if (error.code === 'INTERNAL') process.stderr.write(`${String((error.cause as Error)?.stack ?? error.stack)}\n`);
    return error.row.exit;
  }
}

async function run(settings: CommandSettings, env: NodeJS.ProcessEnv): Promise<void> {
  const { hub, data, token, name, tags, jsonStatus, commitEveryMs, reportEveryMs, reportEveryReadings } = settings;
  const crashPoint = env['SANDERLING_AGENT_CRASH_AT'];
  const agent = await startAgent({
    hub,
    data,
    tags,
    source: sourceOf(settings.source, settings.atEnd),
    narrate: jsonStatus ? jsonPrinter(process.stdout) : textPrinter(process.stderr),
    outbox: defined({ maxEntries: settings.maxOutboxEntries, maxBytes: mebibytes(settings.maxOutboxMb) }),
    ...defined({ token, name, commitEveryMs, reportEveryMs, reportEveryReadings }),
    ...defined({ maxBundleBytes: mebibytes(settings.maxBundleMb) }),
    ...(crashPoint === undefined ? {} : { crash: crashAt(crashPoint) }),
  });
  const stop = (): void => void agent.stop();
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  // Written now and not at the exit, which a power cut never sees.
  flushCompileCache();
  await agent.done;
}

function sourceOf(setting: SourceSetting, atEnd: Source['atEnd'] | undefined): Source {
  switch (setting.kind) {
    case 'none':
      return noSource;
    case 'stdin':
      return jsonLines(process.stdin, atEnd);
    case 'csv': {
      const { kind: _, ...options } = setting;
      return tableFile({ ...options, ...defined({ atEnd }) });
    }
  }
}

/** The fields that have a value. */
function defined<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;
}

const mebibytes = (count: number | undefined): number | undefined =>
  count === undefined ? undefined : count * (1 << 20);
