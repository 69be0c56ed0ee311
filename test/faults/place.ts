import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { ECHO_PORT, FLOW_PORTS, type KernelReport, type LoadReport, type Question } from './pod-protocol.ts';

let why: string | null | undefined;

/** Why no node can be made here, said once; `null` if one can. */
export function missingPlace(): string | null {
  if (why === undefined) {
    why = userInfo().uid !== 0 ? 'root is needed' : null;
    const trial = ['--pdeathsig', 'KILL', 'unshare', '-n', 'sh', '-c', 'nft list tables && ip link'];
    if (why === null && spawnSync('setpriv', trial).status !== 0)
      why = '`setpriv`, `unshare`, `ip` and `nft` are needed';
    if (why !== null) console.log(`skipped: faults of a node (${why})`);
  }
  return why;
}

/** Waits until `condition` gives something else than `null`; throws after `ms`. */
export async function until<T>(what: string, condition: () => T | null | Promise<T | null>, ms = 15_000): Promise<T> {
  const begun = performance.now();
  for (;;) {
    const answer = await condition();
    if (answer !== null) return answer;
    if (performance.now() - begun > ms) throw new Error(`${what}: not within ${ms} ms`);
    await pause(15);
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** A pod: a network namespace with a process that serves and asks. */
export interface PlacePod {
  readonly name: string;
  /** Whose network namespace is the pod's. */
  readonly pid: number;
  readonly index: number;
  readonly address: string;
  readonly address6: string;
  ask<T>(question: Question): Promise<T>;
}

/** A node with pods, without an agent. All of it ends with this process, however that ends. */
export interface Place {
  readonly folder: string;
  /** Whose network namespace is the node's. */
  readonly pid: number;
  pod(name: string): PlacePod;
  /** Runs a program in the node's network namespace; throws if it fails. */
  run(command: readonly string[], input?: string): string;
  /** The same without blocking; gives its exit code and all that it prints. */
  start(command: readonly string[]): Promise<{ readonly code: number | null; readonly text: string }>;
  /** Arguments that run a program there, and end it with this process. */
  inside(command: readonly string[]): readonly string[];
  /** Takes the addresses of a pod from it; another one has them from now on, instead of its own. */
  move(from: string, to: string): void;
  close(): Promise<void>;
}

const PREFIX = 'rampart-faults-';

export function ipOf(index: number): { readonly address: string; readonly address6: string } {
  return { address: `10.77.0.${10 + index}`, address6: `fd77::${10 + index}` };
}

/** Not of a pod: the node's own. */
export const NODE_ADDRESS = '10.77.255.1';

/** Makes a node with pods of these names, the first with address 10.77.0.10. */
export async function makePlace(names: readonly string[]): Promise<Place> {
  removeLeftovers();
  const folder = mkdtempSync(join(tmpdir(), `${PREFIX}${process.pid}-`));
  const children: ChildProcess[] = [];
  const end = async (): Promise<void> => {
    for (const child of children) child.kill('SIGKILL');
    await Promise.all(
      children.map((child) => child.exitCode ?? child.signalCode ?? new Promise((r) => child.once('exit', r))),
    );
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const holder = namespaceProcess(['sh', '-c', 'echo ready; exec cat']);
    children.push(holder);
    const pid = pidOf(holder);
    await new Promise((resolve) => holder.stdout.once('data', resolve));
    const run = (command: readonly string[], input = ''): string => runIn(pid, command, input);
    run(['sh', '-ec', NODE_SCRIPT]);
    const pods = new Map<string, PlacePod>();
    for (const [index, name] of names.entries()) {
      const child = namespaceProcess([process.execPath, fileURLToPath(new URL('pod.ts', import.meta.url))]);
      children.push(child);
      const ask = asking(name, child);
      const podPid = pidOf(child);
      pods.set(name, { name, ...ipOf(index), ask: ask.ask, pid: podPid, index });
      await ask.ready;
      run(['sh', '-ec', linkScript(index, podPid)]);
      runIn(podPid, ['sh', '-ec', podScript(index)]);
    }
    const pod = (name: string): PlacePod => {
      const found = pods.get(name);
      if (found === undefined) throw new Error(`no pod ${name}`);
      return found;
    };
    return {
      folder,
      pid,
      pod,
      run,
      start: (command) => startIn(pid, command),
      inside: (command) => ['setpriv', '--pdeathsig', 'KILL', 'nsenter', `--net=/proc/${pid}/ns/net`, ...command],
      move(from, to) {
        const { address, address6, index, pid: old } = pod(from);
        const { address: own, address6: own6, pid: next, index: other } = pod(to);
        runIn(old, ['sh', '-ec', `ip addr del ${address}/32 dev eth0; ip addr del ${address6}/128 dev eth0`]);
        run([
          'sh',
          '-ec',
          `
          ip route replace ${address}/32 dev p${other}; ip -6 route replace ${address6}/128 dev p${other}
          ip neigh replace ${address} lladdr ${mac(other, 1)} dev p${other}
          ip -6 neigh replace ${address6} lladdr ${mac(other, 1)} dev p${other}
          ip neigh del ${address} dev p${index}; ip -6 neigh del ${address6} dev p${index}`,
        ]);
        // The new one first: routes go with the last address of a link.
        runIn(next, [
          'sh',
          '-ec',
          `
          ip addr add ${address}/32 dev eth0; ip addr add ${address6}/128 dev eth0 nodad
          ip addr del ${own}/32 dev eth0; ip addr del ${own6}/128 dev eth0`,
        ]);
      },
      close: end,
    };
  } catch (error) {
    await end();
    throw error;
  }
}

/** In a network namespace of its own, which ends with it; it ends with this process. */
function namespaceProcess(command: readonly string[]): ChildProcessWithoutNullStreams {
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'unshare', '-n', ...command], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  child.stderr.on('data', (chunk: Buffer) => process.stderr.write(chunk));
  child.stdin.on('error', () => undefined);
  return child;
}

function pidOf({ pid }: ChildProcess): number {
  if (pid === undefined) throw new Error('a process could not be started');
  return pid;
}

function runIn(pid: number, command: readonly string[], input = ''): string {
  const done = spawnSync('nsenter', [`--net=/proc/${pid}/ns/net`, ...command], {
    input,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  if (done.status !== 0) throw new Error(`${command.join(' ')}: ${done.stderr.slice(0, 2000)}`);
  return done.stdout;
}

function startIn(pid: number, command: readonly string[]): ReturnType<Place['start']> {
  return new Promise((resolve, reject) => {
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'nsenter', `--net=/proc/${pid}/ns/net`, ...command]);
    let text = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        text += chunk.toString();
      });
    }
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, text }));
  });
}

