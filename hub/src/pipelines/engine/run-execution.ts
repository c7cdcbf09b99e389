// One execution from wherever it stands to its end: steps start as soon as those before them have succeeded; finished ones are never run again.
import { backoff, digestOf, SanderlingError, toSanderlingError, type Clock } from '@sanderling/kit';
import type { ClaimedExecution, ExecutionEnd, ExecutionStore } from './execution-store.ts';
import { Stopped, type AnyStep, type Outputs, type Pipeline, type StepContext } from './pipeline.ts';
import type { StepStore } from './step-store.ts';

/** How to run it. */
export interface RunOptions {
  readonly store: ExecutionStore;
  readonly steps: StepStore;
  readonly clock: Clock;
  /** Aborts with CANCELLED when the execution is to end, with UNAVAILABLE when only the hub stops. */
  readonly signal: AbortSignal;
  /** Of the code that steps run; part of every cache key. */
  readonly codeVersion: string;
}

/** Failures that may pass. */
const transient: readonly SanderlingError['code'][] = ['UNAVAILABLE', 'TIMEOUT', 'LIMIT_REACHED', 'DISK_FULL'];
/** Failures that mean: the data will not do. Nothing is broken, the execution stops. */
const aboutData: readonly SanderlingError['code'][] = ['TOO_LITTLE_DATA', 'INVALID_DATA'];
/** A step that was begun so often, crashes counted, is given up. */
const mostStarts = 10;
const progressEveryMs = 300;

type Results = Readonly<Record<string, Outputs>>;

/** Runs an execution. When only the hub stops it is left as it stands, to be gone on with. */
export async function runExecution(
  execution: ClaimedExecution,
  pipeline: Pipeline,
  options: RunOptions,
): Promise<void> {
  const { store, signal } = options;
  try {
    if (execution.cancelRequested) throw new SanderlingError('CANCELLED', 'cancelled');
    await runSteps(execution, pipeline, options);
    await store.end(execution.id, { state: 'succeeded', reason: null, code: null });
  } catch (thrown) {
    if (isHubStopping(signal)) return;
    await store.end(execution.id, endOf(thrown));
  }
}

function endOf(thrown: unknown): ExecutionEnd {
  if (thrown instanceof Stopped) return { state: 'stopped', reason: thrown.message, code: thrown.code };
  const error = toSanderlingError(thrown);
  return { state: error.code === 'CANCELLED' ? 'cancelled' : 'failed', reason: sentence(error), code: error.code };
}

function sentence({ message, fix }: SanderlingError): string {
  return fix === undefined ? message : `${message}; ${fix}`;
}

function isHubStopping(signal: AbortSignal): boolean {
  return signal.aborted && toSanderlingError(signal.reason).code === 'UNAVAILABLE';
}

/** The first failure aborts the siblings, waits for them, then is thrown. */
async function runSteps(execution: ClaimedExecution, pipeline: Pipeline, options: RunOptions): Promise<void> {
  const rows = await options.steps.resume(execution.id);
  const done = new Map<string, Outputs>();
  for (const row of rows) if (row.state === 'succeeded') done.set(row.name, JSON.parse(row.outputs) as Outputs);
  const left = new Set(pipeline.steps.filter(({ name }) => !done.has(name)));
  const siblings = new AbortController();
  const signal = AbortSignal.any([siblings.signal, options.signal]);
  const running = new Map<string, Promise<void>>();
  const failures: unknown[] = [];
  while (left.size + running.size > 0) {
    for (const step of left) {
      if (failures.length > 0 || !step.after.every((name) => done.has(name))) continue;
      left.delete(step);
      const inputs = Object.fromEntries(step.after.map((name) => [name, done.get(name)!]));
      const work = runStep(step, inputs, { execution, options: { ...options, signal } })
        .then((outputs) => void done.set(step.name, outputs))
        .catch((error: unknown) => {
          failures.push(error);
          siblings.abort(new SanderlingError('CANCELLED', 'a step beside it ended the execution'));
        })
        .finally(() => running.delete(step.name));
      running.set(step.name, work);
    }
    if (running.size === 0) break;
    await Promise.race(running.values());
  }
  if (failures.length > 0) throw failures[0];
}

interface StepScope {
  readonly execution: ClaimedExecution;
  readonly options: RunOptions;
}

