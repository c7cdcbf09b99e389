// What a lab runs: detectors × streams × seeds, as plain JSON, checked once and spread into tasks.
import { digestOf, SanderlingError, toSanderlingError, type Digest } from '@sanderling/kit';
import { createDetector, detectors, isDetectorName, type DetectorRow } from '../detectors.ts';
import { shown } from '../options.ts';
import { concepts } from '../streams/concepts.ts';
import { createStream, type DriftPoint, type StreamOptions } from '../streams/stream.ts';
import { createVectorDetector, isVectorDetectorName } from '../vector/vector-detectors.ts';
import type { FileStreamOptions } from './file-stream.ts';
import type { Acceptance } from './metrics.ts';

/** A stream of the lab: made with each seed, or recorded in a file. */
export type LabStream = { readonly name: string } & (
  | { readonly made: Omit<StreamOptions, 'seed'> }
  | { readonly file: FileStreamOptions }
);

/** A detector of the lab, or a baseline: never alarms, alarms every k samples, alarms at each known drift. */
export type LabDetector = { readonly name: string } & (
  | { readonly detector: string; readonly options?: Readonly<Record<string, number>> }
  | { readonly baseline: 'never' | 'oracle' }
  | { readonly baseline: 'every'; readonly k: number }
);

/** A lab. */
export interface LabConfig {
  readonly streams: readonly LabStream[];
  readonly detectors: readonly LabDetector[];
  /** Seeds of the made streams; a recorded stream runs once, with the first. @default 0…4 */
  readonly seeds?: readonly number[];
  /** @default { before: 0, after: 1000 } */
  readonly acceptance?: Partial<Acceptance>;
  /** Samples that the model of a labelled stream learns at the start and after each alarm. @default 500 */
  readonly training?: number;
}

/** One detector on one stream with one seed. */
export interface LabTask {
  readonly stream: LabStream;
  readonly detector: LabDetector;
  readonly seed: number;
  readonly acceptance: Acceptance;
  readonly training: number;
}

/** What a detector is fed with. */
export type LabInput = 'vector' | 'error' | 'value' | 'none';

/** The tasks of a lab in order. Pairs that do not fit (errors wanted, no labels there) are left out. @throws INVALID_CONFIG */
export function tasksOf(config: LabConfig): readonly LabTask[] {
  const { streams, detectors: asked, seeds = [0, 1, 2, 3, 4], training = 500 } = checked(config);
  const acceptance = { before: 0, after: 1000, ...config.acceptance };
  return streams.flatMap((stream) =>
    asked.flatMap((detector) =>
      inputOf(stream, detector) === undefined
        ? []
        : ('file' in stream ? seeds.slice(0, 1) : seeds).map((seed) => ({
            stream,
            detector,
            seed,
            acceptance,
            training,
          })),
    ),
  );
}

/** The address of a task: the same settings have the same one, so that finished tasks are found again. */
export function addressOf(task: LabTask): Digest {
  return digestOf(task);
}

/** A stream's known drift points; undefined where nobody knows them. @throws INVALID_CONFIG */
export function driftsOf(stream: LabStream): readonly DriftPoint[] | undefined {
  return 'made' in stream ? createStream({ ...stream.made, seed: 0 }).drifts : stream.file.drifts;
}

/** What a detector is fed on a stream; undefined when they do not fit. */
export function inputOf(stream: LabStream, detector: LabDetector): LabInput | undefined {
  const labelled = 'made' in stream ? concepts[stream.made.concept].labelled : (stream.file.labelled ?? true);
  if ('baseline' in detector) return labelled ? 'error' : 'none';
  if (isVectorDetectorName(detector.detector)) return 'vector';
  if (labelled) return 'error';
  const errors = 'made' in stream && stream.made.concept === 'errors';
  const { input }: DetectorRow = detectors[detector.detector as keyof typeof detectors];
  return input === 'real' || errors ? 'value' : undefined;
}

function checked(config: LabConfig): LabConfig {
  const { streams, detectors: asked, seeds = [0], training = 500, acceptance = {} } = config ?? {};
  requireNames('streams', streams);
  requireNames('detectors', asked);
  if (!Array.isArray(seeds) || seeds.length === 0 || !seeds.every(Number.isSafeInteger))
    throw bad('seeds', 'not a list of whole numbers');
  if (!Number.isInteger(training) || training < 10) throw bad('training', 'not a whole number from 10');
  for (const side of ['before', 'after'] as const) {
    const samples = acceptance[side] ?? 0;
    if (!Number.isInteger(samples) || samples < 0) throw bad(`acceptance.${side}`, 'not a whole number from 0');
  }
  streams.forEach((stream, i) => at(`streams[${i}].made`, () => checkStream(stream, `streams[${i}]`)));
  asked.forEach((entry, i) => at(`detectors[${i}].options`, () => checkDetector(entry, `detectors[${i}]`)));
  return config;
}

function requireNames(where: string, entries: unknown): void {
  const names = Array.isArray(entries) ? entries.map((entry: { name?: unknown } | null) => entry?.name) : [];
  const whole = names.length > 0 && names.every((name) => typeof name === 'string' && name !== '');
  if (!whole || new Set(names).size < names.length) throw bad(where, 'not a list of entries with different names');
}

/** Errors of streams and detectors name their own field, as in `adwin.delta`: here it gets its path in the config. */
function at(path: string, check: () => void): void {
  try {
    check();
  } catch (error) {
    const { code, message, where = '', fix } = toSanderlingError(error);
    if (code !== 'INVALID_CONFIG' || where.includes('[')) throw error;
    const field = where.slice(where.indexOf('.') + 1);
    throw new SanderlingError(code, message, {
      where: where.includes('.') ? `${path}.${field}` : path,
      ...(fix === undefined ? {} : { fix }),
      cause: error,
    });
  }
}

function checkStream(stream: LabStream, where: string): void {
  if ('file' in stream) {
    if (typeof stream.file?.path !== 'string') throw bad(`${where}.file.path`, 'is not a text');
    checkDrifts(stream.file.drifts ?? [], `${where}.file.drifts`);
  } else if (typeof stream.made !== 'object' || stream.made === null) {
    throw bad(where, 'is neither made nor a file');
  } else {
    createStream({ ...stream.made, seed: 0 });
  }
}

/** Drifts follow each other. */
function checkDrifts(drifts: readonly DriftPoint[], where: string): void {
  let last = 0;
  drifts.forEach(({ start, end }, i) => {
    const whole = Number.isSafeInteger(start) && Number.isSafeInteger(end);
    if (!whole || start < last || end <= start)
      throw bad(`${where}[${i}]`, 'does not come after the one before, or ends before it starts');
    last = end;
  });
}

function checkDetector(entry: LabDetector, where: string): void {
  if ('baseline' in entry) {
    const k = entry.baseline === 'every' ? entry.k : 1;
    const known = ['never', 'oracle', 'every'].includes(entry.baseline);
    if (!known || !Number.isInteger(k) || k < 1) throw bad(where, 'is no baseline: never, oracle, or every with k');
    return;
  }
  if (isDetectorName(entry.detector)) createDetector(entry.detector, entry.options);
  else createVectorDetector(entry.detector, 2, entry.options);
}

function bad(where: string, message: string): SanderlingError {
  return new SanderlingError('INVALID_CONFIG', shown(message), { where });
}