/** Nobody is waited for: entries of connections end soon, so that the table of connections never fills up. */
const NODE_SCRIPT = `
  ip link set lo up; ip addr add ${NODE_ADDRESS}/32 dev lo
  for key in ipv4/ip_forward ipv6/conf/all/forwarding; do echo 1 > /proc/sys/net/$key; done
  cd /proc/sys/net/netfilter
  echo 10 > nf_conntrack_udp_timeout; echo 2 > nf_conntrack_tcp_timeout_close; echo 2 > nf_conntrack_tcp_timeout_time_wait
`;

function mac(index: number, side: 0 | 1): string {
  return `02:77:00:00:${side === 0 ? '01' : '02'}:${(index + 1).toString(16).padStart(2, '0')}`;
}

function linkScript(index: number, pid: number): string {
  const { address, address6 } = ipOf(index);
  const link = `p${index}`;
  return `
    ip link add ${link} address ${mac(index, 0)} type veth peer name eth0 address ${mac(index, 1)} netns ${pid}
    ip -6 addr add fe80::1/64 dev ${link} nodad; ip link set ${link} up
    ip route add ${address}/32 dev ${link}; ip -6 route add ${address6}/128 dev ${link}
    ip neigh replace ${address} lladdr ${mac(index, 1)} dev ${link}; ip -6 neigh replace ${address6} lladdr ${mac(index, 1)} dev ${link}
  `;
}

function podScript(index: number): string {
  const { address, address6 } = ipOf(index);
  return `
    ip link set lo up; ip addr add ${address}/32 dev eth0; ip addr add ${address6}/128 dev eth0 nodad; ip link set eth0 up
    ip neigh replace 169.254.1.1 lladdr ${mac(index, 0)} dev eth0; ip -6 neigh replace fe80::1 lladdr ${mac(index, 0)} dev eth0
    ip route add 169.254.1.1 dev eth0; ip route add default via 169.254.1.1; ip -6 route add default via fe80::1 dev eth0
    sysctl -qw net.ipv4.ip_local_port_range='2000 65000'
    nft -f - <<'X'
table inet observer {
${Array.from({ length: 8 }, (_, i) => `  counter from${i} { }\n  counter flows${i} { }\n`).join('')}
  chain arrivals {
    type filter hook prerouting priority -400; policy accept;
${Array.from({ length: 8 }, (_, i) => `    ip saddr ${ipOf(i).address} counter name from${i}\n    ip6 saddr ${ipOf(i).address6} counter name from${i}\n`).join('')}
    udp sport != ${ECHO_PORT} udp dport ${FLOW_PORTS.first}-${FLOW_PORTS.last} jump flows
  }
  chain flows {
${Array.from({ length: 8 }, (_, i) => `    ip saddr ${ipOf(i).address} counter name flows${i}\n    ip6 saddr ${ipOf(i).address6} counter name flows${i}\n`).join('')}
    drop
  }
}
X`;
}

/** Packets that have come to `at` from `from` so far: all of them, and the first ones of flows. */
export function arrivals(at: PlacePod, from: PlacePod): { readonly all: number; readonly flows: number } {
  const text = runIn(at.pid, ['nft', 'list', 'counters', 'table', 'inet', 'observer']);
  const value = (name: string): number => {
    const found = new RegExp(`counter ${name}${from.index} \\{\\s+packets (\\d+)`).exec(text);
    if (found === null) throw new Error(`no counter ${name} in ${text}`);
    return Number(found[1]);
  };
  return { all: value('from'), flows: value('flows') };
}