async function runStep(step: AnyStep, inputs: Results, scope: StepScope): Promise<Outputs> {
  const { execution, options } = scope;
  const { steps, clock, signal } = options;
  const key = step.cacheKey === undefined ? null : digestOf([options.codeVersion, step.name, step.cacheKey(inputs)]);
  for (let tries = 1; ; tries++) {
    signal.throwIfAborted();
    const attempt = await steps.start(execution.id, step.name);
    try {
      if (attempt > mostStarts)
        throw new SanderlingError('INTERNAL', `step ${step.name} was begun ${mostStarts} times and never ended`);
      return await tryStep(step, inputs, { ...scope, key });
    } catch (thrown) {
      const again = await settleFailure(step, thrown, { ...scope, tries });
      if (!again) throw asEnd(thrown);
    }
    await clock.sleep(backoff(tries, { baseMs: 500, maxMs: 30_000 }), signal);
  }
}

async function tryStep(
  step: AnyStep,
  inputs: Results,
  { execution, options, key }: StepScope & { readonly key: string | null },
): Promise<Outputs> {
  const { steps } = options;
  const cached = key === null || execution.request.ignoreCache ? undefined : await cachedOutputs(step, key, steps);
  if (cached !== undefined) {
    const message = `the same data and settings as in ${cached.execution}: taken from there`;
    await steps.writeLog(execution.id, step.name, { level: 'info', text: message });
    await steps.end(execution.id, step.name, {
      state: 'succeeded',
      message,
      outputs: cached.outputs,
      cacheKey: null,
    });
    return cached.outputs;
  }
  const { context, settle } = contextOf(step, execution, options);
  try {
    const outputs = await step.run(inputs, context);
    context.signal.throwIfAborted();
    const message = await settle();
    await steps.end(execution.id, step.name, { state: 'succeeded', message, outputs, cacheKey: key });
    return outputs;
  } finally {
    await settle();
  }
}

/** What an earlier execution found, if all of it is still there: a key may outlive what its outputs name. */
async function cachedOutputs(step: AnyStep, key: string, steps: StepStore): ReturnType<StepStore['cached']> {
  const cached = await steps.cached(key);
  if (cached === undefined || step.isWhole === undefined) return cached;
  return (await step.isWhole(cached.outputs)) ? cached : undefined;
}

/** Records how a try ended badly. @returns whether to try again. */
async function settleFailure(
  step: AnyStep,
  thrown: unknown,
  { execution, options, tries }: StepScope & { readonly tries: number },
): Promise<boolean> {
  const { steps, signal } = options;
  if (isHubStopping(signal)) return false;
  const stopped = asEnd(thrown);
  if (stopped instanceof Stopped) {
    await end(steps, execution, step, { state: 'stopped', message: stopped.message, outputs: stopped.outputs });
    return false;
  }
  const error = toSanderlingError(thrown);
  await steps.writeLog(execution.id, step.name, { level: 'error', text: `${error.code}: ${sentence(error)}` });
  if (signal.aborted || error.code === 'CANCELLED') {
    await end(steps, execution, step, { state: 'cancelled', message: error.message, outputs: {} });
    return false;
  }
  if (transient.includes(error.code) && tries < step.attempts) return true;
  await end(steps, execution, step, { state: 'failed', message: sentence(error), outputs: {} });
  return false;
}

function end(
  steps: StepStore,
  { id }: ClaimedExecution,
  step: AnyStep,
  how: { readonly state: 'stopped' | 'cancelled' | 'failed'; readonly message: string; readonly outputs: Outputs },
): Promise<void> {
  return steps.end(id, step.name, { ...how, cacheKey: null });
}

/** Errors about the data are ends, not failures. */
function asEnd(thrown: unknown): unknown {
  if (thrown instanceof SanderlingError && aboutData.includes(thrown.code))
    return new Stopped(sentence(thrown), {}, thrown.code);
  return thrown;
}

/** The step's context; `settle` waits for what it still writes and gives its last message. */
function contextOf(
  step: AnyStep,
  execution: ClaimedExecution,
  { steps, clock, signal }: RunOptions,
): { readonly context: StepContext; readonly settle: () => Promise<string | null> } {
  let last = 0;
  let message: string | null = null;
  let writing: Promise<void> = Promise.resolve();
  const context: StepContext = {
    execution: execution.id,
    project: execution.project,
    signal: AbortSignal.any([signal, AbortSignal.timeout(step.timeoutMs)]),
    log: (level, text) => steps.writeLog(execution.id, step.name, { level, text }),
    progress: (share, text) => {
      message = text;
      if (share < 1 && clock.now() - last < progressEveryMs) return;
      last = clock.now();
      writing = writing.then(() => steps.progress(execution.id, step.name, { share, message: text }));
      writing.catch(() => undefined);
    },
  };
  return { context, settle: () => writing.then(() => message) };
}
