// A search at work: the algorithm proposes in the hub, trials train in worker processes. What was told is in the database: a killed search
// goes on where it stood, finished trials are never run again, and the same seed gives the same trials however many workers there are.
import { availableParallelism } from 'node:os';
import { SanderlingError, toSanderlingError, type Clock, type Digest } from '@sanderling/kit';
import type { Params, Search, Trial } from '@sanderling/search';
import { durationMs, type Artifact, type ProjectSpec } from '@sanderling/wire';
import type { EventLog } from '../../events/index.ts';
import type { BlobStore, Database } from '../../store/index.ts';
import type { Tracking } from '../../tracking/index.ts';
import type {
  Columns,
  EpochNews,
  Prepared,
  TrialInput,
  TrialParams,
  TrialResult,
  WorkerPool,
} from '../../workers/index.ts';
import type { StepContext } from '../engine/pipeline.ts';
import { EpochLog } from './epoch-log.ts';
import { firstTrials, searchSpace } from './search-space.ts';
import { TrialStore, type SearchRecord, type TrialEnd } from './trial-store.ts';

/** What searches are built on. */
export interface SearchParts {
  readonly database: Database;
  readonly events: EventLog;
  readonly clock: Clock;
  readonly tracking: Tracking;
  readonly blobs: BlobStore;
  readonly pool: WorkerPool;
  readonly columns: (digest: Digest) => Promise<Columns>;
}

/** What to search. */
export interface SearchTask {
  readonly spec: ProjectSpec;
  readonly prepared: Prepared;
}

/** What a search found: plain JSON. */
export interface SearchResult {
  readonly parentRun: string;
  readonly experiment: string;
  readonly trials: number;
  readonly failed: number;
  readonly best: {
    readonly trial: number;
    readonly run: string;
    readonly params: TrialParams;
    readonly model: Digest;
    readonly sizeBytes: number;
    readonly validationMae: number;
    readonly bestEpoch: number;
  };
}

interface Outcome {
  readonly end: TrialEnd;
  readonly result?: TrialResult;
}

/** The genetic search's own least; one that is larger than the number of trials is never filled. */
const leastPopulation = 2;

/** Searches hyper-parameters; one object serves one execution's search step. */
export class SearchDriver {
  readonly #parts: SearchParts;
  readonly #task: SearchTask;
  readonly #context: StepContext;
  readonly #store: TrialStore;
  readonly #epochs: EpochLog;
  readonly #runs = new Map<number, string>();
  /** Trials that were begun before a restart: their runs may hold metrics already. */
  readonly #resumed = new Set<number>();
  /** Epochs of trials at work, by run. */
  readonly #histories = new Map<string, EpochNews[]>();

  constructor(parts: SearchParts, task: SearchTask, context: StepContext) {
    this.#parts = parts;
    this.#task = task;
    this.#context = context;
    this.#store = new TrialStore(parts.database);
    this.#epochs = new EpochLog(parts.database, parts.tracking, parts.clock);
  }

  /** Runs or goes on. @throws CANCELLED; NAN_LOSS or what ended the first trial when no trial succeeded */
  async run(): Promise<SearchResult> {
    const record = await this.#open();
    try {
      const search = await this.#restore(record);
      await this.#runTrials(search, record);
      return await this.#finish(search, record);
    } catch (thrown) {
      await this.#giveUp(record, toSanderlingError(thrown));
      throw thrown;
    } finally {
      this.#epochs.stop();
    }
  }

