import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BITS, type Family, formatAddress } from '../../src/base/ip.ts';
import { byNumber, byText } from '../../src/base/order.ts';
import {
  DEFAULT_LAYOUT,
  generationChains,
  generationMark,
  SETS,
  staticChains,
} from '../../src/targets/nftables/layout.ts';
import { NodeCompiler } from '../../src/targets/nftables/node-compiler.ts';
import { parseTable } from '../../src/targets/nftables/parse.ts';
import { renderTable } from '../../src/targets/nftables/render.ts';
import type { ChainContent, Elements, SetDeclaration, TableContent } from '../../src/targets/nftables/table.ts';
import { casesOf, hasVectors, inputOfCase, SUITES } from '../conformance/case.ts';
import { hasKernel, listedByKernel } from './namespace.ts';
import { place } from './placement.ts';
import { contentText } from './walk.ts';

/** The kernel lists elements, sets and chains in orders of its own. */
function unordered(content: TableContent): unknown {
  const sorted = <T>(map: ReadonlyMap<string, T>): [string, T][] => [...map].sort(([a], [b]) => byText(a, b));
  return {
    ...content,
    counters: [...content.counters].sort(byText),
    sets: sorted(content.sets).map(([name, { declaration, elements }]) => [name, declaration, sorted(elements)]),
    chains: sorted(content.chains),
  };
}

function kernelContent(content: TableContent): TableContent {
  const parsed = parseTable(listedByKernel(renderTable(content), content.name));
  if ('error' in parsed) throw new Error(`${parsed.error} at line ${parsed.line}`);
  return parsed;
}

const CHAINS = ['s_1', 's_2', 'allow_ingress'];

const verdict = fc.oneof(
  fc.constantFrom('accept', 'drop', 'return'),
  fc.tuple(fc.constantFrom('goto', 'jump'), fc.constantFrom(...CHAINS)).map((words) => words.join(' ')),
);

const classid = fc
  .oneof(fc.constantFrom(0, 1, 0xffff, 0x10000, 0xffffffff), fc.nat(0xffffffff))
  .map((n) =>
    n === 0 ? 'none' : n === 0xffffffff ? 'root' : `${(n >>> 16).toString(16)}:${(n & 0xffff).toString(16)}`,
  );

/** Addresses with runs of zeros and ones, near edges, and mapped ones. */
function addressValue(family: Family): fc.Arbitrary<bigint> {
  const group = fc.oneof(fc.constantFrom(0, 0xffff, 1, 0x102), fc.nat(0xffff));
  return fc
    .array(group, { minLength: BITS[family] / 16, maxLength: BITS[family] / 16 })
    .map((groups) => groups.reduce((value, next) => (value << 16n) | BigInt(next), 0n));
}

const address = (family: Family): fc.Arbitrary<string> =>
  addressValue(family).map((value) => formatAddress(family, value));

/** Disjoint ranges: every second gap between sorted edges, some of one value, some blocks. */
function ranges<T extends number | bigint>(value: fc.Arbitrary<T>, text: (value: T) => string): fc.Arbitrary<string[]> {
  return fc.uniqueArray(value, { minLength: 0, maxLength: 12 }).map((edges) => {
    const sorted = [...edges].sort((a, b) => (a < b ? -1 : 1));
    return sorted.flatMap((first, i) => {
      const last = sorted[i + 1];
      if (i % 2 === 1) return [];
      return [last === undefined ? text(first) : `${text(first)}-${text(last)}`];
    });
  });
}

/** Edges of blocks as well, so that nft lists them as such. */
const blockEdges = (family: Family): fc.Arbitrary<string[]> =>
  fc.uniqueArray(fc.tuple(addressValue(family), fc.nat(BITS[family])), { maxLength: 8 }).map((blocks) => {
    let free = -1n;
    return blocks
      .map(([value, prefix]) => {
        const host = BigInt(BITS[family] - prefix);
        const first = (value >> host) << host;
        return { first, last: first + (1n << host) - 1n };
      })
      .sort((a, b) => (a.first < b.first ? -1 : 1))
      .flatMap(({ first, last }) => {
        if (first <= free) return [];
        free = last;
        const [low, high] = [formatAddress(family, first), formatAddress(family, last)];
        return [low === high ? low : `${low}-${high}`];
      });
  });

const FIELDS: Readonly<Record<string, fc.Arbitrary<string>>> = {
  ipv4_addr: address(4),
  ipv6_addr: address(6),
  classid,
  inet_proto: fc.constantFrom('0', '1', '6', '17', '58', '132', '255'),
  inet_service: fc.nat(65535).map(String),
  mark: fc.nat(0xffffffff).map((mark) => `0x${mark.toString(16).padStart(8, '0')}`),
};

function keysOf(declaration: SetDeclaration): fc.Arbitrary<string[]> {
  const fields = (declaration.type.split(' : ')[0] ?? '').split(' . ');
  const single = fields.map((field) => FIELDS[field] ?? fc.constant('?'));
  if (!declaration.interval) {
    return fc.uniqueArray(
      fc.tuple(...single).map((parts) => parts.join(' . ')),
      { maxLength: 12 },
    );
  }
  if (fields[0] === 'ipv4_addr')
    return fc.oneof(
      ranges(addressValue(4), (n) => formatAddress(4, n)),
      blockEdges(4),
    );
  if (fields[0] === 'ipv6_addr')
    return fc.oneof(
      ranges(addressValue(6), (n) => formatAddress(6, n)),
      blockEdges(6),
    );
  const ports = ranges(fc.nat(65535), String);
  const lanes = fc.uniqueArray(
    fc.tuple(...single.slice(0, -1)).map((parts) => parts.join(' . ')),
    { maxLength: 4 },
  );
  return lanes
    .chain((prefixes) =>
      fc.tuple(...prefixes.map((prefix) => ports.map((list) => list.map((range) => `${prefix} . ${range}`)))),
    )
    .map((lists) => lists.flat());
}

