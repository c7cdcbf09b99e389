// Models on disk: reading with external data resolved, writing with large tensors beside the model.
import { open, readFile, realpath, stat } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, sep } from 'node:path';
import { SanderlingError, toSanderlingError, writeFileAtomic } from '@sanderling/kit';
import { byteLength } from './data-types.ts';
import { elementCount, type Model, type Tensor } from './ir.ts';
import { mapTensors } from './map-tensors.ts';
import { decodeModel } from './wire/decode.ts';
import { encodeModel } from './wire/encode.ts';

export interface ReadOptions {
  /** Read tensors that lie in other files. Without, they keep `external` and have no data. @default true */
  readonly external?: boolean;
  /** Largest file taken, in bytes, of the model and of each external tensor. @default 2 GiB */
  readonly maxBytes?: number;
}

/**
 * Reads a model file. External tensors are read only from the model's own folder or below it, never through a link that leaves it.
 * @throws NOT_FOUND, FORBIDDEN …; CORRUPT, INVALID_MODEL, TOO_LARGE as `decodeModel`; INVALID_MODEL for external data that are outside or too short.
 */
export async function readModel(path: string, options: ReadOptions = {}): Promise<Model> {
  const { external = true, maxBytes = 2 ** 31 } = options;
  const model = decodeModel(await bytesOf(path, maxBytes));
  if (!external) return model;
  const found: Tensor[] = [];
  mapTensors(model, (tensor) => {
    if (tensor.external) found.push(tensor);
    return tensor;
  });
  if (found.length === 0) return model;
  const data = new Map<Tensor, Uint8Array>();
  for (const tensor of found) data.set(tensor, await externalBytes(tensor, path, maxBytes));
  return mapTensors(model, (tensor) => {
    const bytes = data.get(tensor);
    if (!bytes) return tensor;
    const { external: _, ...rest } = tensor;
    return { ...rest, data: bytes };
  });
}

async function bytesOf(path: string, maxBytes: number): Promise<Uint8Array> {
  try {
    const { size } = await stat(path);
    if (size > maxBytes)
      throw new SanderlingError('TOO_LARGE', `${path} has ${size} bytes, more than ${maxBytes}`, { where: path });
    return await readFile(path);
  } catch (error) {
    if (error instanceof SanderlingError) throw error;
    const known = toSanderlingError(error);
    throw new SanderlingError(known.code, `cannot read ${path}: ${known.message}`, { where: path, cause: error });
  }
}

async function externalBytes(tensor: Tensor, modelPath: string, maxBytes: number): Promise<Uint8Array> {
  const { location, offset, length } = tensor.external!;
  const wanted = byteLength(tensor.dtype, elementCount(tensor.dims));
  if (length !== undefined && length !== wanted)
    throw outside(location, `holds ${length} bytes for a tensor of ${wanted}`);
  if (wanted > maxBytes)
    throw new SanderlingError('TOO_LARGE', `a tensor in ${location} has ${wanted} bytes`, { where: location });
  const path = await safePath(location, modelPath);
  await using file = await open(path, 'r');
  const { size } = await file.stat();
  if (offset + wanted > size) throw outside(location, `has ${size} bytes and the tensor ends at ${offset + wanted}`);
  const bytes = new Uint8Array(wanted);
  await file.read(bytes, 0, wanted, offset);
  return bytes;
}

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

export interface WriteOptions {
  /** Put tensors of at least this many bytes into a file beside the model, `<name>.data`. @default none: all in one file */
  readonly externalFrom?: number;
}

/** Alignment of tensors in an external file, in bytes: what memory mapping wants. */
const alignment = 4096;

/**
 * Writes a model atomically; its external data first, so that a crash never leaves a model without its data.
 * @throws as `encodeModel` and `writeFileAtomic`.
 */
export async function writeModel(path: string, model: Model, options: WriteOptions = {}): Promise<void> {
  const { externalFrom } = options;
  if (externalFrom === undefined) return writeFileAtomic(path, encodeModel(model));
  const location = `${basename(path)}.data`;
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
  await writeFileAtomic(`${path}.data`, bytes);
  await writeFileAtomic(path, encodeModel(moved));
}
