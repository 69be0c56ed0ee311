import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseCidr } from '../base/ip.ts';
import { parsePeer, peerNames } from './peers.ts';
import { cidrsOf, formatRanges, mergeRanges, subtractRanges } from './ranges.ts';

describe('peers', () => {
  test('take names apart', () => {
    expect(parsePeer('shop/web[Deployment]')).toEqual({
      kind: 'workload',
      namespace: 'shop',
      name: 'web',
      workloadKind: 'Deployment',
    });
    expect(parsePeer('10.0.0.0-10.0.0.255')).toEqual({
      kind: 'range',
      range: { family: 4, first: 0x0a000000n, last: 0x0a0000ffn },
    });
    expect(parsePeer('::-::ff')).toEqual({ kind: 'range', range: { family: 6, first: 0n, last: 255n } });
    expect(parsePeer('{ingress-controller}')).toEqual({ kind: 'other', name: '{ingress-controller}' });
    expect(parsePeer('10.0.0.9-10.0.0.1')).toEqual({ kind: 'other', name: '10.0.0.9-10.0.0.1' });
  });

  test('sets in words', () => {
    const peers = [
      'a/x[Pod]',
      'a/y[Pod]',
      'a/z[Pod]',
      'b/x[Pod]',
      '0.0.0.0-127.255.255.255',
      '128.0.0.0-255.255.255.255',
    ];
    const names = peerNames(peers);
    expect(names.starUsed()).toBe(false);
    expect(names.set(['a/y[Pod]', 'a/x[Pod]', 'b/x[Pod]'])).toBe('a/{x,y}, b/x');
    expect(names.set(['a/x[Pod]', 'a/y[Pod]', 'a/z[Pod]'])).toBe('a/*');
    expect(names.set(['a/y[Pod]', 'a/z[Pod]'], ['a/x[Pod]'])).toBe('a/*');
    expect(names.set(['a/y[Pod]', 'a/z[Pod]'], ['b/x[Pod]'])).toBe('a/{y,z}');
    expect(names.set(peers.slice(0, 4))).toBe('every workload');
    expect(names.set(peers.slice(1), ['a/x[Pod]'])).toBe('everything');
    expect(names.set(peers.slice(1, 5), ['a/x[Pod]'])).toBe('every workload, 0.0.0.0/1');
    expect(names.set(peers.slice(4))).toBe('everything outside the cluster');
    expect(names.starUsed()).toBe(true);
  });

  test('a namespace whose own member is missing is not all of it', () => {
    const names = peerNames(['a/x[Pod]', 'a/y[Pod]', 'a/z[Pod]']);
    expect(names.set(['a/x[Pod]', 'a/y[Pod]'], [])).toBe('a/{x,y}');
  });

  test('kinds are shown where two workloads share a name', () => {
    const names = peerNames(['a/x[Pod]', 'a/x[Job]', 'a/y[Job]']);
    expect(names.one('a/x[Job]')).toBe('a/x[Job]');
    expect(names.one('a/y[Job]')).toBe('a/y');
  });

  test('of a partial list nothing is called everything', () => {
    const names = peerNames(['a/x[Pod]', 'a/y[Pod]', 'a/z[Pod]', '10.0.0.0-10.0.0.255'], { partial: true });
    expect(names.set(['a/x[Pod]', 'a/y[Pod]', 'a/z[Pod]', '10.0.0.0-10.0.0.255'])).toBe('a/{x,y,z}, 10.0.0.0/24');
  });
});

describe('ranges', () => {
  test('blocks by hand', () => {
    expect(cidrsOf({ family: 4, first: 1n, last: 6n })).toEqual([
      '0.0.0.1/32',
      '0.0.0.2/31',
      '0.0.0.4/31',
      '0.0.0.6/32',
    ]);
    expect(formatRanges([{ family: 6, first: 0n, last: (1n << 128n) - 1n }], 1)).toBe('::/0');
    expect(formatRanges([{ family: 4, first: 1n, last: 6n }], 3)).toBe('0.0.0.1-0.0.0.6');
  });

  test('blocks cover exactly the range', () => {
    fc.assert(
      fc.property(fc.nat(0xffffffff), fc.nat(0xffffffff), (a, b) => {
        const range = { family: 4 as const, first: BigInt(Math.min(a, b)), last: BigInt(Math.max(a, b)) };
        let next = range.first;
        for (const text of cidrsOf(range)) {
          const cidr = parseCidr(text);
          expect(cidr?.first).toBe(next);
          next = (cidr?.last ?? 0n) + 1n;
        }
        expect(next).toBe(range.last + 1n);
      }),
    );
  });

  test('merge and subtract agree with membership', () => {
    const small = fc.array(fc.tuple(fc.nat(30), fc.nat(30)), { maxLength: 6 });
    const ranges = (pairs: [number, number][]) =>
      pairs.map(([a, b]) => ({ family: 4 as const, first: BigInt(Math.min(a, b)), last: BigInt(Math.max(a, b)) }));
    const holds = (list: readonly { first: bigint; last: bigint }[], n: bigint) =>
      list.some((range) => range.first <= n && n <= range.last);
    fc.assert(
      fc.property(small, small, (x, y) => {
        const [a, b] = [ranges(x), ranges(y)];
        const left = subtractRanges(mergeRanges(a), mergeRanges(b));
        for (let n = 0n; n <= 30n; n++) expect(holds(left, n)).toBe(holds(a, n) && !holds(b, n));
      }),
    );
  });
});
