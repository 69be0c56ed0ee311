import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Ip, parseIp } from '../../src/base/ip.ts';
import { SETS } from '../../src/targets/nftables/layout.ts';
import type { Packet } from '../../src/targets/nftables/packet.ts';
import { renderTable } from '../../src/targets/nftables/render.ts';
import { type SimulatedVerdict, simulate } from '../../src/targets/nftables/simulate.ts';
import type { ChainContent, TableContent } from '../../src/targets/nftables/table.ts';
import { hasKernel } from './namespace.ts';
import type { Answer, Outcome, Question, Shot } from './router.ts';

/** How many random tables meet real packets; RAMPART_KERNEL_TABLES raises it. */
const TABLES = Number(process.env.RAMPART_KERNEL_TABLES ?? 40);
const SHOTS = 40;

const PORTS = [80, 81, 85, 443, 8080];
const CLASSES = ['none', '0:1', '0:2', '1:0', '1:1', 'ffff:1'];
const MARKS = ['0x00000000', '0x00010000', '0x00020000', '0x00010007'];
const PROTOCOLS = [1, 6, 17, 58, 132];
const COUNTERS = ['one', 'two'];

/** Source addresses: the third group of IPv4, or the fourth of IPv6, tells the sender which protocol to send. */
function sourceOf(family: 4 | 6, protocol: number, index: number): string {
  return family === 4 ? `10.1.${protocol}.${index + 1}` : `fd01:0:0:${protocol}::${(index + 1).toString(16)}`;
}

const destinations: Readonly<Record<4 | 6, readonly string[]>> = {
  4: ['10.2.0.1', '10.2.0.2', '10.2.7.1', '10.3.0.1'],
  6: ['fd02::1', 'fd02::2', 'fd02:0:7::1', 'fd03::1'],
};

const shot = (index: number): fc.Arbitrary<Shot> =>
  fc.constantFrom<4 | 6>(4, 6).chain((family) =>
    fc.constantFrom(6, 17, 17, 132, family === 4 ? 1 : 58).chain((protocol) => {
      // Requests, answers to nothing, and (IPv6) neighbour solicitations, which are not tracked.
      const types = family === 4 ? [8, 14] : [128, 129, 135];
      const first =
        protocol === 1 || protocol === 58 ? fc.constantFrom(...types.map((type) => type * 256)) : fc.constant(40_000);
      const entry = fc.record({ reply: fc.boolean(), seen: fc.boolean(), mark: fc.constantFrom(...MARKS.map(Number)) });
      return fc.record({
        source: fc.constant(sourceOf(family, protocol, index)),
        destination: fc.constantFrom(...destinations[family]),
        protocol: fc.constant(protocol),
        words: fc.tuple(first, fc.constantFrom(...PORTS)),
        entry: protocol === 17 ? fc.option(entry) : fc.constant(null),
      });
    }),
  );

const shots = fc.tuple(...Array.from({ length: SHOTS }, (_, index) => shot(index)));

/** Chains lead to later ones only: the kernel refuses loops. */
const CHAINS = ['c1', 'c2', 'c3', 'c4'];

function verdictOf(level: number): fc.Arbitrary<string> {
  const plain = fc.constantFrom('accept', 'drop', 'return');
  const later = CHAINS.slice(level);
  if (later.length === 0) return plain;
  return fc.oneof(
    plain,
    fc.tuple(fc.constantFrom('jump', 'goto'), fc.constantFrom(...later)).map((words) => words.join(' ')),
  );
}

const addresses = (family: 4 | 6): fc.Arbitrary<string> => {
  const sources = (family === 4 ? [1, 6, 17, 132] : [6, 17, 58, 132]).flatMap((protocol) =>
    Array.from({ length: SHOTS }, (_, index) => sourceOf(family, protocol, index)),
  );
  return fc.oneof(fc.constantFrom(...sources), fc.constantFrom(...destinations[family]));
};

