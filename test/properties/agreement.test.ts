import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { runFlows } from '../fuzz/run-flows.ts';
import { comparePairs } from './agreement.ts';
import { FEATURES } from './features.ts';
import { clusters } from './generators.ts';
import { read } from './world.ts';

const FLOWS = 60_000;

describe('the interpreters of the IR agree', () => {
  test('reference = compiled = explained, and none contradicts the connectivity', () => {
    const result = runFlows({ flows: FLOWS, seed: 1 });
    expect(result.failure).toBeNull();
    expect(result.flows).toBeGreaterThanOrEqual(FLOWS);
    const { allowed, denied, undefined: open } = result.tally.verdicts;
    console.log(`${result.flows} flows: ${allowed} allowed, ${denied} denied, ${open} undefined`);
    // The comparison would prove little if one of the definite verdicts were rare, or a feature never met.
    expect(Math.min(allowed, denied)).toBeGreaterThan(FLOWS / 5);
    expect(open).toBeLessThan(FLOWS / 4);
    expect(open).toBeGreaterThan(FLOWS / 50);
    expect(FEATURES.filter((feature) => !result.tally.features.has(feature))).toEqual([]);
  });

  test('reference = symbolic connectivity, for every pair of groups', () => {
    let questions = 0;
    fc.assert(
      fc.property(clusters, (objects) => {
        const result = comparePairs(read(objects));
        questions += result.flows;
        expect(result.disagreements.slice(0, 5)).toEqual([]);
      }),
      { numRuns: 40, seed: 2 },
    );
    console.log(`reference = symbolic: ${questions} questions`);
    expect(questions).toBeGreaterThan(40 * 100);
  });
});
