/**
 * Replaces agents whose table is laid out otherwise, and goes back to them, on a real Kubernetes while connections are opened
 * and held: `npm run test:e2e -- --layouts [--cni ptp|bridge]`. The older ones are built from the last commit with another layout.
 */
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { makeImage } from '../../scripts/image.mjs';
import {
  ECHO_PORT,
  FLOW_PORTS,
  type LoadReport,
  type ReceivedReport,
  type StreamReport,
} from '../faults/pod-protocol.ts';
import { KUBE, missingCluster, type NodeCluster, startNodes } from './cluster.ts';
import { AGENT, findHelm, NAMESPACE } from './install.ts';
import { type PodProgram, startProgram } from './pod-program.ts';
import { pod, policy, start } from './workload.ts';

const execute = promisify(execFile);
const TOP = join(import.meta.dirname, '../..');
const LAYOUT = 'src/targets/nftables/layout.ts';
const NODES = ['node1', 'node2'];
const SPACE = 'layouts';
const PRESENT = 'localhost/rampart:present';
const OLDER = 'localhost/rampart:older';

function git(...args: readonly string[]): string {
  return execFileSync('git', args, { cwd: TOP, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
}

/** The last commit whose layout had another number. */
function olderCommit(): string {
  const change = git('log', '-1', '--format=%H', '-G^export const LAYOUT_VERSION', '--', LAYOUT);
  return git('rev-parse', '--verify', `${change}^`);
}

interface Older {
  readonly folder: string;
  /** Path of the image's archive. */
  readonly archive: string;
  remove(): void;
}

function buildOlder(commit: string): Older {
  const home = mkdtempSync(join(tmpdir(), 'rampart-older-'));
  const folder = join(home, 'tree');
  const remove = (): void => {
    rmSync(home, { recursive: true, force: true });
    git('worktree', 'prune');
  };
  try {
    git('worktree', 'add', '--detach', folder, commit);
    symlinkSync(join(TOP, 'node_modules'), join(folder, 'node_modules'));
    const env = { ...process.env, RAMPART_SHARED: join(KUBE, '../../..') };
    const said = execFileSync(process.execPath, ['scripts/image.mjs', OLDER], { cwd: folder, env, encoding: 'utf8' });
    return { folder, archive: said.trim(), remove };
  } catch (error) {
    remove();
    throw error;
  }
}

interface Programs {
  readonly server: PodProgram;
  readonly friend: PodProgram;
  readonly near: PodProgram;
  readonly foe: PodProgram;
  /** May send to one port of the server alone. */
  readonly fenced: PodProgram;
  /** Had a connection before a policy cut it. */
  readonly late: PodProgram;
}

const PLACES: readonly (readonly [keyof Programs, string])[] = [
  ['server', 'node1'],
  ['near', 'node1'],
  ['friend', 'node2'],
  ['foe', 'node2'],
  ['fenced', 'node2'],
  ['late', 'node2'],
];

async function startPods(cluster: NodeCluster): Promise<Programs> {
  // The program's own ports stay free.
  const ports = { http: 7080, udp: 7081 };
  await start(cluster, SPACE, ...PLACES.map(([name, node]) => pod(SPACE, name, { node, ...ports })));
  const started = await Promise.all(PLACES.map(([name, node]) => startProgram(cluster, SPACE, name, node)));
  const programs = new Map(PLACES.map(([name], i) => [name, started[i]]));
  const of = (name: keyof Programs): PodProgram => {
    const program = programs.get(name);
    if (program === undefined) throw new Error(`${name} was not started`);
    return program;
  };
  return {
    server: of('server'),
    friend: of('friend'),
    near: of('near'),
    foe: of('foe'),
    fenced: of('fenced'),
    late: of('late'),
  };
}

/** Counts in the pod what comes from some addresses, before anything else sees it. */
async function observe(server: PodProgram, sources: readonly PodProgram[]): Promise<void> {
  const { first, last } = FLOW_PORTS;
  const lines = sources.flatMap(({ address }, i) => [
    `add counter inet observer all${i}`,
    `add counter inet observer flows${i}`,
    `add rule inet observer arrivals ip saddr ${address} counter name all${i}`,
    `add rule inet observer arrivals ip saddr ${address} udp sport != ${ECHO_PORT} udp dport ${first}-${last} counter name flows${i} drop`,
  ]);
  const chain = 'add chain inet observer arrivals { type filter hook prerouting priority -400; }';
  await server.run('nft', ['add table inet observer', chain, ...lines].join('; '));
}

interface Arrived {
  readonly all: readonly number[];
  /** First datagrams of flows. */
  readonly flows: readonly number[];
}

async function arrivals(server: PodProgram, sources: number): Promise<Arrived> {
  const text = await server.run('nft', 'list', 'counters', 'table', 'inet', 'observer');
  const values = (name: string): readonly number[] =>
    Array.from({ length: sources }, (_, i) =>
      Number(new RegExp(`counter ${name}${i} \\{\\s+packets (\\d+)`).exec(text)?.[1] ?? 'NaN'),
    );
  return { all: values('all'), flows: values('flows') };
}

const allow = (to: readonly string[]): object => ({
  from: to.map((name) => ({ podSelector: { matchLabels: { pod: name } } })),
  ports: [
    { port: 8080 },
    { port: ECHO_PORT },
    { port: ECHO_PORT, protocol: 'UDP' },
    { port: FLOW_PORTS.first, endPort: FLOW_PORTS.last, protocol: 'UDP' },
  ],
});

/** What comes to the server's program of streams from an address. */
async function received(server: PodProgram, from: string): Promise<number> {
  const all = await server.ask<readonly ReceivedReport[]>({ kind: 'received' });
  return all.filter((one) => one.from.endsWith(from)).reduce((sum, { count }) => sum + count, 0);
}

const CUT = 'messages of the connection that had been cut';

async function during(programs: Programs, what: 'upgrade' | 'rollback', body: () => Promise<void>): Promise<boolean> {
  const { server, friend, near, foe, fenced, late } = programs;
  const sources = [friend, near, foe, fenced];
  const before = await arrivals(server, sources.length);
  const lateBefore = await received(server, late.address);
  const target = server.address;
  for (const one of [friend, near]) await one.ask({ kind: 'load', target, tcpPerSecond: 100, udpPerSecond: 400 });
  for (const one of [foe, fenced]) await one.ask({ kind: 'load', target, tcpPerSecond: 30, udpPerSecond: 100 });
  await body();
  const reports = await Promise.all(sources.map((one) => one.ask<LoadReport>({ kind: 'unload' })));
  await sleep(500);
  const streams = await friend.ask<readonly StreamReport[]>({ kind: 'streams' });
  const after = await arrivals(server, sources.length);
  const lateAfter = await received(server, late.address);
  const [ofFriend, ofNear, ofFoe, ofFenced] = reports;
  if (ofFriend === undefined || ofNear === undefined || ofFoe === undefined || ofFenced === undefined)
    throw new Error('a report is missing');
  const came = (kind: keyof Arrived, i: number): number => (after[kind][i] ?? Number.NaN) - (before[kind][i] ?? 0);
  const opened = {
    'packets of the one who may not': came('all', 2),
    'flows that its own policy denies': came('flows', 3),
    [CUT]: lateAfter - lateBefore,
  };
  const cut = {
    'connections of another node': ofFriend.tcpFailed + ofFriend.tcpWaiting,
    'connections of the same node': ofNear.tcpFailed + ofNear.tcpWaiting,
    'connections to the one port that may be sent to': ofFenced.tcpFailed + ofFenced.tcpWaiting,
    'flows of another node': ofFriend.udpSent - came('flows', 0),
    'flows of the same node': ofNear.udpSent - came('flows', 1),
    'held streams': streams.reduce((sum, { missing, ended }) => sum + missing + (ended === null ? 0 : 1), 0),
  };
  const tried = ofFriend.tcpOpened + ofFriend.udpSent + ofNear.tcpOpened + ofNear.udpSent + ofFenced.tcpOpened;
  const denied = ofFoe.tcpTried + ofFoe.udpSent + ofFenced.udpSent;
  console.log(`\n${what}: ${ofFriend.seconds.toFixed(1)} s, ${tried} allowed and ${denied} denied new connections`);
  console.log(`  opened wrongly ${JSON.stringify(opened)}`);
  console.log(`  cut wrongly ${JSON.stringify(cut)}`);
  const slowest = Math.max(ofFriend.tcpSlowestMs, ofNear.tcpSlowestMs, ofFenced.tcpSlowestMs);
  console.log(`  slowest connection ${Math.round(slowest)} ms, streams ${JSON.stringify(streams)}`);
  // A run that tried nothing has shown nothing.
  const enough = tried > 1000 && denied > 200 && streams.every(({ echoed }) => echoed > 100);
  if (!enough) console.log('  too little was tried');
  // After a rollback it is for the older agents to know what was cut.
  const faults = [...Object.values(what === 'upgrade' ? opened : { ...opened, [CUT]: 0 }), ...Object.values(cut)];
  return enough && faults.every((count) => count === 0);
}

async function layouts(cluster: NodeCluster): Promise<readonly string[]> {
  return Promise.all(
    NODES.map(async (node) => {
      const { stdout } = await cluster.onNode(node, 'nft', '-t', 'list', 'table', 'inet', 'rampart');
      return /comment "([^",]*)/.exec(stdout)?.[1] ?? 'none';
    }),
  );
}

