import { describe, expect, it } from 'vitest';
import { parseTable } from './parse.ts';
import { renderTable } from './render.ts';
import type { TableContent } from './table.ts';

/** As nft 1.0.6 prints a table, with everything that it writes in its own way. */
const LISTING = `table inet rampart { # handle 4
	comment "layout 1"
	counter denied {
		comment "since yesterday"
		packets 12 bytes 840
	}

	map id4 {
		type ipv4_addr : classid
		elements = { 10.0.0.1 : 1:0, 10.0.0.2 : none,
			     10.0.0.3 : root, 10.0.0.4 : 1234:5 }
	}

	map ext4 {
		type ipv4_addr : classid
		flags interval
		elements = { 0.0.0.0/6 : 1:5, 4.0.0.2/31 : 1:7,
			     12.0.0.0-12.0.0.5 : 1:1, 13.0.0.1 : 1:2 }
	}

	map ext6 {
		type ipv6_addr : classid
		flags interval
		elements = { ::-::5 : 1:1,
			     ::1.2.3.0/120 : 1:4,
			     ::ffff:10.0.0.0/104 : 1:5,
			     64:ff9b::/96 : 1:3,
			     2000::/3 : 1:1 }
	}

	map id6 {
		type ipv6_addr : classid
		elements = { :: : 1:5,
			     ::ffff:1.2.3.4 : 1:1,
			     fd00::1 : 1:6 }
	}

	map range {
		type classid . inet_proto . inet_service : verdict
		flags interval
		elements = { 1:1 . 6 . 80-90 : goto allow,
			     root . tcp . 53 : goto deny,
			     0:5 . 17 . 1024-2047 : jump s_1 }
	}

	map gen {
		type mark : verdict
		elements = { 0x00010000 : accept }
	}

	set known4 {
		type ipv4_addr
	}

	set odd {
		type ipv4_addr . inet_service
		size 65535
		flags dynamic,timeout
		timeout 1m
		elements = { 1.1.1.1 . 5 timeout 1m expires 59s, 1.1.1.2 . 6 comment "a, b } c : d" }
	}

	chain forward { # handle 9
		type filter hook forward priority -10; policy drop;
		ct state vmap { 0x1 : drop, 0x2 : accept } # handle 10
		counter packets 3 bytes 180 limit rate 500/second burst 5 packets log prefix "D; } # |i|" group 77
		counter name "denied" goto deny
	}

	chain deny {
		comment "the last one"
		drop comment "said; why"
	}
}
`;

function parsed(text: string): TableContent {
  const content = parseTable(text);
  if ('error' in content) throw new Error(`${content.error} at line ${content.line}`);
  return content;
}

const elementsOf = (content: TableContent, set: string): unknown => [...(content.sets.get(set)?.elements ?? [])];

