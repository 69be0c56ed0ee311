import { describe, expect, it } from 'vitest';
import { canonicalDifference, canonicalLines } from './canonical.ts';
import { SETS } from './layout.ts';
import type { ChainContent, TableContent } from './table.ts';

type Entries = Readonly<Record<string, Readonly<Record<string, string>>>>;

function content(elements: Entries, chains: Readonly<Record<string, readonly string[]>>): TableContent {
  const entries = Object.entries(chains).map(([name, rules]): [string, ChainContent] => [name, { hook: null, rules }]);
  return {
    family: 'inet',
    name: 'rampart',
    comment: null,
    counters: [],
    sets: new Map(
      SETS.map((declaration) => [
        declaration.name,
        { declaration, elements: new Map(Object.entries(elements[declaration.name] ?? {})) },
      ]),
    ),
    chains: new Map(entries),
  };
}

/** Identity 2 and subject 3, mark 0x00010000: 2 << 12 | 3 is 0x2003, hence `0:2003`. */
const BEFORE = content(
  {
    id4: { '10.0.0.5': '0:2000', '10.0.0.6': '0:2000', '10.0.0.7': '8000:3000' },
    ext4: { '192.0.2.0-192.0.2.255': '0:2000' },
    in4: { '10.0.0.1': 'jump s_3', '10.0.0.2': 'jump s_3' },
    eg4: { '10.0.0.1': 'goto deny_egress' },
    exact: { '0:2003 . 6 . 80': '', '0:3 . 6 . 443': '' },
    no_proto: { '8000:3003 . 6': '' },
  },
  {
    s_3: [
      'meta priority set ip saddr map @id4',
      'meta priority set meta priority | 0:3',
      'meta priority & 8000:0 == 8000:0 goto p_3',
    ],
    p_3: ['meta priority set 8000:1003', 'goto deny_ingress'],
    forward: ['ct mark 0x00010000/16 accept'],
    stamp: ['ct mark set ct mark & 0x0001ffff | 0x00010000'],
  },
);

/** The same with identity 9, identity 0x80004, subject 0x11 = 17 and mark 0x00070000. */
const AFTER = content(
  {
    id4: { '10.0.0.7': '8000:4000', '10.0.0.6': '0:9000', '10.0.0.5': '0:9000' },
    ext4: { '192.0.2.0-192.0.2.255': '0:9000' },
    in4: { '10.0.0.2': 'jump s_17', '10.0.0.1': 'jump s_17' },
    eg4: { '10.0.0.1': 'goto deny_egress' },
    exact: { '0:11 . 6 . 443': '', '0:9011 . 6 . 80': '' },
    no_proto: { '8000:4011 . 6': '' },
  },
  {
    p_17: ['meta priority set 8000:1011', 'goto deny_ingress'],
    forward: ['ct mark 0x00070000/16 accept'],
    stamp: ['ct mark set ct mark & 0x0007ffff | 0x00070000'],
    s_17: [
      'meta priority set ip saddr map @id4',
      'meta priority set meta priority | 0:11',
      'meta priority & 8000:0 == 8000:0 goto p_17',
    ],
  },
);

function changed(set: string, key: string, value: string): TableContent {
  const sets = new Map(AFTER.sets);
  const before = sets.get(set);
  if (before === undefined) throw new Error(`no ${set}`);
  sets.set(set, { ...before, elements: new Map([...before.elements, [key, value]]) });
  return { ...AFTER, sets };
}

describe('canonical content', () => {
  it('is the same for tables that mean the same with other numbers', () => {
    expect(canonicalDifference(BEFORE, AFTER)).toEqual([]);
  });

  it('says what numbers stand for', () => {
    const lines = canonicalLines(BEFORE);
    expect(lines).toContain('peer[ext4 192.0.2.0-192.0.2.255]: ext4 192.0.2.0-192.0.2.255, id4 10.0.0.5, id4 10.0.0.6');
    expect(lines).toContain('subject[in4 10.0.0.1]: in4 10.0.0.1, in4 10.0.0.2');
    expect(lines).toContain('exact peer[ext4 192.0.2.0-192.0.2.255]/subject[in4 10.0.0.1] . 6 . 80');
    expect(lines).toContain('exact anybody/subject[in4 10.0.0.1] . 6 . 443');
    expect(lines).toContain('in4 10.0.0.2 : jump s subject[in4 10.0.0.1]');
    expect(lines).toContain('chain p subject[in4 10.0.0.1] 0: meta priority set peer#524289/subject[in4 10.0.0.1]');
    expect(lines).toContain('chain stamp 0: ct mark set ct mark & 0x0000ffff | generation');
    expect(lines).toContain('chain forward 0: ct mark generation/16 accept');
  });

  it.each([
    ['exact', '0:9011 . 6 . 81', '', '+ exact peer[ext4 192.0.2.0-192.0.2.255]/subject[in4 10.0.0.1] . 6 . 81'],
    ['id4', '10.0.0.7', '0:9000', '+ id4 10.0.0.7 : peer[ext4 192.0.2.0-192.0.2.255]/-'],
    ['in4', '10.0.0.2', 'goto deny_ingress', '+ in4 10.0.0.2 : goto deny_ingress'],
    ['known4', '10.0.0.2', '', '+ known4 10.0.0.2'],
  ])('differs where %s has %s: %j', (set, key, value, line) => {
    expect(canonicalDifference(BEFORE, changed(set, key, value))).toContain(line);
  });

  it('tells a mark that is not the generation', () => {
    const chains = new Map([
      ...AFTER.chains,
      ['stamp', { hook: null, rules: ['ct mark set ct mark & 0x0003ffff | 0x00030000'] }],
    ]);
    expect(canonicalDifference(BEFORE, { ...AFTER, chains })).toHaveLength(2);
  });
});
