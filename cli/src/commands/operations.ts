// sanderling events, keys, hub, agent: running the place.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { apiScopes, type ApiKey, type ApiScope, type HubEvent } from '@sanderling/wire';
import { Option } from 'commander';
import { moment, table } from '../output.ts';
import type { CommandGroup } from './command.ts';
import { wholeNumber } from './numbers.ts';

export const eventCommands: CommandGroup = (program, run) => {
  program
    .command('events')
    .option('--project <name>')
    .option('--follow', 'go on as they happen')
    .option('--after <seq>', 'only what came behind this one', wholeNumber(0), 0)
    .description('everything that happened')
    .action((flags: { project?: string; follow?: boolean; after: number }, command) =>
      run(command, async ({ hub, signal, print, json }) => {
        const { follow, ...query } = flags;
        const line = (event: HubEvent): string => (json ? JSON.stringify(event) : describeEvent(event));
        if (follow) {
          for await (const event of hub.followEvents(query, signal)) print(line(event));
          return undefined;
        }
        const { items } = await hub.events(query);
        return { data: items, text: items.length === 0 ? 'nothing has happened yet' : items.map(line).join('\n') };
      }),
    );
};

export const keyCommands: CommandGroup = (program, run) => {
  const keys = program.command('keys').description('API keys');
  keys
    .command('list')
    .description('keys, without their secrets')
    .action((_flags, command) =>
      run(command, async ({ hub }) => {
        const { items } = await hub.apiKeys();
        const columns = [
          { title: 'id', of: (k: ApiKey) => k.id },
          { title: 'name', of: (k: ApiKey) => k.name },
          { title: 'scope', of: (k: ApiKey) => k.scope },
          { title: 'last used', of: (k: ApiKey) => moment(k.lastUsedAt) },
          { title: 'revoked', of: (k: ApiKey) => moment(k.revokedAt) },
        ];
        return { data: items, text: table(items, columns, 'no keys') };
      }),
    );
  keys
    .command('create')
    .argument('<name>')
    .addOption(new Option('--scope <scope>', 'what it may do').choices(apiScopes).default('read'))
    .description('make a key; it is shown once')
    .action((name: string, flags: { scope: ApiScope }, command) =>
      run(command, async ({ hub }) => {
        const key = await hub.createApiKey({ name, scope: flags.scope });
        return { data: key, text: key.key };
      }),
    );
  keys
    .command('revoke')
    .argument('<id>')
    .description('refuse a key from now on')
    .action((id: string, _flags, command) =>
      run(command, async ({ hub }) => {
        const key = await hub.revokeApiKey(id);
        return { data: key, text: `revoked ${key.id}` };
      }),
    );
};

export const processCommands: CommandGroup = (program) => {
  program
    .command('hub')
    .description('start a hub in the foreground; its own flags follow: sanderling hub --help')
    .helpOption(false)
    .allowUnknownOption()
    .argument('[flags...]')
    .action((flags: string[]) => runProgram('@sanderling/hub/bin', flags));
  program
    .command('agent')
    .description('start an agent in the foreground; its own flags follow: sanderling agent --help')
    .helpOption(false)
    .allowUnknownOption()
    .argument('[flags...]')
    .action((flags: string[]) => runProgram('@sanderling/agent/bin', flags));
};

/** Runs one of our other programs in this terminal and ends with its status. */
async function runProgram(door: string, flags: readonly string[]): Promise<void> {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.resolve(door)), ...flags], { stdio: 'inherit' });
  const pass = (signal: NodeJS.Signals): boolean => child.kill(signal);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => pass(signal));
  const [code] = (await once(child, 'exit')) as [number | null];
  process.exitCode = code ?? 1;
}

function describeEvent(event: HubEvent): string {
  return `${moment(event.time)} ${String(event.seq).padStart(6)}  ${event.type.padEnd(24)} ${event.subject ?? ''} ${JSON.stringify(event.data)}`;
}
