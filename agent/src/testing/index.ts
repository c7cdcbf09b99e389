// For tests and benchmarks of what works with agents: a hub that keeps the protocol, agent processes, releases with known behaviour.
export { AgentProcess, type ProcessOptions } from './agent-process.ts';
export { firstTime, Scene } from './scene.ts';
export { TestHub, type Fault } from './test-hub.ts';
export { horizon, makeRelease, type Behaviour, type SealedRelease, type TestRelease } from './test-releases.ts';
