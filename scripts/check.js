// Runs every check of the house and says at the end which failed. `node scripts/check.js types lint` runs only those named.
import { spawnSync } from 'node:child_process';

const checks = ['types', 'lint', 'format', 'boundaries', 'unused', 'generated'];
const chosen = process.argv.length > 2 ? process.argv.slice(2) : checks;
const failed = chosen.filter((check) => {
  const started = performance.now();
  const { status } = spawnSync('npm', ['run', '--silent', `check:${check}`], {
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
  console.log(
    `${status === 0 ? 'ok    ' : 'FAILED'} ${check} (${((performance.now() - started) / 1000).toFixed(1)} s)`,
  );
  return status !== 0;
});
if (failed.length > 0) {
  console.error(`\nfailed: ${failed.join(', ')}`);
  process.exit(1);
}
