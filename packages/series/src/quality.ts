// Is this series fit to learn from? Every finding in one sentence with count, first and last time; the checks are a table.
import { orderReadings } from './resample.ts';
import { medianInterval } from './step.ts';
import type { Reading } from './reading.ts';
import { median, quantile } from './robust.ts';
import { timeChecks } from './quality-times.ts';
import { valueChecks } from './quality-values.ts';

/** `error`: not fit for training. `warning`: somebody should look. `info`: good to know. */
export type Severity = 'info' | 'warning' | 'error';

/** What a finding is about. Codes are stable. */
export type FindingCode =
  | 'too-little-data'
  | 'not-finite'
  | 'future-dated'
  | 'out-of-order'
  | 'clock-step'
  | 'duplicate-time'
  | 'gap'
  | 'irregular-sampling'
  | 'short-span'
  | 'outlier'
  | 'implausible'
  | 'stuck'
  | 'constant'
  | 'unit-suspicion'
  | 'unit-change';

/** One thing that was noticed. */
export interface Finding {
  readonly code: FindingCode;
  readonly severity: Severity;
  /** Readings (for gaps and stuck runs: gaps and runs) concerned. */
  readonly count: number;
  /** Milliseconds since 1970-01-01 UTC; undefined when the finding is about the whole series. */
  readonly firstTime: number | undefined;
  readonly lastTime: number | undefined;
  /** One sentence. */
  readonly message: string;
}

/** What to check against. */
export interface QualityOptions {
  /** What is measured; `temperature` turns on the checks of unit and plausibility. @default '' */
  readonly quantity?: string;
  /** The unit that the values are said to have. @default '' */
  readonly unit?: string;
  /** The present, milliseconds; without it nothing is future-dated. */
  readonly now?: number;
  /** Fewest readings worth training on. @default 200 */
  readonly minimum?: number;
}

/** The verdict on a series. */
export interface QualityReport {
  /** Whether it is fit for training: no finding is an error. */
  readonly usable: boolean;
  /** One sentence. */
  readonly reason: string;
  /** Readings given. */
  readonly readings: number;
  readonly firstTime: number | undefined;
  readonly lastTime: number | undefined;
  /** Median distance of neighbours in time, milliseconds; NaN with fewer than two times. */
  readonly medianIntervalMs: number;
  /** Interquartile range of the intervals over their median: 0 is a perfect clock. */
  readonly jitter: number;
  /** Smallest step that values take, in their unit; 0 when they are practically continuous. */
  readonly resolution: number;
  readonly minimum: number;
  readonly median: number;
  readonly maximum: number;
  /** Errors first, then warnings, then the rest. */
  readonly findings: readonly Finding[];
}

/** What the checks look at. */
export interface QualityFacts {
  /** As they came. */
  readonly arrived: readonly Reading[];
  /** Ordered by time, one a time, all finite. */
  readonly times: Float64Array;
  readonly values: Float64Array;
  readonly nonFinite: number;
  readonly duplicates: number;
  readonly outOfOrder: number;
  readonly medianIntervalMs: number;
  readonly jitter: number;
  readonly resolution: number;
  readonly options: QualityOptions;
}

/** One check: what it finds, if anything. */
export type Check = (facts: QualityFacts) => Finding | undefined;

const rank: Readonly<Record<Severity, number>> = { error: 0, warning: 1, info: 2 };

/** Checks a series. Pure; takes about a microsecond a reading. */
export function qualityReport(readings: Iterable<Reading>, options: QualityOptions = {}): QualityReport {
  const arrived = Array.isArray(readings) ? (readings as readonly Reading[]) : [...readings];
  const ordered = orderReadings(arrived);
  const { times, values } = ordered;
  const medianIntervalMs = medianInterval(times);
  const facts: QualityFacts = {
    ...ordered,
    arrived,
    medianIntervalMs,
    jitter: jitterOf(times, medianIntervalMs),
    resolution: resolutionOf(values),
    options,
  };
  const findings = [...Object.values<Check>(timeChecks), ...Object.values<Check>(valueChecks)]
    .map((check) => check(facts))
    .filter((finding) => finding !== undefined)
    .sort((a, b) => rank[a.severity] - rank[b.severity]);
  const usable = findings[0]?.severity !== 'error';
  const sorted = values.slice().sort();
  return {
    usable,
    reason: usable ? describe(facts, findings) : findings[0]!.message,
    readings: arrived.length,
    firstTime: times[0],
    lastTime: times[times.length - 1],
    medianIntervalMs,
    jitter: facts.jitter,
    resolution: facts.resolution,
    minimum: sorted[0] ?? Number.NaN,
    median: median(sorted),
    maximum: sorted[sorted.length - 1] ?? Number.NaN,
    findings,
  };
}

function describe({ times }: QualityFacts, findings: readonly Finding[]): string {
  const days = (times[times.length - 1]! - times[0]!) / 86_400_000;
  const warnings = findings.filter(({ severity }) => severity === 'warning').length;
  const worth =
    warnings === 0 ? 'nothing to worry about' : `${warnings} ${warnings === 1 ? 'thing' : 'things'} to look at`;
  return `${times.length} readings over ${days.toFixed(1)} days, ${worth}`;
}

function jitterOf(times: Float64Array, medianIntervalMs: number): number {
  if (!(medianIntervalMs > 0)) return 0;
  const intervals = Float64Array.from({ length: times.length - 1 }, (_, i) => times[i + 1]! - times[i]!).sort();
  return (quantile(intervals, 0.75) - quantile(intervals, 0.25)) / medianIntervalMs;
}

/** The smallest difference between distinct values, when most differences are whole multiples of it. */
function resolutionOf(values: Float64Array): number {
  const distinct = [...new Set(values.length > 20_000 ? values.subarray(0, 20_000) : values)].sort((a, b) => a - b);
  // A sensor with steps shows far fewer distinct values than readings.
  if (distinct.length < 2 || distinct.length > 0.3 * values.length) return 0;
  const steps = Float64Array.from({ length: distinct.length - 1 }, (_, i) => distinct[i + 1]! - distinct[i]!).sort();
  return quantile(steps, 0.1);
}