async function run(cni: 'ptp' | 'bridge', commit: string): Promise<boolean> {
  const helm = findHelm();
  if (helm === null) throw new Error('there is no Helm (scripts/helm.sh builds one)');
  console.log(`older agents are of ${git('log', '-1', '--format=%h %s', commit)}`);
  const older = buildOlder(commit);
  let cluster: NodeCluster | null = null;
  let programs: Programs | null = null;
  try {
    const present = makeImage(PRESENT, KUBE);
    const c = await startNodes({ cni, nodes: NODES.length });
    cluster = c;
    for (const node of NODES) for (const archive of [older.archive, present]) await c.loadImage(node, archive);
    const helmRun = async (...args: readonly string[]): Promise<void> => {
      await execute(helm, [...args, '-n', NAMESPACE, '--wait', '--timeout=3m'], { env: c.env });
    };
    const deploy = async (...args: readonly string[]): Promise<void> => {
      await helmRun(...args);
      await c.kubectl('-n', NAMESPACE, 'rollout', 'status', `daemonset/${AGENT}`, '--timeout=120s');
    };
    await c.kubectl('apply', '-f', join(TOP, 'deploy/kustomize/base/namespace.yaml'));
    const chart = 'deploy/chart/rampart';
    await deploy('install', 'rampart', join(older.folder, chart), '--set', 'image.tag=older');

    programs = await startPods(c);
    const { server, friend, near, foe, fenced, late } = programs;
    await observe(server, [friend, near, foe, fenced]);
    // Before there is any policy: this connection has the first generation.
    for (const protocol of ['udp', 'tcp'] as const)
      await late.ask({ kind: 'stream', name: protocol, protocol, target: server.address, everyMs: 50 });
    await sleep(1000);
    if ((await received(server, late.address)) === 0)
      throw new Error('the connection that is to be cut was never open');
    await c.apply(
      policy(SPACE, 'server', 'server', { ingress: [allow(['friend', 'near', 'fenced'])] }),
      policy(SPACE, 'fenced', 'fenced', {
        egress: [{ to: [{ podSelector: { matchLabels: { pod: 'server' } } }], ports: [{ port: 8080 }] }],
      }),
    );
    await sleep(5000);
    const cutAt = await received(server, late.address);
    await sleep(1000);
    if ((await received(server, late.address)) !== cutAt) throw new Error('the policy has not cut the connection');
    for (const protocol of ['udp', 'tcp'] as const)
      await friend.ask({ kind: 'stream', name: protocol, protocol, target: server.address, everyMs: 10 });

    const before = await layouts(c);
    const there = await during(programs, 'upgrade', async () => {
      await deploy('upgrade', 'rampart', join(TOP, chart), '--set', 'image.tag=present');
      await sleep(3000);
    });
    const after = await layouts(c);
    const back = await during(programs, 'rollback', async () => {
      await deploy('rollback', 'rampart', '1');
      await sleep(3000);
    });
    const last = await layouts(c);
    console.log(`\ntables: ${before} → ${after} → ${last}`);
    const changed = before.every((one, i) => one !== 'none' && one !== after[i] && one === last[i]);
    if (!changed) console.log('the layout of a table is not what it should be');

    // Connections outlive a table. Nobody enforces for a while, then a new table must judge them again.
    const comes = async (): Promise<boolean> => {
      const sofar = await received(server, late.address);
      await sleep(3000);
      return (await received(server, late.address)) > sofar;
    };
    await deploy('upgrade', 'rampart', join(TOP, chart), '--set', 'image.tag=present,cleanup=true');
    await helmRun('uninstall', 'rampart');
    const open = await comes();
    await deploy('install', 'rampart', join(TOP, chart), '--set', 'image.tag=present');
    await sleep(3000);
    const reopened = await comes();
    console.log(`\nthe connection that had been cut: ${open ? 'goes on' : 'ENDED'} while nobody enforces`);
    console.log(`after another installation it is ${reopened ? 'OPENED WRONGLY' : 'cut again'}`);
    return there && back && changed && open && !reopened;
  } finally {
    for (const program of Object.values(programs ?? {})) program.end();
    if (process.env.RAMPART_E2E_KEEP !== '1') await cluster?.down();
    older.remove();
  }
}

const why = missingCluster();
if (why !== null) {
  console.log(`cannot be tried here: ${why}`);
  process.exitCode = 1;
} else {
  const cni = process.env.RAMPART_E2E_CNI === 'bridge' ? 'bridge' : 'ptp';
  const fine = await run(cni, process.env.RAMPART_E2E_OLDER ?? olderCommit());
  process.exitCode = fine ? 0 : 1;
}
