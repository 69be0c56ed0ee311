import { describe, expect, test } from 'vitest';
import { hasVectors } from '../conformance/case.ts';
import { suiteInLabs } from './suite.ts';
import { flowCases, sampleOf } from './vectors.ts';

const isAll = process.env.RAMPART_ALL_CYCLONUS === '1';

// 59 628 flows, a third of them by SCTP. The sample: 20 cases of nine pods, two with a tenth, and one with two more.
suiteInLabs('cyclonus', (cases) => (isAll ? cases : sampleOf(cases)), {
  flows: isAll ? (59_628 / 3) * 2 : 20 * 288 + 2 * 360 + 440,
  skipped: isAll ? 59_628 / 3 : 20 * 144 + 2 * 180 + 220,
});

describe.runIf(hasVectors())('the sample', () => {
  test('has every tag that the suite has', () => {
    const cases = flowCases('cyclonus');
    const tags = (some: typeof cases): readonly string[] => [...new Set(some.flatMap((one) => one.tags))].sort();
    const sample = sampleOf(cases);
    expect(tags(sample)).toEqual(tags(cases));
    expect([cases.length, sample.length]).toEqual([137, 23]);
  });
});
