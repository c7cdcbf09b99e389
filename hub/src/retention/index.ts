// Retention: what no row names goes.
export { Retention, type Collection, type CollectionRequest } from './retention.ts';
