// Pipelines: executions are queued, claimed one at a time of each project, run, and gone on with after a crash.
import { SanderlingError, toSanderlingError } from '@sanderling/kit';
import type { Execution, ExecutionLog } from '@sanderling/wire';
import type { Page, PageQuery } from '../store/index.ts';
import { ExecutionStore, type ClaimedExecution, type ExecutionRequest } from './engine/execution-store.ts';
import { runExecution } from './engine/run-execution.ts';
import { StepStore } from './engine/step-store.ts';
import type { ProjectSource } from './ports.ts';
import { trainingPipeline, type TrainingParts } from './training/training-pipeline.ts';

/** What pipelines are built on. */
export interface PipelineParts extends TrainingParts {
  readonly projects: ProjectSource;
  /** Of this hub: results of other versions are not reused. */
  readonly codeVersion: string;
  /** Executions of different projects at the same time. @default 4 */
  readonly parallel?: number;
}

/** What to start. */
export interface StartRequest {
  /** Who or what starts it, for people. @default 'manual' */
  readonly trigger?: string;
  /** @default all */
  readonly actions?: ExecutionRequest['actions'];
  /** Time of the first reading behind an alarm, milliseconds. */
  readonly freshFrom?: number | null;
  /** Takes nothing from earlier executions. @default false */
  readonly ignoreCache?: boolean;
  /** Position of the automation that starts it; a queued execution of the same one is replaced. */
  readonly automation?: number;
}

/** Wait before the database is tried again, milliseconds: its disk was full, perhaps. */
const againMs = 2000;

const everything: ExecutionRequest['actions'] = ['retrain', 'gate', 'roll-out'];

/** The pipelines of a hub. */
export class Pipelines {
  readonly #parts: PipelineParts;
  readonly #store: ExecutionStore;
  readonly #steps: StepStore;
  readonly #running = new Map<string, AbortController>();
  #wake: () => void = () => undefined;
  #stopped: SanderlingError | undefined;

  constructor(parts: PipelineParts) {
    this.#parts = parts;
    this.#store = new ExecutionStore(parts.database, parts.events, parts.clock);
    this.#steps = new StepStore(parts.database, parts.events, parts.clock);
  }

  /** Goes on with what a killed hub left, then runs what is queued, until the signal aborts. */
  async start(signal: AbortSignal): Promise<void> {
    await this.#store.recover();
    const work = new Set<Promise<void>>();
    signal.addEventListener('abort', () => {
      this.#stopped = new SanderlingError('UNAVAILABLE', 'the hub stops');
      for (const running of this.#running.values()) running.abort(this.#stopped);
      this.#wake();
    });
    while (!signal.aborted) {
      const rung = new Promise<void>((resolve) => (this.#wake = resolve));
      const failed = await this.#claimAll(work).catch(toSanderlingError);
      if (failed === undefined) await rung;
      else await this.#pause(failed, signal);
    }
    await Promise.all(work);
  }

  /** Queues an execution of the project's pipeline. @throws NOT_FOUND, LIMIT_REACHED */
  async begin(project: string, request: StartRequest = {}): Promise<Execution> {
    const { spec } = await this.#parts.projects.get(project);
    const { trigger = 'manual', actions = everything, freshFrom = null, ignoreCache = false, automation } = request;
    const stored: ExecutionRequest = { spec, actions, freshFrom, ignoreCache };
    const pipeline = trainingPipeline(stored, this.#parts);
    const id = await this.#store.queue({
      project,
      pipeline: pipeline.name,
      trigger,
      automation: automation ?? null,
      request: stored,
      steps: pipeline.steps,
    });
    this.#wake();
    return this.get(id);
  }

  /** Ends an execution; its workers are killed. @throws NOT_FOUND, CONFLICT when it has ended */
  async cancel(id: string): Promise<Execution> {
    const before = await this.#store.requestCancel(id);
    if (before !== 'queued' && before !== 'running')
      throw new SanderlingError('CONFLICT', `the execution has ended: ${before}`);
    this.#running.get(id)?.abort(new SanderlingError('CANCELLED', 'cancelled'));
    return this.get(id);
  }

  /** @throws NOT_FOUND */
  get(id: string): Promise<Execution> {
    return this.#store.get(id);
  }

  /** The execution of a project with exactly this trigger, if there is one. */
  findByTrigger(project: string, trigger: string): Promise<{ readonly id: string } | undefined> {
    return this.#store.findByTrigger(project, trigger);
  }

  /** Executions, newest first. */
  list(query: PageQuery & { readonly project?: string } = {}): Promise<Page<Execution>> {
    return this.#store.list(query);
  }

  /** The newest lines of an execution's log, oldest first. @throws NOT_FOUND */
  async log(id: string): Promise<ExecutionLog> {
    await this.get(id);
    return this.#steps.log(id);
  }

  async #pause(why: SanderlingError, signal: AbortSignal): Promise<void> {
    process.emitWarning(`executions could not be claimed, trying again: ${why.message}`);
    await this.#parts.clock.sleep(againMs, signal).catch(() => undefined);
  }

  async #claimAll(work: Set<Promise<void>>): Promise<void> {
    const { parallel = 4 } = this.#parts;
    while (this.#running.size < parallel) {
      const execution = await this.#store.claim();
      if (execution === undefined) return;
      const done = this.#run(execution).finally(() => work.delete(done));
      work.add(done);
    }
  }

  async #run(execution: ClaimedExecution): Promise<void> {
    const controller = new AbortController();
    if (this.#stopped !== undefined) controller.abort(this.#stopped);
    this.#running.set(execution.id, controller);
    try {
      for (;;) {
        const failure = await this.#runOnce(execution, controller.signal);
        if (failure === undefined || this.#stopped !== undefined) return;
        process.emitWarning(`execution ${execution.id} could not be written down, trying again: ${failure.message}`);
        await this.#parts.clock.sleep(againMs, controller.signal).catch(() => undefined);
      }
    } finally {
      this.#running.delete(execution.id);
      this.#wake();
    }
  }

  /** @returns why the database could not take the outcome, if so. */
  async #runOnce(execution: ClaimedExecution, signal: AbortSignal): Promise<SanderlingError | undefined> {
    const { clock, codeVersion } = this.#parts;
    try {
      const pipeline = trainingPipeline(execution.request, this.#parts);
      await runExecution(execution, pipeline, { store: this.#store, steps: this.#steps, clock, codeVersion, signal });
      return undefined;
    } catch (error) {
      return toSanderlingError(error);
    }
  }
}
