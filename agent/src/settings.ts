// What the command line and the environment say, checked before anything starts.
import { hostname } from 'node:os';
import { parseArgs } from 'node:util';
import { SanderlingError } from '@sanderling/kit';
import { parseToken } from '@sanderling/wire/device';

/** The settings of the command. */
export interface CommandSettings {
  readonly hub: string;
  readonly token: string | undefined;
  readonly data: string;
  readonly source: SourceSetting;
  readonly atEnd: 'stay' | 'stop' | undefined;
  readonly name: string | undefined;
  readonly tags: Readonly<Record<string, string>>;
  readonly jsonStatus: boolean;
  readonly maxOutboxEntries: number | undefined;
  readonly maxOutboxMb: number | undefined;
  readonly maxBundleMb: number | undefined;
  readonly commitEveryMs: number | undefined;
  readonly reportEveryMs: number | undefined;
  readonly reportEveryReadings: number | undefined;
}

/** Where readings come from. */
export type SourceSetting =
  | { readonly kind: 'none' | 'stdin' }
  | {
      readonly kind: 'csv';
      readonly path: string;
      readonly time?: string;
      readonly value?: string;
      readonly rate?: number;
    };

/** The environment's names begin with this; `--max-outbox-mb` is SANDERLING_AGENT_MAX_OUTBOX_MB. */
const prefix = 'SANDERLING_AGENT_';

const texts = ['hub', 'token', 'data', 'source', 'name', 'at-end'] as const;
const numbers = [
  'max-outbox-entries',
  'max-outbox-mb',
  'max-bundle-mb',
  'commit-every-ms',
  'report-every-ms',
  'report-every-readings',
] as const;

export const help = `sanderling-agent: runs a model on this device, keeps it up to date, and tells the hub how it does

  sanderling-agent --hub URL --token TOKEN --data FOLDER --source stdin

  --hub URL                   the hub, such as http://127.0.0.1:8200
  --token TOKEN               one-time enrolment token; needed only the first time
  --data FOLDER               where the agent keeps everything; one agent a folder
  --source SOURCE             stdin (lines of JSON such as {"time": 1770000000000, "value": 21.4}),
                              csv:FILE[,time=COLUMN][,value=COLUMN][,rate=PER_SECOND], or none   [none]
  --at-end stay|stop          when the source ends   [stop for stdin, stay otherwise]
  --name NAME                 what people call the device   [the host's name]
  --tag KEY=VALUE             a tag, may be repeated
  --json-status               one line of JSON on standard output for everything notable
  --max-outbox-entries N      undelivered entries to keep   [200000]
  --max-outbox-mb N           their size, MiB   [64]
  --max-bundle-mb N           largest release to take, MiB   [64]
  --commit-every-ms N         longest time that a reading waits in memory for the disk   [500]
  --report-every-ms N         longest time between reports while readings come   [5000]
  --report-every-readings N   most readings between reports   [100]
  --help                      this text

Every flag has an environment variable: --max-bundle-mb is SANDERLING_AGENT_MAX_BUNDLE_MB; tags as SANDERLING_AGENT_TAGS=room=101,floor=1.
A token given in SANDERLING_AGENT_TOKEN does not show in the list of processes.
`;

/**
 * Reads arguments and environment; arguments win.
 * @returns `help` when help was asked for.
 * @throws INVALID_CONFIG naming the flag.
 */
