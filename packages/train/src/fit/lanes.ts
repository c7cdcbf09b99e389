// Several threads share a batch: each computes the gradients of its part in a session of its own, with one thread, and this one takes their mean.
// What only one thread can compute is then no loss, and the parts' numbers stay in their processor's cache.
import { Worker } from 'node:worker_threads';
import { SanderlingError } from '@sanderling/kit';
import { encodeModel, openSession, type Feeds, type Model, type RunTensor, type Session } from '@sanderling/onnx';
import type { LaneStep } from '../compile/lane-step.ts';
import { counterName, nextName, type TrainingPlan } from '../compile/plan.ts';
import { laneFeeds, noMore, watched, type LaneMemory, type LaneStart } from './lane.ts';
import type { Batches, Dataset, Stepped, Steps, TrainingState } from './steps.ts';

/** A data set beyond this many bytes is not copied into shared memory. */
const mostDataBytes = 1 << 28;
/** How far the gradients of a batch may lie from the mean of its parts', of their norm: rounding, and a kink that tips. */
const tolerance = 1e-3;

/** What lanes are opened for. */
export interface LanesOptions {
  readonly plan: TrainingPlan;
  readonly data: Dataset;
  readonly step: LaneStep;
  /** `uniform` where there is dropout. */
  readonly constants: Feeds;
  readonly state: TrainingState;
}

/** A lane's thread. */
interface Lane {
  readonly worker: Worker;
  /** Resolves when it can be called. */
  readonly ready: Promise<unknown>;
  /** Rejects when the thread ends. */
  readonly ended: Promise<never>;
}

/** Steps by threads for the parts of a batch. */
export class Lanes implements Steps {
  readonly #plan: TrainingPlan;
  readonly #memory: LaneMemory;
  readonly #own: Feeds;
  readonly #sessions: { readonly gradients: Session; readonly update: Session };
  readonly #lanes: readonly Lane[];
  #data: { readonly of?: Dataset; readonly shared: Dataset } = { shared: {} };
  #called = 0;

  private constructor(
    { plan, constants }: LanesOptions,
    memory: LaneMemory,
    { lanes, ...sessions }: { lanes: readonly Lane[]; gradients: Session; update: Session },
  ) {
    this.#plan = plan;
    this.#memory = memory;
    this.#own = laneFeeds(memory, 0, constants);
    this.#sessions = sessions;
    this.#lanes = lanes;
  }

  /** Undefined where the parts' gradients are not the batch's: a network or a loss that compares samples with one another. */
  static async open(options: LanesOptions): Promise<Lanes | undefined> {
    const { step, plan, data } = options;
    if (bytesOf(data) > mostDataBytes || !(await agree(options))) return undefined;
    const memory = memoryFor(step, plan.batch);
    const model = encodeModel(step.gradients);
    const lanes = Array.from({ length: step.lanes - 1 }, (_, i) => started(options, { model, memory, lane: i + 1 }));
    try {
      for (const { ready, ended } of lanes) await Promise.race([ready, ended]);
      const [gradients, update] = [await openSession(model), await openSession(step.update)];
      for (const { worker } of lanes) worker.unref();
      return new Lanes(options, memory, { gradients, update, lanes });
    } catch (error) {
      await stopped(memory, lanes);
      throw error;
    }
  }

