#!/usr/bin/env node
// The `sanderling` command. Plain JavaScript, so that an old Node can say what is wrong instead of failing to parse TypeScript.
import module from 'node:module';

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 24 || (major === 24 && minor < 12)) {
  console.error(`sanderling needs Node 24.12 or newer; this is ${process.versions.node}.`);
  console.error(
    'In a clone of the repository, run it through npm, which brings its own Node: npm run sanderling -- --help',
  );
  process.exit(1);
}
module.enableCompileCache();
const { main } = await import('../src/main.ts');
process.exitCode = await main(process.argv.slice(2));
