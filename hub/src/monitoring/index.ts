// Monitoring: what devices report, over time.
export { Monitoring, type MonitoringQuery, type NumberedPoint, type Retention } from './monitoring.ts';
export { migrations as monitoringMigrations } from './tables.ts';
