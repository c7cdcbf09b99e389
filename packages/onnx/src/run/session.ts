// Running models on ONNX Runtime. The runtime is loaded on first use; nothing of the model machinery is needed to run a file.
import { SanderlingError } from '@sanderling/kit';
import type { InferenceSession, OnnxValue, Tensor as OrtTensor } from 'onnxruntime-node';
import { dataTypes, type DataType } from '../data-types.ts';
import type { Model, ValueInfo } from '../ir.ts';
import type { TensorArray } from '../tensor.ts';

/** A tensor at run time: `data` is the type's typed array (strings as texts, float16 as codes in a Uint16Array), row-major. Results own their memory. */
export interface RunTensor {
  readonly dtype: DataType;
  readonly dims: readonly number[];
  readonly data: TensorArray | readonly string[];
}

/** How a session is opened. */
export interface SessionOptions {
  /** Threads of one operator. With 1 the runtime makes no thread of its own. @default 1 */
  readonly threads?: number;
  /** Graph optimisation by the runtime. @default 'extended' */
  readonly optimisation?: 'disabled' | 'basic' | 'extended' | 'all';
  /** Execution providers in order of preference. @default ['cpu'] */
  readonly providers?: readonly string[];
  /** The memory arena: faster with it, smaller without. @default true */
  readonly arena?: boolean;
  /** Gives up before loading. A run that has begun always ends; use `openSessionProcess` to be able to stop one. */
  readonly signal?: AbortSignal;
  /** More of the runtime's configuration entries, as `session.x.y` → text. @default none */
  readonly entries?: Readonly<Record<string, string>>;
}

/** How a model is run once. */
export interface RunOptions {
  /** Names of the outputs to compute. @default all */
  readonly outputs?: readonly string[];
  readonly signal?: AbortSignal;
}

/** What goes in, by input name. */
export type Feeds = Readonly<Record<string, RunTensor>>;

type Ort = typeof import('onnxruntime-node');
let runtime: Promise<Ort> | undefined;

function loadRuntime(): Promise<Ort> {
  runtime ??= import('onnxruntime-node').catch((cause: unknown) => {
    runtime = undefined;
    throw new SanderlingError('UNAVAILABLE', 'ONNX Runtime cannot be loaded on this machine', {
      cause,
      fix: 'install onnxruntime-node for this platform',
    });
  });
  return runtime;
}

/**
 * Opens a model for running. A path is read by the runtime itself, external data included.
 * @throws INVALID_MODEL or UNSUPPORTED when the runtime refuses it; NOT_FOUND for a missing file; CANCELLED.
 */
export async function openSession(source: Model | Uint8Array | string, options: SessionOptions = {}): Promise<Session> {
  throwIfAborted(options.signal);
  const ort = await loadRuntime();
  const model = await loadable(source);
  throwIfAborted(options.signal);
  try {
    const settings = settingsOf(options);
    const session =
      typeof model === 'string'
        ? await ort.InferenceSession.create(model, settings)
        : await ort.InferenceSession.create(model, settings);
    return new Session(session);
  } catch (error) {
    throw refusal(error);
  }
}

async function loadable(source: Model | Uint8Array | string): Promise<Uint8Array | string> {
  if (source instanceof Uint8Array) return source;
  if (typeof source !== 'string') return (await import('../wire/encode.ts')).encodeModel(source);
  try {
    if ((await (await import('node:fs/promises')).stat(source)).isFile()) return source;
  } catch (cause) {
    throw new SanderlingError('NOT_FOUND', `there is no model at ${source}`, { where: source, cause });
  }
  throw new SanderlingError('INVALID_ARGUMENT', `${source} is no file`, { where: source });
}

function settingsOf(options: SessionOptions): InferenceSession.SessionOptions {
  const { threads = 1, optimisation = 'extended', providers = ['cpu'], arena = true, entries = {} } = options;
  return {
    executionProviders: [...providers],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: optimisation,
    enableCpuMemArena: arena,
    // Measured in the lab: the same speed without memory patterns and up to 35 % less memory; idle pools must not spin.
    enableMemPattern: false,
    // What the runtime would print is in the error that it throws.
    logSeverityLevel: 4,
    extra: { session: nested({ 'session.force_spinning_stop': '1', 'session.set_denormal_as_zero': '1', ...entries }) },
  };
}

/** `session.a.b` → text, as the nested object that the binding flattens again. */
function nested(entries: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(entries).map(([key, value]) => [key.replace(/^session\./, ''), value]));
}

/** The messages with which the runtime says that it lacks something, not that the model is wrong. */
const lacks =
  /not implemented|NOT_IMPLEMENTED|Could not find an implementation|not supported|Unsupported model IR|is under development|not a registered|Unsupported data type|No Op registered/i;

