// The authoring API: what `sanderling.config.ts` imports.
export {
  beats,
  choice,
  defineProject,
  float,
  forecaster,
  genetic,
  int,
  latency,
  logFloat,
  notWorseThanChampion,
  on,
  random,
  size,
} from './authoring/define-project.ts';
export type { ProjectInput, ProjectSpec } from '@sanderling/wire';
