// Models on disk: reading with external data resolved, writing with large tensors beside the model.
import { open, readFile, realpath, rm, stat, type FileHandle } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, sep } from 'node:path';
import { SanderlingError, toSanderlingError, writeFileAtomic } from '@sanderling/kit';
import { byteLength } from './data-types.ts';
import { elementCount, type Model, type Tensor } from './ir.ts';
import { mapTensors } from './map-tensors.ts';
import { decodeModel } from './wire/decode.ts';
import { encodeModel } from './wire/encode.ts';

/** How a file is read. */
export interface ReadOptions {
  /** Read tensors that lie in other files. Without, they keep `external` and have no data. @default true */
  readonly external?: boolean;
  /** Largest file taken, in bytes, of the model and of each external tensor. @default 2 GiB */
  readonly maxBytes?: number;
  /** Most external data in all, in bytes. @default 16 GiB */
  readonly maxExternalBytes?: number;
}

/**
 * Reads a model file. External tensors are read only from the model's own folder or below it, never through a link that leaves it.
 * Tensors that share their place there share their bytes.
 * @throws NOT_FOUND, FORBIDDEN …; INVALID_ARGUMENT for what is no file; CORRUPT, INVALID_MODEL, TOO_LARGE as `decodeModel`; INVALID_MODEL for external data
 *   that are outside, too short, or claimed by more tensors than they can hold.
 */
export async function readModel(path: string, options: ReadOptions = {}): Promise<Model> {
  const { external = true, maxBytes = 2 ** 31, maxExternalBytes = 2 ** 34 } = options;
  const model = decodeModel(await bytesOf(path, maxBytes));
  if (!external) return model;
  const found = externalTensors(model);
  if (found.length === 0) return model;
  const limits = { maxBytes, maxExternalBytes };
  const data = new Map<Tensor, Uint8Array>();
  const used = { bytes: 0 };
  for (const [location, tensors] of Map.groupBy(found, (tensor) => tensor.external!.location))
    await readExternal({ path, location, tensors, limits, used }, (tensor, bytes) => data.set(tensor, bytes));
  return mapTensors(model, (tensor) => {
    const bytes = data.get(tensor);
    if (!bytes) return tensor;
    const { external: _, ...rest } = tensor;
    return { ...rest, data: bytes };
  });
}

/** The tensors whose bytes lie in other files. */
function externalTensors(model: Model): Tensor[] {
  const found: Tensor[] = [];
  mapTensors(model, (tensor) => {
    if (tensor.external) found.push(tensor);
    return tensor;
  });
  return found;
}

async function bytesOf(path: string, maxBytes: number): Promise<Uint8Array> {
  try {
    const found = await stat(path);
    const { size } = found;
    if (!found.isFile()) throw new SanderlingError('INVALID_ARGUMENT', `${path} is no file`, { where: path });
    if (size > maxBytes)
      throw new SanderlingError('TOO_LARGE', `${path} has ${size} bytes, more than ${maxBytes}`, { where: path });
    return await readFile(path);
  } catch (error) {
    if (error instanceof SanderlingError) throw error;
    const known = toSanderlingError(error);
    throw new SanderlingError(known.code, `cannot read ${path}: ${known.message}`, { where: path, cause: error });
  }
}

interface ExternalFile {
  /** Of the model. */
  readonly path: string;
  readonly location: string;
  readonly tensors: readonly Tensor[];
  readonly limits: { readonly maxBytes: number; readonly maxExternalBytes: number };
  /** External bytes of the whole model so far. */
  readonly used: { bytes: number };
}

/** Reads the tensors that lie in one file, each place once. What they claim is checked before any of it is read. */
async function readExternal(of: ExternalFile, give: (tensor: Tensor, bytes: Uint8Array) => void): Promise<void> {
  const { location, limits, used } = of;
  const places = Map.groupBy(of.tensors, (tensor) => `${tensor.external!.offset} ${bytesIn(tensor)}`);
  let claimed = 0;
  for (const [tensor] of places.values()) {
    const wanted = bytesIn(tensor!);
    const { length } = tensor!.external!;
    if (length !== undefined && length !== wanted)
      throw outside(location, `holds ${length} bytes for a tensor of ${wanted}`);
    if (wanted > limits.maxBytes) throw tooLarge(location, `a tensor in ${location} has ${wanted} bytes`);
    claimed += wanted;
  }
  const real = await safePath(location, of.path);
  const found = await stat(real);
  if (!found.isFile()) throw outside(location, 'is no file');
  if (claimed > found.size) throw outside(location, `has ${found.size} bytes and tensors claim ${claimed} of it`);
  used.bytes += claimed;
  if (used.bytes > limits.maxExternalBytes)
    throw tooLarge(location, `the external data have more than ${limits.maxExternalBytes} bytes`);
  await using file = await open(real, 'r').catch((cause: unknown) => {
    const { code, message } = toSanderlingError(cause);
    throw new SanderlingError(code, `cannot read ${location}: ${message}`, { where: location, cause });
  });
  for (const tensors of places.values()) {
    const [offset, wanted] = [tensors[0]!.external!.offset, bytesIn(tensors[0]!)];
    if (offset + wanted > found.size)
      throw outside(location, `has ${found.size} bytes and the tensor ends at ${offset + wanted}`);
    const bytes = await bytesAt(file, offset, wanted);
    if (bytes.length < wanted) throw outside(location, 'became shorter while it was read');
    for (const tensor of tensors) give(tensor, bytes);
  }
}

