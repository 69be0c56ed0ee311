import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { summaryReporter } from './test/support/summary-reporter.ts';

const summaryFile = process.env.RAMPART_TEST_SUMMARY;

export default defineConfig({
  // The package's own name means the sources, not what was last built.
  resolve: { alias: { rampart: fileURLToPath(new URL('./src/index.ts', import.meta.url)) } },
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'bench/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    reporters: summaryFile === undefined ? ['default'] : ['default', summaryReporter(summaryFile)],
  },
});
