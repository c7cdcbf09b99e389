// The pipeline that is derived from a project's config: readings → dataset → search → judged, registered, released and rolled out.
import { toSanderlingError } from '@sanderling/kit';
import {
  durationMs,
  microTargets,
  type DeviceCost,
  type MicroTarget,
  type ProjectSpec,
  type Quality,
} from '@sanderling/wire';
import { tables } from '../../store/index.ts';
import { judgeGates, quantity, type VersionRecord } from '../../models/index.ts';
import { measureMicro } from '../../releases/index.ts';
import { Pipeline, Stopped, type StepContext } from '../engine/pipeline.ts';
import type { ExecutionRequest } from '../engine/execution-store.ts';
import type { TrainingPorts } from '../ports.ts';
import { refit } from './refit.ts';
import { SearchDriver, type SearchParts, type SearchResult } from './search-driver.ts';
import { largestWindow } from './search-space.ts';
import type { Evaluation, ModelInput, Prepared, PrepareInput, Quantised } from '../../workers/index.ts';

/** What the steps are built on. */
export interface TrainingParts extends TrainingPorts, Omit<SearchParts, 'columns'> {}

/** The pipeline for a request. Derived anew after a restart: the same request gives the same steps. */
export function trainingPipeline(request: ExecutionRequest, parts: TrainingParts): Pipeline {
  const registered = request.actions.includes('retrain') ? retraining(request, parts) : existing(request, parts);
  const judged = request.actions.includes('gate') ? gated(registered, request, parts) : registered;
  return request.actions.includes('roll-out') ? delivered(judged, request, parts) : judged;
}

type Registered = Pipeline<{ register: { readonly version: number } }>;

/** Without retraining: the candidate as it stands. */
function existing({ spec }: ExecutionRequest, { registry }: TrainingParts): Registered {
  return new Pipeline('deliver').step('register', [], {
    run: async () => ({ version: (await registry.get(spec.name, 'candidate')).version }),
  });
}

function retraining(request: ExecutionRequest, parts: TrainingParts): Registered {
  const { spec } = request;
  return new Pipeline('train')
    .step('snapshot', [], { run: (_, context) => snapshot(request, parts, context) })
    .step('quality', ['snapshot'], { run: ({ snapshot }, context) => checkQuality(snapshot.quality, context) })
    .step('prepare', ['snapshot', 'quality'], {
      run: ({ snapshot }, context) => prepare(snapshot.dataset, request, { parts, context }),
    })
    .step('search', ['prepare'], {
      cacheKey: ({ prepare }) => [prepare.prepared, spec.search, spec.model.loss],
      isWhole: (outputs) => has(parts, (outputs as unknown as SearchResult).best.model),
      timeoutMs: longestSearchMs(spec),
      run: ({ prepare }, context) => search(spec, prepare.prepared, { parts, context }),
    })
    .step('refit', ['prepare', 'search'], {
      run: ({ prepare, search }, context) => {
        const { prepared } = prepare;
        return refit({ spec, prepared, search, data: source(parts, prepared.data) }, parts, context);
      },
    })
    .step('optimise', ['prepare', 'search', 'refit'], {
      run: ({ prepare, search, refit }, context) =>
        optimise(spec, { prepared: prepare.prepared, search, model: refit.model }, { parts, context }),
    })
    .step('evaluate', ['prepare', 'search', 'optimise'], {
      run: ({ prepare, search, optimise }, context) =>
        evaluate({ prepared: prepare.prepared, search, model: optimise.model }, { parts, context }),
    })
    .step('register', ['prepare', 'search', 'refit', 'optimise', 'evaluate'], {
      run: async ({ prepare, search, refit, optimise, evaluate }, context) => {
        const { prepared } = prepare;
        const version = await parts.registry.register({
          project: context.project,
          run: refit.run,
          execution: context.execution,
          dataset: prepared.data,
          artifact: optimise.model,
          sizeBytes: optimise.sizeBytes,
          preprocessing: { ...prepared.preprocessing, window: search.best.params.window },
          prepared,
          evaluation: evaluate.evaluation,
        });
        context.progress(1, `version ${version} is the candidate`);
        return { version };
      },
    });
}

function gated(pipeline: Registered, { spec }: ExecutionRequest, parts: TrainingParts) {
  return pipeline.step('gate', ['register'], {
    run: async ({ register }, context) => {
      const record = await parts.registry.get(context.project, register.version);
      await judge(spec, record, { parts, context });
      return { version: register.version };
    },
  });
}

