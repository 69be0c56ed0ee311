/** Sends the packets of flows through the tables of the nodes that they cross. */
import type { Cidr, Family, Ip } from '../../src/base/ip.ts';
import { byText } from '../../src/base/order.ts';
import type { Endpoint, Flow } from '../../src/model/flow.ts';
import type { Protocol } from '../../src/model/match.ts';
import type { PolicyProgram } from '../../src/model/program.ts';
import { DEFAULT_LAYOUT, type LayoutOptions } from '../../src/targets/nftables/layout.ts';
import { NodeCompiler } from '../../src/targets/nftables/node-compiler.ts';
import { firstPacket, icmpPacket, type Packet, type PacketDetails } from '../../src/targets/nftables/packet.ts';
import { parseTable } from '../../src/targets/nftables/parse.ts';
import { renderTable } from '../../src/targets/nftables/render.ts';
import { type Simulator, simulatorOf } from '../../src/targets/nftables/simulate.ts';
import type { TableContent } from '../../src/targets/nftables/table.ts';
import type { Placed } from './placement.ts';

const PROTOCOLS: Readonly<Record<Protocol, number>> = { TCP: 6, UDP: 17, SCTP: 132, ICMP: 1, ICMPv6: 58 };

/** What the nodes of a cluster enforce. */
export interface Network {
  readonly nodes: ReadonlyMap<string, Simulator>;
  /** What rendering or parsing lost. */
  readonly problems: readonly string[];
}

/** Compiles the table of every node, writes it as text and reads it back. */
export function networkOf(
  placed: Placed,
  program: PolicyProgram,
  layout: LayoutOptions = DEFAULT_LAYOUT,
  podRanges: (node: string) => readonly Cidr[] = () => [],
): Network {
  const nodes = new Map<string, Simulator>();
  const problems: string[] = [];
  for (const node of placed.nodes) {
    const compiler = new NodeCompiler({ node, layout });
    compiler.setPodRanges(podRanges(node));
    compiler.load(placed.cluster, program);
    compiler.settle();
    const wanted = compiler.desired.content();
    const parsed = parseTable(renderTable(wanted));
    if ('error' in parsed) {
      problems.push(`${node}: ${parsed.error} at line ${parsed.line}`);
      continue;
    }
    if (contentText(parsed) !== contentText(wanted)) problems.push(`${node}: rendered and parsed content differ`);
    nodes.set(node, simulatorOf(parsed));
  }
  return { nodes, problems };
}

/** Content as one text, whatever order its parts are in. */
export function contentText({ comment, counters, sets, chains }: TableContent): string {
  const lines = [
    `comment ${comment}`,
    ...counters.map((name) => `counter ${name}`),
    ...[...sets].flatMap(([name, { declaration, elements }]) => [
      `set ${JSON.stringify(declaration)}`,
      ...[...elements].map(([key, value]) => `${name} ${key} : ${value}`),
    ]),
    ...[...chains].map(([name, chain]) => `chain ${name} ${JSON.stringify(chain)}`),
  ];
  return lines.sort(byText).join('\n');
}

export type WalkResult =
  | { readonly kind: 'allowed' }
  /** `why`: node and last step. */
  | { readonly kind: 'denied'; readonly why: string }
  /** Packets of the connection that follow are treated otherwise than its first. */
  | { readonly kind: 'broken'; readonly why: string };

const ALLOWED: WalkResult = { kind: 'allowed' };

function isGoverned(end: Endpoint): end is Extract<Endpoint, { readonly kind: 'pod' }> {
  return end.kind === 'pod' && !end.pod.hostNetwork;
}

/** The node on which an end runs; `null` outside of the cluster. */
function nodeOf(end: Endpoint): string | null {
  return end.kind === 'pod' ? end.pod.node : end.kind === 'node' ? end.node.name : null;
}

/** The address of an end; `null` if it has none in the family. */
export function addressOf(end: Endpoint, family: Family): Ip | null {
  const inFamily = (list: readonly Ip[]): Ip | null => list.find((ip) => ip.family === family) ?? null;
  switch (end.kind) {
    case 'pod':
      return inFamily(end.pod.addresses);
    case 'node':
      return inFamily(end.address === null ? end.node.addresses : [end.address]);
    case 'external':
      return inFamily([end.address]);
    case 'domain':
      return null;
  }
}

/**
 * What becomes of a flow over one family: its first packet crosses egress at the source's node and ingress at the
 * destination's. What nodes send to their own pods is never judged; what pods send to their own node comes in by its input hook.
 */
export function walk(network: Network, flow: Flow, family: Family): WalkResult {
  const source = addressOf(flow.source, family);
  const destination = addressOf(flow.destination, family);
  if (source === null || destination === null) return { kind: 'denied', why: 'no common family' };
  const [from, to] = [nodeOf(flow.source), nodeOf(flow.destination)];
  // What a pod sends to its own address never leaves it.
  if (isGoverned(flow.source) && isGoverned(flow.destination) && flow.source.pod === flow.destination.pod)
    return ALLOWED;
  const crossed: { readonly node: string; readonly hook: 'forward' | 'input' }[] = [];
  if (isGoverned(flow.source) && from !== null) {
    const own = !isGoverned(flow.destination) && to === from;
    crossed.push({ node: from, hook: own ? 'input' : 'forward' });
  }
  if (isGoverned(flow.destination) && to !== null && to !== from) crossed.push({ node: to, hook: 'forward' });
  for (const { node, hook } of crossed) {
    const simulator = network.nodes.get(node);
    if (simulator === undefined) return { kind: 'denied', why: `no table on ${node}` };
    const packet = packetOf(flow, source, destination, { hook, inputInterface: 'veth0' });
    const first = simulator(packet);
    const last = first.steps.at(-1);
    if (first.verdict !== 'accept') return { kind: 'denied', why: `${node}: ${last?.chain} ${last?.text}` };
    const { connectionMark } = first;
    const later: Packet = { ...packet, state: 'established', connectionMark };
    if (simulator(later).verdict !== 'accept') return { kind: 'broken', why: `${node}: a later packet is refused` };
    const reply: Packet = { ...later, source: destination, destination: source, direction: 'reply' };
    if (simulator(reply).verdict !== 'accept') return { kind: 'broken', why: `${node}: the answer is refused` };
  }
  return ALLOWED;
}

function packetOf(flow: Flow, source: Ip, destination: Ip, details: PacketDetails): Packet {
  if (flow.protocol === 'ICMP' || flow.protocol === 'ICMPv6') {
    return icmpPacket(source, destination, source.family === 4 ? 8 : 128, details);
  }
  return firstPacket(source, destination, PROTOCOLS[flow.protocol], flow.port ?? 0, details);
}
