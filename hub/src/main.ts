// The hub as a program: settings in, one JSON line out when it is ready, a graceful end on SIGTERM and SIGINT.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { SanderlingError, toSanderlingError, writeFileAtomic } from '@sanderling/kit';
import { startHub, type Hub } from './hub.ts';
import { readSettings } from './settings-sources.ts';
import { hubVersion } from './version.ts';

const usage = `sanderling-hub ${hubVersion}: the server of Sanderling

  --data <folder>   where its data lie                 (SANDERLING_DATA, .sanderling)
  --port <number>   port to listen on, 0 for any       (SANDERLING_PORT, 7411)
  --host <address>  address to listen on               (SANDERLING_HOST, 127.0.0.1)
  --link-port <number>  port for microcontrollers, 0 for any     (SANDERLING_LINK_PORT, none: that door is closed)
  --link-host <address> address of that door                     (SANDERLING_LINK_HOST, 127.0.0.1)
  --config <file>   settings file, JSON or YAML        (sanderling-hub.json)
  --until-stdin-ends  stop when standard input ends, as it does when the program that started this one dies
  --help, --version

Settings: defaults < settings file < .env < environment < flags. When the hub is ready it prints one line of JSON with its url
and the file that holds the first admin key.
`;

/** Runs a hub until it is told to stop. @returns the exit status. */
export async function main(args: readonly string[]): Promise<number> {
  try {
    const flags = readFlags(args);
    if (flags.help === true || flags.version === true) {
      process.stdout.write(flags.help === true ? usage : `${hubVersion}\n`);
      return 0;
    }
    await runUntilStopped(await open(flags), flags['until-stdin-ends'] ?? false);
    return 0;
  } catch (thrown) {
    const error = toSanderlingError(thrown);
    const fix = error.fix === undefined ? '' : `\n${error.fix}`;
    process.stderr.write(
      `${error.code}: ${error.message}${error.where === undefined ? '' : ` (${error.where})`}${fix}\n`,
    );
    return error.row.exit;
  }
}

async function open(flags: ReturnType<typeof readFlags>): Promise<Hub> {
  const { data, port, host, config } = flags;
  const settings = await readSettings({
    folder: process.cwd(),
    env: process.env,
    flags: { data, port, host, 'link.port': flags['link-port'], 'link.host': flags['link-host'] },
    ...(config === undefined ? {} : { file: config }),
  });
  const hub = await startHub({ settings, tell });
  await writeFileAtomic(addressFile(hub), `${hub.url}\n`);
  const line = {
    type: 'ready',
    url: hub.url,
    ...(hub.linkPort === undefined ? {} : { linkPort: hub.linkPort }),
    adminKey: hub.adminKeyPath,
    data: settings.data,
    version: hubVersion,
    pid: process.pid,
  };
  process.stdout.write(`${JSON.stringify(line)}\n`);
  return hub;
}

async function runUntilStopped(hub: Hub, untilStdinEnds: boolean): Promise<void> {
  const signal = await Promise.race([nextSignal(), ...(untilStdinEnds ? [stdinEnd()] : [])]);
  process.once('SIGINT', () => process.exit(130));
  process.stderr.write(`${signal}: stopping\n`);
  await rm(addressFile(hub), { force: true });
  await hub.stop();
}

/** Tells other programs on this machine where the hub of this folder listens. */
function addressFile(hub: Hub): string {
  return join(hub.settings.data, 'url');
}

function nextSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(signal));
  });
}

function stdinEnd(): Promise<string> {
  return new Promise((resolve) => {
    for (const end of ['end', 'close', 'error']) process.stdin.once(end, () => resolve('standard input ended'));
    process.stdin.resume();
  });
}

function tell(message: string, error: unknown): void {
  const line = {
    time: new Date().toISOString(),
    level: 'error',
    message,
    error: error instanceof Error ? error.stack : String(error),
  };
  process.stderr.write(`${JSON.stringify(line)}\n`);
}

function readFlags(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        data: { type: 'string' },
        port: { type: 'string' },
        host: { type: 'string' },
        config: { type: 'string' },
        'link-port': { type: 'string' },
        'link-host': { type: 'string' },
        'until-stdin-ends': { type: 'boolean' },
        help: { type: 'boolean' },
        version: { type: 'boolean' },
      },
    }).values;
  } catch (error) {
    throw new SanderlingError('INVALID_ARGUMENT', (error as Error).message, {
      fix: 'see sanderling-hub --help',
      cause: error,
    });
  }
}
