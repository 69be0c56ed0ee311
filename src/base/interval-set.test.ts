import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as set from './interval-set.ts';

const LAST = 20;
const pairs = fc.array(fc.tuple(fc.integer({ min: 0, max: LAST }), fc.integer({ min: 0, max: LAST })), {
  maxLength: 5,
});

/** The members one by one. */
function membersOf(intervals: readonly (readonly [number, number])[]): Set<number> {
  const out = new Set<number>();
  for (const [first, last] of intervals) for (let i = first; i <= last; i++) out.add(i);
  return out;
}

const ALL = Array.from({ length: LAST + 1 }, (_, i) => i);

describe('interval sets are sets of integers', () => {
  test.each([
    ['union', set.union, (a: boolean, b: boolean) => a || b],
    ['intersect', set.intersect, (a: boolean, b: boolean) => a && b],
    ['subtract', set.subtract, (a: boolean, b: boolean) => a && !b],
  ] as const)('%s', (_, operation, expected) => {
    fc.assert(
      fc.property(pairs, pairs, (a, b) => {
        const left = membersOf(a);
        const right = membersOf(b);
        const result = operation(set.fromIntervals(a), set.fromIntervals(b));
        expect(ALL.filter((i) => set.has(result, i))).toEqual(ALL.filter((i) => expected(left.has(i), right.has(i))));
        // Canonical: what was built member by member is the same array.
        const members = ALL.filter((i) => expected(left.has(i), right.has(i)));
        expect(result).toEqual(set.fromIntervals(members.map((i) => [i, i])));
      }),
    );
  });

  test('intervals are sorted, disjoint and not adjacent', () => {
    expect(
      set.fromIntervals([
        [5, 7],
        [1, 2],
        [3, 3],
        [9, 8],
      ]),
    ).toEqual([1, 3, 5, 7]);
    expect(set.toIntervals([1, 3, 5, 7])).toEqual([
      [1, 3],
      [5, 7],
    ]);
    expect(set.equal([1, 3], set.interval(1, 3))).toBe(true);
    expect(set.interval(3, 1)).toEqual(set.EMPTY);
  });
});
