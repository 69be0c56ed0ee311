/** Which features of policies a flow meets: what the generators must reach for the comparisons to prove anything. */
import { FAMILIES } from '../../src/base/ip.ts';
import { type Facts, isOwnNode, matchEndpoint, matchTraffic } from '../../src/engine/match.ts';
import { familiesOf, isSelf } from '../../src/engine/reference.ts';
import type { Input } from '../../src/input/input.ts';
import type { Flow } from '../../src/model/flow.ts';
import type { EndpointMatch, TrafficMatch } from '../../src/model/match.ts';
import { DIRECTIONS } from '../../src/model/program.ts';

const KINDS: readonly (readonly [kind: string, actions: readonly string[]])[] = [
  ['networkpolicy NetworkPolicy', ['allow']],
  ['admin ClusterNetworkPolicy', ['allow', 'deny', 'pass']],
  ['baseline ClusterNetworkPolicy', ['allow', 'deny', 'pass']],
  ['admin AdminNetworkPolicy', ['allow', 'deny', 'pass']],
  ['baseline BaselineAdminNetworkPolicy', ['allow', 'deny']],
];

/** Everything that can be met, by name. */
export const FEATURES: readonly string[] = [
  ...KINDS.flatMap(([kind, actions]) =>
    DIRECTIONS.flatMap((direction) => actions.map((action) => `${kind} ${direction} ${action}`)),
  ),
  ...[
    'anything',
    'own namespace',
    'namespaces labelled',
    'same labels',
    'different labels',
    'nodes',
    'domains',
  ].flatMap((peer) => [`peer ${peer}`]),
  ...FAMILIES.flatMap((family) => [`peer IPv${family} block`, `peer IPv${family} block with holes`]),
  ...['addresses', 'pods', 'nodes', 'domains'].map((peer) => `perhaps ${peer}`),
  ...['any', 'one port', 'port range', 'all ports', 'named port', 'named port of any protocol'].map(
    (t) => `traffic ${t}`,
  ),
  ...DIRECTIONS.map((direction) => `isolated ${direction}`),
  ...DIRECTIONS.map((direction) => `equal ranks in conflict ${direction}`),
  ...['unread tier', 'own node', 'own node perhaps', 'self', 'hairpin', 'no common family', 'host network', 'template'],
  ...['ICMP', 'IPv6', 'both families'],
];

function peerFeature(match: EndpointMatch): string {
  switch (match.kind) {
    case 'pods':
      return {
        named: 'peer own namespace',
        labelled: 'peer namespaces labelled',
        'same-labels': 'peer same labels',
        'different-labels': 'peer different labels',
      }[match.namespaces.kind];
    case 'addresses':
      return `peer IPv${match.cidr.family} block${match.except.length > 0 ? ' with holes' : ''}`;
    default:
      return `peer ${match.kind}`;
  }
}

function trafficFeature(match: TrafficMatch): string {
  if (match.kind === 'named-port') return `traffic named port${match.protocol === null ? ' of any protocol' : ''}`;
  if (match.first === match.last) return 'traffic one port';
  return match.first === 1 && match.last === 65535 ? 'traffic all ports' : 'traffic port range';
}

/** Says of one flow which rules match it, by what, and which special cases it is. */
export function meet(input: Input, flow: Flow, facts: Facts, hit: (feature: string) => void): void {
  const families = familiesOf(flow, facts);
  if (families.length === 0) hit('no common family');
  if (families.length === 2) hit('both families');
  if (families.includes(6)) hit('IPv6');
  if (flow.port === null) hit('ICMP');
  for (const direction of DIRECTIONS) {
    const own = direction === 'egress' ? flow.source : flow.destination;
    const peer = direction === 'egress' ? flow.destination : flow.source;
    if (own.kind !== 'pod') continue;
    if (own.pod.hostNetwork) {
      hit('host network');
      continue;
    }
    if (own.pod.template) hit('template');
    if (isSelf(own, peer)) hit(flow.viaService ? 'hairpin' : 'self');
    const node = isOwnNode(peer, own.pod, facts);
    if (node !== 'no') hit(node === 'yes' ? 'own node' : 'own node perhaps');
    const namespace = facts.cluster.namespaces.get(own.pod.namespace) ?? null;
    for (const tier of input.program.tiers) {
      if (tier.unread !== null) hit('unread tier');
      const matched = new Map<number, string>();
      for (const policy of tier.policies) {
        if (matchEndpoint(policy.subject, own, 4, namespace, facts) === 'no') continue;
        if (policy.isolates.includes(direction)) hit(`isolated ${direction}`);
        let met: string | null = null;
        for (const rule of policy.rules) {
          if (rule.direction !== direction) continue;
          const { traffic, peers } = rule.match;
          const entries = traffic === 'any' ? [] : traffic.filter((entry) => matchTraffic(entry, flow));
          if (traffic !== 'any' && entries.length === 0) continue;
          for (const family of families) {
            for (const match of peers) {
              const truth = matchEndpoint(match, peer, family, namespace, facts);
              if (truth === 'maybe') hit(`perhaps ${match.kind}`);
              if (truth !== 'yes') continue;
              met ??= rule.action;
              hit(peerFeature(match));
              hit(`${tier.name} ${policy.origin.object.kind} ${direction} ${rule.action}`);
              if (traffic === 'any') hit('traffic any');
              for (const entry of entries) hit(trafficFeature(entry));
            }
          }
        }
        const first = matched.get(policy.rank) ?? met;
        if (met !== null && met !== first) hit(`equal ranks in conflict ${direction}`);
        if (first !== null) matched.set(policy.rank, first);
      }
    }
  }
}
