// The authoring API: what `sanderling.config.ts` imports.
export {
  beats,
  choice,
  defineProject,
  flash,
  float,
  forecaster,
  genetic,
  int,
  latency,
  logFloat,
  notWorseThanChampion,
  on,
  quantiseInt8,
  ram,
  random,
  size,
} from './authoring/define-project.ts';
export type { ProjectInput, ProjectSpec } from '@sanderling/wire';
