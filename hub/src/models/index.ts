// Models: the registry with versions and aliases, the gates before a release, and forecasts by the champion.
export { Forecasts, mostReadings, type ForecastRequest, type ReadingSource } from './forecasts.ts';
export { judgeGates, quantity, type GateCase } from './gates.ts';
export { Registry, type RegistryParts } from './registry.ts';
export { migrations as modelMigrations } from './tables.ts';
export { toModelVersion, type NewVersion, type VersionRecord } from './version-record.ts';
