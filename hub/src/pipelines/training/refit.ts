// The best trial once more, on training and validation part together: the newest readings before the test part are the most like what comes next.
// Parameters, seed and number of epochs are the trial's; the test part stays unseen.
import { toSanderlingError, type Clock, type Digest } from '@sanderling/kit';
import type { ProjectSpec } from '@sanderling/wire';
import { tables, type BlobStore, type Database } from '../../store/index.ts';
import type { MetricEntry, Tracking } from '../../tracking/index.ts';
import type { Columns, EpochNews, Prepared, TrialResult, WorkerPool } from '../../workers/index.ts';
import type { StepContext } from '../engine/pipeline.ts';
import { trialInput, type SearchResult } from './search-driver.ts';

/** What a refit is built on. */
export interface RefitParts {
  readonly database: Database;
  readonly clock: Clock;
  readonly tracking: Tracking;
  readonly blobs: BlobStore;
  readonly pool: WorkerPool;
}

/** What to fit again. */
export interface RefitTask {
  readonly spec: ProjectSpec;
  readonly prepared: Prepared;
  readonly search: SearchResult;
  readonly data: { readonly key: string; readonly load: () => Promise<Columns> };
}

/** The model that goes on, and the tracked run that made it. */
export interface Refitted {
  readonly model: Digest;
  readonly sizeBytes: number;
  readonly run: string;
  readonly [field: string]: unknown;
}

const mostPoints = 900;

/** @throws CANCELLED; a training that ends in numbers that are none keeps the trial's own model */
export async function refit(task: RefitTask, parts: RefitParts, context: StepContext): Promise<Refitted> {
  const { prepared, search, spec, data } = task;
  const { best } = search;
  const { train, validation } = prepared.targets;
  const targets = { ...prepared.targets, train: { from: train.from, to: validation.to } };
  const epochs = Math.max(1, best.bestEpoch);
  const input = { ...trialInput(spec, { ...prepared, targets }, best), epochs, patience: epochs };
  const news: EpochNews[] = [];
  try {
    const { signal } = context;
    const result = await parts.pool.run('trial', input, { data, signal, onMessage: (epoch) => news.push(epoch) });
    const model = await parts.blobs.put(result.model);
    const run = await track(task, { result, model, news }, { parts, context });
    context.progress(1, `trial ${best.trial} fitted again with the validation part, ${epochs} epochs`);
    return { model, sizeBytes: result.model.length, run };
  } catch (thrown) {
    if (toSanderlingError(thrown).code !== 'NAN_LOSS') throw thrown;
    await context.log('warning', 'fitting again failed; the trial’s own model goes on');
    return { model: best.model, sizeBytes: best.sizeBytes, run: best.run };
  }
}

/** The run of the refit, begun and ended in one transaction: a crash leaves none behind. */
function track(
  { search }: RefitTask,
  made: { readonly result: TrialResult; readonly model: Digest; readonly news: readonly EpochNews[] },
  { parts, context }: { readonly parts: RefitParts; readonly context: StepContext },
): Promise<string> {
  const { tracking, clock, database } = parts;
  const { experiment, parentRun: parent, best } = search;
  const time = clock.now();
  const metrics: MetricEntry[] = made.news.map(({ epoch, trainLoss }) => ({
    key: 'train-loss',
    step: epoch,
    time,
    value: trainLoss,
  }));
  metrics.push({ key: 'seconds', step: 0, time, value: made.result.seconds });
  const params = Object.fromEntries(Object.entries(best.params).map(([name, value]) => [name, String(value)]));
  const tags = { execution: context.execution, kind: 'refit', trial: best.run };
  return tables<object>(database)
    .transaction()
    .execute(async (tx) => {
      const run = await tracking.startRun({ experiment, name: 'refit', parent, params, tags }, tx);
      await tracking.log(run, { metrics: metrics.slice(-mostPoints) }, tx);
      const artifact = { path: 'model.onnx', size: made.result.model.length, digest: made.model };
      await tracking.linkArtifact(run, artifact, tx);
      await tracking.endRun(run, 'finished', tx);
      return run;
    });
}
