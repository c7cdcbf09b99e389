#!/usr/bin/env node
// The hub's program. Plain JavaScript, so that an old Node can say what is wrong instead of failing to parse TypeScript.
import { existsSync, mkdirSync } from 'node:fs';
import module from 'node:module';
import { join } from 'node:path';

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 24 || (major === 24 && minor < 12)) {
  console.error(`The Sanderling hub needs Node 24.12 or newer; this is ${process.versions.node}.`);
  console.error(
    'In a clone of the repository, run it through npm, which brings its own Node: npm run sanderling -- hub',
  );
  process.exit(1);
}
const args = process.argv.slice(2);
const asks = args.includes('--help') || args.includes('--version');
const data =
  (args.includes('--data') ? args[args.indexOf('--data') + 1] : process.env.SANDERLING_DATA) || '.sanderling';
const cache = process.env.NODE_COMPILE_CACHE || join(data, 'cache', 'compile');
const isFirst = !existsSync(cache);
/** A small nursery: 35 MB less once the hub has been busy, at the price of some more collections. */
const lean = '--max-semi-space-size=4';

if (!asks) keepCompiledCode();
if (!asks && process.execve !== undefined && !process.execArgv.includes(lean)) {
  // This process becomes a lean one. At the first start it compiles before: the compiler's 30 MB go with it.
  if (isFirst) {
    await import('../src/main.ts');
    module.flushCompileCache();
  }
  process.removeAllListeners('warning');
  process.execve(
    process.execPath,
    [process.execPath, lean, ...process.execArgv, ...process.argv.slice(1)],
    process.env,
  );
}
const { main } = await import('../src/main.ts');
process.exitCode = await main(args);

function keepCompiledCode() {
  try {
    // Before the cache makes it: a data folder is for its owner only.
    if (!process.env.NODE_COMPILE_CACHE) mkdirSync(data, { recursive: true, mode: 0o700 });
    module.enableCompileCache(cache);
  } catch {
    // What is wrong with the folder, the hub says itself.
  }
}