const BLOCKS: Readonly<Record<4 | 6, readonly string[]>> = {
  4: ['10.1.17.0-10.1.17.15', '10.1.17.16-10.1.17.21', '10.1.6.0-10.1.6.255', '10.2.0.1', '10.2.7.0-10.3.255.255'],
  6: ['fd01:0:0:17::-fd01:0:0:17::f', 'fd01:0:0:6::-fd01:0:0:6:ffff:ffff:ffff:ffff', 'fd02::1', 'fd02:0:7::-fd03::1'],
};

function keysOf(type: string, interval: boolean): fc.Arbitrary<string[]> {
  const family = type.startsWith('ipv6') ? 6 : 4;
  if (type === 'ipv4_addr . ipv4_addr' || type === 'ipv6_addr . ipv6_addr') {
    const pair = fc.tuple(addresses(family), fc.constantFrom(...destinations[family])).map((two) => two.join(' . '));
    return fc.uniqueArray(pair, { maxLength: 30 });
  }
  if (type.startsWith('ipv')) {
    return interval ? fc.subarray([...BLOCKS[family]]) : fc.uniqueArray(addresses(family), { maxLength: 80 });
  }
  if (type === 'mark') return fc.subarray(MARKS);
  if (type === 'classid') return fc.subarray(CLASSES);
  const ports = interval ? ['0-79', '80-84', '85', '86-442', '443-65535'] : PORTS.map(String);
  const last = type === 'classid . inet_proto' ? [''] : ports.map((port) => ` . ${port}`);
  return fc.subarray(
    CLASSES.flatMap((one) => PROTOCOLS.flatMap((two) => last.map((three) => `${one} . ${two}${three}`))),
  );
}

const sets = fc.tuple(
  ...SETS.map((declaration) => {
    const [type = '', value] = declaration.type.split(' : ');
    const values =
      value === undefined ? fc.constant('') : value === 'verdict' ? verdictOf(2) : fc.constantFrom(...CLASSES);
    return keysOf(type, declaration.interval).chain((keys) =>
      fc
        .array(values, { minLength: keys.length, maxLength: keys.length })
        .map((list) => ({ declaration, elements: new Map(keys.map((key, i) => [key, list[i] ?? ''])) })),
    );
  }),
);

const MATCHES = [
  ...['ip saddr @known4', 'ip saddr != @known4', 'ip6 saddr @known6', 'ip6 saddr != @known6', 'ip daddr @podcidr4'],
  ...['ip daddr != @podcidr4', 'ip6 daddr @podcidr6', 'ip6 saddr @podcidr6', 'ip daddr @podcidr4'],
  ...['meta priority . meta l4proto . th dport @exact', 'meta priority . meta l4proto . th dport @no_range'],
  ...['meta priority . meta l4proto @proto', 'meta priority @no_whole', 'ct mark 0x00010000/16', 'meta priority none'],
  ...[
    'meta nfproto 2',
    'meta nfproto 10',
    'meta nfproto != 2',
    'meta l4proto 6',
    'meta l4proto != 17',
    'meta l4proto { 1, 58 }',
  ],
  ...[
    'meta l4proto != { 6, 17 }',
    'th dport 80',
    'th dport 81-443',
    'th dport != 80-85',
    'th sport 40000',
    'th dport > 81',
  ],
  ...['tcp dport 80', 'tcp dport != 80', 'udp dport { 80, 443, 8080 }', 'udp dport != { 80, 443 }', 'sctp dport 80'],
  ...['icmp type 8', 'icmp type { 8, 13, 14 }', 'icmp type != 8', 'icmpv6 type { 128, 135 }', 'icmpv6 type != 128'],
  ...['ct state 0x8', 'ct state 0x2,0x4', 'ct state != 0x8', 'ct state { 0x1, 0x8 }', 'ct state 0x40', 'ct state 0x1'],
  ...[
    'ct state != 0x2,0x8',
    'ct state ! 0x2,0x8',
    'meta priority & 8000:0 == 8000:0',
    'meta priority & 1:0 != none',
    'ct direction 0',
    'ct direction 1',
    'ct direction != 1',
    'ct mark 0x00010000',
  ],
  ...['ct mark != 0x00010000', 'ct mark & 0xffff0000 == 0x00010000', 'ct mark & 0x0000ffff != 0x00000000'],
  ...[
    'ct mark 0x00010000/16',
    'meta priority none',
    'meta priority != none',
    'meta priority 0:1',
    'meta mark 0x00000005',
  ],
  ...[
    'iif "r0"',
    'iif "lo"',
    'iif != "lo"',
    'oif "d0"',
    'iifname "r0"',
    'fib daddr type 2',
    'fib saddr type 2',
    'fib daddr type != 2',
  ],
  ...['ip saddr 10.1.17.0/24', 'ip saddr != 10.1.0.0/20', 'ip6 daddr fd02::/48', 'ip6 saddr != fd01:0:0:6::/64'],
  ...['ip daddr { 10.2.0.1, 10.2.7.0/24 }', 'ip6 daddr { fd02::1, fd02:0:7::1 }', 'ip daddr != { 10.2.0.1, 10.2.0.2 }'],
  ...['ip daddr . th dport { 10.2.0.1 . 80, 10.2.0.2 . 81 }', 'meta l4proto . th dport { 6 . 80, 17 . 80, 132 . 81 }'],
  ...['ip protocol 17', 'limit rate 100000/second burst 100000 packets'],
];

