// Fields that queries of several routes share.
import { z } from 'zod';

/** A time: milliseconds since 1970, or ISO 8601 with a zone. */
export const timeField = z
  .string()
  .max(40)
  .transform((text, context) => {
    const time = /^-?\d{1,16}$/.test(text) ? Number(text) : Date.parse(text);
    if (Math.abs(time) <= 8_640_000_000_000_000) return time;
    context.addIssue('expected milliseconds since 1970 or a time such as 2026-11-21T09:00:00Z');
    return z.NEVER;
  });

/** Earliest and latest time of a range. */
export const rangeFields = {
  from: timeField.optional().describe('earliest time, included: milliseconds since 1970 or ISO 8601'),
  to: timeField.optional().describe('latest time, excluded'),
};

/** An address: SHA-256 in hexadecimal. */
export const digestField = z.string().regex(/^[0-9a-f]{64}$/, 'expected a SHA-256 in hexadecimal');

/** A cursor of two parts, `<number>.<text>`, as `toPage` hands out. */
export function pairCursor<T>(read: (first: number, second: string) => T) {
  return z
    .string()
    .max(200)
    .transform((text, context) => {
      const match = /^(-?\d{1,16})\.(\w{1,80})$/.exec(text);
      if (match !== null) return read(Number(match[1]), match[2]!);
      context.addIssue('this is not a cursor that the hub handed out');
      return z.NEVER;
    });
}
