#!/usr/bin/env node
// Starts the agent. Plain JavaScript, so that an old Node can still read it and say what is wrong.
import { mkdirSync } from 'node:fs';
import module from 'node:module';
import { join } from 'node:path';

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 24 || (major === 24 && minor < 12)) {
  console.error(`sanderling-agent needs Node 24.12 or newer; this is ${process.versions.node}.`);
  console.error('Install it from nodejs.org, or with: npm install node@24 (it then lies in node_modules/.bin).');
  process.exit(1);
}

/** The data folder, before the arguments are really read: the compiled code is kept there. */
function dataFolder() {
  const args = process.argv.slice(2);
  const at = args.indexOf('--data');
  const joined = args.find((arg) => arg.startsWith('--data='));
  return (at >= 0 ? args[at + 1] : joined?.slice('--data='.length)) ?? process.env.SANDERLING_AGENT_DATA;
}

const folder = dataFolder();
if (folder && !process.argv.includes('--help')) {
  try {
    mkdirSync(join(folder, 'cache'), { recursive: true });
    module.enableCompileCache(join(folder, 'cache'));
  } catch {
    // Without a cache the agent needs some memory more; what is wrong with the folder, it will say itself.
  }
}

const { main } = await import('../src/main.ts');
process.exitCode = await main(process.argv.slice(2), process.env);
