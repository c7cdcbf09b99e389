// A lab as a JSON file: checked against the schema, short forms written out, recorded streams found.
import { readFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { SanderlingError, sha256, toSanderlingError } from '@sanderling/kit';
import type { DriftPoint } from '../streams/stream.ts';
import { checkShape } from './check-shape.ts';
import { tasksOf, type LabConfig, type LabDetector, type LabStream } from './config.ts';
import { labSchema } from './lab-schema.ts';
import type { DetectorSearch } from './search-detector.ts';

/** What a lab's file asks for. */
export interface LabFile {
  readonly title: string;
  readonly about: string | undefined;
  readonly config: LabConfig;
  /** One for each detector to be searched. */
  readonly searches: readonly LabSearch[];
}

/** A search of a lab's file: what to search, and how the optimiser is set. */
export interface LabSearch {
  /** The entry of `detectors` that is searched. */
  readonly name: string;
  readonly search: DetectorSearch;
  readonly population: number;
  readonly seed: number;
}

type GivenDrift = number | DriftPoint;
type GivenStream =
  | Extract<LabStream, { made: unknown }>
  | {
      readonly name: string;
      readonly file: { readonly path: string; readonly labelled?: boolean; readonly drifts?: string | GivenDrift[] };
    };
type GivenDetector =
  | string
  | {
      readonly name?: string;
      readonly detector: string;
      readonly options?: Readonly<Record<string, number>>;
      readonly grid?: Readonly<Record<string, readonly number[]>>;
    }
  | { readonly name?: string; readonly baseline: 'never' | 'oracle' }
  | { readonly name?: string; readonly baseline: 'every'; readonly k: number };

/** The file after the check, before short forms are written out. */
interface Given extends Pick<LabConfig, 'seeds' | 'acceptance' | 'training'> {
  readonly title?: string;
  readonly about?: string;
  readonly data?: string;
  readonly fetch?: string;
  readonly streams: readonly GivenStream[];
  readonly detectors: readonly GivenDetector[];
  readonly search?: GivenSearch;
}

interface GivenSearch extends Partial<Pick<DetectorSearch, 'seeds' | 'heldOutSeeds' | 'reference'>> {
  readonly detectors: readonly string[];
  readonly streams?: readonly string[];
  readonly heldOutStreams?: readonly string[];
  readonly trials: number;
  readonly population?: number;
  readonly seed?: number;
}

/**
 * Reads a lab's file.
 * @param data folder of recorded streams, before the one that the file names.
 * @throws NOT_FOUND when the file or a recorded stream is missing, with what to fetch; INVALID_CONFIG with the path of the wrong field.
 */
export function readLabFile(path: string, data?: string): LabFile {
  const given = parsed(path);
  const folder = data ?? join(dirname(path), given.data ?? '.');
  const { seeds, acceptance, training } = given;
  const config: LabConfig = {
    ...(seeds === undefined ? {} : { seeds }),
    ...(acceptance === undefined ? {} : { acceptance }),
    ...(training === undefined ? {} : { training }),
    streams: given.streams.map((stream, i) =>
      'file' in stream ? recorded(stream, { folder, fetch: given.fetch, where: `streams[${i}].file` }) : stream,
    ),
    detectors: given.detectors.flatMap(entriesOf),
  };
  tasksOf(config);
  return {
    title: given.title ?? basename(path, '.json'),
    about: given.about,
    config,
    searches: given.search === undefined ? [] : searchesOf(given.search, config),
  };
}

function parsed(path: string): Given {
  const text = textOf(path, 'give the path of a lab’s config file; see packages/drift/lab for four of them');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new SanderlingError('INVALID_CONFIG', `not JSON: ${(cause as Error).message}`, { where: path, cause });
  }
  checkShape(value, labSchema);
  return value as Given;
}

function textOf(path: string, fix: string): string {
  return bytesOf(path, fix).toString('utf8');
}

function bytesOf(path: string, fix: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EISDIR')
      throw new SanderlingError('INVALID_CONFIG', `${basename(path)} is a folder, not a file`, { where: path });
    const coded = toSanderlingError(error);
    if (coded.code !== 'NOT_FOUND') throw coded;
    throw new SanderlingError('NOT_FOUND', `${basename(path)} is not there`, { where: path, fix });
  }
}

