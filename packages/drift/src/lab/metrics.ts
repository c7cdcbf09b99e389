// What a detector's alarms are worth on a stream with known drifts. A. Bifet, “Classifier concept drift detection and the illusion of
// progress” (2017); the acceptance window is that of river's evaluation.
//
// The first alarm from `before` samples ahead of a drift's start to `after` samples past its end, but not into the next drift's start,
// finds that drift; every other alarm is false, also a second one in the same window. A detector that always alarms therefore has a
// short delay AND as many false alarms as it deserves: never read one without the other.
import { SanderlingError } from '@sanderling/kit';
import type { DriftPoint } from '../streams/stream.ts';

/** Samples around a drift in which an alarm finds it. */
export interface Acceptance {
  /** @default 0 */
  readonly before: number;
  /** @default 1000 */
  readonly after: number;
}

/** The worth of alarms and which of them found a drift. */
export interface JudgedAlarms {
  readonly metrics: AlarmMetrics;
  readonly foundAt: readonly number[];
}

/** The worth of alarms; null where there is nothing to count. */
export interface AlarmMetrics {
  readonly alarms: number;
  /** Mean samples from a drift's start to the alarm that found it (0 when ahead); null when none was found. */
  readonly mtd: number | null;
  /** As `mtd`, with each drift that was missed counted as found at the end of its window; null without drifts. */
  readonly delay: number | null;
  /** Share of drifts not found; null without drifts. */
  readonly mdr: number | null;
  /** False alarms. */
  readonly fd: number;
  readonly fdPer1000: number;
  /** Mean samples between false alarms; the whole length when there are fewer than two. */
  readonly mtfa: number;
  /** Whether `mtfa` is only a lower bound: fewer than two false alarms. */
  readonly mtfaAtLeast: boolean;
  /** (1 − mdr) · mtfa / mtd, larger is better; null where one of them is null, mtd counted as at least 1. */
  readonly mtr: number | null;
}

/**
 * Judges alarms.
 * @param alarms samples at which the detector alarmed, ascending.
 * @throws INVALID_ARGUMENT when an acceptance is negative
 */
export function judgeAlarms(
  alarms: readonly number[],
  { drifts, length }: { readonly drifts: readonly DriftPoint[]; readonly length: number },
  { before, after }: Acceptance,
): JudgedAlarms {
  if (!(before >= 0 && after >= 0)) {
    throw new SanderlingError('INVALID_ARGUMENT', 'an acceptance window cannot be negative', { where: 'acceptance' });
  }
  const ends = drifts.map(({ end }, i) => Math.min(end + after, (drifts[i + 1]?.start ?? length) - 1));
  const hits = drifts.map(({ start }, i) =>
    alarms.find((alarm) => alarm >= start - before && alarm <= (ends[i] as number)),
  );
  const found = hits.filter((hit) => hit !== undefined);
  const used = new Set(found);
  const falseAlarms = alarms.filter((alarm) => !used.has(alarm));
  const since = (at: number, i: number): number => Math.max(0, at - (drifts[i] as DriftPoint).start);
  const mtd = meanOf(hits.flatMap((hit, i) => (hit === undefined ? [] : [since(hit, i)])));
  const delay = meanOf(hits.map((hit, i) => since(hit ?? (ends[i] as number), i)));
  const mdr = drifts.length === 0 ? null : (drifts.length - found.length) / drifts.length;
  const fd = falseAlarms.length;
  const mtfaAtLeast = fd < 2;
  const mtfa = mtfaAtLeast ? length : ((falseAlarms.at(-1) as number) - (falseAlarms[0] as number)) / (fd - 1);
  const mtr = mtd === null || mdr === null ? null : ((1 - mdr) * mtfa) / Math.max(1, mtd);
  const fdPer1000 = (1000 * fd) / length;
  return {
    metrics: { alarms: alarms.length, mtd, delay, mdr, fd, fdPer1000, mtfa, mtfaAtLeast, mtr },
    foundAt: found,
  };
}

function meanOf(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}