function refusal(error: unknown): SanderlingError {
  if (error instanceof SanderlingError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new SanderlingError(
    lacks.test(message) ? 'UNSUPPORTED' : 'INVALID_MODEL',
    `ONNX Runtime refuses the model: ${message}`,
    { cause: error },
  );
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new SanderlingError('CANCELLED', 'cancelled', { cause: signal.reason });
}

/** A model ready to run. Runs block the event loop while they compute. */
export class Session implements AsyncDisposable {
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly #session: InferenceSession;
  readonly #running = new Set<Promise<unknown>>();
  #closed = false;

  constructor(session: InferenceSession) {
    this.#session = session;
    this.inputs = session.inputMetadata.map(infoOf);
    this.outputs = session.outputMetadata.map(infoOf);
  }

  /**
   * Runs the model once. Feeds are read in place; results are fresh arrays.
   * @throws INVALID_ARGUMENT naming the input for missing, unknown or wrong feeds; CANCELLED; INTERNAL when the runtime fails.
   */
  async run(feeds: Feeds, options: RunOptions = {}): Promise<Readonly<Record<string, RunTensor>>> {
    throwIfAborted(options.signal);
    if (this.#closed) throw new SanderlingError('UNAVAILABLE', 'the session is closed');
    const wanted = new Set(options.outputs);
    for (const info of this.outputs)
      if (options.outputs === undefined || wanted.has(info.name)) checkCarried('output', info);
    const given = this.#feeds(feeds);
    const running = options.outputs ? this.#session.run(given, [...options.outputs]) : this.#session.run(given);
    this.#running.add(running);
    try {
      const results = await running;
      return Object.fromEntries(Object.entries(results).map(([name, value]) => [name, resultOf(name, value)]));
    } catch (error) {
      if (error instanceof SanderlingError) throw error;
      const message = error instanceof Error ? error.message : String(error);
      const code = /Got invalid dimensions|Unexpected input data type|Invalid Feed|fetches/i.test(message)
        ? 'INVALID_ARGUMENT'
        : 'INTERNAL';
      throw new SanderlingError(code, `ONNX Runtime failed: ${message}`, { cause: error });
    } finally {
      this.#running.delete(running);
    }
  }

  /** Frees the model's memory. Runs in progress end first. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.allSettled(this.#running);
    await this.#session.release();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #feeds(feeds: Feeds): Record<string, OrtTensor> {
    const given: Record<string, OrtTensor> = {};
    for (const info of this.inputs) {
      const feed = feeds[info.name];
      if (feed === undefined) throw bad(info.name, 'is missing');
      checkCarried('input', info);
      checkFeed(info, feed);
      given[info.name] = tensorOf(feed);
    }
    for (const name of Object.keys(feeds)) if (!given[name]) throw bad(name, 'is not an input of the model');
    return given;
  }
}

/** The types that the runtime's binding carries over. An output of another type (int4) would abort the whole process. */
const carried: ReadonlySet<DataType> = new Set<DataType>(
  'float32 float64 float16 int8 uint8 int16 uint16 int32 uint32 int64 uint64 bool string'.split(' ') as DataType[],
);

function checkCarried(what: 'input' | 'output', { name, dtype }: ValueInfo): void {
  if (carried.has(dtype)) return;
  const type = dtype === 'undefined' ? 'no tensor' : dtype;
  throw new SanderlingError(
    'UNSUPPORTED',
    `the ${what} "${name}" is ${type}, which ONNX Runtime's binding for Node does not carry`,
    {
      where: name,
      fix: 'cast it inside the model, or ask for other outputs',
    },
  );
}

const bad = (name: string, what: string): SanderlingError =>
  new SanderlingError('INVALID_ARGUMENT', `the input "${name}" ${what}`, { where: name });

/**
 * What the runtime's binding reads of a tensor: these four fields. Its own class would turn 16-bit floats into a Float16Array, which
 * the binding (1.30) then takes for empty.
 */
function tensorOf({ dtype, dims, data }: RunTensor): OrtTensor {
  return { type: dtype, dims, data, location: 'cpu' } as unknown as OrtTensor;
}

/** Whether the elements are held as the type wants them. */
function fitsType({ dtype, data }: RunTensor): boolean {
  if (dtype === 'string') return Array.isArray(data) && data.every((item) => typeof item === 'string');
  const { array } = dataTypes[dtype];
  return array !== undefined && data instanceof array;
}

function checkFeed({ name, dtype, shape }: ValueInfo, feed: RunTensor): void {
  if (dtype !== 'undefined' && feed.dtype !== dtype) throw bad(name, `is ${feed.dtype} and the model takes ${dtype}`);
  if (!fitsType(feed)) throw bad(name, `does not hold its ${feed.dtype} elements in the array of that type`);
  let count = 1;
  for (const dim of feed.dims) count *= Number.isInteger(dim) && dim >= 0 ? dim : NaN;
  if (feed.data.length !== count) throw bad(name, `has ${feed.data.length} elements for [${feed.dims.join(', ')}]`);
  if (!shape) return;
  const fits =
    shape.length === feed.dims.length && shape.every((dim, i) => typeof dim !== 'number' || dim === feed.dims[i]);
  if (!fits)
    throw bad(name, `is [${feed.dims.join(', ')}] and the model takes [${shape.map((dim) => dim ?? '?').join(', ')}]`);
}

function infoOf(metadata: InferenceSession.ValueMetadata): ValueInfo {
  if (!metadata.isTensor) return { name: metadata.name, dtype: 'undefined', shape: undefined };
  const shape = metadata.shape.map((dim) => (dim === '' ? undefined : dim));
  return { name: metadata.name, dtype: metadata.type, shape };
}

function resultOf(name: string, value: OnnxValue): RunTensor {
  if (!('dims' in value))
    throw new SanderlingError('UNSUPPORTED', `the output "${name}" is not a tensor`, { where: name });
  const data = value.data;
  // Half precision comes as codes, as everywhere here.
  const codes = value.type === 'float16' && ArrayBuffer.isView(data);
  return {
    dtype: value.type,
    dims: value.dims,
    data: codes ? new Uint16Array(data.buffer, data.byteOffset, data.length) : data,
  };
}
