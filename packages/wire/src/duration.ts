// Lengths of time as people write them: '90s', '10m', '6h', '3d', '2w'.
import { z } from 'zod';

const unitMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;

/** A length of time such as '10m' or '3d'. */
export type Duration = `${number}${keyof typeof unitMs}`;

const pattern = /^(\d+(?:\.\d+)?)(ms|s|m|h|d|w)$/;

/** Schema of a {@link Duration}. */
export const duration = z
  .custom<Duration>((value) => typeof value === 'string' && pattern.test(value), {
    error: 'expected a length of time such as "90s", "10m", "6h" or "3d"',
  })
  .meta({ type: 'string', pattern: pattern.source, description: 'a length of time such as 90s, 10m, 6h, 3d' });

/** Milliseconds of a duration that the schema accepted. */
export function durationMs(text: Duration): number {
  const match = pattern.exec(text)!;
  return Number(match[1]) * unitMs[match[2] as keyof typeof unitMs];
}
