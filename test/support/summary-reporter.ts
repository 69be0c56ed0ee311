import { writeFileSync } from 'node:fs';
import type { Reporter, TestModule } from 'vitest/node';

/** Counts of one test run, and what was left out with the reason that the test gave. */
export interface Summary {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: readonly { readonly file: string; readonly name: string; readonly reason: string | null }[];
}

/** Adds up the tests of all files; a file that cannot be loaded and an error outside of all tests count as failed. */
export function summarize(modules: readonly TestModule[], strayErrors: number): Summary {
  let passed = 0;
  let failed = strayErrors;
  const skipped: Summary['skipped'][number][] = [];
  for (const module of modules) {
    if (module.errors().length > 0) failed += 1;
    for (const suite of module.children.allSuites()) if (suite.errors().length > 0) failed += 1;
    for (const test of module.children.allTests()) {
      const result = test.result();
      if (result.state === 'passed') passed += 1;
      else if (result.state === 'skipped') {
        skipped.push({ file: module.relativeModuleId, name: test.fullName, reason: result.note ?? null });
      } else failed += 1;
    }
  }
  return { passed, failed, skipped };
}

/** Writes the summary of the run to a file, for `npm test` to add up with the other checks. */
export function summaryReporter(file: string): Reporter {
  return {
    onTestRunEnd: (modules, errors) => writeFileSync(file, JSON.stringify(summarize(modules, errors.length))),
  };
}
