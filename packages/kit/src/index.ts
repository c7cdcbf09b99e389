// The kit: what every room needs and no room owns. Knows no domain word.
export { ManualClock, systemClock, type Clock } from './clock.ts';
export { errorCodes, type CodeRow, type ErrorCode } from './codes.ts';
export { isDiskFull, SanderlingError, toSanderlingError, type ErrorBody, type ErrorOptions } from './errors.ts';
export { makeDataFolder, readFileIfPresent, syncFolder, writeFileAtomic } from './files.ts';
export { canonicalJson, digestOf, isDigest, sha256, sha256File, type Digest } from './hash.ts';
export { newId } from './ids.ts';
export { createRandom, Random, type RandomState } from './random.ts';
export { backoff, retry, type RetryOptions } from './retry.ts';
export { together } from './together.ts';
