import { type Cidr, type Family, formatRange, type IpRange } from '../../base/ip.ts';
import { byNumber } from '../../base/order.ts';
import type { Pod } from '../../model/cluster.ts';
import type { Endpoint } from '../../model/flow.ts';
import type { EndpointMatch, PortProtocol } from '../../model/match.ts';
import { DIRECTIONS, type Direction, type Rule } from '../../model/program.ts';
import type { Prepared } from './prepare.ts';
import { isGoverned } from './trace.ts';

/** Ports `first` to `last` that no policy of the question tells apart. */
export interface PortSpan {
  readonly protocol: PortProtocol;
  readonly first: number;
  readonly last: number;
}

const LAST_PORT = 65535;

/** Cuts all ports of a protocol where any policy at either end, or a container port of the destination, has an edge. */
export function portSpans(
  prepared: Prepared,
  protocol: PortProtocol,
  ends: Readonly<Record<Direction, readonly Endpoint[]>>,
): readonly PortSpan[] {
  return spansOf(protocol, (cut) => {
    for (const end of ends.ingress) {
      if (end.kind !== 'pod') continue;
      for (const port of end.pod.ports) if (port.protocol === protocol) cut(port.port, port.port);
    }
    for (const direction of DIRECTIONS) {
      for (const end of ends[direction])
        if (isGoverned(end)) cutByPolicies(prepared, end.pod, direction, protocol, cut);
    }
  });
}

/** A span as one end of a flow sees it. */
export interface OwnSpan extends PortSpan {
  /** A container port of the destination is among them. */
  readonly declared: boolean;
}

/** The spans that some rules of one end tell apart; container ports of the destination stay apart, too. */
export function ownSpans(
  protocol: PortProtocol,
  rules: readonly Rule[],
  destinations: readonly Endpoint[],
): readonly OwnSpan[] {
  const declared = new Set<number>();
  for (const end of destinations) {
    if (end.kind !== 'pod') continue;
    for (const port of end.pod.ports) if (port.protocol === protocol) declared.add(port.port);
  }
  const spans = spansOf(protocol, (cut) => {
    for (const port of declared) cut(port, port);
    for (const rule of rules) cutByRule(rule, protocol, cut);
  });
  // A declared port is always a span of its own.
  return spans.map((span) => ({ ...span, declared: declared.has(span.first) }));
}

type Cut = (first: number, last: number) => void;

function spansOf(protocol: PortProtocol, each: (cut: Cut) => void): readonly PortSpan[] {
  const starts = new Set([1]);
  each((first, last) => {
    if (first > 1 && first <= LAST_PORT) starts.add(first);
    if (last < LAST_PORT) starts.add(last + 1);
  });
  const sorted = [...starts].sort(byNumber);
  return sorted.map((first, at) => ({ protocol, first, last: (sorted[at + 1] ?? LAST_PORT + 1) - 1 }));
}

function cutByPolicies(prepared: Prepared, pod: Pod, direction: Direction, protocol: PortProtocol, cut: Cut): void {
  for (const tier of prepared.program.tiers) {
    for (const one of [...prepared.selected(tier, pod, 4), ...prepared.selected(tier, pod, 6)]) {
      for (const rule of one.rules[direction]) cutByRule(rule, protocol, cut);
    }
  }
}

function cutByRule({ match }: Rule, protocol: PortProtocol, cut: Cut): void {
  if (match.traffic === 'any') return;
  for (const entry of match.traffic) {
    if (entry.kind === 'ports' && entry.protocol === protocol) cut(entry.first, entry.last);
  }
}

/** The parts of a block that no address block of the program tells apart, in order. */
export function rangeParts(prepared: Prepared, block: Cidr): readonly IpRange[] {
  const starts = new Set<bigint>([block.first]);
  for (const edge of edgesOf(prepared).blocks) {
    if (edge.family !== block.family) continue;
    if (edge.first > block.first && edge.first <= block.last) starts.add(edge.first);
    if (edge.last >= block.first && edge.last < block.last) starts.add(edge.last + 1n);
  }
  const sorted = [...starts].sort((a, b) => (a < b ? -1 : 1));
  return sorted.map((first, at) => ({
    family: block.family,
    first,
    last: (sorted[at + 1] ?? block.last + 1n) - 1n,
  }));
}

