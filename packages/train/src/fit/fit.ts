// The training loop: epochs of shuffled batches, validation, early stopping, the best weights kept, events, cancelling.
import { SanderlingError } from '@sanderling/kit';
import type { Tensor } from '@sanderling/onnx';
import type { TrainingPlan } from '../compile/plan.ts';
import type { Schedule } from '../optimisers/schedules.ts';
import { checkSettings, wrongSetting } from '../settings.ts';
import { epochOrder } from './order.ts';
import { checkClasses, checkData, checkIndex } from './check-data.ts';
import { fingerprintOf, readCheckpoint, writeCheckpoint } from './checkpoint.ts';
import { checkPruning, prunedState, type Pruning } from './pruning.ts';
import type { ExecutionProvider } from './providers.ts';
import { prefetched, type Shard, type Shards } from './shards.ts';
import { TrainingRuntime, type Dataset, type TrainingState } from './runtime.ts';

/** What happened in one epoch. */
export interface EpochEvent {
  /** Counted from 1. */
  readonly epoch: number;
  /** Steps done since the start. */
  readonly step: number;
  /** Mean loss of the epoch's batches, each taken before its step. */
  readonly trainLoss: number;
  /** Mean loss over the validation samples after the epoch; undefined without validation samples. */
  readonly validationLoss: number | undefined;
  /** Learning rate of the epoch's last step. */
  readonly learningRate: number;
  /** Seconds since the start. */
  readonly seconds: number;
}

/** Why a training ended. */
export type StopReason = 'epochs' | 'patience' | 'time';

/** What to train and for how long. */
export interface FitOptions {
  readonly plan: TrainingPlan;
  readonly data: Dataset;
  /** Index of the training samples (rows, or first rows of windows); not used with `shards`. */
  readonly train: Int32Array;
  /** Training data that come in parts, for those that do not fit into memory; `data` then serves validation only. @default none */
  readonly shards?: Shards;
  /** Index of the validation samples. @default none: the training loss decides what is best */
  readonly validation?: Int32Array;
  readonly epochs: number;
  /** Learning rate, or a schedule. */
  readonly learningRate: number | Schedule;
  /** Epochs without a better loss after which to stop. @default no early stopping */
  readonly patience?: number;
  /** Seed of shuffling and dropout. @default 0 */
  readonly seed?: number | string;
  /**
   * Threads. They share each batch where its parts' gradients make the whole's (no batch statistics, no weights, few parameters), and are the
   * runtime's own elsewhere. The same seed gives the same bytes for one number of threads. @default 1
   */
  readonly threads?: number;
  /**
   * What computes, in order of preference: `['cuda', 'cpu']` is CUDA where it loads and the CPU elsewhere; `['webgpu']` alone is WebGPU or an
   * UNAVAILABLE (not on this machine) or UNSUPPORTED (lacks an operator of this training) error. Only the CPU gives the same bytes for the same seed. @default ['cpu']
   */
  readonly executionProviders?: readonly ExecutionProvider[];
  /** Seconds after which no further epoch starts. @default no limit */
  readonly maxSeconds?: number;
  /**
   * Where to keep a checkpoint and after how many epochs to write one. A checkpoint that is there already is continued, bit for bit as if the
   * training had never stopped (`epochs` counts from the very start). @default none
   */
  readonly checkpoint?: { readonly path: string; readonly every?: number };
  /** Weights are set to zero while training goes on; the plan must mask them. @default none */
  readonly pruning?: Pruning;
  /** Cancels between runs (each lasts well below a second). */
  readonly signal?: AbortSignal;
  readonly onEpoch?: (event: EpochEvent) => void;
}

/** A finished training. */
export interface FitResult {
  /** Parameters and buffers of the best epoch, by name. */
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly bestEpoch: number;
  /** The loss that chose the best epoch: of validation, or of training without validation samples. */
  readonly bestLoss: number;
  readonly history: readonly EpochEvent[];
  readonly stopped: StopReason;
  /** The execution provider that computed. */
  readonly provider: ExecutionProvider;
  readonly seconds: number;
}

/** A run of steps should take about this long: short enough to cancel, long enough for its overhead to vanish. */
const runSeconds = 0.25;