const EFFECTS = [
  ...[
    'meta priority set none',
    'meta priority set 0:1',
    'meta priority set 1:1',
    'meta priority set ip saddr map @id4',
  ],
  ...[
    'meta priority set ip daddr map @ext4',
    'meta priority set ip6 saddr map @id6',
    'meta priority set ip6 daddr map @ext6',
  ],
  ...[
    'meta priority set ip saddr map @ext4',
    'meta priority set meta priority & 0:fff',
    'meta priority set meta priority | 1:0',
  ],
  ...[
    'meta priority set meta priority & 1:1 | 0:1',
    'meta priority set 0:2 meta priority set meta priority | 1:0',
    'meta priority set 1:1 meta priority set meta priority ^ 0:3',
    'ct mark set ct mark & 0x0001ffff | 0x00010000',
    'ct mark set 0x00020000',
  ],
  ...['meta mark set 0x00000005', 'meta mark set ct mark', 'counter', 'counter name "one"', 'counter name "two"'],
  ...['log prefix "D|i|" group 77 snaplen 64'],
];

const VERDICT_MAPS = [
  ...[
    'ip saddr vmap @in4',
    'ip6 saddr vmap @in6',
    'ip daddr vmap @eg4',
    'ip6 daddr vmap @eg6',
    'ip saddr . ip daddr vmap @self4',
  ],
  ...['ip6 saddr . ip6 daddr vmap @self6', 'ip6 daddr vmap @own6'],
  ...['ct state vmap { 0x1 : drop, 0x2 : jump c3, 0x8 : goto c4 }'],
  ...[
    'ct state vmap { 0x2 : continue, 0x4 : accept, 0x8 : jump c4, 0x40 : return }',
    'meta l4proto vmap { 6 : jump c3, 17 : return }',
  ],
  ...['ip saddr vmap { 10.1.17.0/28 : jump c4, 10.1.6.0-10.1.6.9 : drop }'],
];

const REJECTIONS = ['meta l4proto 6 reject with tcp reset', 'reject with icmpx 3', 'reject', 'reject with icmpx 0'];

/** nft refuses rules that no packet can meet, such as those of two families or of two protocols. */
function isPossible(rule: string): boolean {
  const families = [/\b(ip|icmp|nfproto 2)\b/, /\b(ip6|icmpv6|nfproto 10)\b/, /nfproto !=/];
  const protocols = rule.match(/\b(meta l4proto|tcp|udp|sctp|icmp|icmpv6|ip protocol)\b/g) ?? [];
  return families.filter((family) => family.test(rule)).length <= 1 && protocols.length <= 1;
}

