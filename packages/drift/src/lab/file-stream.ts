// A recorded stream from a file: CSV or ARFF, plain, gzip, or as the first file of a zip. The last column is the label unless told otherwise.
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { SanderlingError, toSanderlingError } from '@sanderling/kit';
import type { DriftPoint, DriftStream, StreamSample } from '../streams/stream.ts';
import { firstFileOf } from './unzip.ts';

/** Settings of a recorded stream. */
export interface FileStreamOptions {
  readonly path: string;
  /** Known drift points, samples from 0. @default none */
  readonly drifts?: readonly DriftPoint[];
  /** Whether the last column is a label. @default true */
  readonly labelled?: boolean;
  /** Digest of the file when the lab was planned: results of another version of it are not taken for this one's. */
  readonly digest?: string;
}

/** Largest unpacked file, bytes. */
const largest = 512 << 20;

/** Reads a recorded stream. @throws NOT_FOUND, INVALID_DATA naming the line, CORRUPT */
export function fileStream(name: string, options: FileStreamOptions): DriftStream {
  const { drifts = [], labelled = true } = options;
  const { rows, labels, features } = parse(textOf(options.path), labelled, options.path);
  const length = rows.length / features;
  return {
    name,
    features,
    labelled,
    length,
    drifts,
    *samples(): Generator<StreamSample, void, undefined> {
      for (let i = 0; i < length; i++) {
        yield { x: rows.subarray(i * features, (i + 1) * features), label: labels[i] ?? 0 };
      }
    },
  };
}

function textOf(path: string): string {
  try {
    const bytes = readFileSync(path);
    if (path.endsWith('.gz')) return unzipped(bytes, path).toString('utf8');
    return (path.endsWith('.zip') ? firstFileOf(bytes) : bytes).toString('utf8');
  } catch (error) {
    throw toSanderlingError(error);
  }
}

function unzipped(bytes: Buffer, where: string): Buffer {
  try {
    return gunzipSync(bytes, { maxOutputLength: largest });
  } catch (cause) {
    throw new SanderlingError('CORRUPT', 'the file does not unpack', { where, cause });
  }
}

interface Parsed {
  readonly rows: Float64Array;
  readonly labels: readonly number[];
  readonly features: number;
}

/** Lines of comma-separated cells; ARFF's header and comments, and a CSV's line of names, are passed over. */
function parse(text: string, labelled: boolean, where: string): Parsed {
  const lines = text.split(/\r?\n/);
  const first = lines.findIndex((line) => /^@data/i.test(line)) + 1;
  const numbers: number[] = [];
  const names = new Map<string, number>();
  const labels: number[] = [];
  let features = 0;
  lines.slice(first).forEach((line, i) => {
    if (line.trim() === '' || line.startsWith('%')) return;
    const cells = line.split(',').map((cell) => cell.trim());
    const label = labelled ? (cells.pop() as string) : '';
    if (features === 0) features = cells.length;
    const values = cells.map(Number);
    if (cells.length === features && cells.every((cell, j) => cell !== '' && Number.isFinite(values[j]))) {
      numbers.push(...values);
      if (!names.has(label)) names.set(label, names.size);
      labels.push(names.get(label) as number);
    } else if (i > 0 || first > 0) {
      throw new SanderlingError(
        'INVALID_DATA',
        `line ${first + i + 1} is not ${features} numbers${labelled ? ' and a label' : ''}`,
        {
          where,
        },
      );
    }
  });
  if (features === 0 || labels.length === 0)
    throw new SanderlingError('INVALID_DATA', 'the file has no samples', { where });
  return { rows: Float64Array.from(numbers), labels, features };
}
