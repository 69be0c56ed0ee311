/**
 * A router between two network namespaces, which loads tables and tells what becomes of real packets. Run as a program inside
 * of a network and process namespace of its own: reads questions as JSON from its input, writes answers.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

/** A packet to be sent. Every packet of a table has a source address of its own. */
export interface Shot {
  readonly source: string;
  readonly destination: string;
  readonly protocol: number;
  /** The first two words of the transport header. */
  readonly words: readonly [number, number];
  /** An entry of connection tracking that is there before. */
  readonly entry: { readonly reply: boolean; readonly seen: boolean; readonly mark: number } | null;
}

export interface Question {
  readonly table: string;
  readonly shots: readonly Shot[];
}

/** What was seen of one packet. */
export interface Outcome {
  readonly passed: boolean;
  /** What came back: `tcp`, or `icmp type code`; `null` for nothing. */
  readonly answer: string | null;
  readonly priority: string | null;
  readonly mark: string | null;
  /** `null` where the packet has no connection. */
  readonly connectionMark: string | null;
}

export interface Answer {
  readonly outcomes: readonly Outcome[];
  readonly counters: Readonly<Record<string, number>>;
}

const OBSERVER = `table inet observer {
${([4, 6] as const)
  .map((family) => {
    const type = family === 4 ? 'ipv4_addr' : 'ipv6_addr';
    return `  set arrived${family} { type ${type}; flags dynamic; size 4096; }
  set passed${family} { type ${type} . classid . mark; flags dynamic; size 4096; }
  set marked${family} { type ${type} . mark; flags dynamic; size 4096; }
  set refused${family} { type ${type} . inet_proto . inet_service; flags dynamic; size 4096; }`;
  })
  .join('\n')}
  chain arrivals {
    type filter hook prerouting priority -500; policy accept;
    ip6 saddr fe80::/10 drop
    ip6 daddr ff00::/8 drop
    add @arrived4 { ip saddr }
    add @arrived6 { ip6 saddr }
  }
  chain note {
    add @passed4 { ip saddr . meta priority . meta mark }
    add @passed6 { ip6 saddr . meta priority . meta mark }
    add @marked4 { ip saddr . ct mark }
    add @marked6 { ip6 saddr . ct mark }
  }
  chain departures { type filter hook postrouting priority 500; policy accept; iif "r0" jump note; }
  chain deliveries { type filter hook input priority 500; policy accept; iif "r0" jump note
    iif "r0" drop
  }
  chain answers {
    type filter hook output priority 500; policy accept;
    add @refused4 { ip daddr . meta l4proto . th sport }
    add @refused6 { ip6 daddr . meta l4proto . th sport }
  }
}
`;

/** On the sender's side, what leaves as UDP becomes the protocol that the source's third group tells. */
const DISGUISE = `table inet disguise {
  chain out {
    type filter hook output priority 0; policy accept;
    ip saddr 10.1.1.0/24 ip protocol set 1
    ip saddr 10.1.132.0/24 @th,32,32 set 0
    ip saddr 10.1.132.0/24 ip protocol set 132
    ip6 saddr fd01:0:0:58::/64 ip6 nexthdr set 58
    ip6 saddr fd01:0:0:132::/64 @th,32,32 set 0
    ip6 saddr fd01:0:0:132::/64 ip6 nexthdr set 132
  }
}
`;