/**
 * Trains. Seeded: the same options give the same result, byte for byte, on the same machine with one thread.
 * @throws NAN_LOSS naming step and tensor; CANCELLED; TOO_LITTLE_DATA without training samples; DISK_FULL and other file errors of a checkpoint (the
 * one before it stays); UNAVAILABLE or UNSUPPORTED when no execution provider can be used; and what compiling throws.
 */
export async function fit(options: FitOptions): Promise<FitResult> {
  checkOptions(options);
  const { plan, data, train, validation, seed = 0, threads = 1, executionProviders = ['cpu'] } = options;
  throwIfCancelled(options.signal);
  checkData(plan, data);
  checkIndex(plan, data, { index: train, where: 'train' });
  if (options.shards === undefined) checkClasses(plan, data, train);
  if (validation !== undefined) checkIndex(plan, data, { index: validation, where: 'validation' });
  await using runtime = await TrainingRuntime.open({ plan, data, seed, threads, executionProviders });
  return await new Fitting(options, runtime).run();
}

class Fitting {
  readonly #options: FitOptions;
  readonly #runtime: TrainingRuntime;
  readonly #started = performance.now();
  readonly #history: EpochEvent[] = [];
  readonly #fingerprint: string;
  #secondsBefore = 0;
  #steps = 0;
  /** The first run has one step: of a large network, several would hold two more copies of its state, which a run of one never makes. */
  #perRun = 1;
  #best: { epoch: number; loss: number; state: TrainingState };

  constructor(options: FitOptions, runtime: TrainingRuntime) {
    this.#options = options;
    this.#runtime = runtime;
    this.#best = { epoch: 0, loss: Number.POSITIVE_INFINITY, state: runtime.state };
    this.#fingerprint = fingerprintOf({ ...runtime.step, plan: options.plan, seed: options.seed ?? 0 });
  }

  async run(): Promise<FitResult> {
    const { epochs } = this.#options;
    await this.#resume();
    let stopped = this.#reasonToStop();
    for (let epoch = this.#history.length + 1; epoch <= epochs && stopped === undefined; epoch += 1) {
      const event = await this.#epoch(epoch);
      this.#history.push(event);
      this.#judge(event);
      await this.#keep(epoch);
      this.#options.onEpoch?.(event);
      stopped = this.#reasonToStop();
    }
    const { epoch: bestEpoch, loss: bestLoss, state } = this.#best;
    return {
      tensors: this.#runtime.tensors(state),
      bestEpoch,
      bestLoss,
      history: this.#history,
      stopped: stopped ?? 'epochs',
      provider: this.#runtime.provider,
      seconds: this.#seconds(),
    };
  }

  async #resume(): Promise<void> {
    const { checkpoint } = this.#options;
    const found = checkpoint && (await readCheckpoint(checkpoint.path, this.#fingerprint));
    if (found === undefined) return;
    this.#history.push(...found.history);
    this.#best = found.best;
    this.#steps = found.history.at(-1)?.step ?? 0;
    this.#secondsBefore = found.history.at(-1)?.seconds ?? 0;
    this.#runtime.restore(found.state);
  }

  async #keep(epoch: number): Promise<void> {
    const { checkpoint, epochs } = this.#options;
    if (checkpoint === undefined || (epoch % (checkpoint.every ?? 1) !== 0 && epoch !== epochs)) return;
    const { state } = this.#runtime;
    await writeCheckpoint(checkpoint.path, { history: this.#history, best: this.#best, state }, this.#fingerprint);
  }

  async #epoch(epoch: number): Promise<EpochEvent> {
    const { plan, validation, seed = 0 } = this.#options;
    this.#prune(epoch);
    const before = this.#steps;
    let sum = 0;
    let shard = 0;
    for await (const part of prefetched(this.#shards(epoch))) {
      sum += await this.#learn(
        part,
        epochOrder(part.train, plan.batch, { seed, epoch: shard === 0 ? epoch : `${epoch}.${shard}` }),
      );
      shard += 1;
    }
    const steps = this.#steps - before;
    if (steps === 0)
      throw new SanderlingError('TOO_LITTLE_DATA', `epoch ${epoch} has no training samples`, { where: 'shards' });
    this.#runtime.checkFinite();
    const validationLoss = validation?.length ? await this.#validate(validation) : undefined;
    return {
      epoch,
      step: this.#steps,
      trainLoss: sum / steps,
      validationLoss,
      learningRate: this.#rate(this.#steps - 1),
      seconds: this.#seconds(),
    };
  }

  #shards(epoch: number): ReturnType<Shards> {
    const { shards, data, train } = this.#options;
    return shards === undefined ? [{ data, train }] : shards(epoch);
  }

