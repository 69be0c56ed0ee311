import { describe, expect, it } from 'vitest';
import { type Ip, parseIp } from '../../base/ip.ts';
import { firstPacket, icmpPacket } from './packet.ts';
import { parseTable } from './parse.ts';
import { simulate } from './simulate.ts';
import type { TableContent } from './table.ts';

function ip(text: string): Ip {
  const parsed = parseIp(text);
  if (parsed === null) throw new Error(text);
  return parsed;
}

function table(body: string): TableContent {
  const content = parseTable(`table inet rampart {\n${body}\n}\n`);
  if ('error' in content) throw new Error(`${content.error} at line ${content.line}`);
  return content;
}

const hooked = (rules: string, more = ''): TableContent =>
  table(`${more}\nchain forward {\ntype filter hook forward priority -10; policy accept;\n${rules}\n}`);

const [A, B] = [ip('10.0.0.1'), ip('10.0.0.2')];

describe('simulate', () => {
  it('tells the way of a packet, rule by rule, with the elements that it met', () => {
    const content = hooked(
      'ct state 0x2 accept\nip daddr vmap @in4\naccept',
      `map id4 { type ipv4_addr : classid; elements = { 10.0.0.1 : 0:2000 } }
       map in4 { type ipv4_addr : verdict; elements = { 10.0.0.2 : jump s4_1 } }
       map exact { type classid . inet_proto . inet_service : verdict; elements = { 0:2001 . 6 . 80 : accept } }
       counter denied { }
       chain s4_1 {
         meta priority set none
         meta priority set ip saddr map @id4
         meta priority set meta priority | 0:1
         meta priority . meta l4proto . th dport vmap @exact
         counter name "denied" log prefix "D|i|" group 77 drop
       }`,
    );
    const allowed = simulate(content, firstPacket(A, B, 6, 80));
    expect(allowed.verdict).toBe('accept');
    expect(allowed.priority).toBe(0x2001);
    expect(allowed.steps.map(({ chain, rule, elements }) => [chain, rule, ...elements])).toEqual([
      ['forward', 1, { set: 'in4', key: '10.0.0.2', value: 'jump s4_1' }],
      ['s4_1', 0],
      ['s4_1', 1, { set: 'id4', key: '10.0.0.1', value: '0:2000' }],
      ['s4_1', 2],
      ['s4_1', 3, { set: 'exact', key: '0:2001 . 6 . 80', value: 'accept' }],
    ]);
    const denied = simulate(content, firstPacket(A, B, 17, 80));
    expect(denied.verdict).toBe('drop');
    expect(denied.counters).toEqual(['denied']);
    expect(denied.logs).toEqual([{ prefix: 'D|i|', group: 77 }]);
    expect(denied.steps.at(-1)).toMatchObject({ chain: 's4_1', rule: 4 });
    expect(simulate(content, firstPacket(B, A, 17, 80)).steps.map(({ text }) => text)).toEqual(['accept']);
  });

  it('drops even when the log is over its limit', () => {
    const content = hooked('limit rate 1/second burst 1 packets log prefix "x" group 7\ndrop');
    expect(simulate(content, firstPacket(A, B, 6, 80))).toMatchObject({
      verdict: 'drop',
      logs: [{ prefix: 'x', group: 7 }],
    });
    expect(simulate(content, firstPacket(A, B, 6, 80), { limited: true })).toMatchObject({ verdict: 'drop', logs: [] });
  });

  it('returns from a chain that was gone to, to where that was jumped to', () => {
    const content = hooked(
      'jump one\ncounter name "back" drop',
      'counter back { }\nchain one {\ngoto two\naccept\n}\nchain two {\nreturn\naccept\n}',
    );
    expect(simulate(content, firstPacket(A, B, 6, 80))).toMatchObject({ verdict: 'drop', counters: ['back'] });
  });

  it('asks every base chain of a hook, in the order of their priorities', () => {
    const base = (name: string, priority: number, rule: string): string =>
      `counter ${name} { }\nchain ${name} {\ntype filter hook forward priority ${priority}; policy accept;\ncounter name "${name}" ${rule}\n}`;
    const content = table(
      [base('late', 5, 'drop'), base('early', -10, 'accept'), base('never', 9, 'accept')].join('\n'),
    );
    expect(simulate(content, firstPacket(A, B, 6, 80))).toMatchObject({ verdict: 'drop', counters: ['early', 'late'] });
    expect(simulate(content, firstPacket(A, B, 6, 80, { hook: 'input' }))).toMatchObject({
      verdict: 'accept',
      steps: [],
    });
  });

  it('takes later fragments for what they are: packets without ports', () => {
    const content = hooked('th dport != 80 accept\nudp dport 80 accept\ndrop');
    expect(simulate(content, firstPacket(A, B, 17, 80)).verdict).toBe('accept');
    expect(simulate(content, firstPacket(A, B, 17, 80, { words: null })).verdict).toBe('drop');
  });

  it('reads the checksum of an ICMP message where ports would be, as the kernel does', () => {
    const content = hooked('th dport 80 drop');
    expect(simulate(content, icmpPacket(A, B, 8, { words: [0x0800, 80] })).verdict).toBe('drop');
    expect(simulate(content, icmpPacket(A, B, 8, { words: [0x0800, 81] })).verdict).toBe('accept');
  });

  it('finds addresses in intervals, at both ends and beside them', () => {
    const content = hooked(
      'ip saddr @block4 drop\nip6 saddr @block6 drop',
      `set block4 { type ipv4_addr; flags interval; elements = { 10.0.0.0/30, 10.0.0.8-10.0.0.9, 255.255.255.255 } }
       set block6 { type ipv6_addr; flags interval; elements = { ::-::5, ::ffff:10.0.0.0/104, fe80::/10 } }`,
    );
    const verdicts = (...addresses: readonly string[]): readonly string[] =>
      addresses.map((address) => {
        const source = ip(address);
        return simulate(content, firstPacket(source, { ...source, value: 1n << 20n }, 6, 80)).verdict;
      });
    expect(verdicts('10.0.0.0', '10.0.0.3', '10.0.0.8', '10.0.0.9', '255.255.255.255')).toEqual(Array(5).fill('drop'));
    expect(verdicts('9.255.255.255', '10.0.0.4', '10.0.0.7', '10.0.0.10', '255.255.255.254')).toEqual(
      Array(5).fill('accept'),
    );
    expect(verdicts('::', '::5', 'fe80::', 'febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff')).toEqual(Array(4).fill('drop'));
    expect(verdicts('::6', 'fec0::', 'fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff')).toEqual(Array(3).fill('accept'));
  });

  it.each([
    ['queue num 5', 'the expression `queue num` of the rule `queue num 5` is not known'],
    ['meta skuid 0 accept', 'the expression `meta skuid` of the rule `meta skuid 0 accept` is not known'],
    ['ip saddr @nowhere accept', 'the rule `ip saddr @nowhere accept` asks a set that is not there'],
    ['ip saddr @ports accept', 'the rule `ip saddr @ports accept` asks for `ipv4_addr`; `ports` has `inet_service`'],
    ['meta mark set meta cpu', 'the expression `meta cpu` of the rule `meta mark set meta cpu` is not known'],
    ['ip ttl set 5', '`ip ttl set` of the rule `ip ttl set 5` is not known'],
    ['goto nowhere', 'a rule leads to the chain `nowhere`, which is not there'],
    ['ip saddr 10.0.0.1 notrack', 'the rule `ip saddr 10.0.0.1 notrack` ends too early'],
    ['tcp dport http accept', '`http` in the rule `tcp dport http accept` is no inet_service'],
  ])('refuses to guess what `%s` means', (rule, message) => {
    const content = hooked(rule, 'set ports { type inet_service; }');
    expect(() => simulate(content, firstPacket(A, B, 6, 80))).toThrow(message);
  });

  it('refuses intervals that overlap', () => {
    const content = hooked(
      'th dport @ports drop',
      'set ports { type inet_service; flags interval; elements = { 1-10, 5-20 } }',
    );
    expect(() => simulate(content, firstPacket(A, B, 6, 80))).toThrow('`1-10` and `5-20` of `ports` overlap');
  });
});
