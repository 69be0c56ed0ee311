import { describe, expect, test } from 'vitest';
import { editDistance, suggest } from './suggest.ts';

describe('suggestions', () => {
  test.each([
    ['conectivity', 'connectivity', 1],
    ['wbe', 'web', 1],
    ['kitten', 'sitting', 3],
    ['', 'abc', 3],
    ['same', 'same', 0],
  ])('%s and %s are %i edits apart', (a, b, distance) => {
    expect(editDistance(a, b, 5)).toBe(distance);
    expect(editDistance(b, a, 5)).toBe(distance);
  });

  test('the nearest come first, far ones not at all', () => {
    expect(suggest('shp', ['shop', 'ship', 'payments', 'shp2'])).toEqual(['ship', 'shop', 'shp2']);
    expect(suggest('zzz', ['shop'])).toEqual([]);
  });
});
