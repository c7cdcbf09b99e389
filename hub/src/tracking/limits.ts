// How much one batch and one run may hold (MLflow's batch limits), and the checks of what is logged.
import { SanderlingError } from '@sanderling/kit';

/** Policy at every limit: the whole batch is refused, nothing of it is stored. */
export const trackingLimits = {
  /** Metric points in one batch. */
  batchMetrics: 1000,
  /** Params in one batch, and in one run. */
  params: 200,
  /** Tags in one run. */
  tags: 200,
  keyLength: 250,
  valueLength: 6000,
  /** Artifacts of one run. */
  artifacts: 1000,
  /** Bytes of one artifact. */
  artifactBytes: 256 << 20,
} as const;

/** What a run logs at once. */
export interface LogBatch {
  readonly params?: Readonly<Record<string, string>>;
  readonly metrics?: readonly MetricEntry[];
  readonly tags?: Readonly<Record<string, string>>;
}

/** One point of one metric. `time` in milliseconds since 1970. */
export interface MetricEntry {
  readonly key: string;
  readonly value: number;
  readonly step: number;
  readonly time: number;
}

/** @throws LIMIT_REACHED, INVALID_ARGUMENT naming the entry */
export function checkBatch({ params = {}, metrics = [], tags = {} }: LogBatch): void {
  if (metrics.length > trackingLimits.batchMetrics)
    throw limit(`a batch holds at most ${trackingLimits.batchMetrics} metric points`, 'send several batches');
  checkTexts('params', params, trackingLimits.params);
  checkTexts('tags', tags, trackingLimits.tags);
  for (const [i, { key, value, step }] of metrics.entries()) {
    checkKey(`metrics[${i}].key`, key);
    if (!Number.isFinite(value)) throw invalid(`metrics[${i}].value`, `metric ${key} is ${value}, not a finite number`);
    if (!Number.isSafeInteger(step)) throw invalid(`metrics[${i}].step`, `step ${step} is not a whole number`);
  }
}

/** @throws INVALID_ARGUMENT unless it is a relative path without dots-only parts */
export function checkPath(path: string): void {
  const parts = path.split('/');
  const good = parts.every((part) => /^[\w][\w. -]*$/.test(part) && !part.endsWith('.'));
  if (path.length > trackingLimits.keyLength || !good)
    throw invalid(
      'path',
      'an artifact’s path is made of names of letters, digits, dots and dashes, with slashes between',
    );
}

function checkTexts(field: string, texts: Readonly<Record<string, string>>, most: number): void {
  const entries = Object.entries(texts);
  if (entries.length > most) throw limit(`a batch holds at most ${most} ${field}`, 'log fewer');
  for (const [key, value] of entries) {
    checkKey(`${field}.${key}`, key);
    if (value.length > trackingLimits.valueLength)
      throw invalid(`${field}.${key}`, `${key} is longer than ${trackingLimits.valueLength} characters`);
  }
}

function checkKey(where: string, key: string): void {
  if (!/^[\w./ :@-]{1,250}$/.test(key))
    throw invalid(where, 'keys are 1 to 250 letters, digits, spaces and any of . / : @ _ -');
}

export function limit(message: string, fix: string): SanderlingError {
  return new SanderlingError('LIMIT_REACHED', message, { fix });
}

function invalid(where: string, message: string): SanderlingError {
  return new SanderlingError('INVALID_ARGUMENT', message, { where });
}