describe('parseTable', () => {
  const content = parsed(LISTING);

  it('reads what the table is, and its counters without their values', () => {
    expect(content.name).toBe('rampart');
    expect(content.comment).toBe('layout 1');
    expect(content.counters).toEqual(['denied']);
  });

  it('reads declarations, and keeps what ours never have behind the type', () => {
    expect([...content.sets.values()].map(({ declaration }) => declaration)).toEqual([
      { name: 'id4', kind: 'map', type: 'ipv4_addr : classid', interval: false },
      { name: 'ext4', kind: 'map', type: 'ipv4_addr : classid', interval: true },
      { name: 'ext6', kind: 'map', type: 'ipv6_addr : classid', interval: true },
      { name: 'id6', kind: 'map', type: 'ipv6_addr : classid', interval: false },
      { name: 'range', kind: 'map', type: 'classid . inet_proto . inet_service : verdict', interval: true },
      { name: 'gen', kind: 'map', type: 'mark : verdict', interval: false },
      { name: 'known4', kind: 'set', type: 'ipv4_addr', interval: false },
      {
        name: 'odd',
        kind: 'set',
        type: 'ipv4_addr . inet_service; size 65535; flags dynamic,timeout; timeout 1m',
        interval: false,
      },
    ]);
  });

  it('writes blocks as ranges and addresses in one way', () => {
    expect(elementsOf(content, 'id4')).toEqual([
      ['10.0.0.1', '1:0'],
      ['10.0.0.2', 'none'],
      ['10.0.0.3', 'root'],
      ['10.0.0.4', '1234:5'],
    ]);
    expect(elementsOf(content, 'ext4')).toEqual([
      ['0.0.0.0-3.255.255.255', '1:5'],
      ['4.0.0.2-4.0.0.3', '1:7'],
      ['12.0.0.0-12.0.0.5', '1:1'],
      ['13.0.0.1', '1:2'],
    ]);
    expect(elementsOf(content, 'ext6')).toEqual([
      ['::-::5', '1:1'],
      ['::102:300-::102:3ff', '1:4'],
      ['::ffff:a00:0-::ffff:aff:ffff', '1:5'],
      ['64:ff9b::-64:ff9b::ffff:ffff', '1:3'],
      ['2000::-3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', '1:1'],
    ]);
    expect(elementsOf(content, 'id6')).toEqual([
      ['::', '1:5'],
      ['::ffff:102:304', '1:1'],
      ['fd00::1', '1:6'],
    ]);
  });

  it('reads concatenated keys with verdicts, and marks', () => {
    expect(elementsOf(content, 'range')).toEqual([
      ['1:1 . 6 . 80-90', 'goto allow'],
      ['root . 6 . 53', 'goto deny'],
      ['0:5 . 17 . 1024-2047', 'jump s_1'],
    ]);
    expect(elementsOf(content, 'gen')).toEqual([['0x00010000', 'accept']]);
  });

  it('reads elements without their attributes', () => {
    expect(elementsOf(content, 'odd')).toEqual([
      ['1.1.1.1 . 5', ''],
      ['1.1.1.2 . 6', ''],
    ]);
    expect(elementsOf(content, 'known4')).toEqual([]);
  });

  it('reads chains: hook, policy, and rules without counts and handles', () => {
    expect([...content.chains]).toEqual([
      [
        'forward',
        {
          hook: 'type filter hook forward priority -10; policy drop;',
          rules: [
            'ct state vmap { 0x1 : drop, 0x2 : accept }',
            'counter limit rate 500/second burst 5 packets log prefix "D; } # |i|" group 77',
            'counter name "denied" goto deny',
          ],
        },
      ],
      ['deny', { hook: null, rules: ['drop comment "said; why"'] }],
    ]);
  });

  it('reads back what is rendered', () => {
    expect(parsed(renderTable(content))).toEqual(content);
  });

  it.each([
    ['', '`table` expected, not ``', 1],
    ['\n\nchain a {\n}\n', '`table` expected, not `chain a`', 3],
    ['table ip rampart {\n}\n', 'a table of family `inet` expected, not `ip`', 1],
    ['table inet rampart {\n\tchain a {\n\t\taccept\n', 'the text ends within a block', 4],
    ['table inet rampart {\n\tflags dormant\n}\n', 'the table has `flags dormant`, which is not ours', 2],
    ['table inet rampart {\n\n\tflowtable f {\n\t}\n}\n', 'the table has `flowtable f`, which is not ours', 3],
    ['table inet rampart {\n\tset s {\n\t\telements = { 1 }\n\t}\n}\n', 'elements of `s` before its type', 3],
    [
      'table inet a {\n\tmap m {\n\t\ttype mark : verdict\n\t\telements = { 1,\n2 : drop }\n\t}\n}',
      'an element of a map without value: `1`',
      4,
    ],
    ['table inet a {\n}\ntable inet b {\n}\n', 'one table expected, there is more', 3],
    ['table inet a {\n\tcomment "x\n}\n', 'a string is not closed', 2],
    ['table inet a {\n\tchain c {\n\t}\n\tchain c {\n\t}\n}', 'chain `c` is there twice', 4],
    [
      'table inet a {\n\tset s {\n\t\ttype ipv4_addr\n\t\telements = { 1.2.3.4/99 }\n\t}\n}',
      'not a block of addresses: `1.2.3.4/99`',
      4,
    ],
  ])('says where %j is wrong', (text, error, line) => {
    expect(parseTable(text)).toEqual({ error, line });
  });

  it('never throws, wherever a listing is cut off', () => {
    for (let length = 0; length < LISTING.length - 2; length++) {
      const cut = parseTable(LISTING.slice(0, length));
      expect('error' in cut).toBe(true);
    }
  });
});
