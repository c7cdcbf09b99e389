// What a release for a microcontroller is made from, and its cost before there is one: the task of the workers, asked for a version.
import type { ResidualMonitorConfig } from '@sanderling/drift';
import { imageRelease, type DeviceCost, type MicroTarget, type ProjectSpec } from '@sanderling/wire';
import type { VersionRecord } from '../models/index.ts';
import type { TaskInput, TaskResult, WorkerPool } from '../workers/index.ts';

/** A version for a target. */
export interface MicroCase {
  readonly record: VersionRecord;
  readonly model: Uint8Array;
  readonly spec: ProjectSpec;
  readonly target: MicroTarget;
}

/** How the work is done and told. */
export interface MicroCall {
  readonly pool: WorkerPool;
  readonly signal?: AbortSignal | undefined;
  readonly onDoing?: ((doing: string) => void) | undefined;
}

/** Measures a version on the emulated board. @throws as the task `micro` */
export async function measureMicro(of: MicroCase, call: MicroCall): Promise<DeviceCost> {
  return (await run(inputOf(of), call)).cost;
}

/** Builds the images of a release. @throws as the task `micro` */
export function buildMicro(of: MicroCase, sequence: number, call: MicroCall): Promise<TaskResult<'micro'>> {
  const { project, version } = of.record;
  const release = imageRelease({ project, version, target: of.target });
  return run({ ...inputOf(of), images: { sequence, release } }, call);
}

/** Settings of the drift monitor for a version. */
export function driftConfig({ spec, record }: Pick<MicroCase, 'spec' | 'record'>): ResidualMonitorConfig {
  const { detector, options, alertAt, alertRatio } = spec.drift;
  return {
    detector: detector as NonNullable<ResidualMonitorConfig['detector']>,
    ...(Object.keys(options).length === 0 ? {} : { options }),
    reference: record.evaluation.reference,
    ...(alertRatio === 'auto' ? {} : { alertRatio }),
    alertAt,
  };
}

function inputOf(of: MicroCase): TaskInput<'micro'> {
  const { record, model, target } = of;
  const { preprocessing, evaluation } = record;
  return { model, preprocessing, target, drift: driftConfig(of), cases: evaluation.selfTest };
}

function run(input: TaskInput<'micro'>, { pool, signal, onDoing }: MicroCall): Promise<TaskResult<'micro'>> {
  return pool.run('micro', input, {
    timeoutMs: longestMs,
    onMessage: ({ doing }) => onDoing?.(doing),
    ...(signal === undefined ? {} : { signal }),
  });
}

/** Longest time of compiling, linking and emulating, milliseconds. */
const longestMs = 10 * 60_000;
