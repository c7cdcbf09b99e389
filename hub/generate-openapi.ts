// Writes openapi.json from the routes of a hub; with --check it changes nothing and fails when the file is stale.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startHub } from './src/index.ts';

const path = join(import.meta.dirname, 'openapi.json');

async function describe(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sanderling-openapi-'));
  const hub = await startHub({ settings: { data: folder, port: 0 } });
  try {
    const response = await fetch(`${hub.url}/openapi.json`);
    return `${JSON.stringify(await response.json(), null, 2)}\n`;
  } finally {
    await hub.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

const text = await describe();
if (process.argv.includes('--check')) {
  const present = await readFile(path, 'utf8').catch(() => '');
  if (present !== text) {
    process.stderr.write('hub/openapi.json is stale; run: node hub/generate-openapi.ts\n');
    process.exitCode = 1;
  }
} else {
  await writeFile(path, text);
}