  /** Learns from one shard; returns the sum of its steps' losses. */
  async #learn({ data, train }: Shard, order: Int32Array): Promise<number> {
    const { plan } = this.#options;
    checkData(plan, data);
    checkIndex(plan, data, { index: train, where: 'train' });
    const steps = order.length / plan.batch;
    let sum = 0;
    for (let done = 0; done < steps; ) {
      const count = Math.min(this.#perRun, steps - done);
      const losses = await this.#steppedRun(
        data,
        order.subarray(done * plan.batch, (done + count) * plan.batch),
        count,
      );
      for (const loss of losses) sum += loss;
      done += count;
    }
    return sum;
  }

  /** Masks are drawn anew before each epoch, so that what is evaluated after it has them. */
  #prune(epoch: number): void {
    const { pruning, plan } = this.#options;
    if (pruning !== undefined) this.#runtime.restore(prunedState(this.#runtime.state, plan, { pruning, epoch }));
  }

  async #steppedRun(data: Dataset, index: Int32Array, count: number): Promise<Float32Array> {
    throwIfCancelled(this.#options.signal);
    const rates = Float32Array.from({ length: count }, (_, i) => this.#rate(this.#steps + i));
    checkSettings('notNegative', { learningRate: [...rates] });
    const began = performance.now();
    const losses = await this.#runtime.train(index, rates, data);
    const perStep = (performance.now() - began) / 1000 / count;
    this.#perRun = Math.max(1, Math.min(4 * this.#perRun, Math.floor(runSeconds / perStep)));
    this.#steps += count;
    return losses;
  }

  async #validate(validation: Int32Array): Promise<number> {
    throwIfCancelled(this.#options.signal);
    const loss = await this.#runtime.evaluate(validation, () => throwIfCancelled(this.#options.signal));
    if (Number.isFinite(loss)) return loss;
    throw new SanderlingError('NAN_LOSS', `the validation loss became NaN or infinite after step ${this.#steps}`, {
      where: 'validation',
      details: { step: this.#steps, tensor: 'validation loss' },
    });
  }

  #judge({ epoch, trainLoss, validationLoss }: EpochEvent): void {
    const loss = decidingLoss({ trainLoss, validationLoss });
    const { pruning } = this.#options;
    if (pruning !== undefined && epoch === pruning.epochs)
      this.#best = { ...this.#best, loss: Number.POSITIVE_INFINITY };
    if (loss < this.#best.loss) this.#best = { epoch, loss, state: this.#runtime.state };
  }

  #reasonToStop(): StopReason | undefined {
    const epoch = this.#history.length;
    const { patience = Number.POSITIVE_INFINITY, maxSeconds = Number.POSITIVE_INFINITY } = this.#options;
    const { pruning } = this.#options;
    if (epoch - Math.max(this.#best.epoch, pruning?.epochs ?? 0) >= patience) return 'patience';
    return this.#seconds() >= maxSeconds ? 'time' : undefined;
  }

  #rate(step: number): number {
    const { learningRate } = this.#options;
    if (typeof learningRate === 'number') return learningRate;
    return learningRate(step, this.#history.map(decidingLoss));
  }

  #seconds(): number {
    return this.#secondsBefore + (performance.now() - this.#started) / 1000;
  }
}

/** The loss that decides what is best: of validation where there is one. */
const decidingLoss = ({ trainLoss, validationLoss }: Pick<EpochEvent, 'trainLoss' | 'validationLoss'>): number =>
  validationLoss ?? trainLoss;

function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new SanderlingError('CANCELLED', 'the training was cancelled', { cause: signal.reason });
}

function checkOptions({
  train,
  shards,
  epochs,
  patience,
  learningRate,
  threads,
  checkpoint,
  pruning,
}: FitOptions): void {
  if (train.length === 0 && shards === undefined)
    throw new SanderlingError('TOO_LITTLE_DATA', 'there are no training samples', { where: 'train' });
  checkSettings('count', { epochs, threads, every: checkpoint?.every });
  if (patience !== undefined && !(patience >= 1))
    throw wrongSetting(`patience must be at least 1, not ${patience}`, 'patience');
  if (typeof learningRate === 'number') checkSettings('positive', { learningRate });
  if (pruning !== undefined) checkPruning(pruning);
}
