import { describe, expect, test } from 'vitest';
import { parseCidr } from '../base/ip.ts';
import type { EndpointMatch } from '../model/match.ts';
import type { Selector } from '../model/selector.ts';
import { matchDomain, matchUnknownAddress, selectsPartly } from './match.ts';

function block(cidr: string, ...except: string[]): EndpointMatch & { kind: 'addresses' } {
  const parsed = [cidr, ...except].map((text) => {
    const one = parseCidr(text);
    if (one === null) throw new Error(text);
    return one;
  });
  const [first, ...holes] = parsed;
  if (first === undefined) throw new Error('no block');
  return { kind: 'addresses', cidr: first, except: holes };
}

describe('unknown addresses', () => {
  test.each([
    ['0.0.0.0/0', [], 'yes', 'yes'],
    ['10.0.0.0/8', [], 'maybe', 'maybe'],
    ['0.0.0.0/0', ['10.0.0.0/8'], 'maybe', 'maybe'],
    ['0.0.0.0/0', ['169.254.169.254/32'], 'yes', 'maybe'],
    ['0.0.0.0/0', ['169.254.169.254/32', '10.0.0.0/8'], 'maybe', 'maybe'],
    ['169.254.169.254/32', [], 'no', 'maybe'],
    ['169.0.0.0/8', [], 'maybe', 'maybe'],
    ['fe80::/64', [], 'no', 'maybe'],
    ['::/0', ['fe80::/10'], 'yes', 'maybe'],
  ] as const)('S9.2 %s except %j: a pod %s, a name outside %s', (cidr, except, inside, outside) => {
    expect(matchUnknownAddress(block(cidr, ...except), 'inside')).toBe(inside);
    expect(matchUnknownAddress(block(cidr, ...except), 'outside')).toBe(outside);
  });
});

describe('partly known labels', () => {
  const known = new Map([['a', '1']]);
  const cases: readonly (readonly [string, Selector, string])[] = [
    ['a=1', { kind: 'in', key: 'a', values: ['1'] }, 'yes'],
    ['a=2', { kind: 'in', key: 'a', values: ['2'] }, 'no'],
    ['b=1', { kind: 'in', key: 'b', values: ['1'] }, 'maybe'],
    ['!b', { kind: 'not', of: { kind: 'exists', key: 'b' } }, 'maybe'],
    [
      'a=1,b',
      {
        kind: 'all-of',
        of: [
          { kind: 'exists', key: 'a' },
          { kind: 'exists', key: 'b' },
        ],
      },
      'maybe',
    ],
    [
      'a=2,b',
      {
        kind: 'all-of',
        of: [
          { kind: 'in', key: 'a', values: ['2'] },
          { kind: 'exists', key: 'b' },
        ],
      },
      'no',
    ],
    [
      'a or b',
      {
        kind: 'any-of',
        of: [
          { kind: 'exists', key: 'a' },
          { kind: 'exists', key: 'b' },
        ],
      },
      'yes',
    ],
    ['everything', { kind: 'everything' }, 'yes'],
    ['nothing', { kind: 'nothing' }, 'no'],
  ];
  test.each(cases)('S9.3 %s', (_, selector, expected) => {
    expect(selectsPartly(selector, known, false)).toBe(expected);
  });
});

describe('domain names', () => {
  test.each([
    ['kubernetes.io', 'kubernetes.io', true],
    ['*.kubernetes.io', 'blog.kubernetes.io', true],
    ['*.kubernetes.io', 'a.b.kubernetes.io', true],
    ['*.kubernetes.io', 'kubernetes.io', false],
    ['*.kubernetes.io', 'xkubernetes.io', false],
    ['kubernetes.io', 'blog.kubernetes.io', false],
  ])('S4.6 %s means %s: %s', (pattern, name, expected) => {
    expect(matchDomain(pattern, name)).toBe(expected);
  });
});
