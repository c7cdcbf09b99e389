// Results of a lab by detector and stream: medians and quartiles over the seeds.
import type { LabResult } from './run-task.ts';

/** Quartiles of a number over the seeds; null where no seed had one. */
export interface Spread {
  readonly q25: number;
  readonly median: number;
  readonly q75: number;
}

/** One detector on one stream. */
export interface LabSummary {
  readonly stream: string;
  readonly detector: string;
  readonly seeds: number;
  readonly drifts: number;
  /** Whether it is no detector but a baseline. */
  readonly baseline: boolean;
  readonly mtd: Spread | null;
  readonly delay: Spread | null;
  readonly mdr: Spread | null;
  readonly fd: Spread;
  readonly fdPer1000: Spread;
  readonly mtfa: Spread;
  /** Whether on every seed there were fewer than two false alarms: `mtfa` is then the length. */
  readonly mtfaAtLeast: boolean;
  readonly mtr: Spread | null;
  readonly accuracy: Spread | null;
  readonly nsPerSample: number;
  readonly bytes: number;
}

/** A summary for each pair of stream and detector, in the order of the results. */
export function summarise(results: readonly LabResult[]): readonly LabSummary[] {
  const groups = Map.groupBy(results, ({ stream, detector }) => JSON.stringify([stream, detector]));
  return [...groups.values()].map((group) => {
    const first = group[0] as LabResult;
    const over = (pick: (result: LabResult) => number | null): Spread | null => spreadOf(group.map(pick));
    return {
      stream: first.stream,
      detector: first.detector,
      seeds: group.length,
      drifts: first.drifts,
      baseline: first.baseline,
      mtd: over(({ metrics }) => metrics.mtd),
      delay: over(({ metrics }) => metrics.delay),
      mdr: over(({ metrics }) => metrics.mdr),
      fd: over(({ metrics }) => metrics.fd) as Spread,
      fdPer1000: over(({ metrics }) => metrics.fdPer1000) as Spread,
      mtfa: over(({ metrics }) => metrics.mtfa) as Spread,
      mtfaAtLeast: group.every(({ metrics }) => metrics.mtfaAtLeast),
      mtr: over(({ metrics }) => metrics.mtr),
      accuracy: over(({ accuracy }) => accuracy),
      nsPerSample: (over(({ nsPerSample }) => nsPerSample) as Spread).median,
      bytes: first.bytes,
    };
  });
}

/** Detectors of one stream that no other beats both in delay and in false alarms; baselines do not count. */
export function frontOf(rows: readonly LabSummary[]): readonly LabSummary[] {
  const costs = ({ delay, fdPer1000 }: LabSummary): readonly number[] => [delay?.median ?? 0, fdPer1000.median];
  const judged = rows.filter(({ baseline, delay }) => !baseline && delay !== null);
  return judged
    .filter((row) => !judged.some((other) => dominates(costs(other), costs(row))))
    .toSorted((a, b) => (costs(a)[0] as number) - (costs(b)[0] as number));
}

/** Whether costs are no worse in every goal and better in one. */
export function dominates(a: readonly number[], b: readonly number[]): boolean {
  return a.every((cost, i) => cost <= (b[i] as number)) && a.some((cost, i) => cost < (b[i] as number));
}

/** Quartiles by linear interpolation of what is not null. */
export function spreadOf(values: readonly (number | null)[]): Spread | null {
  const sorted = values.filter((value) => value !== null).sort((a, b) => a - b);
  if (sorted.length === 0) return null;
  const at = (share: number): number => {
    const place = share * (sorted.length - 1);
    const low = sorted[Math.floor(place)] as number;
    const high = sorted[Math.ceil(place)] as number;
    return low + (high - low) * (place - Math.floor(place));
  };
  return { q25: at(0.25), median: at(0.5), q75: at(0.75) };
}
