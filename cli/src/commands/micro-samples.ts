// Samples of a model's inputs from files: NPY, JSON, rows of CSV, raw numbers. For calibration and for running.
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { createRandom, SanderlingError, toSanderlingError } from '@sanderling/kit';
import type { TensorArray } from '@sanderling/onnx';
import { bad, numbersAt, rawKinds, readNpy, typed, type Numbers } from './micro-numbers.ts';

/** An input that wants values. */
export interface InputPort {
  readonly name: string;
  readonly dtype: string;
  readonly dims: readonly number[];
  readonly count: number;
}

/** Values of each input, by name. */
export type Sample = Readonly<Record<string, TensorArray>>;

const suffixes = ['.npy', '.json', '.csv', '.bin'] as const;
/** Largest file that is read, and the most that samples may take of the memory, in bytes. */
const [mostBytes, mostSampleBytes] = [2 ** 27, 2 ** 30];

/**
 * Reads the samples of a file or of all files of a folder, in the order of their names. With several inputs NPY, CSV and raw files tell by their name
 * which one they are for (`NAME.npy`, `NAME.0001.npy`); JSON has objects of them.
 * @throws NOT_FOUND; INVALID_DATA naming file and what it should hold; TOO_LITTLE_DATA when there is none; TOO_LARGE.
 */
export async function readSamples(path: string, ports: readonly InputPort[]): Promise<readonly Sample[]> {
  const files = await filesOf(path);
  const columns = new Map(ports.map(({ name }) => [name, [] as TensorArray[]]));
  let total = 0;
  for (const file of files) {
    const bytes = await bytesOf(file);
    for (const [name, values] of valuesOf(file, bytes, ports)) {
      columns.get(name)!.push(values);
      total += values.byteLength;
    }
    if (total > mostSampleBytes)
      throw new SanderlingError('TOO_LARGE', `the samples of ${path} take more than ${mostSampleBytes} bytes`, {
        where: path,
        fix: 'give fewer: some hundred that are like what the model will see are enough',
      });
  }
  const counts = new Set(Array.from(columns.values(), ({ length }) => length));
  const [count = 0] = counts;
  if (counts.size > 1)
    throw new SanderlingError(
      'INVALID_DATA',
      `the inputs have different numbers of samples: ${Array.from(columns, ([name, { length }]) => `${name} ${length}`).join(', ')}`,
      { where: path },
    );
  if (count === 0 && ports.length > 0)
    throw new SanderlingError('TOO_LITTLE_DATA', `there are no samples in ${path}`, {
      where: path,
      fix: wanted(ports),
    });
  return Array.from({ length: count }, (_, i) =>
    Object.fromEntries(Array.from(columns, ([name, values]) => [name, values[i]!])),
  );
}

/**
 * Samples to measure ranges on.
 * @throws as {@link readSamples}; INVALID_DATA for numbers that are not finite, and for an input that is always zero: it has no range.
 */
export async function readCalibration(path: string, ports: readonly InputPort[]): Promise<readonly Sample[]> {
  const samples = await readSamples(path, ports);
  for (const { name, dtype } of ports) {
    if (!dtype.startsWith('float')) continue;
    const odd = samples.findIndex((sample) => (sample[name] as Float32Array).some((value) => !Number.isFinite(value)));
    if (odd >= 0)
      throw new SanderlingError('INVALID_DATA', `sample ${odd + 1} of the input "${name}" holds NaN or infinity`, {
        where: path,
        fix: 'leave such samples out',
      });
    if (samples.every((sample) => (sample[name] as Float32Array).every((value) => value === 0)))
      throw new SanderlingError('INVALID_DATA', `the input "${name}" is zero in every sample and has no range`, {
        where: path,
        fix: wanted(ports),
      });
  }
  return samples;
}

/** What files of samples look like, for people. */
export function wanted(ports: readonly InputPort[]): string {
  const inputs = ports.map(
    ({ name, dtype, dims, count }) => `"${name}" ${dtype} [${dims.join(', ')}] (${count} numbers)`,
  );
  return `give a folder or file of samples (.npy, .json, or .csv with one sample a row) for ${inputs.join(', ')}`;
}

/** Random samples: floats uniform in −1 … 1, small whole numbers, bits. */
export function randomSamples(ports: readonly InputPort[], count: number, seed: number): readonly Sample[] {
  const random = createRandom(seed, 'micro-samples');
  const draw = (dtype: string): number =>
    dtype.startsWith('float') ? random.uniform(-1, 1) : dtype === 'bool' ? random.int(0, 1) : random.int(0, 7);
  return Array.from({ length: count }, () =>
    Object.fromEntries(
      ports.map(({ name, dtype, count: size }) => [
        name,
        typed(
          dtype,
          Array.from({ length: size }, () => draw(dtype)),
        ),
      ]),
    ),
  );
}

async function filesOf(path: string): Promise<readonly string[]> {
  const found = await stat(path).catch((error: unknown) => {
    throw new SanderlingError(toSanderlingError(error).code, `there are no samples at ${path}`, { where: path });
  });
  if (!found.isDirectory()) return [path];
  const entries = await readdir(path, { withFileTypes: true });
  const names = entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name);
  const read = names.filter((name) => (suffixes as readonly string[]).includes(extname(name)));
  return read.toSorted().map((name) => join(path, name));
}

