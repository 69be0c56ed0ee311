import { defineConfig } from 'vitest/config';
import { summaryReporter } from './test/support/summary-reporter.ts';

const summaryFile = process.env.RAMPART_TEST_SUMMARY;

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'bench/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    reporters: summaryFile === undefined ? ['default'] : ['default', summaryReporter(summaryFile)],
  },
});
