// Where settings come from: defaults < a settings file < .env < the environment < flags. A wrong value is told with the place it came from.
import { readFile } from 'node:fs/promises';
import { extname, join, resolve } from 'node:path';
import { parseEnv } from 'node:util';
import { readFileIfPresent, SanderlingError } from '@sanderling/kit';
import { hubSettings, type HubSettings } from './settings.ts';

/** Reads the text of a settings file. Throws when it is malformed. */
type SettingsParser = (text: string) => unknown;

/** YAML; its parser is loaded only when such a file is there. */
const readYaml: SettingsParser = async (text) => (await import('yaml')).parse(text) as unknown;

/** Formats of settings files by their ending. */
const parsers: Readonly<Record<string, SettingsParser>> = { '.json': JSON.parse, '.yaml': readYaml, '.yml': readYaml };

/** Where to look for settings. */
export interface SettingsSources {
  /** Folder of `.env` and of `sanderling-hub.json`, `.yaml` or `.yml`. */
  readonly folder: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** A settings file; it must exist. @default what lies in the folder, if anything */
  readonly file?: string;
  /** Settings from the command line by their path: `port`, `limits.bodyMb`. */
  readonly flags?: Readonly<Record<string, string | undefined>>;
}

/** One setting and where it came from. */
interface Given {
  readonly path: string;
  readonly value: unknown;
  readonly origin: string;
}

/** Environment variables and the settings they stand for. */
const variables = {
  SANDERLING_HOST: 'host',
  SANDERLING_PORT: 'port',
  SANDERLING_DATA: 'data',
  SANDERLING_LINK_PORT: 'link.port',
  SANDERLING_LINK_HOST: 'link.host',
  SANDERLING_LIMITS_BODY_MB: 'limits.bodyMb',
  SANDERLING_LIMITS_UPLOAD_MB: 'limits.uploadMb',
  SANDERLING_LIMITS_WAITING_DEVICES: 'limits.waitingDevices',
  SANDERLING_LIMITS_FAILED_ATTEMPTS: 'limits.failedAttempts',
  SANDERLING_LIMITS_EVENT_STREAMS: 'limits.eventStreams',
} as const;

/** Settings that are numbers; text from the environment is read as such. */
const numeric: ReadonlySet<string> = new Set(
  Object.values(variables).filter((path) => !['host', 'data', 'link.host'].includes(path)),
);

const baseName = 'sanderling-hub';

/** The settings of a hub. @throws INVALID_CONFIG with the path and the origin of every wrong field; NOT_FOUND for a named file that is not there. */
export async function readSettings(sources: SettingsSources): Promise<HubSettings> {
  const dotEnv = Buffer.from((await readFileIfPresent(join(sources.folder, '.env'))) ?? '').toString('utf8');
  const given = [
    ...(await fromFile(sources)),
    ...fromEnvironment(parseEnv(dotEnv), ' in .env'),
    ...fromEnvironment(sources.env, ''),
    ...fromFlags(sources.flags ?? {}),
  ];
  const result = hubSettings.safeParse(nested(given));
  if (result.success) return result.data;
  const issues = result.error.issues.map((issue) => describe(issue, given));
  throw new SanderlingError('INVALID_CONFIG', `the settings are wrong: ${issues.map(({ text }) => text).join('; ')}`, {
    where: issues[0]?.where ?? 'settings',
    details: { issues: issues.map(({ text }) => text) },
  });
}

async function fromFile(sources: SettingsSources): Promise<Given[]> {
  const named = sources.file === undefined ? undefined : resolve(sources.folder, sources.file);
  for (const path of named === undefined ? usualFiles(sources.folder) : [named]) {
    const bytes = named === undefined ? await readFileIfPresent(path) : await readNamed(path);
    if (bytes === undefined) continue;
    const parse = parsers[extname(path)];
    if (parse === undefined)
      throw new SanderlingError('UNSUPPORTED', `this program cannot read ${extname(path)} settings`, {
        where: path,
        fix: `write them as ${Object.keys(parsers).join(' or ')}`,
      });
    return flat(await parsed(Buffer.from(bytes).toString('utf8'), path, parse), path);
  }
  return [];
}

function usualFiles(folder: string): readonly string[] {
  return ['.json', '.yaml', '.yml'].map((ending) => join(folder, baseName + ending));
}

async function readNamed(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new SanderlingError('NOT_FOUND', 'the settings file cannot be read', { where: path, cause: error });
  }
}

async function parsed(text: string, path: string, parse: SettingsParser): Promise<unknown> {
  try {
    return await parse(text);
  } catch (error) {
    throw new SanderlingError('INVALID_CONFIG', `the settings file is malformed: ${String(error)}`, {
      where: path,
      cause: error,
    });
  }
}

/** Every leaf of an object by its path. */
function flat(value: unknown, origin: string, path = ''): Given[] {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return Object.entries(value).flatMap(([key, field]) => flat(field, origin, path === '' ? key : `${path}.${key}`));
  return path === '' && value === null ? [] : [{ path, value, origin }];
}

function fromEnvironment(env: Readonly<Record<string, string | undefined>>, place: string): Given[] {
  return Object.entries(variables)
    .filter(([name]) => env[name] !== undefined && env[name] !== '')
    .map(([name, path]) => ({ path, value: typed(path, env[name]!), origin: `${name}${place}` }));
}

function fromFlags(flags: Readonly<Record<string, string | undefined>>): Given[] {
  return Object.entries(flags)
    .filter(([, value]) => value !== undefined)
    .map(([path, value]) => ({ path, value: typed(path, value!), origin: `--${path.replaceAll('.', '-')}` }));
}

function typed(path: string, text: string): unknown {
  return numeric.has(path) && /^\d+(\.\d+)?$/.test(text) ? Number(text) : text;
}

function nested(given: readonly Given[]): unknown {
  const root: Record<string, unknown> = {};
  for (const { path, value } of given) {
    const keys = path.split('.');
    const last = keys.pop()!;
    const parent = keys.reduce<Record<string, unknown>>((object, key) => {
      const inner = object[key];
      return (object[key] = typeof inner === 'object' && inner !== null ? inner : {}) as Record<string, unknown>;
    }, root);
    parent[last] = value;
  }
  return root;
}

function describe(
  issue: {
    readonly path: readonly PropertyKey[];
    readonly message: string;
    readonly code: string;
    readonly keys?: unknown;
  },
  given: readonly Given[],
) {
  const unknown = Array.isArray(issue.keys) ? [String(issue.keys[0])] : [];
  const where = [...issue.path.map(String), ...unknown].join('.');
  const origin = given.findLast(({ path }) => path === where || path.startsWith(`${where}.`))?.origin;
  const message = unknown.length > 0 ? 'no such setting' : issue.message;
  return { where, text: `${where}${origin === undefined ? '' : ` (from ${origin})`}: ${message}` };
}
