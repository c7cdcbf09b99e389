// What pipelines need of the capabilities beside them.
import type { Digest } from '@sanderling/kit';
import type { Dataset, Project, Quality } from '@sanderling/wire';
import type { Registry } from '../models/index.ts';
import type { Releases, Rollouts } from '../releases/index.ts';
import type { BlobStore } from '../store/index.ts';
import type { Tracking } from '../tracking/index.ts';
import type { Columns, WorkerPool } from '../workers/index.ts';

/** The project registry. */
export interface ProjectSource {
  /** @throws NOT_FOUND */
  get(name: string): Promise<Project>;
}

/** Readings and datasets. */
export interface DataSource {
  createDataset(project: string): Promise<{ readonly dataset: Dataset; readonly quality: Quality }>;
  columns(digest: Digest): Promise<Columns>;
  span(project: string): Promise<{ readonly count: number; readonly lastTime: number | null }>;
}

/** Everything that the training pipeline's steps call. */
export interface TrainingPorts {
  readonly data: DataSource;
  readonly blobs: BlobStore;
  readonly tracking: Tracking;
  readonly registry: Registry;
  readonly releases: Releases;
  readonly rollouts: Rollouts;
  readonly pool: WorkerPool;
}
