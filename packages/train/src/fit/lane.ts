// One lane: a thread that computes the gradients of its samples whenever the next step is called, and sleeps in between.
import { parentPort, receiveMessageOnPort, workerData, type MessagePort } from 'node:worker_threads';
import { openSession, type Feeds, type RunTensor } from '@sanderling/onnx';

/** What all lanes share. Memory that the thread of the step writes while the lanes sleep, and each lane its own gradients while it computes. */
export interface LaneMemory {
  /** [0] the step that is called, or `noMore`; [lane] the step that this lane has computed last. */
  readonly calls: Int32Array<SharedArrayBuffer>;
  readonly parameters: Float32Array<SharedArrayBuffer>;
  /** The batch's samples, a lane's one after the other. */
  readonly index: Int32Array<SharedArrayBuffer>;
  /** Whose uniform numbers a lane takes. */
  readonly counters: BigInt64Array<SharedArrayBuffer>;
  readonly gradients: readonly Float32Array<SharedArrayBuffer>[];
}

/** What a lane's thread starts with. */
export interface LaneStart {
  readonly lane: number;
  readonly model: Uint8Array;
  readonly memory: LaneMemory;
  /** `uniform` where there is dropout. */
  readonly constants: Feeds;
}

/** Called instead of a step: the end. */
export const noMore = -1;
/** Milliseconds for which a thread looks at a shared number before it goes to sleep over it: longer than an update takes, for waking up costs much of it. */
const patience = 2;
/** Looks between two at the clock. */
const looks = 1000;

/** The number there once it is another one than `old`, or still `old` after a while. */
export function watched(numbers: Int32Array, at: number, old: number): number {
  const began = performance.now();
  do {
    for (let i = 0; i < looks; i += 1) {
      const now = Atomics.load(numbers, at);
      if (now !== old) return now;
    }
  } while (performance.now() - began < patience);
  return old;
}

/** What a lane feeds besides its data set. */
export function laneFeeds({ parameters, index, counters }: LaneMemory, lane: number, constants: Feeds): Feeds {
  const samples = index.length / counters.length;
  const mine = index.subarray(lane * samples, (lane + 1) * samples);
  const feeds: Record<string, RunTensor> = {
    ...constants,
    parameters: { dtype: 'float32', dims: [parameters.length], data: parameters },
    index: { dtype: 'int32', dims: [samples], data: mine },
  };
  if (constants['uniform'] !== undefined)
    feeds['counter'] = { dtype: 'int64', dims: [], data: counters.subarray(lane, lane + 1) };
  return feeds;
}

async function work(port: MessagePort, { lane, model, memory, constants }: LaneStart): Promise<void> {
  await using session = await openSession(model);
  port.postMessage('ready', []);
  const feeds = laneFeeds(memory, lane, constants);
  let data: Feeds = {};
  for (let done = 0; ; ) {
    const called = watched(memory.calls, 0, done);
    if (called === noMore) return;
    if (called === done) {
      Atomics.wait(memory.calls, 0, done);
      continue;
    }
    for (let sent = receiveMessageOnPort(port); sent !== undefined; sent = receiveMessageOnPort(port))
      data = sent.message as Feeds;
    const out = await session.run({ ...data, ...feeds });
    memory.gradients[lane]?.set(out['gradients']?.data as Float32Array);
    done = called;
    Atomics.store(memory.calls, lane, done);
    Atomics.notify(memory.calls, lane);
  }
}

if (parentPort !== null) await work(parentPort, workerData as LaneStart);