function recorded(
  { name, file }: Extract<GivenStream, { file: unknown }>,
  { folder, fetch, where }: { readonly folder: string; readonly fetch: string | undefined; readonly where: string },
): LabStream {
  const fix = fetch ?? 'give the folder that holds it with --data';
  const path = resolve(folder, file.path);
  const digest = sha256(bytesOf(path, fix));
  const { drifts: known, labelled } = file;
  const drifts = typeof known === 'string' ? driftFile(resolve(folder, known), fix, `${where}.drifts`) : known;
  return {
    name,
    file: {
      path,
      digest,
      ...(labelled === undefined ? {} : { labelled }),
      ...(drifts === undefined ? {} : { drifts: drifts.map(pointOf) }),
    },
  };
}

/** Known drift points from a file. */
function driftFile(path: string, fix: string, where: string): readonly GivenDrift[] {
  const text = textOf(path, fix);
  try {
    const list = JSON.parse(text) as GivenDrift[];
    if (Array.isArray(list) && list.every((drift) => typeof drift === 'number' || typeof drift?.start === 'number'))
      return list;
  } catch {
    // Told below.
  }
  throw new SanderlingError('INVALID_CONFIG', `${path} is not a JSON list of drift points`, { where });
}

function pointOf(drift: GivenDrift): DriftPoint {
  return typeof drift === 'number' ? { start: drift, end: drift + 1 } : { start: drift.start, end: drift.end };
}

/** An entry as the lab takes it; a grid becomes one for each combination, named by it. */
function entriesOf(entry: GivenDetector): readonly LabDetector[] {
  if (typeof entry === 'string') return [{ name: entry, detector: entry }];
  if ('baseline' in entry) {
    const name = entry.name ?? (entry.baseline === 'every' ? `every ${entry.k}` : entry.baseline);
    return [{ ...entry, name }];
  }
  const { detector, name = detector, options = {}, grid = {} } = entry;
  return combinations(grid).map((chosen) => ({
    name: [name, ...Object.entries(chosen).map(([key, value]) => `${key}=${value}`)].join(' '),
    detector,
    options: { ...options, ...chosen },
  }));
}

function combinations(grid: Readonly<Record<string, readonly number[]>>): readonly Record<string, number>[] {
  return Object.entries(grid).reduce<readonly Record<string, number>[]>(
    (all, [key, values]) => all.flatMap((chosen) => values.map((value) => ({ ...chosen, [key]: value }))),
    [{}],
  );
}

function searchesOf(given: GivenSearch, config: LabConfig): readonly LabSearch[] {
  const { detectors, streams, heldOutStreams, trials, population = 20, seed = 1, reference } = given;
  const { acceptance, training } = config;
  const [seeds, heldOutSeeds] = [given.seeds ?? config.seeds ?? [0, 1, 2, 3, 4], given.heldOutSeeds ?? fresh];
  const all = config.streams.map(({ name }) => name);
  const named = (wanted: readonly string[], where: string): readonly LabStream[] =>
    wanted.map((name, i) => pick(config.streams, name, `search.${where}[${i}]`));
  return detectors.map((name, i) => {
    const where = `search.detectors[${i}]`;
    const entry = pick(config.detectors, name, where);
    if ('baseline' in entry)
      throw new SanderlingError('INVALID_CONFIG', `“${name}” is a baseline: there is nothing to search`, { where });
    const search: DetectorSearch = {
      detector: entry.detector,
      ...(entry.options === undefined ? {} : { fixed: entry.options }),
      streams: named(streams ?? all, 'streams'),
      ...(heldOutStreams === undefined ? {} : { heldOutStreams: named(heldOutStreams, 'heldOutStreams') }),
      seeds,
      heldOutSeeds,
      trials,
      ...(acceptance === undefined ? {} : { acceptance }),
      ...(training === undefined ? {} : { training }),
      ...(reference === undefined ? {} : { reference }),
    };
    return { name, search, population, seed };
  });
}

const fresh: readonly number[] = [1001, 1002, 1003, 1004, 1005];

function pick<T extends { readonly name: string }>(entries: readonly T[], name: string, where: string): T {
  const found = entries.find((entry) => entry.name === name);
  if (found !== undefined) return found;
  throw new SanderlingError('INVALID_CONFIG', `there is no entry “${name}”`, {
    where,
    fix: `use ${entries.map((entry) => entry.name).join(', ')}`,
  });
}
