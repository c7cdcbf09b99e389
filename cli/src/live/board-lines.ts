// What the sensor and the board say to each other on the console: lines of hexadecimal words (packages/micro/firmware/device/ports_board.c).
import type { Reading } from '@sanderling/series';

/** What came of a reading. Errors and forecasts in the unit of the data. */
export interface BoardAnswer {
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly value: number;
  /** Whether the device keeps it: it was newer than the newest. */
  readonly taken: boolean;
  /** Forecasts since the model was started. */
  readonly predictions: number;
  readonly forecast: readonly number[];
  /** Absolute error of the newest forecast that this reading settled; null when it settled none. */
  readonly error: number | null;
  readonly driftScore: number;
  readonly rollingError: number | null;
  readonly alarm: 'raised' | 'ended' | null;
}

/** Flags of sanderling_entry.h. */
const flags = { forecast: 1, residual: 2, raised: 8, ended: 16 };
const words = { value: 2, taken: 3, predictions: 4, flags: 5, residual: 6, score: 7, error: 8, forecast: 9 };

/** The sensor's line for a reading. */
export function sensorLine({ time, value }: Reading): string {
  const bytes = Buffer.alloc(12);
  bytes.writeBigInt64BE(BigInt(Math.round(time)));
  bytes.writeFloatBE(value, 8);
  return `R ${bytes.toString('hex', 0, 8)} ${bytes.toString('hex', 8)}\n`;
}

/** Reads the board's line; undefined for anything else that it prints. */
export function readAnswer(line: string): BoardAnswer | undefined {
  if (!/^@( [0-9a-f]{8}){9,15}$/.test(line)) return undefined;
  const bytes = Buffer.from(line.slice(1).replaceAll(' ', ''), 'hex');
  const word = (at: number): number => bytes.readUInt32BE(4 * at);
  const float = (at: number): number => bytes.readFloatBE(4 * at);
  const seen = word(words.flags);
  const has = (flag: number): boolean => (seen & flag) !== 0;
  const rolling = float(words.error);
  const predictions = word(words.predictions);
  return {
    time: Number(bytes.readBigInt64BE(0)),
    value: float(words.value),
    taken: word(words.taken) === 1,
    predictions,
    forecast: has(flags.forecast)
      ? Array.from({ length: bytes.length / 4 - words.forecast }, (_, i) => float(words.forecast + i))
      : [],
    error: has(flags.residual) ? Math.abs(float(words.residual)) : null,
    driftScore: float(words.score),
    rollingError: rolling >= 0 && predictions > 0 ? rolling : null,
    alarm: has(flags.raised) ? 'raised' : has(flags.ended) ? 'ended' : null,
  };
}
