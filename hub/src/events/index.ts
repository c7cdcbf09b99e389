// Events: what happened, in order, and who follows it.
export { EventLog, type EventHandler, type EventQuery, type NewEvent } from './event-log.ts';
export { migrations as eventMigrations } from './tables.ts';