function asking(
  name: string,
  child: ChildProcessWithoutNullStreams,
): { readonly ask: PlacePod['ask']; readonly ready: Promise<void> } {
  const waiting = new Map<
    number,
    { readonly resolve: (value: never) => void; readonly reject: (error: Error) => void }
  >();
  let last = 0;
  const ready = new Promise<void>((resolve, reject) => waiting.set(0, { resolve, reject }));
  createInterface({ input: child.stdout }).on('line', (line) => {
    const { id, value, error } = JSON.parse(line) as { id: number; value: never; error?: string };
    const asker = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) asker?.resolve(value);
    else asker?.reject(new Error(`${name}: ${error}`));
  });
  child.on('exit', () => {
    for (const { reject } of waiting.values()) reject(new Error(`${name} has ended`));
  });
  return {
    ready,
    ask: (question) =>
      new Promise((resolve, reject) => {
        const id = ++last;
        waiting.set(id, { resolve, reject });
        child.stdin.write(`${JSON.stringify({ id, question })}\n`);
      }),
  };
}

/** Folders of runs that were killed; their processes and namespaces have ended with them. */
function removeLeftovers(): void {
  for (const name of readdirSync(tmpdir())) {
    const [, pid] = /^rampart-faults-(\d+)-/.exec(name) ?? [];
    if (pid === undefined || Number(pid) === process.pid) continue;
    try {
      process.kill(Number(pid), 0);
    } catch {
      rmSync(join(tmpdir(), name), { recursive: true, force: true });
    }
  }
}

/** What became of connections during something. */
export interface Traffic {
  /** New connections of the allowed pair, TCP and UDP. */
  readonly allowed: number;
  readonly allowedPerSecond: number;
  readonly denied: number;
  /** Packets that came through though they must not. */
  readonly openedWrongly: number;
  /** Connections and first packets that did not come through though they must, and packets that were sent twice. */
  readonly cutWrongly: number;
  readonly slowestMs: number;
  readonly detail: string;
}

export interface LoadOptions {
  readonly tcpPerSecond?: number;
  readonly udpPerSecond?: number;
}

/** Opens connections from `friend` and from `foe` to `server` while `body` runs, as fast as is asked for. */
export async function underLoad(place: Place, options: LoadOptions, body: () => Promise<void>): Promise<Traffic> {
  const [server, friend, foe] = [place.pod('server'), place.pod('friend'), place.pod('foe')];
  const { tcpPerSecond = 1000, udpPerSecond = 4000 } = options;
  const before = {
    friend: arrivals(server, friend),
    foe: arrivals(server, foe),
    kernel: await lostSegments(friend),
    lost: lostByQueues(),
  };
  const target = server.address;
  await friend.ask({ kind: 'load', target, tcpPerSecond, udpPerSecond });
  await foe.ask({ kind: 'load', target, tcpPerSecond: tcpPerSecond / 20, udpPerSecond: udpPerSecond / 4 });
  let reports: readonly [LoadReport, LoadReport] | null = null;
  try {
    await body();
  } finally {
    reports = await Promise.all([friend.ask<LoadReport>({ kind: 'unload' }), foe.ask<LoadReport>({ kind: 'unload' })]);
  }
  await pause(100);
  const [ok, no] = reports;
  const after = {
    friend: arrivals(server, friend),
    foe: arrivals(server, foe),
    kernel: await lostSegments(friend),
    lost: lostByQueues(),
  };
  const arrived = after.friend.flows - before.friend.flows;
  const again = Math.max(0, after.kernel - before.kernel);
  // Queues of the machine that overflow have nothing to do with policies.
  const lost = after.lost - before.lost;
  const missing = Math.max(0, ok.udpSent - arrived - lost);
  const allowed = ok.tcpOpened + ok.udpSent;
  return {
    allowed,
    allowedPerSecond: Math.round(allowed / ok.seconds),
    denied: no.tcpTried + no.udpSent,
    openedWrongly: after.foe.all - before.foe.all + no.tcpOpened,
    cutWrongly: missing + ok.tcpFailed + ok.tcpWaiting + Math.max(0, again - lost),
    slowestMs: Math.round(ok.tcpSlowestMs),
    detail: `TCP ${ok.tcpOpened} of ${ok.tcpTried}, failed ${ok.tcpFailed}, waiting ${ok.tcpWaiting}, sent again ${again}; UDP ${arrived} of ${ok.udpSent}; queues lost ${lost}`,
  };
}

/** Segments that a pod had to send twice because they were lost. */
export async function lostSegments(pod: PlacePod): Promise<number> {
  const { retransmitted, needlessly } = await pod.ask<KernelReport>({ kind: 'kernel' });
  return retransmitted - needlessly;
}

/** Packets that the machine's queues between links have dropped. */
function lostByQueues(): number {
  const { stdout } = spawnSync('cat', ['/proc/net/softnet_stat'], { encoding: 'utf8' });
  return stdout
    .trim()
    .split('\n')
    .reduce((sum, row) => sum + Number.parseInt(row.split(/\s+/)[1] ?? '0', 16), 0);
}
