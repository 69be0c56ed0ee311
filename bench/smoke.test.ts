import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { CASES } from './suite/cases.ts';
import { median, resultOf } from './suite/measure.ts';
import { resultsPage, textTable } from './suite/table.ts';

/** Files of this folder that are no cases of the suite. */
const NO_CASES = ['generate.ts', 'run.ts', 'smoke.test.ts', 'manifest-15k-objects.ts'];

describe('benchmark cases', () => {
  it('are all listed, under the names of their files', () => {
    const files = readdirSync(import.meta.dirname).filter((name) => name.endsWith('.ts') && !NO_CASES.includes(name));
    expect(CASES.map(({ name }) => `${name}.ts`).sort()).toEqual(files.sort());
  });

  it.each(CASES.filter(({ isolation }) => isolation !== 'program').map((one) => [one.name, one] as const))(
    '%s works at a tiny scale',
    async (_, benchCase) => {
      const why = benchCase.unable?.() ?? null;
      if (why !== null) {
        process.stdout.write(`${benchCase.name} is left out: ${why}\n`);
        return;
      }
      // Each case checks its own answers, and throws.
      const measured = await benchCase.measure({ runs: 1, tiny: true });
      expect(measured.length).toBeGreaterThan(0);
      expect(new Set(measured.map(({ job }) => job)).size).toBe(measured.length);
      for (const { job, samples } of measured) {
        expect(samples.length, job).toBeGreaterThan(0);
        for (const sample of samples) expect(sample, job).toBeGreaterThan(0);
      }
    },
    120_000,
  );
});

describe('results', () => {
  const like = { job: 'a job', rss: null } as const;

  it('are medians', () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([4, 1, 2, 100])).toBe(3);
  });

  it('meet a target on its better side', () => {
    const met = (unit: 'ms' | 'per second', samples: readonly number[]) =>
      resultOf('case', { ...like, unit, samples, target: 100 }).met;
    expect([met('ms', [99, 99, 500]), met('ms', [1, 100, 101])]).toEqual([true, false]);
    expect([met('per second', [101, 101, 1]), met('per second', [100])]).toEqual([true, false]);
    expect(resultOf('case', { ...like, unit: 'ms', samples: [1], target: null }).met).toBeNull();
  });

  it('are shown with what was missed', () => {
    const [benchCase] = CASES;
    if (benchCase === undefined) throw new Error('no case');
    const results = [
      resultOf('case', { ...like, job: 'fast', unit: 'per second', samples: [1_234_567], target: 1_000_000 }),
      resultOf('case', { ...like, job: 'slow', unit: 'ms', samples: [3, 12.345, 50], target: 10, rss: 2000 }),
    ];
    const measured = [{ benchCase, results }];
    expect(textTable(measured)).toContain('1 of 2 targets met; missed: case, slow');
    const machine = {
      date: '2027-01-31',
      commit: 'abc',
      processor: 'one, 2 cores',
      memory: '8 GiB',
      system: 'linux',
      node: 'v24',
      load: 0.1,
    };
    const page = resultsPage(machine, measured);
    expect(page).toContain('| fast | > 1,000,000/s | 1,230,000/s | 1,230,000 – 1,230,000 | 1 |  | met |  |');
    expect(page).toContain('| slow | < 10 ms | 12.3 ms | 3 – 50 | 3 | 2,000 MiB | missed |  |');
  });
});
