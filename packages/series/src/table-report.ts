// What a table reader tells about a file: its layout, what it skipped and why, and the coded errors.
import { SanderlingError, type ErrorCode } from '@sanderling/kit';

/** Why a line gave no reading. The first four count as bad lines; too many of them fail the file. */
export const skipReasons = {
  'field-count': { bad: true, means: 'has another number of fields than the rest' },
  'bad-time': { bad: true, means: 'has a time that cannot be read' },
  'bad-value': { bad: true, means: 'has a value that is not a number' },
  'unterminated-quote': { bad: true, means: 'opens a quote that never closes' },
  'missing-value': { bad: false, means: 'has no value (empty, NA, NaN …)' },
  'infinite-value': { bad: false, means: 'has an infinite value' },
  'future-dated': { bad: false, means: 'lies in the future' },
  'too-old': { bad: false, means: 'lies before the earliest time allowed' },
  'repeated-header': { bad: false, means: 'repeats the header' },
  comment: { bad: false, means: 'is a comment' },
} as const;

/** Why a line gave no reading. */
export type SkipReason = keyof typeof skipReasons;

/** The lines skipped for one reason. */
export interface SkippedLines {
  readonly reason: SkipReason;
  readonly count: number;
  /** The first of their line numbers, from 1, ten at most. */
  readonly lines: readonly number[];
  /** One sentence. */
  readonly message: string;
}

/** What a file looked like and what was read from it. */
export interface TableReport {
  /** The source's name. */
  readonly name: string;
  readonly encoding: string;
  /** `,` `;` tab `|` or a space. */
  readonly delimiter: string;
  /** Names in the header; empty without one. */
  readonly header: readonly string[];
  /** Name of the column that times were taken from (two joined by a blank when date and time of day are apart), or its position from 1. */
  readonly timeColumn: string;
  readonly valueColumn: string;
  readonly timeFormat: string;
  /** The unit: as given, or as the value column's name says; '' when unknown. */
  readonly unit: string;
  /** Bytes read so far. */
  readonly bytes: number;
  /** Lines read so far, blank ones included. */
  readonly lines: number;
  readonly readings: number;
  /** Earliest and latest time among the readings, milliseconds; undefined without one. */
  readonly firstTime: number | undefined;
  readonly lastTime: number | undefined;
  readonly skipped: readonly SkippedLines[];
}

/** What can be wrong with a file as a whole; stands in the error's `details.problem`. */
export type TableProblem =
  | 'empty'
  | 'one-line'
  | 'binary'
  | 'one-column'
  | 'duplicate-header'
  | 'no-such-column'
  | 'no-time-column'
  | 'non-numeric'
  | 'line-too-long'
  | 'too-many-bad-lines'
  | 'no-readings';

const problemCodes = {
  empty: 'TOO_LITTLE_DATA',
  'one-line': 'TOO_LITTLE_DATA',
  binary: 'INVALID_DATA',
  'one-column': 'INVALID_DATA',
  'duplicate-header': 'INVALID_DATA',
  'no-such-column': 'INVALID_ARGUMENT',
  'no-time-column': 'INVALID_DATA',
  'non-numeric': 'INVALID_DATA',
  'line-too-long': 'INVALID_DATA',
  'too-many-bad-lines': 'INVALID_DATA',
  'no-readings': 'INVALID_DATA',
} as const satisfies Record<TableProblem, ErrorCode>;

/** What a {@link tableError} says. */
export interface TableErrorFacts {
  readonly message: string;
  /** Line number from 1. */
  readonly line?: number;
  readonly fix?: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

/** An error about a file as a whole, with `file:line` in `where` and the problem in `details.problem`. */
export function tableError(problem: TableProblem, name: string, facts: TableErrorFacts): SanderlingError {
  return new SanderlingError(problemCodes[problem], facts.message, {
    where: facts.line === undefined ? name : `${name}:${facts.line}`,
    ...(facts.fix === undefined ? {} : { fix: facts.fix }),
    details: { problem, ...facts.details },
  });
}

/** Counts skipped lines, remembering the first line numbers of each reason. */
export class SkipTally {
  readonly #byReason = new Map<SkipReason, { count: number; lines: number[] }>();
  /** Lines that count as bad. */
  bad = 0;

  /** Notes a skipped line. */
  add(reason: SkipReason, line: number): void {
    let entry = this.#byReason.get(reason);
    if (entry === undefined) {
      entry = { count: 0, lines: [] };
      this.#byReason.set(reason, entry);
    }
    entry.count++;
    if (entry.lines.length < 10) entry.lines.push(line);
    if (skipReasons[reason].bad) this.bad++;
  }

  /** All reasons that occurred, the most frequent first. */
  list(): SkippedLines[] {
    return [...this.#byReason]
      .map(([reason, { count, lines }]) => ({
        reason,
        count,
        lines: [...lines],
        message: `${count === 1 ? `line ${lines[0]}` : `${count} lines, line ${lines[0]} first:`} ${skipReasons[reason].means}`,
      }))
      .sort((a, b) => b.count - a.count);
  }
}
