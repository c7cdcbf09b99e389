// What is played to the device: the simulated room, or the user's own readings.
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { SanderlingError } from '@sanderling/kit';
import { readTable, type Reading } from '@sanderling/series';
import type { Playback } from 'sanderling/live';
import type { RoomChange } from './room-changes.ts';
import { RoomSimulation } from './room.ts';

/** Readings that the simulated room has already sent before the first training: six weeks at ten minutes. */
const simulatedPast = 6000;
/** Readings to gather after an alarm: a week. */
const simulatedFresh = 1000;
/** The simulation begins in early winter: six weeks of heating days lie behind the device, and more before it. */
const simulatedStart = Date.UTC(2025, 10, 20);

/** How the simulated room is played. */
export interface RoomPlay {
  readonly change: RoomChange;
  /** Readings before the first training. @default 6000, six weeks */
  readonly past?: number;
  /** Readings to gather after an alarm. @default 1000, a week */
  readonly fresh?: number;
}

/** A simulated room that changes on request. `fresh`: readings to gather after an alarm. */
export function simulatedPlayback(seed: number, play: RoomPlay): Playback & { readonly fresh: number } {
  const { change, past = simulatedPast, fresh = simulatedFresh } = play;
  const room = new RoomSimulation({ seed, start: simulatedStart });
  return {
    title: `a simulated room (seed ${seed})`,
    unit: '°C',
    past,
    fresh,
    readings: room,
    change: () => {
      room.change(change);
      return change;
    },
  };
}

/** How much of a file the device has collected before the first training; the rest it lives through. */
const filePast = 0.85;
/** Fewest readings with which the loop can close. */
const fewest = 1500;
/** Most readings that are played; of a longer file the newest. */
const most = 200_000;
const dayMs = 86_400_000;
const weekMs = 7 * dayMs;

/** Where the columns are; found by themselves when not told. */
export interface FileColumns {
  readonly timeColumn?: string;
  readonly valueColumn?: string;
}

/**
 * A user's own readings, played again from the start, later in time, when they end.
 * They seldom hold a change at the right moment, so `change()` adds one openly: from then on an unseen heat source swings the readings
 * up and down, several times the size of their usual movement.
 */
export async function filePlayback(file: string, columns: FileColumns): Promise<Playback & { readonly fresh: number }> {
  const readings = await readFile(file, columns);
  const swing = swingOf(readings);
  let changedAt: number | undefined;
  const changed = ({ time, value }: Reading): Reading =>
    changedAt === undefined
      ? { time, value }
      : { time, value: value + swing.size * Math.sin((2 * Math.PI * (time - changedAt)) / swing.periodMs) };
  let latest = readings[0]!.time;
  const played = endless(readings, Date.now()).map((reading) => {
    latest = reading.time;
    return changed(reading);
  });
  return {
    title: `${file} (${readings.length} readings)`,
    unit: '°',
    past: Math.floor(readings.length * filePast),
    patience: { calm: 100, settled: 60 },
    fresh: freshOf(readings),
    readings: played,
    change: () => {
      changedAt = latest;
      return `added by this replay: a swing of ±${swing.size.toFixed(2)}° every ${Math.round(swing.periodMs / 60_000)} min`;
    },
  };
}

/** Laps that must fit before the present: readings from the future would be refused. */
const lapsBeforeNow = 4;

/** The readings over and over, each lap later by whole days (weeks, for long files), so that the time of day stays what it was. */
function* endless(readings: readonly Reading[], now: number): Generator<Reading, undefined> {
  const span = readings.at(-1)!.time - readings[0]!.time;
  const unit = span > 3 * weekMs ? weekMs : dayMs;
  const lap = Math.ceil((span + 1) / unit) * unit;
  const early = Math.ceil(Math.max(0, readings[0]!.time + lapsBeforeNow * lap - now) / unit) * unit;
  for (let shift = -early; ; shift += lap) for (const { time, value } of readings) yield { time: time + shift, value };
}

/** Usual time from reading to reading, milliseconds. */
function distanceOf(readings: readonly Reading[]): number {
  return median(differences(readings.map(({ time }) => time)).filter((distance) => distance > 0));
}

/** Readings to gather after an alarm: a forecaster of dense readings works on ten-minute means, and three hundred of these are enough to learn a change. */
function freshOf(readings: readonly Reading[]): number {
  return Math.round(Math.min(5000, Math.max(1000, (300 * 600_000) / distanceOf(readings))));
}

/** The fastest that the added swing may be: several means long, whatever the readings' distance. */
const shortestSwingMs = 5_400_000;

/** A change that no model of these readings has seen: its size from theirs, its period from their distance. */
function swingOf(readings: readonly Reading[]): { readonly size: number; readonly periodMs: number } {
  const steps = differences(readings.map(({ value }) => value)).map(Math.abs);
  const values = readings.map(({ value }) => value).sort((a, b) => a - b);
  const spread = values[Math.floor(values.length * 0.9)]! - values[Math.floor(values.length * 0.1)]!;
  return {
    size: Math.max(8 * median(steps), spread / 2),
    periodMs: Math.max(10 * distanceOf(readings), shortestSwingMs),
  };
}

function differences(values: readonly number[]): number[] {
  return values.slice(1).map((value, i) => value - values[i]!);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
}

async function readFile(file: string, columns: FileColumns): Promise<Reading[]> {
  const found = await stat(file).catch(() => undefined);
  if (!found?.isFile()) throw new SanderlingError('NOT_FOUND', `there is no file ${file}`, { where: file });
  const readings: Reading[] = [];
  for await (const batch of readTable(createReadStream(file), { ...columns, name: file })) readings.push(...batch);
  if (readings.length >= fewest) return readings.slice(-most);
  throw new SanderlingError(
    'TOO_LITTLE_DATA',
    `${file} has ${readings.length} readings; the loop needs at least ${fewest}`,
    { where: file, fix: 'give a longer file' },
  );
}
