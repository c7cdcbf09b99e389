// Steps: what runs them, from one state to another. Here many steps a run in one session; in `lanes.ts` one after the other on several threads.
import { openSession, type Feeds, type RunTensor, type Session, type SessionOptions } from '@sanderling/onnx';
import { nextName } from '../compile/plan.ts';
import type { TrainingStep } from '../compile/training-step.ts';

/** All that goes from run to run: parameters, buffers, the optimiser's memory, the step counter. */
export type TrainingState = ReadonlyMap<string, RunTensor>;

/** The data set, by the reader's input names. */
export type Dataset = Readonly<Record<string, RunTensor>>;

/** Batches for some steps: samples, steps × batch, of a data set, and a learning rate a step. */
export interface Batches {
  readonly index: Int32Array;
  readonly rates: Float32Array;
  readonly data: Dataset;
}

/** The state after some steps and the loss of each, taken before it. */
export interface Stepped {
  readonly state: TrainingState;
  readonly losses: Float32Array;
}

/** Runs as many steps as there are rates. */
export interface Steps {
  run(state: TrainingState, batches: Batches): Promise<Stepped>;
  close(): Promise<void>;
}

/**
 * Gives a state's memory back now; its arrays are empty afterwards. Every result of a run is an array of JavaScript's: left to the collector, as many
 * states as make some 64 MB wait for it, and the holes that they leave in the heap stay resident.
 */
export function release(state: TrainingState): void {
  for (const { data } of state.values())
    if (ArrayBuffer.isView(data) && data.buffer instanceof ArrayBuffer) data.buffer.transfer(0);
}

/** All steps of a run in one loop inside the runtime. */
export class LoopedSteps implements Steps {
  readonly #step: TrainingStep;
  readonly #session: Session;
  readonly #constants: Feeds;

  private constructor(step: TrainingStep, session: Session, constants: Feeds) {
    this.#step = step;
    this.#session = session;
    this.#constants = constants;
  }

  /** @param constants What is fed besides data and state: `uniform` where there is dropout. */
  static async open(step: TrainingStep, constants: Feeds, settings: SessionOptions): Promise<LoopedSteps> {
    return new LoopedSteps(step, await openSession(step.model, settings), constants);
  }

  async run(state: TrainingState, { index, rates, data }: Batches): Promise<Stepped> {
    const out = await this.#session.run({
      ...this.#constants,
      ...data,
      ...Object.fromEntries(state),
      index: { dtype: 'int32', dims: [rates.length, this.#step.batch], data: index },
      learning_rate: { dtype: 'float32', dims: [rates.length], data: rates },
    });
    const next = new Map(this.#step.state.map(({ name }) => [name, out[nextName(name)] as RunTensor]));
    return { state: next, losses: (out['loss'] as RunTensor).data as Float32Array };
  }

  async close(): Promise<void> {
    await this.#session.close();
  }
}