async function bytesOf(path: string): Promise<Buffer> {
  const { size } = await stat(path);
  if (size > mostBytes)
    throw new SanderlingError('TOO_LARGE', `${path} has ${size} bytes, more than ${mostBytes}`, { where: path });
  return readFile(path);
}

type Named = readonly [string, TensorArray];

/** Input name and values of each sample in a file. @throws INVALID_DATA. */
export function valuesOf(file: string, bytes: Buffer, ports: readonly InputPort[]): readonly Named[] {
  const kind = extname(file);
  if (kind === '.json') return fromJson(file, bytes.toString('utf8'), ports);
  const port = portOf(file, ports);
  if (kind === '.npy') return fromNpy(file, bytes, port);
  if (kind === '.csv') return fromCsv(file, bytes.toString('utf8'), port);
  if (kind === '.bin')
    return split(
      file,
      port,
      numbersAt(file, bytes, rawKinds[port.dtype] ?? bad(file, `raw files cannot hold ${port.dtype}`)),
    );
  return bad(file, `samples are ${suffixes.join(', ')}`);
}

function portOf(file: string, ports: readonly InputPort[]): InputPort {
  const name = basename(file, extname(file));
  const named = ports.find((port) => name === port.name || name.startsWith(`${port.name}.`));
  if (named) return named;
  if (ports.length === 1) return ports[0]!;
  return bad(file, `the file's name must begin with an input's: ${ports.map((port) => port.name).join(', ')}`);
}

/** An array of one sample, of n of them, or of their numbers in a row. One of another order of axes would calibrate on something else unseen. */
function fromNpy(file: string, bytes: Buffer, port: InputPort): readonly Named[] {
  const { dims, numbers } = readNpy(file, bytes);
  const axes = (sizes: readonly number[]): string => sizes.filter((size) => size !== 1).join();
  const one = axes(port.dims);
  const [, ...rest] = dims;
  const isFlat = rest.length === 0 || (rest.length === 1 && rest[0] === port.count);
  if (!isFlat && axes(dims) !== one && axes(rest) !== one)
    bad(
      file,
      `an array [${dims.join(', ')}] is no sample of the input "${port.name}" [${port.dims.join(', ')}], nor a row of them`,
    );
  return split(file, port, numbers);
}

/** Cuts a row of numbers into samples. */
function split(file: string, port: InputPort, numbers: Numbers | readonly number[]): readonly Named[] {
  const { name, dtype, count } = port;
  if (numbers.length === 0 || numbers.length % count !== 0)
    bad(file, `${numbers.length} numbers are no multiple of the ${count} of the input "${name}"`);
  return Array.from({ length: numbers.length / count }, (_, i) => [
    name,
    typed(dtype, numbers.slice(i * count, (i + 1) * count)),
  ]);
}

function fromCsv(file: string, text: string, port: InputPort): readonly Named[] {
  const rows = text.split(/\r?\n/).filter((row) => row.trim() !== '');
  const cellsOf = (row: string): readonly number[] =>
    row.split(/[,;\t]/).map((cell) => (cell.trim() === '' ? Number.NaN : Number(cell)));
  const named = rows.length > 0 && cellsOf(rows[0]!).some(Number.isNaN);
  return rows.slice(named ? 1 : 0).flatMap((line, i) => {
    const row = cellsOf(line);
    if (row.length !== port.count || row.some(Number.isNaN))
      bad(file, `row ${i + 1} is not ${port.count} numbers, one sample of the input "${port.name}"`);
    return split(file, port, row);
  });
}

function fromJson(file: string, text: string, ports: readonly InputPort[]): readonly Named[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    bad(file, `this is no JSON: ${(error as Error).message}`);
  }
  const isObject = (one: unknown): one is Record<string, unknown> =>
    typeof one === 'object' && one !== null && !Array.isArray(one);
  const objects = isObject(value)
    ? [value]
    : Array.isArray(value) && value.some(isObject)
      ? (value as unknown[])
      : undefined;
  if (objects === undefined) {
    if (ports.length !== 1)
      bad(file, `there are ${ports.length} inputs: give objects of ${ports.map(({ name }) => name).join(', ')}`);
    return split(file, ports[0]!, flat(file, value));
  }
  return objects.flatMap((object) =>
    ports.flatMap((port) => {
      if (!isObject(object) || !Object.hasOwn(object, port.name)) return bad(file, `a sample has no "${port.name}"`);
      const numbers = flat(file, object[port.name]);
      if (numbers.length !== port.count)
        bad(file, `"${port.name}" has ${numbers.length} numbers instead of ${port.count}`);
      return split(file, port, numbers);
    }),
  );
}

function flat(file: string, value: unknown): readonly number[] {
  const out: number[] = [];
  const rest: unknown[] = [value];
  while (rest.length > 0) {
    const next = rest.pop();
    if (typeof next === 'number') out.push(next);
    else if (typeof next === 'boolean') out.push(Number(next));
    else if (Array.isArray(next)) for (let i = next.length - 1; i >= 0; i -= 1) rest.push(next[i]);
    else bad(file, 'samples are numbers in arrays');
  }
  return out;
}