/** Maps lead to the last two chains, hence stand in the first two only. */
function ruleOf(level: number): fc.Arbitrary<string> {
  const matches = fc.subarray(MATCHES, { maxLength: 2 });
  const effects = fc.subarray(EFFECTS, { maxLength: 2 });
  const end = fc.oneof(
    fc.constant(''),
    verdictOf(level),
    fc.constantFrom(...REJECTIONS),
    ...(level <= 2 ? [fc.constantFrom(...VERDICT_MAPS), fc.constantFrom(...VERDICT_MAPS)] : []),
  );
  return fc
    .tuple(matches, effects, end)
    .map(([first, second, last]) =>
      [...first, ...second, ...(last === '' ? (first.length + second.length === 0 ? ['counter'] : []) : [last])].join(
        ' ',
      ),
    )
    .filter(isPossible);
}

const rulesOf = (level: number, maxLength: number): fc.Arbitrary<string[]> => fc.array(ruleOf(level), { maxLength });

const table: fc.Arbitrary<TableContent> = fc
  .record({
    sets,
    chains: fc.tuple(...CHAINS.map((_, i) => rulesOf(i + 1, 5))),
    forward: rulesOf(0, 6),
    second: rulesOf(0, 3),
    input: rulesOf(0, 6),
    policy: fc.constantFrom('accept', 'accept', 'drop'),
  })
  .map(({ sets, chains, forward, second, input, policy }) => {
    const hooked = (hook: string, priority: number, rules: readonly string[]): ChainContent => ({
      hook: `type filter hook ${hook} priority ${priority}; policy ${policy};`,
      rules,
    });
    return {
      family: 'inet',
      name: 'rampart',
      comment: null,
      counters: COUNTERS,
      sets: new Map(sets.map((set) => [set.declaration.name, set])),
      chains: new Map([
        ...chains.map((rules, i) => [CHAINS[i] ?? '', { hook: null, rules }] as const),
        ['late', hooked('forward', 5, second)],
        ['forward', hooked('forward', -10, forward)],
        ['input', hooked('input', -10, input)],
      ]),
    };
  });

function ip(text: string): Ip {
  const parsed = parseIp(text);
  if (parsed === null) throw new Error(`no address: ${text}`);
  return parsed;
}

/** What the router sees of a packet that is sent so. */
function packetOf({ source, destination, protocol, words, entry }: Shot): Packet {
  const own = destination.startsWith('10.3.') || destination.startsWith('fd03:');
  const type = words[0] >>> 8;
  const icmp = protocol === 1 || protocol === 58;
  const state = !icmp ? 'new' : type === 135 ? 'untracked' : type === 8 || type === 128 ? 'new' : 'invalid';
  const established = entry !== null && (entry.reply || entry.seen);
  return {
    hook: own ? 'input' : 'forward',
    source: ip(source),
    destination: ip(destination),
    protocol,
    words,
    state: established ? 'established' : state,
    direction: entry?.reply === true ? 'reply' : 'original',
    connectionMark: entry?.mark ?? 0,
    connectionStatus: 0,
    mark: 0,
    priority: 0,
    inputInterface: 'r0',
    outputInterface: own ? null : 'd0',
    local: { source: false, destination: own },
  };
}

/** What the simulator expects to be seen of a packet. */
function outcomeOf(packet: Packet, result: SimulatedVerdict): Outcome {
  const mark = (value: number): string => `0x${value.toString(16).padStart(8, '0')}`;
  if (result.verdict !== 'accept') {
    const answer = result.verdict === 'reject' ? answerOf(packet, result.rejectedWith ?? '') : null;
    return { passed: false, answer, priority: null, mark: null, connectionMark: null };
  }
  const { priority } = result;
  const tracked = packet.state !== 'invalid' && packet.state !== 'untracked';
  return {
    passed: true,
    answer: null,
    priority: priority === 0 ? 'none' : `${(priority >>> 16).toString(16)}:${(priority & 0xffff).toString(16)}`,
    mark: mark(result.mark),
    connectionMark: tracked ? mark(result.connectionMark) : null,
  };
}

