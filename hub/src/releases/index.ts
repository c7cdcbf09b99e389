// Releases: signed bundles of a version for a target, and their roll-outs to devices in waves.
export { deploy, type DeployRequest } from './deploy.ts';
export { measureMicro } from './micro-release.ts';
export { Releases, type BundleReader, type ReleaseParts, type ReleaseWork } from './releases.ts';
export { Rollouts, type Fleet, type NewRollout, type RolloutParts } from './rollouts.ts';
export { migrations as releaseMigrations } from './tables.ts';
