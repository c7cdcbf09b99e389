// Makes the generated files again; with --check it changes nothing and fails when one is stale.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');

/** Each generator knows --check by itself and says what it skipped. */
const generators = ['hub/generate-openapi.ts', 'packages/onnx/generate.ts'];

const failed = generators
  .filter((generator) => existsSync(join(root, generator)))
  .filter(
    (generator) =>
      spawnSync(process.execPath, [join(root, generator), ...process.argv.slice(2)], { stdio: 'inherit' }).status !== 0,
  );
for (const generator of failed) console.error(`${generator} failed; run: npm run generate`);
if (failed.length > 0) process.exitCode = 1;
