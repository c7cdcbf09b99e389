// The live loop: run a whole project in front of somebody's eyes.
export { claimNamedFolder, claimOwnFolder } from './folder.ts';
export { runLoop, type LoopOptions, type LoopResult } from './loop.ts';
export type { Playback } from './playback.ts';
export { describeResult, summaryOf } from './summary.ts';
/** @throws UNAVAILABLE naming the Debian packages that an emulated board needs */
export { requireBoardTools } from '@sanderling/micro';
