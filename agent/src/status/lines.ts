// What the agent tells the program that started it: one line of JSON for every notable happening.
import type { Digest, ErrorBody } from '@sanderling/kit';
import type { ReportEntry, UpdateStage } from '@sanderling/wire/device';

/** A step of a forecast: milliseconds since 1970, and the value in the data's own unit. */
export interface StatusPoint {
  readonly time: number;
  readonly value: number;
}

/** The agent runs. `release`: what it predicts with; `waiting`: entries to deliver. */
export interface StartedLine {
  readonly type: 'started';
  readonly agentVersion: string;
  readonly device: string | null;
  readonly release: Digest | null;
  readonly waiting: number;
}

/** The hub knows this device now. */
export interface EnrolledLine {
  readonly type: 'enrolled';
  readonly device: string;
  readonly name: string;
  readonly project: string;
}

/** A reading came in and no forecast was made. `window`: why (`no-model`, or the window's state: `filling`, `gap`, `late` …). */
export interface ReadingLine extends StatusPoint {
  readonly type: 'reading';
  readonly window: string;
}

/** A reading came in and a forecast was made. */
export interface ForecastLine extends StatusPoint {
  readonly type: 'forecast';
  readonly release: Digest;
  /** The next steps. */
  readonly forecast: readonly StatusPoint[];
  /** Absolute error of the earlier forecasts that this reading settled, mean over their steps; `null` when it settled none. */
  readonly error: number | null;
  /** Mean absolute error over the monitor's recent window; `null` before the first settled forecast. */
  readonly rollingError: number | null;
  /** 0…1. */
  readonly driftScore: number;
  /** Window encoding and model together, milliseconds. */
  readonly latencyMs: number;
}

/** The drift monitor changed its mind. */
export interface DriftLine {
  readonly type: 'drift';
  readonly state: 'alarm' | 'over';
  readonly time: number;
  readonly release: Digest;
  readonly score: number;
  readonly rollingError: number | null;
}

/** An update moved on. `progress`: 0…1 of the download. */
export interface UpdateLine {
  readonly type: 'update';
  readonly stage: UpdateStage;
  readonly counter: number;
  readonly release: Digest | null;
  readonly active: Digest | null;
  readonly previous: Digest | null;
  readonly progress: number;
  readonly reason: string | null;
}

/** A report went into the outbox. */
export type ReportLine = { readonly type: 'report' } & Omit<ReportEntry, 'kind'>;

/** Everything up to `seq` is on disk and survives a power cut. `readings`: how many of this run's readings are. */
export interface StoredLine {
  readonly type: 'stored';
  readonly seq: number;
  readonly readings: number;
}

/** The hub holds everything up to `acked`. `waiting`: entries still to deliver. */
export interface DeliveredLine {
  readonly type: 'delivered';
  readonly acked: number;
  readonly waiting: number;
}

/** The source ended. `rejected`: lines that were no readings. */
export interface SourceLine {
  readonly type: 'source';
  readonly state: 'ended';
  readonly readings: number;
  readonly rejected: number;
}

/** Something is wrong; the agent goes on. */
export type ErrorLine = { readonly type: 'error'; readonly about: string } & ErrorBody;

/** The last line. */
export interface StoppedLine {
  readonly type: 'stopped';
  readonly waiting: number;
}

/** Every line; `type` tells them apart. */
export type StatusLine =
  | StartedLine
  | EnrolledLine
  | ReadingLine
  | ForecastLine
  | DriftLine
  | UpdateLine
  | ReportLine
  | StoredLine
  | DeliveredLine
  | SourceLine
  | ErrorLine
  | StoppedLine;

/** Takes the lines. Must not throw and must not wait. */
export type Narrator = (line: StatusLine) => void;
