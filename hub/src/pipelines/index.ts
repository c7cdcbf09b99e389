// Pipelines: executions of a project's training pipeline, and the automations that start them.
export { Automations, type AutomationParts } from './automations/automations.ts';
export type { AutomationState } from './automations/decide.ts';
export { Pipelines, type PipelineParts, type StartRequest } from './pipelines.ts';
export type { DataSource, ProjectSource, TrainingPorts } from './ports.ts';
export { migrations as pipelineMigrations } from './tables.ts';
