/** Every flow of every vector through the tables of the nodes that it crosses. */
import { afterAll, describe, expect, test } from 'vitest';
import { BITS, type Cidr, cidrOf, covers, formatIp, parseIp } from '../../src/base/ip.ts';
import { type ClusterIndex, indexCluster } from '../../src/cluster/cluster-index.ts';
import { parseEndpoint } from '../../src/cluster/endpoint-text.ts';
import { findEndpoint } from '../../src/cluster/find.ts';
import { CompiledProgram } from '../../src/engine/compiled/compile.ts';
import { flowOf, verdict } from '../../src/engine/compiled/evaluate.ts';
import { type Cluster, workloadId } from '../../src/model/cluster.ts';
import type { Endpoint, Flow } from '../../src/model/flow.ts';
import { PORT_PROTOCOLS, type PortProtocol } from '../../src/model/match.ts';
import type { Conn } from '../../src/model/report.ts';
import { DEFAULT_LAYOUT, type LayoutOptions } from '../../src/targets/nftables/layout.ts';
import { firstPacket } from '../../src/targets/nftables/packet.ts';
import { type Case, casesOf, hasVectors, inputOfCase, readCase, SUITES } from '../conformance/case.ts';
import { place } from './placement.ts';
import { addressOf, type Network, networkOf, walk } from './walk.ts';

const tally = new Map<string, number>();

function count(what: string, more = 1): void {
  tally.set(what, (tally.get(what) ?? 0) + more);
}

afterAll(() => {
  for (const [what, flows] of tally) console.log(`simulated ${what}: ${flows}`);
});

describe.runIf(hasVectors())('simulated tables agree with the engine and with what is expected', () => {
  for (const suite of SUITES) {
    describe(suite, () => {
      test.each(casesOf(suite))('%s', (name) => {
        const problems = [...checkCase(suite, `${suite}/${name}`)];
        expect(problems.slice(0, 10)).toEqual([]);
      });
    });
  }

  test.each(casesOf('k8s-e2e').filter((_, i) => i % 6 === 0))('%s, rejecting, closed until pods are known', (name) => {
    expect([...checkClosed(`k8s-e2e/${name}`)].slice(0, 10)).toEqual([]);
  });

  test('there were as many as there are', () => {
    // From the vectors' own text: 4752 + 59628 + 237 flows.
    expect(tally.get('k8s-e2e flows')).toBe(4752);
    expect(tally.get('cyclonus flows')).toBe(59_628);
    expect(tally.get('cnp-docs flows')).toBe(237);
    expect(tally.get('npa flows of connectivity')).toBeGreaterThan(50_000);
  });
});

interface Scene {
  readonly suite: string;
  readonly cluster: Cluster;
  readonly program: CompiledProgram;
  readonly network: Network;
}

function* checkCase(suite: string, id: string): Generator<string> {
  const vector = readCase(id);
  if (vector.invalid !== undefined || (vector.flows === undefined && vector.connectivity === undefined)) return;
  const input = inputOfCase(id);
  const placed = place(input.cluster);
  const network = networkOf(placed, input.program);
  yield* network.problems;
  // Where the engine leaves policies of equal rank open, nodes follow their names.
  const program = new CompiledProgram(input.program, placed.cluster, { ties: 'by-name' });
  const scene: Scene = { suite, cluster: placed.cluster, program, network };
  if (vector.flows !== undefined) yield* checkFlows(scene, vector.flows);
  if (vector.connectivity !== undefined) yield* checkConnectivity(scene, vector.connectivity);
}

