// A compiled training running on ONNX Runtime: its state between runs, its data, and both sessions.
import { SanderlingError } from '@sanderling/kit';
import {
  openSession,
  tensorOf,
  typedData,
  type Feeds,
  type RunTensor,
  type Session,
  type Tensor,
  type TensorArray,
} from '@sanderling/onnx';
import { blockSizeFor } from '../compile/block-size.ts';
import { compileEvaluation } from '../compile/evaluation.ts';
import { compileLanes } from '../compile/lane-step.ts';
import { averageName, counterName, type StateEntry, type TrainingPlan } from '../compile/plan.ts';
import { compileTrainingStep, type TrainingStep } from '../compile/training-step.ts';
import { uniformNumbers } from '../compile/uniform.ts';
import { checkData } from './check-data.ts';
import { Lanes } from './lanes.ts';
import { withProvider, type ExecutionProvider } from './providers.ts';
import { LoopedSteps, release, type Batches, type Dataset, type Steps, type TrainingState } from './steps.ts';

export type { Dataset, TrainingState } from './steps.ts';

/** Settings of a runtime. */
export interface RuntimeOptions {
  readonly plan: TrainingPlan;
  readonly data: Dataset;
  /** Seed of dropout. */
  readonly seed: number | string;
  /** Threads that share each batch, or the runtime's own where a batch cannot be shared. @default 1 */
  readonly threads?: number;
  /** Channels of a block of the runtime's own layout for convolutions; 0: standard operators only. @default what `blockSizeFor` finds */
  readonly block?: number;
  /** What computes, in order of preference: the first that loads here. @default ['cpu'] */
  readonly executionProviders?: readonly ExecutionProvider[];
}

interface Sessions {
  readonly train: Steps;
  readonly evaluate: Session;
  readonly provider: ExecutionProvider;
}

/** The most samples of one evaluation run, and the most bytes of what the network computes for them: what a run takes, and how soon it can be cancelled. */
const [mostSamples, mostBytes] = [1024, 2 ** 25];

/** Samples of one evaluation run, a power of two: the same for every evaluation, since it orders the sums. */
function evaluationChunkOf({ network }: TrainingPlan): number {
  const { valueInfo, outputs } = network.graph;
  const numbers = [...valueInfo.values(), ...outputs].map(({ shape = [] }) =>
    shape.reduce<number>((all, dim, i) => all * (i > 0 && typeof dim === 'number' ? dim : 1), 1),
  );
  const bytes = 4 * numbers.reduce((sum, count) => sum + count, 1);
  return Math.min(mostSamples, 2 ** Math.max(0, Math.floor(Math.log2(mostBytes / bytes))));
}

/** Runs steps and evaluations; owns the state. */
export class TrainingRuntime {
  readonly step: TrainingStep;
  /** The execution provider in use. */
  readonly provider: ExecutionProvider;
  /** Threads that share each batch; 1 where all threads are the operators' own. */
  readonly lanes: number;
  readonly #plan: TrainingPlan;
  readonly #sessions: Sessions;
  readonly #data: Dataset;
  readonly #chunk: number;
  #state: TrainingState;
  /** Whether somebody outside may hold the present state. */
  #lent = false;
  /** Runs that have begun and not ended; they read the state that they began with. */
  #running = 0;

  private constructor(
    options: RuntimeOptions,
    { step, state }: { step: TrainingStep; state: TrainingState },
    sessions: Sessions,
  ) {
    this.step = step;
    this.provider = sessions.provider;
    this.lanes = sessions.train instanceof Lanes ? (options.threads ?? 1) : 1;
    this.#plan = options.plan;
    this.#sessions = sessions;
    this.#data = options.data;
    this.#chunk = evaluationChunkOf(options.plan);
    this.#state = state;
  }

