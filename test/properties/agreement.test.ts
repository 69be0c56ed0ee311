import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { comparePairs, compareVerdicts } from './agreement.ts';
import { clusters } from './generators.ts';
import { read } from './world.ts';

const RUNS = Number(process.env.RAMPART_PROPERTY_RUNS ?? 150);

describe('the interpreters of the IR agree', () => {
  test('reference = compiled, for any flow', () => {
    let flows = 0;
    fc.assert(
      fc.property(clusters, (objects) => {
        const result = compareVerdicts(read(objects), 7);
        flows += result.flows;
        expect(result.disagreements.slice(0, 5)).toEqual([]);
      }),
      { numRuns: RUNS },
    );
    console.log(`reference = compiled: ${flows} flows`);
    expect(flows).toBeGreaterThan(RUNS * 100);
  });

  test('reference = symbolic connectivity, for every pair of groups', () => {
    let flows = 0;
    fc.assert(
      fc.property(clusters, (objects) => {
        const result = comparePairs(read(objects));
        flows += result.flows;
        expect(result.disagreements.slice(0, 5)).toEqual([]);
      }),
      { numRuns: Math.ceil(RUNS / 4) },
    );
    console.log(`reference = symbolic: ${flows} questions`);
    expect(flows).toBeGreaterThan(RUNS * 10);
  });
});