export function readSettings(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): CommandSettings | 'help' {
  const flags = parseFlags(args);
  if (flags['help'] === true) return 'help';
  const text = (name: (typeof texts)[number]): string | undefined =>
    nonEmpty((flags[name] as string | undefined) ?? env[variable(name)]);
  const number = (name: (typeof numbers)[number]): number | undefined =>
    positive(name, nonEmpty((flags[name] as string | undefined) ?? env[variable(name)]));
  const atEnd = text('at-end');
  if (atEnd !== undefined && atEnd !== 'stay' && atEnd !== 'stop') throw wrong('at-end', 'must be stay or stop');
  return {
    hub: required('hub', text('hub')),
    token: checkedToken(text('token')),
    data: required('data', text('data')),
    source: parseSource(text('source') ?? 'none'),
    atEnd,
    name: checkedName(text('name')),
    tags: parseTags(flags['tag'] as string[] | undefined, env[`${prefix}TAGS`]),
    jsonStatus: flags['json-status'] === true || /^(1|true|yes)$/i.test(env[`${prefix}JSON_STATUS`] ?? ''),
    maxOutboxEntries: number('max-outbox-entries'),
    maxOutboxMb: number('max-outbox-mb'),
    maxBundleMb: number('max-bundle-mb'),
    commitEveryMs: number('commit-every-ms'),
    reportEveryMs: number('report-every-ms'),
    reportEveryReadings: number('report-every-readings'),
  };
}

function parseFlags(args: readonly string[]): Readonly<Record<string, unknown>> {
  const valued = Object.fromEntries([...texts, ...numbers].map((name) => [name, { type: 'string' } as const]));
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        ...valued,
        tag: { type: 'string', multiple: true },
        'json-status': { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
    return values;
  } catch (error) {
    throw new SanderlingError('INVALID_CONFIG', (error as Error).message, { fix: 'see --help', cause: error });
  }
}

/** `stdin`, `none`, or `csv:FILE` followed by `,key=value` parts; commas elsewhere belong to the file's name. */
function parseSource(text: string): SourceSetting {
  if (text === 'stdin' || text === 'none') return { kind: text };
  if (!text.startsWith('csv:')) throw wrong('source', `must be stdin, none or csv:FILE, not ${text}`);
  let path = text.slice('csv:'.length);
  const parts: Record<string, string> = {};
  for (;;) {
    const match = /,(time|value|rate)=([^=]*)$/.exec(path);
    if (match === null) break;
    parts[match[1]!] = match[2]!;
    path = path.slice(0, match.index);
  }
  if (path === '') throw wrong('source', 'names no file');
  const { time, value, rate } = parts;
  return {
    kind: 'csv',
    path,
    ...(time === undefined ? {} : { time }),
    ...(value === undefined ? {} : { value }),
    ...(rate === undefined ? {} : { rate: positive('source', rate)! }),
  };
}

function parseTags(given: readonly string[] | undefined, env: string | undefined): Readonly<Record<string, string>> {
  const pairs = given ?? env?.split(',').filter((pair) => pair.trim() !== '') ?? [];
  const tags = pairs.map((pair) => {
    const match = /^\s*([a-z0-9][a-z0-9-]{0,62})=(.{0,200})$/.exec(pair);
    if (match === null)
      throw wrong('tag', `"${pair}" is not KEY=VALUE with a key of lower-case letters, digits, dashes`);
    return [match[1]!, match[2]!] as const;
  });
  if (tags.length > 32) throw wrong('tag', 'at most 32 tags');
  return Object.fromEntries(tags);
}

const variable = (flag: string): string => prefix + flag.toUpperCase().replaceAll('-', '_');
const nonEmpty = (text: string | undefined): string | undefined => (text === '' ? undefined : text);

function required(flag: string, text: string | undefined): string {
  if (text !== undefined) return text;
  throw wrong(flag, 'is missing', `give it, or set ${variable(flag)}; see --help`);
}

function checkedToken(token: string | undefined): string | undefined {
  if (token !== undefined) parseToken(token);
  return token;
}

function checkedName(name: string | undefined): string | undefined {
  if (name === undefined || /^[a-z0-9][a-z0-9-]{0,62}$/.test(name)) return name;
  throw wrong(
    'name',
    `must be lower-case letters, digits and dashes, at most 63, not ${name}`,
    `try ${hostname().toLowerCase()}`,
  );
}

function positive(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw wrong(flag, `must be a positive number, not ${text}`);
}

function wrong(flag: string, what: string, fix = 'see --help'): SanderlingError {
  return new SanderlingError('INVALID_CONFIG', `--${flag} ${what}`, { where: flag, fix });
}