  /**
   * Compiles the plan and opens both sessions. @throws what {@link compileTrainingStep} throws; INVALID_DATA when data are missing;
   * UNAVAILABLE when no execution provider of the list loads, UNSUPPORTED when one loads but lacks an operator.
   */
  static async open(options: RuntimeOptions): Promise<TrainingRuntime> {
    const { plan, data, threads = 1, executionProviders = ['cpu'] } = options;
    checkData(plan, data);
    const { graph } = plan.network;
    const compiled = (block: number) => compileTrainingStep(plan, { block: options.block ?? block });
    // Compiled before any provider is asked, so that a plan that cannot be compiled is not taken for a provider that cannot run it; the step
    // before the evaluation, for it is the step that says which operator has no gradient.
    const onlyCpu = executionProviders.every((name) => name === 'cpu');
    const first = compiled(onlyCpu ? await blockSizeFor(graph) : 0);
    const evaluation = compileEvaluation(plan).model;
    return await withProvider(executionProviders, async (provider) => {
      const step = provider === 'cpu' && !onlyCpu ? compiled(await blockSizeFor(graph)) : first;
      const settings = { threads, providers: [provider] };
      const state = initialState(plan, step);
      const train =
        (provider === 'cpu' ? await lanesFor(options, step, state) : undefined) ??
        (await LoopedSteps.open(step, constantsOf(options, step), settings));
      try {
        const evaluate = await openSession(evaluation, settings);
        const runtime = new TrainingRuntime(options, { step, state }, { train, evaluate, provider });
        if (provider !== 'cpu') await runtime.#tryOut();
        return runtime;
      } catch (error) {
        await train.close();
        throw error;
      }
    });
  }

