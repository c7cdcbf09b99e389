#!/usr/bin/env node
// Starts the agent. Plain JavaScript, so that an old Node can still read it and say what is wrong.
import { mkdirSync, readdirSync } from 'node:fs';
import module from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 24 || (major === 24 && minor < 12)) {
  console.error(`sanderling-agent needs Node 24.12 or newer; this is ${process.versions.node}.`);
  console.error('Install it from nodejs.org, or with: npm install node@24 (it then lies in node_modules/.bin).');
  process.exit(1);
}

/** What makes Node small: a young generation of 1 MB, the middle compiler only, one memory arena, few helper threads. Measured in bench/src/agent. */
const nodeFlags =
  process.env.SANDERLING_AGENT_NODE_FLAGS ??
  '--max-semi-space-size=1 --max-old-space-size=96 --optimize-for-size --no-turbofan --v8-pool-size=1';
const nodeEnvironment = { MALLOC_ARENA_MAX: '1', UV_THREADPOOL_SIZE: '2' };

/** Becomes the same program with these settings: the same process, a different image. Where that cannot be done, it is only larger. */
function becomeSmall() {
  if (nodeFlags === '' || process.env.SANDERLING_AGENT_SMALL !== undefined) return;
  become('small');
}

/** `stage` says what the new image need not do again. */
function become(stage) {
  // A channel to the parent would not survive.
  if (process.connected || typeof process.execve !== 'function') return;
  const script = fileURLToPath(import.meta.url);
  const flags = stage === 'small' ? [...process.execArgv, ...nodeFlags.split(' ')] : process.execArgv;
  const args = [process.execPath, ...flags, script, ...process.argv.slice(2)];
  try {
    process.execve(process.execPath, args, { ...nodeEnvironment, ...process.env, SANDERLING_AGENT_SMALL: stage });
  } catch {
    // Windows, or a policy against it.
  }
}

/** The data folder, before the arguments are really read: the compiled code is kept there. */
function dataFolder() {
  const args = process.argv.slice(2);
  const at = args.indexOf('--data');
  const joined = args.find((arg) => arg.startsWith('--data='));
  return (at >= 0 ? args[at + 1] : joined?.slice('--data='.length)) ?? process.env.SANDERLING_AGENT_DATA;
}

/** Code compiled once needs no compiler, and no stripping of types, in memory. */
function keepCompiledCode() {
  const folder = dataFolder();
  if (!folder || process.argv.includes('--help')) return;
  try {
    mkdirSync(join(folder, 'cache'), { recursive: true });
    module.enableCompileCache(join(folder, 'cache'));
  } catch {
    // Without it the agent needs some memory more; what is wrong with the folder, the agent says itself.
  }
}

/** The very first start compiles, and then begins anew: the compiler's 15 MB go with the old image. */
async function compileFirst() {
  const folder = module.getCompileCacheDir();
  if (folder === undefined || process.env.SANDERLING_AGENT_SMALL !== 'small' || !isEmpty(folder)) return;
  await import('../src/main.ts');
  module.flushCompileCache();
  become('compiled');
}

function isEmpty(folder) {
  try {
    return readdirSync(folder).length === 0;
  } catch {
    return true;
  }
}

becomeSmall();
keepCompiledCode();
await compileFirst();
const { main } = await import('../src/main.ts');
process.exitCode = await main(process.argv.slice(2), process.env);
