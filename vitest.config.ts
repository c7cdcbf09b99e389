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
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
