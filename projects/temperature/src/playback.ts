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
/** The simulation begins in early winter: six weeks of heating days lie behind the device, and more before it. */
const simulatedStart = Date.UTC(2025, 10, 20);

/** A simulated room that changes on request. */
export function simulatedPlayback(seed: number, change: RoomChange): Playback {
  const room = new RoomSimulation({ seed, start: simulatedStart });
  return {
    title: `a simulated room (seed ${seed})`,
    unit: '°C',
    past: simulatedPast,
    readings: room,
    change: () => {
      room.change(change);
      return change;
    },
  };
}

/** How the readings of a file are split: what the device had before, and what it lives through. */
const filePast = 0.55;
/** Fewest readings with which the loop can close. */
const fewest = 2500;

/** Where the columns are; found by themselves when not told. */
export interface FileColumns {
  readonly timeColumn?: string;
  readonly valueColumn?: string;
}

/**
 * A user's own readings. They seldom hold a change at the right moment, so `change()` adds one openly: from then on an unseen heat source
 * swings the readings up and down, three times the size of their usual step-to-step movement, with a period of ten readings.
 */
export async function filePlayback(file: string, columns: FileColumns): Promise<Playback> {
  const readings = await readFile(file, columns);
  const amplitude = swingOf(readings);
  let changedAt: number | undefined;
  let count = 0;
  const swing = (reading: Reading): Reading => {
    count++;
    if (changedAt === undefined) return reading;
    return {
      time: reading.time,
      value: reading.value + amplitude * Math.sin((2 * Math.PI * (count - changedAt)) / 10),
    };
  };
  return {
    title: `${file} (${readings.length} readings)`,
    unit: '°',
    past: Math.floor(readings.length * filePast),
    readings: readings.values().map(swing),
    change: () => {
      changedAt = count;
      return `added by this replay: a swing of ±${amplitude.toFixed(2)}°`;
    },
  };
}

async function readFile(file: string, columns: FileColumns): Promise<Reading[]> {
  const found = await stat(file).catch(() => undefined);
  if (!found?.isFile()) throw new SanderlingError('NOT_FOUND', `there is no file ${file}`, { where: file });
  const readings: Reading[] = [];
  for await (const batch of readTable(createReadStream(file), { ...columns, name: file })) readings.push(...batch);
  if (readings.length >= fewest) return readings;
  throw new SanderlingError(
    'TOO_LITTLE_DATA',
    `${file} has ${readings.length} readings; the loop needs at least ${fewest}`,
    { where: file, fix: 'give a longer file' },
  );
}

/** Four times the usual size of a step, at least a fifth of the values' spread. */
function swingOf(readings: readonly Reading[]): number {
  const steps = readings
    .slice(1)
    .map((reading, i) => Math.abs(reading.value - readings[i]!.value))
    .sort((a, b) => a - b);
  const values = readings.map((reading) => reading.value).sort((a, b) => a - b);
  const spread = values[Math.floor(values.length * 0.9)]! - values[Math.floor(values.length * 0.1)]!;
  return Math.max(4 * (steps[Math.floor(steps.length / 2)] ?? 0), spread / 5);
}