  async #open(): Promise<SearchRecord> {
    const { tracking } = this.#parts;
    const { spec, prepared } = this.#task;
    const { execution, project } = this.#context;
    const found = await this.#store.find(execution);
    if (found !== undefined) return found;
    const { genetic, random, spaceFromJson, spaceToJson } = await import('@sanderling/search');
    const { algorithm, population, seed, trials } = spec.search;
    const settings: SearchRecord['settings'] = {
      version: 1,
      algorithm:
        algorithm === 'genetic'
          ? genetic({ population: Math.max(leastPopulation, Math.min(population, trials)) })
          : random(),
      space: spaceToJson(spaceFromJson(searchSpace(spec.search.space, prepared))),
      seed,
      goals: [{ name: 'value', direction: 'minimize' }],
      constraints: [],
      limit: trials,
      initial: firstTrials(spec.search.space, prepared) as unknown as Params[],
    };
    return this.#store.create(execution, async (tx) => {
      const experiment = (await tracking.experiment(project, 'search', tx)).id;
      const params = { algorithm, seed: String(seed), trials: String(trials), dataset: prepared.data };
      const tags = { execution, kind: 'search' };
      const parentRun = await tracking.startRun({ experiment, name: `search ${execution}`, params, tags }, tx);
      return { experiment, parentRun, settings };
    });
  }

  async #restore(record: SearchRecord): Promise<Search> {
    const { restoreSearch } = await import('@sanderling/search');
    const { records, runs } = await this.#store.trials(this.#context.execution);
    for (const [trial, run] of runs) this.#runs.set(trial, run);
    if (records.length > 0) await this.#context.log('info', `going on after ${records.length} trials that were begun`);
    return restoreSearch({ ...record.settings, trials: records });
  }

  /** Keeps the lanes full; the first failure that is not a trial's own aborts the others, waits for them, then is thrown. */
  async #runTrials(search: Search, record: SearchRecord): Promise<void> {
    const lanes = laneCount(this.#task.spec.search.parallel, this.#parts.pool);
    const siblings = new AbortController();
    const signal = AbortSignal.any([siblings.signal, this.#context.signal]);
    const running = new Map<number, Promise<void>>();
    const again = [...search.outstanding()];
    for (const { id } of again) this.#resumed.add(id);
    const failures: unknown[] = [];
    for (;;) {
      while (running.size < lanes && failures.length === 0 && !signal.aborted) {
        const trial = again.shift() ?? (await this.#ask(search, record));
        if (trial === undefined) break;
        const work = this.#runTrial(trial, search, signal)
          .catch((error: unknown) => {
            failures.push(error);
            siblings.abort(error);
          })
          .finally(() => running.delete(trial.id));
        running.set(trial.id, work);
      }
      if (running.size === 0) break;
      await Promise.race(running.values());
    }
    if (failures.length > 0) throw failures[0];
    this.#context.signal.throwIfAborted();
  }

  async #ask(search: Search, { experiment, parentRun }: SearchRecord): Promise<Trial | undefined> {
    const trial = search.ask();
    if (trial === undefined) return undefined;
    const name = `trial ${trial.id}`;
    const tags = { execution: this.#context.execution, kind: 'trial' };
    const run = await this.#store.ask(this.#context.execution, trial, (tx) =>
      this.#parts.tracking.startRun({ experiment, name, parent: parentRun, params: texts(trial.params), tags }, tx),
    );
    this.#runs.set(trial.id, run);
    return trial;
  }

  async #runTrial(trial: Trial, search: Search, signal: AbortSignal): Promise<void> {
    const outcome = await this.#attempt(trial, signal);
    const { end } = outcome;
    search.tell(trial.id, end.state === 'failed' ? end : { value: end.validationMae });
    await this.#tell(trial, search, outcome);
  }

  async #attempt(trial: Trial, signal: AbortSignal): Promise<Outcome> {
    try {
      const result = await this.#train(trial, signal);
      const model = await this.#parts.blobs.put(result.model);
      const { validationMae, seconds, bestEpoch } = result;
      const sizeBytes = result.model.length;
      return { end: { state: 'complete', validationMae, model, sizeBytes, seconds, bestEpoch }, result };
    } catch (thrown) {
      const error = toSanderlingError(thrown);
      if (signal.aborted || !isOwnFailure(error)) throw thrown;
      return { end: { state: 'failed', reason: `${error.code}: ${error.message}` } };
    }
  }

  /** Trains in a worker; when the process dies under it, once more in another. */
  async #train(trial: Trial, signal: AbortSignal): Promise<TrialResult> {
    const { prepared, spec } = this.#task;
    const { pool, columns, tracking } = this.#parts;
    const run = this.#runs.get(trial.id)!;
    const params = trial.params as unknown as TrialParams;
    const input = trialInput(spec, prepared, { trial: trial.id, params });
    for (let tries = 1; ; tries++) {
      await this.#epochs.take(run);
      this.#histories.set(run, []);
      if (tries > 1 || this.#resumed.delete(trial.id)) await tracking.restartRun(run);
      try {
        return await pool.run('trial', input, {
          data: { key: prepared.data, load: () => columns(prepared.data) },
          signal,
          timeoutMs: durationMs(spec.search.trialTimeout),
          onMessage: (news) => {
            this.#epochs.add(run, news);
            this.#histories.get(run)?.push(news);
          },
        });
      } catch (thrown) {
        if (signal.aborted || tries > 1 || toSanderlingError(thrown).code !== 'UNAVAILABLE') throw thrown;
        await this.#context.log('warning', `trial ${trial.id}: ${toSanderlingError(thrown).message}; trying again`);
      }
    }
  }

  /** Everything that follows from a trial's end, in one transaction. */
  async #tell(trial: Trial, search: Search, { end, result }: Outcome): Promise<void> {
    const { tracking, events, clock } = this.#parts;
    const run = this.#runs.get(trial.id)!;
    const waiting = await this.#epochs.take(run);
    const summary = result === undefined ? [] : summaryOf(result, clock.now());
    const data = this.#news(trial, search, end);
    const artifacts = await this.#artifactsOf(run, end);
    await this.#store.tell(this.#context.execution, trial.id, end, async (tx) => {
      const tags = end.state === 'failed' ? { reason: end.reason.slice(0, 1000) } : {};
      await tracking.log(run, { metrics: [...waiting, ...summary], tags }, tx);
      for (const artifact of artifacts) await tracking.linkArtifact(run, artifact, tx);
      await tracking.endRun(run, end.state === 'complete' ? 'finished' : 'failed', tx);
      const { project, execution: subject } = this.#context;
      await events.append({ type: 'trial.finished', project, subject, data: { ...data, run } }, tx);
    });
    this.#context.progress(data.finished / data.total, bestText(data));
  }

  async #artifactsOf(run: string, end: TrialEnd): Promise<Artifact[]> {
    const history = Buffer.from(JSON.stringify(this.#histories.get(run) ?? []));
    this.#histories.delete(run);
    const digest = await this.#parts.blobs.put(history);
    const epochs = { path: 'history.json', size: history.length, digest };
    if (end.state === 'failed') return [epochs];
    return [epochs, { path: 'model.onnx', size: end.sizeBytes, digest: end.model }];
  }

  #news(trial: Trial, search: Search, end: TrialEnd) {
    const records = search.trials();
    const best = search.best();
    return {
      trial: trial.id,
      params: trial.params,
      state: end.state,
      validationMae: end.state === 'complete' ? end.validationMae : null,
      seconds: end.state === 'complete' ? end.seconds : null,
      reason: end.state === 'failed' ? end.reason : null,
      best: best === undefined ? null : { trial: best.id, validationMae: best.values!['value']!, params: best.params },
      finished: records.filter(({ state }) => state !== 'running').length,
      total: this.#task.spec.search.trials,
      unit: this.#task.prepared.preprocessing.unit,
    };
  }

  async #finish(search: Search, record: SearchRecord): Promise<SearchResult> {
    const { tracking, clock } = this.#parts;
    const trials = search.trials();
    const failed = trials.filter(({ state }) => state === 'failed');
    const best = search.best();
    if (best === undefined)
      throw new SanderlingError(
        'NAN_LOSS',
        `none of ${trials.length} trials succeeded; the first: ${failed[0]?.reason}`,
        {
          fix: 'look at the trials’ runs; a smaller learning rate often helps',
        },
      );
    const model = await this.#store.model(this.#context.execution, best.id);
    const at = { step: 0, time: clock.now() };
    const metrics = [
      { key: 'best-validation-mae', value: model.validationMae, ...at },
      { key: 'best-trial', value: best.id, ...at },
    ];
    const parent = await tracking.run(record.parentRun);
    if (parent.state === 'running') {
      await tracking.log(record.parentRun, { metrics, tags: { 'best-run': model.run } });
      await tracking.endRun(record.parentRun, 'finished');
    }
    const params = best.params as unknown as TrialParams;
    const { experiment, parentRun } = record;
    return { parentRun, experiment, trials: trials.length, failed: failed.length, best: { ...model, params } };
  }

  /** Ends the runs of a search that is cancelled or has failed; one that only pauses because the hub stops keeps them. */
  async #giveUp({ parentRun }: SearchRecord, error: SanderlingError): Promise<void> {
    if (this.#context.signal.aborted && toSanderlingError(this.#context.signal.reason).code === 'UNAVAILABLE') return;
    const state = error.code === 'CANCELLED' ? 'killed' : 'failed';
    const { tracking } = this.#parts;
    for (const run of [...this.#runs.values(), parentRun])
      if ((await tracking.run(run)).state === 'running') await tracking.endRun(run, state);
  }
}

/** What a worker needs to train a trial. Its seed depends on the search's and its own number alone. */
export function trialInput(
  { search, model }: ProjectSpec,
  prepared: Prepared,
  { trial, params }: { readonly trial: number; readonly params: TrialParams },
): TrialInput {
  const { seed, epochs, patience } = search;
  const loss = model.loss === 'auto' ? prepared.suggested.loss : model.loss;
  return { prepared, params, seed: `${seed}/${trial}`, loss, epochs, patience };
}

/** Failures that say something about the trial's parameters and nothing about the others'. */
function isOwnFailure({ code }: SanderlingError): boolean {
  const foreign: readonly SanderlingError['code'][] = [
    'DISK_FULL',
    'LIMIT_REACHED',
    'CONFLICT',
    'CORRUPT',
    'NOT_FOUND',
  ];
  return !foreign.includes(code);
}

function laneCount(parallel: ProjectSpec['search']['parallel'], pool: WorkerPool): number {
  return Math.min(parallel === 'auto' ? availableParallelism() : parallel, pool.size);
}

function texts(params: Params): Record<string, string> {
  return Object.fromEntries(Object.entries(params).map(([name, value]) => [name, String(value)]));
}

function summaryOf(result: TrialResult, time: number) {
  const { validationMae, validationLoss, bestEpoch, parameters, seconds } = result;
  const at = { step: bestEpoch, time };
  return [
    { key: 'validation-mae', value: validationMae, ...at },
    { key: 'best-validation-loss', value: validationLoss, ...at },
    { key: 'parameters', value: parameters, ...at },
    { key: 'seconds', value: seconds, ...at },
  ];
}

function bestText(news: {
  readonly finished: number;
  readonly total: number;
  readonly best: { readonly validationMae: number } | null;
  readonly unit: string;
}): string {
  const count = `${news.finished} of ${news.total} trials`;
  if (news.best === null) return count;
  return `${count}, best validation error ${Number(news.best.validationMae.toPrecision(3))} ${news.unit}`.trimEnd();
}
