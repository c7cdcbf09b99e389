// A registered version as the hub's capabilities see it: everything that gates, releases and forecasts need.
import type { Digest } from '@sanderling/kit';
import type { Preprocessing } from '@sanderling/series';
import type { GateResult, ModelVersion } from '@sanderling/wire';
import type { Selectable } from 'kysely';
import type { Evaluation, Prepared } from '../workers/index.ts';
import type { ModelTables } from './tables.ts';

/** What a pipeline registers. */
export interface NewVersion {
  readonly project: string;
  /** The tracked run that trained it. */
  readonly run: string;
  readonly execution: string | null;
  readonly dataset: Digest;
  /** The ONNX model in the blob store. */
  readonly artifact: Digest;
  readonly sizeBytes: number;
  readonly preprocessing: Preprocessing;
  /** The task that it was trained for. */
  readonly prepared: Prepared;
  readonly evaluation: Evaluation;
}

/** A registered version. */
export interface VersionRecord extends NewVersion {
  readonly version: number;
  readonly metrics: Readonly<Record<string, number>>;
  readonly gates: readonly GateResult[] | null;
  readonly aliases: readonly string[];
  readonly createdAt: number;
}

/** What people see of an evaluation. Errors are in the unit of the data. */
export function versionMetrics({ metrics, baselines, testWindows }: Evaluation): Record<string, number> {
  return {
    mae: metrics.mae,
    rmse: metrics.rmse,
    bias: metrics.bias,
    worst: metrics.worst,
    'next-step-mae': metrics.nextStepMae,
    'persistence-mae': baselines.persistence,
    'seasonal-naive-mae': baselines['seasonal-naive'],
    'test-windows': testWindows,
  };
}

export function toRecord(row: Selectable<ModelTables['model_version']>, aliases: readonly string[]): VersionRecord {
  return {
    project: row.project,
    version: row.version,
    run: row.run,
    execution: row.execution,
    dataset: row.dataset,
    artifact: row.artifact,
    sizeBytes: row.size_bytes,
    metrics: JSON.parse(row.metrics) as Record<string, number>,
    preprocessing: JSON.parse(row.preprocessing) as Preprocessing,
    prepared: JSON.parse(row.prepared) as Prepared,
    evaluation: JSON.parse(row.evaluation) as Evaluation,
    gates: row.gates === null ? null : (JSON.parse(row.gates) as GateResult[]),
    aliases,
    createdAt: row.created_at,
  };
}

/** The public form. */
export function toModelVersion(record: VersionRecord): ModelVersion {
  const { project, version, run, execution, dataset, artifact, sizeBytes, metrics, aliases, gates, createdAt } = record;
  return {
    model: project,
    version,
    run,
    execution,
    dataset,
    artifact,
    sizeBytes,
    metrics: { ...metrics },
    aliases: [...aliases],
    gates: gates === null ? null : [...gates],
    createdAt,
  };
}
