import { defineConfig } from 'vitest/config';

/** One suite for the whole house; tests sit beside the source. Real processes and training run here, hence the long timeout. */
export default defineConfig({
  test: {
    include: [
      'packages/**/*.test.ts',
      'hub/**/*.test.ts',
      'agent/**/*.test.ts',
      'cli/**/*.test.ts',
      'projects/**/*.test.ts',
      'scripts/**/*.test.ts',
      'e2e/**/*.test.ts',
    ],
    exclude: ['**/node_modules/**', 'build/**'],
    pool: 'forks',
    maxWorkers: 2,
    // A busy machine is no failure: these end only what hangs.
    testTimeout: 180_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 30_000 } },
    // Real processes on a shared machine: in CI a test gets a second try, and the report marks those that needed it.
    retry: process.env['CI'] === undefined ? 0 : 1,
  },
});
