// The fleet: devices, how they become known, what they should run, what they deliver.
export { Fleet, type DeviceQuery, type KnownDevice } from './fleet.ts';
export type { FleetPorts, ReadingSink, ReportDesk } from './ports.ts';
export { migrations as fleetMigrations } from './tables.ts';
