#!/usr/bin/env node
// The hub's program. Plain JavaScript, so that an old Node can say what is wrong instead of failing to parse TypeScript.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
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
const data = args.includes('--data') ? args[args.indexOf('--data') + 1] : process.env.SANDERLING_DATA;
const cache = join(data || '.sanderling', 'cache', 'compile');
const warmUp = 'SANDERLING_WARM_UP';

// The first start compiles in a process of its own: the compiler's 30 MB go with it, and the hub starts from the cache.
if (!args.includes('--help') && !existsSync(cache) && process.env[warmUp] === undefined)
  spawnSync(process.execPath, [...process.execArgv, ...process.argv.slice(1)], { env: { ...process.env, [warmUp]: '1' } });

if (!args.includes('--help')) module.enableCompileCache(cache);
const { main } = await import('../src/main.ts');
if (process.env[warmUp] === undefined) process.exitCode = await main(args);