function delivered(pipeline: Registered, { spec }: ExecutionRequest, { registry, releases, rollouts }: TrainingParts) {
  const last = pipeline.steps.at(-1)!.name as 'register';
  return pipeline
    .step('release', ['register', ...(last === 'register' ? [] : [last])], {
      run: async ({ register }, context) => {
        const record = await registry.get(context.project, register.version);
        const made = await makeReleases(releases, { record, spec }, context);
        context.progress(1, `${made.length} ${made.length === 1 ? 'release' : 'releases'} sealed`);
        return { version: register.version, releases: made };
      },
    })
    .step('roll-out', ['release'], {
      run: async ({ release }, context) => {
        const { version, releases: made } = release;
        const rollout = await rollouts.begin({ spec, version, releases: made, execution: context.execution });
        const count = rollout.devices.length;
        context.progress(1, `roll-out to ${count} ${count === 1 ? 'device' : 'devices'} begun`);
        return { rollout: rollout.id, devices: count };
      },
    });
}

/** A model that is too large for its target stops the execution, as a gate does. */
async function makeReleases(
  releases: TrainingParts['releases'],
  { record, spec }: { readonly record: VersionRecord; readonly spec: ProjectSpec },
  context: StepContext,
) {
  const { signal } = context;
  try {
    return await releases.make(record, spec, { signal, onDoing: (doing) => context.progress(0.5, doing) });
  } catch (thrown) {
    const error = toSanderlingError(thrown);
    if (error.code !== 'TOO_LARGE') throw thrown;
    throw new Stopped(`${error.message}${error.fix === undefined ? '' : ` (${error.fix})`}`, {
      version: record.version,
    });
  }
}

interface Scope {
  readonly parts: TrainingParts;
  readonly context: StepContext;
}

async function snapshot(request: ExecutionRequest, { data, pool }: TrainingParts, context: StepContext) {
  pool.warm();
  const { signal } = context;
  if (wantsBoard(request)) await pool.run('tools', undefined, { signal });
  const { dataset, quality } = await data.createDataset(context.project);
  context.progress(1, `${dataset.rows} readings, dataset ${dataset.digest.slice(0, 12)}`);
  return { dataset: dataset.digest, rows: dataset.rows, quality };
}

/** Whether something is to be compiled for a microcontroller: where that cannot be done, nothing is trained for it. */
function wantsBoard({ spec, actions }: ExecutionRequest): boolean {
  const gated = actions.includes('gate') && spec.gates.some((gate) => 'target' in gate && gate.target !== undefined);
  return gated || (actions.includes('roll-out') && spec.targets.some((target) => isMicro(target)));
}

function isMicro(target: ProjectSpec['targets'][number]): target is MicroTarget {
  return (microTargets as readonly string[]).includes(target);
}

async function checkQuality(quality: Quality, context: StepContext) {
  for (const { severity, message } of quality.findings) await context.log(severity, message);
  const tooLittle = quality.findings.some(({ code }) => code === 'too-little-data');
  if (!quality.usable)
    throw new Stopped(
      quality.reason ?? 'the readings cannot be used for training',
      {},
      tooLittle ? 'TOO_LITTLE_DATA' : null,
    );
  const worrying = quality.findings.filter(({ severity }) => severity !== 'info').length;
  context.progress(1, worrying === 0 ? 'no complaints' : `usable, ${worrying} findings`);
  return { findings: quality.findings.length };
}

async function prepare(dataset: string, request: ExecutionRequest, { parts, context }: Scope) {
  const { data, model, search } = request.spec;
  const input: PrepareInput = {
    data: dataset,
    stepMs: data.step === 'auto' ? 'auto' : durationMs(data.step),
    horizon: model.horizon,
    largestWindow: largestWindow(search.space),
    features: model.features,
    unit: data.unit,
    minimum: data.minimum,
    split: data.split,
    freshFrom: request.freshFrom,
    freshShare: data.freshShare,
  };
  const { signal } = context;
  const prepared = await parts.pool.run('prepare', input, { data: source(parts, dataset), signal });
  const { windows, horizon, preprocessing, fresh } = prepared;
  const freshRows = fresh === null ? '' : `, ${prepared.rows - fresh.row} rows behind the alarm`;
  context.progress(
    1,
    `${prepared.rows} rows of ${preprocessing.stepMs / 1000} s, ${horizon} steps ahead, ${windows.train}/${windows.validation}/${windows.test} windows${freshRows}`,
  );
  return { prepared };
}

function search(
  spec: ProjectSpec,
  prepared: Prepared,
  { parts, context }: Scope,
): Promise<SearchResult & Record<string, unknown>> {
  const columns = (digest: string) => parts.data.columns(digest);
  return new SearchDriver({ ...parts, columns }, { spec, prepared }, context).run() as Promise<
    SearchResult & Record<string, unknown>
  >;
}

async function has({ blobs }: TrainingParts, digest: string): Promise<boolean> {
  const size = await blobs.size(digest).catch((error: unknown) => {
    if (toSanderlingError(error).code === 'NOT_FOUND') return undefined;
    throw error;
  });
  return size !== undefined;
}

interface Found {
  readonly prepared: Prepared;
  readonly search: SearchResult;
}