/** Type and code of the ICMP messages that stand for nft's family-independent ones (RFC 792, RFC 4443). */
function answerOf({ source }: Packet, how: string): string {
  if (how === 'tcp reset') return 'tcp';
  const codes: Readonly<Record<string, readonly [number, number]>> = {
    'icmpx 0': [0, 0],
    'icmpx 1': [3, 4],
    'icmpx 3': [13, 1],
  };
  const [four, six] = codes[how] ?? [];
  return source.family === 4 ? `icmp 3 ${four}` : `icmp 1 ${six}`;
}

function ask(questions: readonly Question[]): readonly Answer[] {
  const program = fileURLToPath(new URL('router.ts', import.meta.url));
  const box = ['-n', '-m', '-p', '--fork', '--kill-child', '--mount-proc', process.execPath, program];
  const { status, stdout, stderr } = spawnSync('unshare', box, {
    input: JSON.stringify(questions),
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    timeout: 50_000 + 1000 * questions.length,
  });
  if (status !== 0) throw new Error(`the router: ${stderr}`);
  return JSON.parse(stdout) as readonly Answer[];
}

function hasConntrack(): boolean {
  const there = spawnSync('conntrack', ['--version']).status === 0;
  if (!there) console.log('skipped: sending real packets needs `conntrack`');
  return there;
}

describe.runIf(hasKernel() && hasConntrack())('the simulator', () => {
  it('says of packets what the kernel does with them', { timeout: 120_000 + 2000 * TABLES }, () => {
    const seed = Number(process.env.RAMPART_KERNEL_SEED ?? Date.now() % 1_000_000);
    const samples = fc.sample(fc.tuple(table, shots), { numRuns: TABLES, seed });
    const answers = ask(samples.map(([content, list]) => ({ table: renderTable(content), shots: list })));
    const tally = { accept: 0, drop: 0, reject: 0 };
    const wrong: string[] = [];
    samples.forEach(([content, list], i) => {
      const counters = new Map(COUNTERS.map((name) => [name, 0]));
      list.forEach((one, j) => {
        const packet = packetOf(one);
        const result = simulate(content, packet);
        tally[result.verdict]++;
        for (const name of result.counters) counters.set(name, (counters.get(name) ?? 0) + 1);
        const expected = outcomeOf(packet, result);
        const seen = answers[i]?.outcomes[j];
        // The kernel answers neither errors nor what it takes for broken.
        const silent = packet.protocol !== 6 && packet.protocol !== 17;
        const comparable = silent ? { ...expected, answer: null } : expected;
        const observed = silent && seen !== undefined ? { ...seen, answer: null } : seen;
        if (JSON.stringify(comparable) !== JSON.stringify(observed)) {
          const path = result.steps.map((step) => `${step.chain}: ${step.text}`).join('\n  ');
          wrong.push(
            `table ${i}, ${JSON.stringify(one)}: simulated ${JSON.stringify(comparable)}, seen ${JSON.stringify(observed)}\n  ${path}`,
          );
        }
      });
      const counted = answers[i]?.counters;
      for (const [name, packets] of counters) {
        if (counted?.[name] !== packets)
          wrong.push(`table ${i}: counter ${name} is ${counted?.[name]}, simulated ${packets}`);
      }
    });
    console.log(`${TABLES} tables, seed ${seed}: ${JSON.stringify(tally)}`);
    expect(wrong.slice(0, 3), `seed ${seed}`).toEqual([]);
    // Tables under which nothing much happens would prove nothing.
    expect(Math.min(tally.accept, tally.drop, tally.reject)).toBeGreaterThan((TABLES * SHOTS) / 40);
  });
});
