// Access: who may do what. API keys, failed attempts, and the hub's own keys.
export { ApiKeys, permits, type CreatedApiKey } from './api-keys.ts';
export { FailedAttempts, type AttemptLimits } from './attempts.ts';
export { linkKey, loadHubKeys, type HubKeys } from './hub-keys.ts';
export { matchesDigest, newSecret } from './secrets.ts';
export { migrations as accessMigrations } from './tables.ts';
