#!/usr/bin/env node
// The hub's program. Plain JavaScript, so that an old Node can say what is wrong instead of failing to parse TypeScript.
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
if (!args.includes('--help')) module.enableCompileCache(join(data || '.sanderling', 'cache', 'compile'));
const { main } = await import('../src/main.ts');
process.exitCode = await main(args);