interface Edges {
  readonly blocks: readonly Cidr[];
  /** First addresses of the stretches that no block divides, sorted. */
  readonly starts: Readonly<Record<Family, readonly bigint[]>>;
  readonly classKeys: WeakMap<Pod, string>;
}

const EDGES = new WeakMap<Prepared, Edges>();

/** Every block that a policy of the program names, as subject, peer or exception. */
function edgesOf(prepared: Prepared): Edges {
  const known = EDGES.get(prepared);
  if (known !== undefined) return known;
  const out = new Map<string, Cidr>();
  const add = (match: EndpointMatch): void => {
    if (match.kind !== 'addresses') return;
    for (const cidr of [match.cidr, ...match.except]) out.set(`${cidr.family} ${cidr.first} ${cidr.prefix}`, cidr);
  };
  for (const tier of prepared.program.tiers) {
    for (const policy of tier.policies) {
      add(policy.subject);
      for (const rule of policy.rules) for (const peer of rule.match.peers) add(peer);
    }
  }
  const blocks = [...out.values()];
  const startsOf = (family: Family): readonly bigint[] => {
    const own = blocks.filter((block) => block.family === family);
    return [...new Set(own.flatMap((block) => [block.first, block.last + 1n]))].sort((a, b) => (a < b ? -1 : 1));
  };
  const edges: Edges = { blocks, starts: { 4: startsOf(4), 6: startsOf(6) }, classKeys: new WeakMap() };
  EDGES.set(prepared, edges);
  return edges;
}

/** Which stretch holds the address: how many of the sorted starts are not above it. */
function stretchOf(starts: readonly bigint[], value: bigint): number {
  let low = 0;
  let high = starts.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((starts[middle] as bigint) <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A pod that stands for others that no policy of the program can tell from it. */
export interface PodClass {
  readonly pod: Pod;
  /** Another pod of the class, to ask about two different ones. */
  readonly second: Pod | null;
  readonly name: string;
}

/** Groups pods by everything that matching looks at, so that a question about many pods asks about few. */
export function podClasses(prepared: Prepared, pods: readonly Pod[]): readonly PodClass[] {
  const groups = new Map<string, Pod[]>();
  for (const pod of pods) {
    const key = classKey(prepared, pod);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [pod]);
    else group.push(pod);
  }
  return [...groups.values()].map(([pod, second, ...more]) => {
    const first = pod as Pod;
    const count = more.length + (second === undefined ? 0 : 1);
    const name = `\`${first.namespace}/${first.name}\``;
    return { pod: first, second: second ?? null, name: count === 0 ? name : `${name} and ${count} like it` };
  });
}

function classKey(prepared: Prepared, pod: Pod): string {
  const { starts, classKeys } = edgesOf(prepared);
  const known = classKeys.get(pod);
  if (known !== undefined) return known;
  const addresses = pod.addresses.map((ip) => [ip.family, stretchOf(starts[ip.family], ip.value)]);
  const labels = [...pod.labels].sort(([a], [b]) => (a < b ? -1 : 1));
  const ports = pod.ports.map((port) => [port.name, port.port, port.protocol]);
  const key = JSON.stringify([pod.namespace, labels, ports, addresses, pod.hostNetwork, pod.node, pod.template]);
  classKeys.set(pod, key);
  return key;
}

/** Consecutive parts with the same signature become one. */
export function mergeParts(parts: readonly (readonly [IpRange, string])[]): readonly IpRange[] {
  const out: IpRange[] = [];
  let previous: string | null = null;
  for (const [range, signature] of parts) {
    const last = out.at(-1);
    if (last !== undefined && previous === signature && last.last + 1n === range.first) {
      out[out.length - 1] = { family: range.family, first: last.first, last: range.last };
    } else out.push(range);
    previous = signature;
  }
  return out;
}

/** `` `10.0.0.0-10.0.0.255` ``. */
export function wordRange(range: IpRange): string {
  return `\`${formatRange(range)}\``;
}

/** The family that both ends may be asked for; `conflict` if each end names another. */
export function sharedFamily(a: Family | null, b: Family | null): Family | null | 'conflict' {
  if (a === null || b === null) return a ?? b;
  return a === b ? a : 'conflict';
}