function elementsOf(declaration: SetDeclaration): fc.Arbitrary<Elements> {
  const value = declaration.type.split(' : ')[1];
  const values = value === undefined ? fc.constant('') : value === 'verdict' ? verdict : classid;
  return keysOf(declaration).chain((keys) =>
    fc
      .array(values, { minLength: keys.length, maxLength: keys.length })
      .map((list) => new Map(keys.map((key, i) => [key, list[i] ?? '']))),
  );
}

const RULES = [
  'meta priority set none',
  'meta priority set ip saddr map @id4',
  'meta priority set ip6 saddr map @ext6',
  'meta priority set meta priority | 0:5',
  'meta priority . meta l4proto . th dport @exact accept',
  'meta priority . meta l4proto . th dport @no_range drop',
  'meta priority . meta l4proto @proto accept',
  'meta priority @whole accept',
  'ip saddr . ip daddr vmap @self4',
  'ip daddr @podcidr4 ip daddr != @known4 drop',
  'ct direction 1 accept',
  'meta l4proto { 4, 41 } return',
];

/** Chains that only lead to those after them, since the kernel refuses loops. */
const chains: fc.Arbitrary<ReadonlyMap<string, ChainContent>> = fc
  .tuple(
    ...CHAINS.map(() => fc.array(fc.constantFrom(...RULES.filter((rule) => !rule.includes('vmap'))), { maxLength: 4 })),
  )
  .map((lists) => new Map(lists.map((rules, i) => [CHAINS[i] ?? '', { hook: null, rules }])));

const content: fc.Arbitrary<TableContent> = fc
  .record({
    sets: fc.tuple(...SETS.map(elementsOf)),
    chains,
    base: fc.array(fc.constantFrom(...RULES), { maxLength: 6 }),
    policy: fc.constantFrom('accept', 'drop'),
    comment: fc.option(fc.stringMatching(/^[a-z0-9 ,;{}#:.-]{1,40}$/)),
  })
  .map(({ sets, chains, base, policy, comment }) => ({
    family: 'inet',
    name: 'rampart',
    comment,
    counters: ['allowed_egress', 'denied_egress'],
    sets: new Map(SETS.map((declaration, i) => [declaration.name, { declaration, elements: sets[i] ?? new Map() }])),
    chains: new Map([
      ...chains,
      ['hooked', { hook: `type filter hook forward priority -10; policy ${policy};`, rules: base }],
    ]),
  }));

describe.runIf(hasKernel())('content, rendered, loaded by nft, listed and parsed', () => {
  it('is the same again', () => {
    fc.assert(
      fc.property(content, (wanted) => {
        expect(unordered(kernelContent(wanted))).toEqual(unordered(wanted));
      }),
      { numRuns: 60, endOnFailure: true },
    );
  });

  it.each([
    { ...DEFAULT_LAYOUT },
    { ...DEFAULT_LAYOUT, deny: 'reject', log: null, refuseEncapsulation: false, generationMask: 0x0000ff00 } as const,
    { ...DEFAULT_LAYOUT, closedUntilKnown: true, generationMask: 0xff000000 },
  ])('is the same for the static part of the layout: %j', (options) => {
    const mark = generationMark(options.generationMask, 6);
    const wanted: TableContent = {
      family: 'inet',
      name: options.table,
      comment: 'layout',
      counters: ['allowed_egress', 'allowed_ingress', 'denied_egress', 'denied_ingress'].sort(byText),
      sets: new Map(SETS.map((declaration) => [declaration.name, { declaration, elements: new Map() }])),
      chains: new Map([...staticChains(options), ...generationChains(options, mark)]),
    };
    expect(unordered(kernelContent(wanted))).toEqual(unordered(wanted));
  });

  it.each(
    hasVectors()
      ? SUITES.flatMap((suite) =>
          casesOf(suite)
            .filter((_, i) => i % 17 === 3)
            .map((name) => `${suite}/${name}`),
        )
      : [],
  )('is the same for the tables of %s', (id) => {
    const input = inputOfCase(id);
    const placed = place(input.cluster);
    for (const node of placed.nodes) {
      const compiler = new NodeCompiler({ node, layout: DEFAULT_LAYOUT });
      compiler.load(placed.cluster, input.program);
      compiler.settle();
      const wanted = compiler.desired.content();
      expect(contentText(kernelContent(wanted))).toBe(contentText(wanted));
    }
  });

  it('is the same with thousands of elements', () => {
    const ports = Array.from({ length: 5000 }, (_, i) => i * 13).sort(byNumber);
    const declaration = SETS.find(({ name }) => name === 'range');
    if (declaration === undefined) throw new Error('no set of ranges');
    const wanted: TableContent = {
      family: 'inet',
      name: 'rampart',
      comment: null,
      counters: [],
      sets: new Map([
        ['range', { declaration, elements: new Map(ports.map((port) => [`1:1 . 6 . ${port}-${port + 12}`, ''])) }],
      ]),
      chains: new Map(),
    };
    expect(kernelContent(wanted)).toEqual(wanted);
  });
});