const bytesIn = ({ dtype, dims }: Tensor): number => byteLength(dtype, elementCount(dims));

/** What one call of the operating system reads at most; a larger tensor takes several. */
const largestRead = 2 ** 30;

/** Bytes of an open file; fewer when it ends before. */
async function bytesAt(file: FileHandle, offset: number, wanted: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(wanted);
  let at = 0;
  while (at < wanted) {
    const { bytesRead } = await file.read(bytes, at, Math.min(largestRead, wanted - at), offset + at);
    if (bytesRead === 0) break;
    at += bytesRead;
  }
  return bytes.subarray(0, at);
}

const tooLarge = (where: string, what: string): SanderlingError => new SanderlingError('TOO_LARGE', what, { where });

function outside(location: string, what: string): SanderlingError {
  return new SanderlingError('INVALID_MODEL', `the external data file ${location} ${what}`, { where: location });
}

async function safePath(location: string, modelPath: string): Promise<string> {
  const folder = await realpath(dirname(modelPath));
  if (isAbsolute(location)) throw outside(location, 'is not relative to the model');
  let path: string;
  try {
    path = await realpath(join(folder, location));
  } catch (cause) {
    throw new SanderlingError('NOT_FOUND', `the external data file ${location} is missing`, { where: location, cause });
  }
  const inside = relative(folder, path);
  if (inside === '..' || inside.startsWith(`..${sep}`) || isAbsolute(inside))
    throw outside(location, "lies outside the model's folder");
  return path;
}

/** How a file is written. */
export interface WriteOptions {
  /**
   * Put tensors of at least this many bytes into a file beside the model, `NAME.data`, or `NAME.2.data` while the model that is being replaced uses the
   * first. @default none: all in one file
   */
  readonly externalFrom?: number;
}

/** Alignment of tensors in an external file, in bytes: what memory mapping wants. */
const alignment = 4096;

/**
 * Writes a model atomically; its external data before it and under a name that the model there before does not use, so that whenever the writing
 * is cut off there is the old model with its data or the new one with its own. Data of the old one are removed last.
 * @throws as `encodeModel` and `writeFileAtomic`.
 */
export async function writeModel(path: string, model: Model, options: WriteOptions = {}): Promise<void> {
  const { externalFrom = Number.POSITIVE_INFINITY } = options;
  const name = basename(path);
  const [before, kept] = [await locationsAt(path), locationsOf(model)];
  let location = `${name}.data`;
  for (let n = 2; before.has(location) || kept.has(location); n += 1) location = `${name}.${n}.data`;
  const { moved, bytes } = apart(model, externalFrom, location);
  if (bytes.length > 0) await writeFileAtomic(join(dirname(path), location), bytes);
  await writeFileAtomic(path, encodeModel(moved));
  const ours = (other: string) => other.startsWith(`${name}.`) && /^(\d+\.)?data$/.test(other.slice(name.length + 1));
  const stale = [...before].filter((other) => ours(other) && !kept.has(other));
  for (const other of stale) await rm(join(dirname(path), other), { force: true });
}

const locationsOf = (model: Model): ReadonlySet<string> =>
  new Set(externalTensors(model).map(({ external }) => external!.location));

/** Where the data of the model at a path lie; nowhere when there is none that can be read. */
async function locationsAt(path: string): Promise<ReadonlySet<string>> {
  try {
    return locationsOf(await readModel(path, { external: false }));
  } catch {
    return new Set();
  }
}

/** The model with its large tensors in the bytes of another file. */
function apart(model: Model, externalFrom: number, location: string): { moved: Model; bytes: Uint8Array } {
  const chunks: { readonly at: number; readonly data: Uint8Array }[] = [];
  let end = 0;
  const moved = mapTensors(model, (tensor) => {
    if (tensor.external || tensor.strings || tensor.data.length < externalFrom) return tensor;
    const at = Math.ceil(end / alignment) * alignment;
    chunks.push({ at, data: tensor.data });
    end = at + tensor.data.length;
    return {
      ...tensor,
      data: new Uint8Array(),
      external: { location, offset: at, length: tensor.data.length, checksum: undefined },
    };
  });
  const bytes = new Uint8Array(end);
  for (const { at, data } of chunks) bytes.set(data, at);
  return { moved, bytes };
}
