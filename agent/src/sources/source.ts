// Where readings come from: a port of the agent.
import type { Reading } from '@sanderling/series';

/** A reading, or a line that was none. */
export type SourceItem =
  | {
      readonly reading: Reading;
      /** Where to go on after this reading; a source that can be rewound gives it. */
      readonly position?: string;
    }
  | { readonly rejected: string; readonly example: string };

/** Gives readings in the order of their arrival, as fast as they are taken. */
export interface Source {
  /** What it is, for messages. */
  readonly name: string;
  /** What the agent does when the source ends. */
  readonly atEnd: 'stay' | 'stop';
  /**
   * Begins to give. Ends with the source or when the signal aborts.
   * @param position What the last durable reading of an earlier run gave; undefined for the start.
   */
  open(signal: AbortSignal, position: string | undefined): AsyncIterable<SourceItem>;
}

/** Earliest believable time: what is before was given in seconds, or by a clock that was never set. */
export const earliestTime = Date.UTC(1990, 0, 1);
/** Latest time that the hub takes, milliseconds. */
const latestTime = 8_640_000_000_000_000;

/** A source that gives nothing: updates and delivery only. */
export const noSource: Source = {
  name: 'none',
  atEnd: 'stay',
  async *open() {
    // Nothing to give.
  },
};

/** A reading with sound numbers, or why it has none. Times become whole milliseconds. */
export function checkReading(time: number, value: number): Reading | string {
  if (!Number.isFinite(time) || time > latestTime) return 'the time is not a time';
  if (time < earliestTime)
    return 'the time is before 1990: seconds instead of milliseconds, or a clock that is not set';
  if (!Number.isFinite(value)) return 'the value is not a finite number';
  return { time: Math.round(time), value };
}
