// Tracking: experiments and runs with params, metrics over steps, tags and artifacts.
export { trackingLimits, type LogBatch, type MetricEntry } from './limits.ts';
export { Tracking, type NewRun, type RunEnd, type RunQuery } from './tracking.ts';
export { migrations as trackingMigrations } from './tables.ts';