  async run(state: TrainingState, { index, rates, data }: Batches): Promise<Stepped> {
    const { batch } = this.#plan;
    for (const { worker } of this.#lanes) worker.ref();
    try {
      this.#share(data);
      const losses = new Float32Array(rates.length);
      let now = state;
      for (let k = 0; k < rates.length; k += 1) {
        this.#memory.index.set(index.subarray(k * batch, (k + 1) * batch));
        const out = await this.#stepped(now, rates.subarray(k, k + 1));
        now = new Map([...now.keys()].map((name) => [name, out[nextName(name)] as RunTensor]));
        losses[k] = Number(out['loss']?.data[0]);
      }
      return { state: now, losses };
    } finally {
      for (const { worker } of this.#lanes) worker.unref();
    }
  }

  async close(): Promise<void> {
    await stopped(this.#memory, this.#lanes);
    await Promise.all([this.#sessions.gradients.close(), this.#sessions.update.close()]);
  }

  async #stepped(state: TrainingState, rate: Float32Array): Promise<Feeds> {
    const { calls, gradients, counters, parameters } = this.#memory;
    let at = 0;
    for (const name of this.#plan.network.parameters) {
      const data = state.get(name)?.data as Float32Array;
      parameters.set(data, at);
      at += data.length;
    }
    const step = state.get(counterName)?.data[0] as bigint;
    for (let lane = 0; lane < counters.length; lane += 1)
      counters[lane] = step * BigInt(counters.length) + BigInt(lane);
    this.#called += 1;
    Atomics.store(calls, 0, this.#called);
    Atomics.notify(calls, 0);
    const own = await this.#sessions.gradients.run({ ...this.#data.shared, ...this.#own });
    gradients[0]?.set(own['gradients']?.data as Float32Array);
    for (const [i, lane] of this.#lanes.entries()) await this.#finished(lane, i + 1);
    const parts = gradients.map((data, lane) => [`gradients${lane}`, vector(data)] as const);
    return await this.#sessions.update.run({
      ...Object.fromEntries(state),
      ...Object.fromEntries(parts),
      learning_rate: { dtype: 'float32', dims: [], data: rate },
    });
  }

  /** Waits for a lane. @throws INTERNAL when its thread has ended. */
  async #finished({ ended }: Lane, at: number): Promise<void> {
    const { calls } = this.#memory;
    for (let done = watched(calls, at, this.#called - 1); done !== this.#called; done = Atomics.load(calls, at)) {
      const waiting = Atomics.waitAsync(calls, at, done);
      if (waiting.async) await Promise.race([waiting.value, ended]);
    }
  }

  /** Copies a data set to where all lanes see it, unless it is there already. */
  #share(data: Dataset): void {
    if (data === this.#data.of) return;
    this.#data = { of: data, shared: sharedCopy(data) };
    for (const { worker } of this.#lanes) worker.postMessage(this.#data.shared, []);
  }
}

const vector = (data: Float32Array): RunTensor => ({ dtype: 'float32', dims: [data.length], data });

const shared = (count: number, bytes = 4): SharedArrayBuffer => new SharedArrayBuffer(count * bytes);

function memoryFor({ lanes, size }: LaneStep, batch: number): LaneMemory {
  return {
    calls: new Int32Array(shared(lanes)),
    parameters: new Float32Array(shared(size)),
    index: new Int32Array(shared(batch)),
    counters: new BigInt64Array(shared(lanes, 8)),
    gradients: Array.from({ length: lanes }, () => new Float32Array(shared(1 + size))),
  };
}

function started({ constants }: LanesOptions, start: Omit<LaneStart, 'constants'>): Lane {
  const workerData: LaneStart = { ...start, constants };
  const worker = new Worker(new URL('./lane.ts', import.meta.url), { workerData, execArgv: [] });
  const ended = new Promise<never>((_, reject) => {
    const end = (cause: unknown) =>
      reject(new SanderlingError('INTERNAL', 'a thread of the training has ended', { cause }));
    worker.once('error', end).once('exit', end);
  });
  ended.catch(() => undefined);
  const ready = new Promise((resolve) => worker.once('message', resolve));
  return { worker, ready, ended };
}

/** Ends the threads, each after the step that it is in: a thread that is stopped while the runtime computes takes the process with it. */
async function stopped({ calls }: LaneMemory, lanes: readonly Lane[]): Promise<void> {
  Atomics.store(calls, 0, noMore);
  Atomics.notify(calls, 0);
  for (const { worker } of lanes) worker.ref();
  await Promise.allSettled(lanes.map(({ ended }) => ended));
}

const bytesOf = (data: Dataset): number =>
  Object.values(data).reduce(
    (all, { data: numbers }) => all + (ArrayBuffer.isView(numbers) ? numbers.byteLength : Number.POSITIVE_INFINITY),
    0,
  );

function sharedCopy(data: Dataset): Dataset {
  const entries = Object.entries(data).map(([name, tensor]) => {
    const numbers = tensor.data as Float32Array;
    const copy = new (numbers.constructor as Float32ArrayConstructor)(
      shared(numbers.length, numbers.BYTES_PER_ELEMENT),
    );
    copy.set(numbers);
    return [name, { ...tensor, data: copy }] as const;
  });
  return Object.fromEntries(entries);
}

/**
 * Whether a batch's loss and gradients are the mean of its parts', tried with the first samples, nothing dropped, and parameters a little off their
 * start, where layers that begin with zeros would hide the others.
 */
async function agree({ plan, data, step, constants, state }: LanesOptions): Promise<boolean> {
  const positions = plan.reader.positions((name) => data[name]?.dims ?? []);
  if (positions === 0) return false;
  const start = plan.network.parameters.flatMap((name) => Array.from(state.get(name)?.data as Float32Array));
  const { uniform } = constants;
  const given: Feeds = {
    ...data,
    parameters: vector(Float32Array.from(start, (x, i) => x + 0.03 * Math.sin(12.9898 * i))),
    ...(uniform && { uniform: vector(new Float32Array(uniform.data.length).fill(1)), counter: zero }),
  };
  const index = Int32Array.from({ length: plan.batch }, (_, i) => i % positions);
  const [whole] = await gradientsFor(step.whole, given, [index]);
  const parts = await gradientsFor(step.gradients, given, partsOf(index, step.lanes));
  const mean = (whole as Float32Array).map(
    (_, i) => parts.reduce((sum, part) => sum + (part[i] as number), 0) / parts.length,
  );
  // the loss, then the gradients
  return [[0, 1] as const, [1, mean.length] as const].every(([from, to]) =>
    near(mean.subarray(from, to), (whole as Float32Array).subarray(from, to)),
  );
}

const zero: RunTensor = { dtype: 'int64', dims: [], data: BigInt64Array.of(0n) };

function partsOf(index: Int32Array, count: number): Int32Array[] {
  const width = index.length / count;
  return Array.from({ length: count }, (_, i) => index.subarray(i * width, (i + 1) * width));
}

async function gradientsFor(model: Model, given: Feeds, samples: readonly Int32Array[]): Promise<Float32Array[]> {
  await using session = await openSession(model);
  const all: Float32Array[] = [];
  for (const data of samples) {
    const out = await session.run({ ...given, index: { dtype: 'int32', dims: [data.length], data } });
    all.push(out['gradients']?.data as Float32Array);
  }
  return all;
}

function near(numbers: Float32Array, want: Float32Array): boolean {
  const norm = (of: Float32Array) => Math.sqrt(of.reduce((sum, x) => sum + x * x, 0));
  return norm(numbers.map((x, i) => x - (want[i] as number))) <= tolerance * norm(want);
}