function run(command: string, args: readonly string[], input = ''): string {
  const { status, stdout, stderr } = spawnSync(command, args, { input, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`);
  return stdout;
}

const shell = (script: string): string => run('sh', ['-ec', script]);

async function main(): Promise<void> {
  const questions = JSON.parse(await text(process.stdin)) as readonly Question[];
  const sender = spawn('unshare', ['-n', process.execPath, fileURLToPath(new URL('sender.ts', import.meta.url))], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: sender.stdout });
  const said = async (): Promise<void> => {
    await Promise.race([
      once(lines, 'line'),
      once(sender, 'exit').then(() => Promise.reject(new Error('the sender ended'))),
    ]);
  };
  await said();
  shell(`
    ip link set lo up
    ip link add r0 address 02:00:00:00:00:01 type veth peer name a0 address 02:00:00:00:00:02 netns ${sender.pid}
    ip link add d0 type veth peer name d1 netns ${sender.pid}
    ip address add 192.168.99.1/24 dev r0; ip -6 address add fd99::1/64 dev r0 nodad
    ip link set r0 up; ip link set d0 arp off; ip link set d0 up
    nsenter -t ${sender.pid} -n sh -ec '
      ip link set lo up; ip address add 192.168.99.2/24 dev a0; ip -6 address add fd99::2/64 dev a0 nodad; ip link set a0 up; ip link set d1 up
      ip route add local 10.1.0.0/16 dev lo; ip -6 route add local fd01::/32 dev lo
      ip neigh add 192.168.99.1 lladdr 02:00:00:00:00:01 dev a0; ip neigh add fd99::1 lladdr 02:00:00:00:00:01 dev a0
      ip route add default via 192.168.99.1; ip -6 route add default via fd99::1
      echo 1 > /proc/sys/net/ipv6/ip_nonlocal_bind'
    ip neigh add 192.168.99.2 lladdr 02:00:00:00:00:02 dev r0; ip neigh add fd99::2 lladdr 02:00:00:00:00:02 dev r0
    ip route add 10.1.0.0/16 via 192.168.99.2; ip -6 route add fd01::/32 via fd99::2
    ip route add 10.2.0.0/16 dev d0; ip -6 route add fd02::/32 dev d0
    ip route add local 10.3.0.0/16 dev lo; ip -6 route add local fd03::/32 dev lo
    echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding
    echo 0 > /proc/sys/net/ipv4/icmp_ratemask; echo 0 > /proc/sys/net/ipv6/icmp/ratelimit
    echo 0 > /proc/sys/net/netfilter/nf_conntrack_checksum
  `);
  run('nsenter', ['-t', `${sender.pid}`, '-n', 'nft', '-f', '-'], DISGUISE);
  const answers: Answer[] = [];
  for (const { table, shots } of questions) {
    run('nft', ['-f', '-'], `flush ruleset\n${OBSERVER}${table}`);
    run('conntrack', ['-F']);
    for (const shot of shots) track(shot);
    sender.stdin.write(`${JSON.stringify(shots)}\n`);
    await said();
    for (let tries = 0; tries < 100 && elements('arrived').length < shots.length; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    answers.push(answerOf(shots));
  }
  sender.stdin.end();
  process.stdout.write(JSON.stringify(answers));
}

function track({ source, destination, protocol, words, entry }: Shot): void {
  if (entry === null) return;
  const [from, to, sport, dport] = entry.reply
    ? [destination, source, words[1], words[0]]
    : [source, destination, words[0], words[1]];
  const status = entry.seen ? ['-u', 'SEEN_REPLY'] : [];
  const tuple = ['-s', from, '-d', to, '--sport', `${sport}`, '--dport', `${dport}`];
  // `-u` overwrites the mark, so that comes last.
  run('conntrack', ['-I', '-p', `${protocol}`, '-t', '60', ...tuple, ...status, '-m', `${entry.mark}`]);
}

/** Elements of the observer's sets of a name, each as its fields. */
function elements(name: string): readonly (readonly string[])[] {
  return [4, 6].flatMap((family) => {
    const listing = run('nft', ['-nn', 'list', 'set', 'inet', 'observer', `${name}${family}`]);
    const inside = /elements = \{([^}]*)\}/.exec(listing)?.[1] ?? '';
    return inside
      .split(',')
      .map((element) => element.trim())
      .filter((element) => element !== '')
      .map((element) => element.split(' . '));
  });
}

function answerOf(shots: readonly Shot[]): Answer {
  const byAddress = (name: string): ReadonlyMap<string, readonly string[]> =>
    new Map(elements(name).map((fields) => [fields[0] ?? '', fields]));
  const [arrived, passed, marked, refused] = ['arrived', 'passed', 'marked', 'refused'].map(byAddress);
  const outcomes = shots.map(({ source, destination, protocol, words }) => {
    if (!arrived?.has(source)) throw new Error(`never arrived: ${source} to ${destination}, ${protocol} ${words}`);
    const [, priority = null, mark = null] = passed?.get(source) ?? [];
    const [, connectionMark = null] = marked?.get(source) ?? [];
    const [, answering = null, word = '0'] = refused?.get(source) ?? [];
    const answer =
      answering === null ? null : answering === '6' ? 'tcp' : `icmp ${Number(word) >> 8} ${Number(word) & 255}`;
    return { passed: priority !== null, answer, priority, mark, connectionMark };
  });
  const listing = run('nft', ['list', 'counters', 'table', 'inet', 'rampart']);
  const counters: Record<string, number> = {};
  for (const [, name = '', packets] of listing.matchAll(/counter (\w+) \{\s+packets (\d+)/g))
    counters[name] = Number(packets);
  return { outcomes, counters };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
