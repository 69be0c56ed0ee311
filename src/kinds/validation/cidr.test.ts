import { describe, expect, it } from 'vitest';
import { cidrWarnings, isCidr, parseSloppy, parseStrict, strictSubset } from './cidr.ts';

const ambiguous = (text: string, network: string, single: string): string =>
  `CIDR value "${text}" is ambiguous in this context (should be "${network}" or "${single}"?)`;
const nonStandard = (text: string, use: string): string =>
  `non-standard CIDR value "${text}" will be considered invalid in a future Kubernetes release: use "${use}"`;
const canonical = (text: string, form: string): string =>
  `IPv6 CIDR value "${text}" should be in RFC 5952 canonical format ("${form}")`;

// What k8s.io/utils/net.ParseCIDRSloppy, netip.ParsePrefix and GetWarningsForCIDR said of each text.
const READINGS: readonly (readonly [string, boolean, boolean, readonly string[]])[] = [
  ['10.0.0.0/8', true, true, []],
  ['10.1.2.3/8', true, true, [ambiguous('10.1.2.3/8', '10.0.0.0/8', '10.1.2.3/32')]],
  ['010.0.0.0/8', true, false, [nonStandard('010.0.0.0/8', '10.0.0.0/8')]],
  ['10.0.0.0/08', true, false, [nonStandard('10.0.0.0/08', '10.0.0.0/8')]],
  ['10.0.0.0', false, false, []],
  ['10.0.0.0/33', false, false, []],
  ['10.0.0/8', false, false, []],
  ['10.0.0.0/-1', false, false, []],
  ['10.0.0.0/8/8', false, false, []],
  [' 10.0.0.0/8', false, false, []],
  ['0.0.0.0/0', true, true, []],
  ['256.0.0.0/8', false, false, []],
  ['::/0', true, true, []],
  ['2001:db8::/32', true, true, []],
  ['2001:DB8::/32', true, true, [canonical('2001:DB8::/32', '2001:db8::/32')]],
  ['2001:db8:0:0:0:0:0:0/32', true, true, [canonical('2001:db8:0:0:0:0:0:0/32', '2001:db8::/32')]],
  ['2001:db8::1/32', true, true, [ambiguous('2001:db8::1/32', '2001:db8::/32', '2001:db8::1/128')]],
  ['2001:db8::/129', false, false, []],
  ['2001:db8::00001/128', true, false, [nonStandard('2001:db8::00001/128', '2001:db8::1/128')]],
  ['2001:db8::/032', true, false, [nonStandard('2001:db8::/032', '2001:db8::/32')]],
  ['fe80::1%eth0/64', false, false, []],
  ['1:2:3:4:5:6:7:8::/64', false, false, []],
  ['1:2:3:4:5:6:7::/64', true, true, [ambiguous('1:2:3:4:5:6:7::/64', '1:2:3:4::/64', '1:2:3:4:5:6:7:0/128')]],
  ['::ffff:10.0.0.0/104', true, true, [nonStandard('::ffff:10.0.0.0/104', '10.0.0.0/8')]],
  [
    '::ffff:10.1.2.3/120',
    true,
    true,
    [
      ambiguous('::ffff:10.1.2.3/120', '10.1.2.0/24', '10.1.2.3/128'),
      nonStandard('::ffff:10.1.2.3/120', '10.1.2.0/24'),
    ],
  ],
  [
    '::ffff:10.0.0.0/90',
    true,
    true,
    [
      ambiguous('::ffff:10.0.0.0/90', '::ffc0:0:0/90', '10.0.0.0/128'),
      nonStandard('::ffff:10.0.0.0/90', '::ffc0:0:0/90'),
    ],
  ],
  ['::ffff:a00:0/104', true, true, [nonStandard('::ffff:a00:0/104', '10.0.0.0/8')]],
  ['::10.0.0.1/128', true, true, [canonical('::10.0.0.1/128', '::a00:1/128')]],
  ['1::2::3/64', false, false, []],
  [':/0', false, false, []],
  [':::/0', false, false, []],
  ['::1.2.3/128', false, false, []],
  ['1.2.3.4::/64', false, false, []],
  ['12345::/16', false, false, []],
  ['0x10.0.0.0/8', false, false, []],
  ['１0.0.0.0/8', false, false, []],
  ['', false, false, []],
];

describe('CIDRs as the API server reads them', () => {
  it.each(READINGS)('reads %j', (text, sloppy, strict, warnings) => {
    expect(parseSloppy(text) !== null).toBe(sloppy);
    expect(parseStrict(text) !== null).toBe(strict);
    expect(cidrWarnings(text).map(({ message }) => message)).toEqual(warnings);
  });

  it.each([
    ['10.1.2.3/8', true],
    ['2001:DB8::1/32', true],
    ['010.0.0.0/8', false],
    ['::ffff:10.0.0.0/104', false],
    ['10.0.0.0', false],
  ])('has CEL say of %s: %s', (text, is) => {
    expect(isCidr(text)).toBe(is);
  });

  it.each([
    ['10.0.0.0/8', '10.1.0.0/16', true],
    ['10.0.0.0/8', '10.0.0.0/8', false],
    ['10.0.0.0/8', '11.0.0.0/16', false],
    ['10.0.0.0/8', '0.0.0.0/0', false],
    ['10.0.0.0/8', '2001:db8::/32', false],
    ['::/0', '10.0.0.0/8', false],
    ['0.0.0.0/0', '::ffff:10.0.0.0/104', true],
    ['::ffff:10.0.0.0/104', '10.1.0.0/16', false],
    ['::ffff:10.0.0.0/104', '::ffff:10.1.0.0/112', true],
    ['::ffff:0:0/90', '::ffff:10.1.0.0/112', false],
    ['10.1.2.3/8', '10.200.0.1/9', true],
    ['2001:db8::/32', '2001:db8:1::/48', true],
    ['2001:db8::/32', '2001:db9::/48', false],
    ['::/0', '::ffff:10.0.0.0/104', false],
    ['::ffff:0:0/80', '::ffff:10.1.0.0/112', false],
  ])('of %s, takes %s for a strict subset: %s', (outer, inner, is) => {
    const [a, b] = [parseSloppy(outer), parseSloppy(inner)];
    expect(a !== null && b !== null && strictSubset(b, a)).toBe(is);
  });
});
