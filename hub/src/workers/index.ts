// Workers: heavy work in processes beside the hub, a typed table of tasks and a bounded pool.
export { WorkerPool, type PoolOptions, type TaskCall } from './pool.ts';
export type { Columns } from './tasks/columns.ts';
export type { ChampionComparison, CompareInput } from './tasks/compare.ts';
export type { Evaluation } from './tasks/evaluate.ts';
export type { ForecastResult } from './tasks/forecast.ts';
export type { Quantised } from './tasks/optimise.ts';
export type { Prepared, PrepareInput } from './tasks/prepare.ts';
export type { ModelInput } from './tasks/run-model.ts';
export type { EpochNews, TrialInput, TrialParams, TrialResult } from './tasks/trial.ts';
export type { TaskInput, TaskMessage, TaskName, TaskResult } from './tasks/tasks.ts';