async function optimise(spec: ProjectSpec, found: Found & { readonly model: string }, { parts, context }: Scope) {
  const input = await modelOf(found, parts);
  const { signal } = context;
  const { prepared } = found;
  const { model, difference, quantised } = await parts.pool.run(
    'optimise',
    { ...input, prepared, steps: spec.optimise },
    { data: source(parts, prepared.data), signal },
  );
  const bytes = Buffer.from(model);
  const int8 = quantised === null ? '' : `; ${quantisedText(quantised)}`;
  context.progress(1, `${input.model.length} → ${bytes.length} bytes, forecasts differ by ${difference}${int8}`);
  return { model: await parts.blobs.put(bytes), sizeBytes: bytes.length, difference };
}

function quantisedText({ relativeError, layers, floatLayers, withoutInt8 }: Quantised): string {
  const left = floatLayers.length === 0 ? '' : `, in float: ${floatLayers.join(', ')}`;
  const error = `error ${(relativeError * 100).toPrecision(2)} % of the forecasts`;
  const plain =
    withoutInt8.length === 0
      ? ''
      : `; a plain recurrent layer has no int8 form, so ${withoutInt8.join(', ')} stays in float (gru and lstm have one)`;
  return `int8: ${layers - floatLayers.length} of ${layers} layers${left}, ${error}${plain}`;
}

async function evaluate(found: Found & { readonly model: string }, { parts, context }: Scope) {
  const { prepared } = found;
  const input = { prepared, ...(await modelOf(found, parts)) };
  const { signal } = context;
  const evaluation = await parts.pool.run('evaluate', input, { data: source(parts, prepared.data), signal });
  context.progress(1, describe(evaluation, prepared.preprocessing.unit));
  return { evaluation };
}

function describe({ metrics, baselines }: Evaluation, unit: string): string {
  const { persistence, 'seasonal-naive': seasonal } = baselines;
  return `test error ${quantity(metrics.mae, unit)}; persistence ${quantity(persistence, unit)}, seasonal-naive ${quantity(seasonal, unit)}`;
}

/** Asks the gates; every answer is an event, a no stops the execution with its sentence. */
async function judge(spec: ProjectSpec, record: VersionRecord, { parts, context }: Scope): Promise<void> {
  const { registry, events, pool, database } = parts;
  const champion = await registry.find(record.project, 'champion');
  const rival = champion === undefined || champion.version === record.version ? undefined : champion;
  const results = await judgeGates(spec.gates, {
    evaluation: record.evaluation,
    prepared: record.prepared,
    candidate: await registry.modelInput(record),
    champion: rival === undefined ? undefined : { ...(await registry.modelInput(rival)), version: rival.version },
    readings: source(parts, record.dataset),
    cost: costOf(spec, record, { parts, context }),
    pool,
    signal: context.signal,
  });
  await tables<object>(database)
    .transaction()
    .execute(async (tx) => {
      await registry.setGates(record.project, record.version, results, tx);
      for (const { passed, ...result } of results) {
        const data = { ...result, version: record.version };
        const type = passed ? 'gate.passed' : 'gate.failed';
        await events.append({ type, project: record.project, subject: context.execution, data }, tx);
      }
    });
  for (const { gate, passed, message } of results)
    await context.log(passed ? 'info' : 'warning', `${gate}: ${message}`);
  const failed = results.find(({ passed }) => !passed);
  if (failed !== undefined)
    throw new Stopped(`stopped by the gate ${failed.gate}: ${failed.message}`, { version: record.version });
  context.progress(1, results.length === 0 ? 'no gates' : `${results.length} gates passed`);
}

/** Measures on the emulated board, once for each target however many gates ask. */
function costOf(spec: ProjectSpec, record: VersionRecord, { parts, context }: Scope) {
  const known = new Map<MicroTarget, Promise<DeviceCost>>();
  const measureOnce = async (target: MicroTarget): Promise<DeviceCost> => {
    const { model } = await parts.registry.modelInput(record);
    const call = { pool: parts.pool, signal: context.signal };
    return measureMicro({ record, model, spec, target }, { ...call, onDoing: (doing) => context.progress(0.5, doing) });
  };
  return (target: MicroTarget): Promise<DeviceCost> => {
    const measured = known.get(target) ?? measureOnce(target);
    known.set(target, measured);
    return measured;
  };
}

async function modelOf(
  { prepared, search, model }: Found & { readonly model: string },
  { blobs }: TrainingParts,
): Promise<ModelInput> {
  return {
    model: await blobs.get(model),
    preprocessing: { ...prepared.preprocessing, window: search.best.params.window },
  };
}

function source({ data }: TrainingParts, dataset: string) {
  return { key: dataset, load: () => data.columns(dataset) };
}

/** As if every trial took as long as it may, one after the other. */
function longestSearchMs({ search }: ProjectSpec): number {
  return Math.min(2 ** 31 - 1, search.trials * durationMs(search.trialTimeout));
}
