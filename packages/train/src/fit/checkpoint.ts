// Checkpoints: everything a training needs to go on bit for bit, in one file that is whole or absent.
// Layout: "SNDTRAIN" · uint32 header length · JSON header · tensors' bytes · SHA-256 of all before. Little-endian.
import { createHash } from 'node:crypto';
import { digestOf, readFileIfPresent, SanderlingError, toSanderlingError, writeFileAtomic } from '@sanderling/kit';
import { byteLength, tensorOf, typedData, type DataType, type RunTensor } from '@sanderling/onnx';
import type { StateEntry, TrainingPlan } from '../compile/plan.ts';
import type { EpochEvent } from './fit.ts';
import type { TrainingState } from './runtime.ts';

/** A training between two epochs. */
export interface Checkpoint {
  readonly history: readonly EpochEvent[];
  readonly best: { readonly epoch: number; readonly loss: number; readonly state: TrainingState };
  /** Parameters, buffers, the optimiser's memory and the step counter after the last epoch. */
  readonly state: TrainingState;
}

/** What a checkpoint must have been made for: the layout of the state and the seed. */
export type Fingerprint = string;

const magic = Buffer.from('SNDTRAIN', 'latin1');
const digestBytes = 32;
/** A header beyond this is no header. */
const largestHeader = 1 << 26;

interface Entry {
  readonly of: 'state' | 'best';
  readonly name: string;
  readonly dtype: DataType;
  readonly dims: readonly number[];
}

interface Header {
  readonly version: 1;
  readonly fingerprint: Fingerprint;
  readonly history: readonly EpochEvent[];
  readonly best: { readonly epoch: number; readonly loss: number | null };
  readonly entries: readonly Entry[];
}

/** The fingerprint of a training: another network, optimiser, loss, batch or seed gives another. */
export function fingerprintOf(of: {
  readonly state: readonly StateEntry[];
  readonly batch: number;
  readonly plan: Pick<TrainingPlan, 'network' | 'optimiser' | 'loss'>;
  readonly seed: number | string;
}): Fingerprint {
  const { network, optimiser, loss } = of.plan;
  return digestOf({
    state: of.state.map(({ name, dtype, dims }) => [name, dtype, [...dims]]),
    network: network.graph.nodes.map(({ opType, inputs, outputs }) => [opType, [...inputs], [...outputs]]),
    optimiser: optimiser.name,
    loss: loss.name,
    batch: of.batch,
    seed: of.seed,
  });
}

/** The bytes of a checkpoint. */
export function encodeCheckpoint({ history, best, state }: Checkpoint, fingerprint: Fingerprint): Uint8Array {
  const entries: Entry[] = [];
  const parts: Uint8Array[] = [];
  for (const [of, tensors] of [['state', state] as const, ['best', best.state] as const]) {
    for (const [name, { dtype, dims, data }] of tensors) {
      entries.push({ of, name, dtype, dims });
      const { buffer, byteOffset, byteLength: length } = data as Float32Array;
      parts.push(new Uint8Array(buffer, byteOffset, length));
    }
  }
  const loss = Number.isFinite(best.loss) ? best.loss : null;
  const header: Header = { version: 1, fingerprint, history, best: { epoch: best.epoch, loss }, entries };
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(text.length);
  const body = Buffer.concat([magic, length, text, ...parts]);
  return Buffer.concat([body, createHash('sha256').update(body).digest()]);
}

/**
 * Reads a checkpoint. @throws CORRUPT for damaged bytes; CONFLICT when it belongs to another training.
 */
export function decodeCheckpoint(bytes: Uint8Array, fingerprint: Fingerprint): Checkpoint {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const header = headerOf(all);
  if (header.fingerprint !== fingerprint) {
    throw new SanderlingError('CONFLICT', 'the checkpoint belongs to another training', {
      where: 'checkpoint',
      fix: 'use the network, optimiser, batch and seed that it was made with, or another path',
    });
  }
  let at = magic.length + 4 + all.readUInt32LE(magic.length);
  const found = { state: new Map<string, RunTensor>(), best: new Map<string, RunTensor>() };
  for (const { of, name, dtype, dims } of header.entries) {
    const length = byteLength(
      dtype,
      dims.reduce((product, dim) => product * dim, 1),
    );
    found[of].set(name, {
      dtype,
      dims,
      data: typedData({ ...tensorOf(dtype, [0], []), dims, data: new Uint8Array(all.subarray(at, at + length)) }),
    });
    at += length;
  }
  const loss = header.best.loss ?? Number.POSITIVE_INFINITY;
  return { history: header.history, state: found.state, best: { epoch: header.best.epoch, loss, state: found.best } };
}

function headerOf(all: Buffer): Header {
  const corrupt = (what: string) =>
    new SanderlingError('CORRUPT', `the checkpoint is damaged: ${what}`, { where: 'checkpoint' });
  if (all.length < magic.length + 4 + digestBytes || !all.subarray(0, magic.length).equals(magic))
    throw corrupt('it is no checkpoint');
  const body = all.subarray(0, all.length - digestBytes);
  if (!createHash('sha256').update(body).digest().equals(all.subarray(body.length)))
    throw corrupt('its digest does not fit');
  const length = all.readUInt32LE(magic.length);
  if (length > largestHeader || magic.length + 4 + length > body.length) throw corrupt('its header is too long');
  const header = JSON.parse(body.toString('utf8', magic.length + 4, magic.length + 4 + length)) as Header;
  if (header.version !== 1) throw corrupt(`it is of version ${String(header.version)}`);
  return header;
}

/** Reads the checkpoint at a path; undefined when there is none. @throws as {@link decodeCheckpoint}, and coded file errors. */
export async function readCheckpoint(path: string, fingerprint: Fingerprint): Promise<Checkpoint | undefined> {
  const bytes = await readFileIfPresent(path).catch((error: unknown) => {
    throw toSanderlingError(error);
  });
  return bytes === undefined ? undefined : decodeCheckpoint(bytes, fingerprint);
}

/** Writes a checkpoint atomically. @throws DISK_FULL and other file errors; the checkpoint before it is then untouched. */
export async function writeCheckpoint(path: string, checkpoint: Checkpoint, fingerprint: Fingerprint): Promise<void> {
  await writeFileAtomic(path, encodeCheckpoint(checkpoint, fingerprint));
}
