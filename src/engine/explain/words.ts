import { formatCidr, formatIp } from '../../base/ip.ts';
import type { Pod } from '../../model/cluster.ts';
import type { Endpoint, Flow } from '../../model/flow.ts';
import type { EndpointMatch, NamespaceMatch, TrafficMatch } from '../../model/match.ts';
import type { Direction } from '../../model/program.ts';
import { formatSelector, type Selector } from '../../model/selector.ts';

/** `TCP 80`, `ICMP`. */
export function wordTraffic(flow: Pick<Flow, 'protocol' | 'port'>): string {
  return flow.port === null ? flow.protocol : `${flow.protocol} ${flow.port}`;
}

/** Stands for a node of which nothing is known; no pod can have this name. */
export const SOME_NODE = 'some node';

/** Whether a pod only stands for some node. */
export function isSomeNode(pod: Pod): boolean {
  return pod.name === SOME_NODE && pod.hostNetwork;
}

export function wordPod(pod: Pod): string {
  if (isSomeNode(pod)) return SOME_NODE;
  const id = `\`${pod.namespace}/${pod.name}\``;
  if (pod.hostNetwork) return `host-network pod ${id}`;
  return pod.template ? `a pod of ${id}` : `pod ${id}`;
}

/** How a text calls one end of a flow. */
export function wordEndpoint(endpoint: Endpoint): string {
  switch (endpoint.kind) {
    case 'pod':
      return wordPod(endpoint.pod);
    case 'node':
      return `node \`${endpoint.node.name}\``;
    case 'external':
      return `\`${formatIp(endpoint.address)}\``;
    case 'domain':
      return `\`${endpoint.name}\``;
  }
}

/** `source` or `destination`: which end of the flow is the peer of a rule of this direction. */
export function wordPeerSide(direction: Direction): string {
  return direction === 'egress' ? 'destination' : 'source';
}

function wordNamespaces(match: NamespaceMatch): string {
  switch (match.kind) {
    case 'named':
      return `in namespace \`${match.name}\``;
    case 'labelled':
      return isEverything(match.labels) ? 'in any namespace' : `in namespaces with \`${formatSelector(match.labels)}\``;
    case 'same-labels':
      return `in namespaces with the same \`${match.keys.join(', ')}\``;
    case 'different-labels':
      return `in namespaces with another \`${match.keys.join(', ')}\``;
  }
}

/** Whether the selector accepts every label set by its form. */
export function isEverything(selector: Selector): boolean {
  return selector.kind === 'everything' || (selector.kind === 'all-of' && selector.of.every(isEverything));
}

/** What one peer of a rule means. */
export function wordPeer(match: EndpointMatch): string {
  switch (match.kind) {
    case 'anything':
      return 'anything';
    case 'nothing':
      return 'nothing (it was not understood)';
    case 'pods': {
      const pods = isEverything(match.pods) ? 'all pods' : `pods \`${formatSelector(match.pods)}\``;
      return `${pods} ${wordNamespaces(match.namespaces)}`;
    }
    case 'nodes':
      return isEverything(match.nodes) ? 'all nodes' : `nodes \`${formatSelector(match.nodes)}\``;
    case 'addresses': {
      const holes = match.except.map((hole) => `\`${formatCidr(hole)}\``);
      return `addresses in \`${formatCidr(match.cidr)}\`${holes.length > 0 ? ` except ${holes.join(', ')}` : ''}`;
    }
    case 'domains':
      return match.names.map((name) => `\`${name}\``).join(', ');
  }
}

/** `TCP 80`, `TCP 8000-8100`, `UDP`, ``port `http` ``. */
export function wordTrafficMatch(match: TrafficMatch): string {
  if (match.kind === 'named-port') {
    return match.protocol === null ? `port \`${match.name}\`` : `${match.protocol} port \`${match.name}\``;
  }
  if (match.first <= 1 && match.last >= 65535) return `every ${match.protocol} port`;
  return match.first === match.last
    ? `${match.protocol} ${match.first}`
    : `${match.protocol} ${match.first}-${match.last}`;
}

/** `a`, `a and b`, `a, b and c`, `a, b and 7 more`. */
export function wordList(items: readonly string[], most = 5): string {
  const shown = items.length > most ? [...items.slice(0, most - 1), `${items.length - most + 1} more`] : items;
  const last = shown.at(-1);
  if (last === undefined) return '';
  return shown.length === 1 ? last : `${shown.slice(0, -1).join(', ')} and ${last}`;
}