/** In closed mode everything known has the same verdicts, and addresses of pods that are not known have none. */
function* checkClosed(id: string): Generator<string> {
  const input = inputOfCase(id);
  const placed = place(input.cluster);
  const layout: LayoutOptions = { ...DEFAULT_LAYOUT, deny: 'reject', log: null, closedUntilKnown: true };
  const pods = placed.cluster.workloads.flatMap((workload) => workload.pods);
  // A node's ranges: a block (RFC 6598) of which no pod is known yet, and pairs of addresses of which it has one.
  const unknown = cidrOf(4, 0x64400000n, 28);
  const addresses = pods.flatMap((pod) => pod.addresses);
  const rangesOf = (node: string): readonly Cidr[] => [
    unknown,
    ...pods
      .filter((pod) => pod.node === node)
      .flatMap((pod) => pod.addresses.map((ip) => cidrOf(ip.family, ip.value, BITS[ip.family] - 1)))
      .filter((pair) => addresses.filter((ip) => covers(pair, ip)).length === 1),
  ];
  const network = networkOf(placed, input.program, layout, rangesOf);
  yield* network.problems;
  const program = new CompiledProgram(input.program, placed.cluster, { ties: 'by-name' });
  yield* checkFlows({ suite: 'closed', cluster: placed.cluster, program, network }, readCase(id).flows ?? []);
  const outside = { family: 4, value: 0x08080808n } as const;
  for (const [node, simulator] of network.nodes) {
    for (const value of [unknown.first, unknown.last]) {
      const ip = { family: 4, value } as const;
      const to = simulator(firstPacket(outside, ip, 6, 80));
      const from = simulator(firstPacket(ip, outside, 6, 80));
      const own = simulator(firstPacket(ip, outside, 6, 80, { hook: 'input' }));
      for (const result of [to, from, own]) {
        if (result.verdict !== 'reject') yield `${node}: an unknown pod has ${result.verdict}`;
      }
    }
    const beside = simulator(firstPacket(outside, { family: 4, value: unknown.last + 1n }, 6, 80));
    if (beside.verdict !== 'accept') yield `${node}: an address beside the range has ${beside.verdict}`;
  }
}

/** Whether a flow is allowed over all families of its ends. `expected`: `null` where the vector says nothing. */
function* checkFlow(
  scene: Scene,
  flow: Flow,
  expected: boolean | null,
  what: string,
): Generator<string, boolean, void> {
  let all = true;
  const engine = verdict(scene.program, flow);
  for (const family of [4, 6] as const) {
    if (addressOf(flow.source, family) === null || addressOf(flow.destination, family) === null) continue;
    const result = walk(scene.network, flow, family);
    if (result.kind !== 'allowed') all = false;
    const because = result.kind === 'allowed' ? '' : ` (${result.why})`;
    const text = `${what} over IPv${family}: simulated ${result.kind}${because}, engine ${engine}, expected ${expected}`;
    if (expected !== null && result.kind !== (expected ? 'allowed' : 'denied')) yield text;
    // Undefined is not surely allowed, hence closed.
    else if (result.kind !== (engine === 'allowed' ? 'allowed' : 'denied')) yield text;
  }
  return all;
}

function* checkFlows(scene: Scene, flows: NonNullable<Case['flows']>): Generator<string> {
  const index = indexCluster(scene.cluster);
  for (const { src, dst, protocol, port, allowed } of flows) {
    const flow = flowOf(endpointOf(index, src), endpointOf(index, dst), protocol, port);
    count(`${scene.suite} flows`);
    yield* checkFlow(scene, flow, allowed, `${src} -> ${dst} ${protocol} ${port}`);
  }
}

function endpointOf(index: ClusterIndex, text: string): Endpoint {
  const parsed = parseEndpoint(text);
  if (!parsed.ok) throw new Error(parsed.message);
  const found = findEndpoint(index, parsed.endpoint, { podFirst: true });
  const pod = found.kind === 'pods' ? found.pods[0] : undefined;
  if (pod !== undefined) return { kind: 'pod', pod };
  if (found.kind === 'node') return { kind: 'node', node: found.node, address: found.address };
  if (found.kind === 'external') return { kind: 'external', address: found.address };
  throw new Error(`${text} is ${found.kind}`);
}

type Connectivity = NonNullable<Case['connectivity']>;

