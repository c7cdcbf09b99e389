// The quality report of `packages/series` in the words of the API.
import type { Quality } from '@sanderling/wire';
import type { SeriesToJudge } from './quality.ts';

/** Judges readings in the order they arrived, so that disorder shows. */
export async function judge({ times, values, arrivals, options }: SeriesToJudge): Promise<Quality> {
  const { qualityReport } = await import('@sanderling/series');
  const order = Uint32Array.from(times.keys()).sort((a, b) => arrivals[a]! - arrivals[b]!);
  const readings = Array.from(order, (i) => ({ time: times[i]!, value: values[i]! }));
  const report = qualityReport(readings, options);
  return {
    usable: report.usable,
    reason: report.reason,
    rows: report.readings,
    findings: report.findings.map((finding) => ({
      ...finding,
      firstTime: finding.firstTime ?? null,
      lastTime: finding.lastTime ?? null,
    })),
  };
}