  /** One step and one evaluation whose results are dropped: an accelerator may lack an operator, which only running it shows. */
  async #tryOut(): Promise<void> {
    const index = new Int32Array(this.step.batch);
    await this.#sessions.train.run(this.#state, { index, rates: new Float32Array(1), data: this.#data });
    await this.evaluate(index.subarray(0, 1));
  }

  /** The present state. Training on leaves it as it is: whoever asked for it may keep it. */
  get state(): TrainingState {
    this.#lent = true;
    return this.#state;
  }

  /** Continues from another state, as a resumed training does. */
  restore(state: TrainingState): void {
    this.#state = state;
    this.#lent = true;
  }

  /**
   * Runs as many steps as there are rates. @param index Samples, steps × batch. @param data Another data set than the runtime's own.
   * @returns The loss of every step.
   * @throws NAN_LOSS naming step and tensor; the state then stays as it was before this call.
   */
  async train(index: Int32Array, rates: Float32Array, data: Dataset = this.#data): Promise<Float32Array> {
    if (rates.length === 0) return new Float32Array(0);
    const before = this.#state;
    const batches = { index, rates, data };
    const { state, losses } = await this.#counted(() => this.#sessions.train.run(before, batches));
    const bad = losses.findIndex((loss) => !Number.isFinite(loss));
    if (bad >= 0) throw await this.#explain(before, batches, bad);
    this.#replaceState(state);
    return losses;
  }

  /** @throws NAN_LOSS when the last step left a tensor that is not finite. */
  checkFinite(): void {
    const tensor = this.#firstBroken(this.#state);
    if (tensor !== undefined) throw nanLoss(numberOf(this.#state.get(counterName) as RunTensor), tensor);
  }

  /**
   * The mean loss over samples with the present parameters, weighted as the loss weighs classes and the plan samples.
   * @param goOn Called before each run of some samples; what it throws ends the evaluation.
   */
  async evaluate(index: Int32Array, goOn?: () => void): Promise<number> {
    let [sum, shares] = [0, 0];
    for (let at = 0; at < index.length; at += this.#chunk) {
      goOn?.();
      const chunk = index.subarray(at, at + this.#chunk);
      const feeds: Feeds = {
        ...this.#data,
        ...this.#parameterFeeds(),
        index: { dtype: 'int32', dims: [chunk.length], data: chunk },
      };
      const out = await this.#counted(() => this.#sessions.evaluate.run(feeds));
      const share = numberOf(out['share'] as RunTensor);
      // a chunk that weighs nothing has 0 / 0 as its mean
      if (share !== 0) sum += numberOf(out['loss'] as RunTensor) * share;
      shares += share;
    }
    return sum / shares;
  }

  /** Parameters and buffers as tensors, ready to be put into the network's graph. */
  tensors(state: TrainingState = this.state): Map<string, Tensor> {
    const { parameters, buffers } = this.#plan.network;
    return new Map(
      [...parameters, ...buffers].map((name) => {
        const { dtype, dims, data } = keptOf(state, name);
        return [name, tensorOf(dtype, dims, data as Float32Array)] as const;
      }),
    );
  }

  async close(): Promise<void> {
    await Promise.all([this.#sessions.train.close(), this.#sessions.evaluate.close()]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** What is evaluated: the moving averages where there are some. */
  #parameterFeeds(): Record<string, RunTensor> {
    const { parameters, buffers } = this.#plan.network;
    return Object.fromEntries([...parameters, ...buffers].map((name) => [name, keptOf(this.#state, name)]));
  }

  /** The state that a run began with goes at once where nobody else has it. */
  #replaceState(next: TrainingState): void {
    // no steps leave the very state that they began with
    if (next !== this.#state && !this.#lent && this.#running === 0) release(this.#state);
    if (next !== this.#state) this.#lent = false;
    this.#state = next;
  }

  async #counted<T>(run: () => Promise<T>): Promise<T> {
    this.#running += 1;
    try {
      return await run();
    } finally {
      this.#running -= 1;
    }
  }

  #firstBroken(state: TrainingState): string | undefined {
    return this.step.state.find(({ name, dtype }) => dtype === 'float32' && !allFinite(state.get(name)))?.name;
  }

  /** Runs again up to the bad step to say where the first number went wrong. */
  async #explain(before: TrainingState, batches: Batches, bad: number): Promise<SanderlingError> {
    const { index, rates, data } = batches;
    const first = { data, index: index.subarray(0, bad * this.step.batch), rates: rates.subarray(0, bad) };
    const replayed = bad === 0 ? before : (await this.#sessions.train.run(before, first)).state;
    const tensor =
      this.#firstBroken(replayed) ?? Object.entries(data).find(([, value]) => !allFinite(value))?.[0] ?? 'loss';
    const step = numberOf(before.get(counterName) as RunTensor) + bad + 1;
    return nanLoss(step, tensor);
  }
}

/** What is fed to every run: the numbers that dropout cuts from. */
function constantsOf({ seed }: RuntimeOptions, { uniformSize: size }: TrainingStep): Feeds {
  return size === 0 ? {} : { uniform: { dtype: 'float32', dims: [size], data: uniformNumbers(seed, size) } };
}

/** Threads that share each batch, where there are threads and a batch can be shared. */
async function lanesFor(options: RuntimeOptions, step: TrainingStep, state: TrainingState): Promise<Lanes | undefined> {
  const { plan, data, threads = 1 } = options;
  const block = options.block ?? (await blockSizeFor(plan.network.graph));
  const laneStep = threads > 1 ? compileLanes(plan, threads, { block }) : undefined;
  if (laneStep === undefined) return undefined;
  return await Lanes.open({ plan, data, step: laneStep, constants: constantsOf(options, step), state });
}

function nanLoss(step: number, tensor: string): SanderlingError {
  return new SanderlingError('NAN_LOSS', `the loss became NaN or infinite at step ${step}; first seen in ${tensor}`, {
    where: tensor,
    fix: 'lower the learning rate, clip gradients (clipNorm), or look for NaN in the data',
    details: { step, tensor },
  });
}

/** What is evaluated and kept of a parameter or buffer: its moving average where there is one. */
function keptOf(state: TrainingState, name: string): RunTensor {
  const kept = state.get(averageName(name)) ?? state.get(name);
  if (kept !== undefined) return kept;
  throw new SanderlingError('INTERNAL', `the state has no ${name}`, { where: name });
}

function allFinite(tensor: RunTensor | undefined): boolean {
  return !(tensor?.data instanceof Float32Array) || tensor.data.every((x) => Number.isFinite(x));
}

const numberOf = (tensor: RunTensor): number => Number(tensor.data[0]);

function initialState(plan: TrainingPlan, step: TrainingStep): TrainingState {
  const { initializers } = plan.network.graph;
  return new Map(
    step.state.map((entry) => [entry.name, { ...entry, data: initialData(entry, initializers) }] as const),
  );
}

function initialData({ name, dtype, dims, role }: StateEntry, initializers: ReadonlyMap<string, Tensor>): TensorArray {
  const copied = (of: string) => typedData(initializers.get(of) as Tensor).slice();
  switch (role) {
    case 'parameter':
    case 'buffer':
      return copied(name);
    case 'average':
      return copied(name.slice(averageName('').length));
    case 'mask':
      return zeros(dtype, dims).fill(1 as never);
    case 'slot':
    case 'counter':
      return zeros(dtype, dims);
  }
}

function zeros(dtype: string, dims: readonly number[]): Float32Array | BigInt64Array {
  const count = dims.reduce((all, dim) => all * dim, 1);
  return dtype === 'int64' ? new BigInt64Array(count) : new Float32Array(count);
}