/** Ends that stand for one peer of a vector: its pods, or addresses at both ends and in the middle of a range. */
function endsOf(cluster: Cluster, peer: string): readonly Endpoint[] {
  const workload = cluster.workloads.find((each) => workloadId(each) === peer);
  if (workload !== undefined) return workload.pods.map((pod) => ({ kind: 'pod', pod }));
  const [first, last] = peer.split('-').map((text) => parseIp(text));
  if (first === null || first === undefined || last === null || last === undefined) return [];
  const taken = new Set<string>();
  for (const { pods } of cluster.workloads)
    for (const pod of pods) for (const ip of pod.addresses) taken.add(formatIp(ip));
  for (const node of cluster.nodes) for (const ip of node.addresses) taken.add(formatIp(ip));
  const values = new Set([first.value, (first.value + last.value) / 2n, last.value]);
  return [...values]
    .map((value) => ({ kind: 'external', address: { family: first.family, value } }) as const)
    .filter(({ address }) => !taken.has(formatIp(address)));
}

/** Ports at which a connection set changes, and those beside them. */
function portsOf(conns: readonly Conn[], protocol: PortProtocol): readonly number[] {
  const ports = new Set([80]);
  for (const conn of conns) {
    if (conn === 'all') continue;
    for (const [first, last] of conn[protocol] ?? [])
      for (const port of [first - 1, first, last, last + 1]) ports.add(port);
  }
  return [...ports].filter((port) => port >= 1 && port <= 65535);
}

function holds(conn: Conn | undefined, protocol: PortProtocol, port: number): boolean {
  if (conn === undefined) return false;
  return conn === 'all' || (conn[protocol] ?? []).some(([first, last]) => first <= port && port <= last);
}

/** What a node sends to its own pods is always allowed; vectors of workloads do not ask where pods run. */
function comesFromOwnNode(source: Endpoint, destination: Endpoint): boolean {
  return (
    source.kind === 'pod' &&
    source.pod.hostNetwork &&
    destination.kind === 'pod' &&
    source.pod.node === destination.pod.node
  );
}

function* checkConnectivity(scene: Scene, vector: Connectivity): Generator<string> {
  const { suite, cluster } = scene;
  const pair = (src: string, dst: string): string => `${src} => ${dst}`;
  const conns = new Map(vector.allowed.map(({ src, dst, conn }) => [pair(src, dst), conn]));
  const unspecified = new Set((vector.unspecified ?? []).map(([src, dst]) => pair(src, dst)));
  const peers = new Set([...vector.peers, ...vector.allowed.flatMap(({ src, dst }) => [src, dst])]);
  const ends = new Map([...peers].map((peer) => [peer, endsOf(cluster, peer)]));
  for (const [src, sources] of ends) {
    for (const [dst, destinations] of ends) {
      // Pods of one workload among each other are not in the vectors.
      if (src === dst) continue;
      const conn = conns.get(pair(src, dst));
      const silent = unspecified.has(pair(src, dst)) || !vector.complete;
      const pairs = sources.flatMap((source) =>
        destinations.flatMap((destination) =>
          source.kind === 'external' && destination.kind === 'external' ? [] : [[source, destination] as const],
        ),
      );
      for (const protocol of PORT_PROTOCOLS) {
        for (const port of portsOf(conn === undefined ? [] : [conn], protocol)) {
          const held = holds(conn, protocol, port);
          const text = `${src} -> ${dst} ${protocol} ${port}`;
          let all = pairs.length > 0;
          for (const [source, destination] of pairs) {
            count(`${suite} flows of connectivity`);
            // What is not allowed to all pods of a workload may be allowed to some.
            const open = silent || comesFromOwnNode(source, destination) || (!held && pairs.length > 1);
            const expected = open ? null : held;
            const allowed = yield* checkFlow(scene, flowOf(source, destination, protocol, port), expected, text);
            if (!allowed) all = false;
          }
          if (!silent && !held && all && pairs.length > 1) yield `${text}: allowed to all pods, expected to be denied`;
        }
      }
      for (const [source, destination] of pairs) {
        const family = [source, destination].some((end) => addressOf(end, 4) === null) ? 6 : 4;
        const protocol = family === 4 ? 'ICMP' : 'ICMPv6';
        count(`${suite} ICMP flows`);
        yield* checkFlow(
          scene,
          { ...flowOf(source, destination, protocol, null), family },
          null,
          `${src} -> ${dst} ${protocol}`,
        );
      }
    }
  }
}
