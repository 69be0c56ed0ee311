import net from 'node:net';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cidrOf, covers, formatAddress, formatCidr, formatIp, formatRange, type Ip, parseCidr, parseIp } from './ip.ts';

const ip4 = fc.ipV4();
const ip6 = fc.ipV6();
/** Texts that look like addresses and mostly are none. */
const nearly6 = fc
  .array(fc.constantFrom(':', '::', '0', '1', 'ff', 'abcd', '12345', 'g', '.', '1.2.3.4', '%1', ''), { maxLength: 12 })
  .map((parts) => parts.join(''));

describe('addresses', () => {
  test('S1.4 IPv6 texts are accepted exactly where Node accepts them, and mean the same', () => {
    fc.assert(
      fc.property(fc.oneof(ip6, nearly6), (text) => {
        // Go's parser takes leading zeros of an embedded IPv4 address as decimal; Node refuses them.
        fc.pre(!/0\d+\.|\.0\d/.test(text));
        const ip = parseIp(text);
        const legal = net.isIPv6(text) && !text.includes('%');
        if (text.includes(':')) expect(ip !== null).toBe(legal);
        // The URL parser writes addresses as RFC 5952 does.
        if (ip?.family === 6) expect(formatIp(ip)).toBe(new URL(`http://[${text}]/`).hostname.slice(1, -1));
      }),
      { numRuns: 3000 },
    );
  });

  test('S1.4 IPv4 texts round-trip', () => {
    fc.assert(
      fc.property(ip4, (text) => {
        const ip = parseIp(text);
        expect(ip?.family).toBe(4);
        expect(ip === null ? null : formatIp(ip)).toBe(text);
      }),
    );
  });

  test.each([
    ['010.0.0.01', '10.0.0.1'],
    ['::ffff:10.1.2.3', '10.1.2.3'],
    ['::01.2.3.04', '::102:304'],
    ['2001:DB8::0:1', '2001:db8::1'],
    ['0:0:1::', '0:0:1::'],
  ])('S1.4 %s is read as %s', (text, meaning) => {
    expect(formatIp(parseIp(text) as Ip)).toBe(meaning);
  });

  test.each(['', '1.2.3', '1.2.3.4.5', '256.1.1.1', '1.2.3.4 ', '-1.2.3.4', '1::2::3', 'fe80::1%eth0', '[::1]', ':::'])(
    'S1.4 %j is no address',
    (text) => {
      expect(parseIp(text)).toBeNull();
    },
  );
});

describe('blocks', () => {
  test.each([
    ['10.1.2.3/8', '10.0.0.0/8'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['10.1.2.3/32', '10.1.2.3/32'],
    ['2001:db8::1/32', '2001:db8::/32'],
    ['::ffff:10.1.2.3/104', '10.0.0.0/8'],
    ['::ffff:0:0/90', '::ffc0:0:0/90'],
  ])('S1.4 %s means %s', (text, meaning) => {
    const cidr = parseCidr(text);
    expect(cidr === null ? null : formatCidr(cidr)).toBe(meaning);
  });

  test.each(['10.0.0.0', '10.0.0.0/33', '10.0.0.0/-1', '10.0.0.0/', '::/129', 'x/8', '10.0.0.0/8/8'])(
    'S1.4 %j is no block',
    (text) => {
      expect(parseCidr(text)).toBeNull();
    },
  );

  test('S1.4 a block holds an address if and only if they share the prefix and the family', () => {
    fc.assert(
      fc.property(ip4, ip4, fc.integer({ min: 0, max: 32 }), (a, b, prefix) => {
        const bits = (text: string): string =>
          text
            .split('.')
            .map((octet) => Number(octet).toString(2).padStart(8, '0'))
            .join('');
        const block = cidrOf(4, (parseIp(a) as Ip).value, prefix);
        expect(covers(block, parseIp(b) as Ip)).toBe(bits(a).slice(0, prefix) === bits(b).slice(0, prefix));
        expect(covers(block, { family: 6, value: (parseIp(b) as Ip).value })).toBe(false);
      }),
    );
  });

  test('a range is written by its ends', () => {
    expect(formatRange({ family: 4, first: 0n, last: 0xffffffffn })).toBe('0.0.0.0-255.255.255.255');
    expect(formatAddress(6, (1n << 128n) - 1n)).toBe('ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff');
  });
});
