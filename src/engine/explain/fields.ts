import { BITS, formatIp, type Ip } from '../../base/ip.ts';
import type { Pod } from '../../model/cluster.ts';
import type { EndpointMatch, TrafficMatch } from '../../model/match.ts';
import type { Origin } from '../../model/origin.ts';
import type { Policy, Rule } from '../../model/program.ts';
import type { Labels } from '../../model/selector.ts';

/** How an object writes peers and ports. */
export type Dialect = 'network-policy' | 'admin' | 'cluster';

export function dialectOf(origin: Origin): Dialect {
  switch (origin.object.kind) {
    case 'ClusterNetworkPolicy':
      return 'cluster';
    case 'AdminNetworkPolicy':
    case 'BaselineAdminNetworkPolicy':
      return 'admin';
    default:
      return 'network-policy';
  }
}

/** `spec.ingress[0].from`: the list that holds the peers of a rule. */
export function peersField(rule: Rule): string {
  return `${rule.origin.field}.${rule.direction === 'ingress' ? 'from' : 'to'}`;
}

/** `spec.ingress[0].ports`: the list that holds the traffic of a rule. */
export function trafficField(rule: Rule): string {
  return `${rule.origin.field}.${dialectOf(rule.origin) === 'cluster' ? 'protocols' : 'ports'}`;
}

/** The field of peer `index`; that of the list where several IR peers come from one entry and nothing tells them apart. */
export function peerField(rule: Rule, index: number): string {
  const given = rule.match.fields?.peers[index];
  if (given !== undefined) return `${rule.origin.field}.${given}`;
  const list = peersField(rule);
  if (dialectOf(rule.origin) === 'network-policy') return `${list}[${index}]`;
  // One `networks` entry lowers to one peer per block, so positions hold only in front of the first of them.
  return rule.match.peers.slice(0, index + 1).some((peer) => peer.kind === 'addresses') ? list : `${list}[${index}]`;
}

/** Which part of a peer a text is about. */
export type PeerPart = 'whole' | 'pods' | 'namespaces' | 'cidr' | { readonly except: number };

/** The field of a part of peer `index`. */
export function peerPartField(rule: Rule, index: number, part: PeerPart): string {
  const field = peerField(rule, index);
  if (part === 'whole' || field.endsWith('.to') || field.endsWith('.from')) return field;
  const peer = rule.match.peers[index];
  if (dialectOf(rule.origin) === 'network-policy') {
    if (part === 'pods') return `${field}.podSelector`;
    // A peer without `namespaceSelector` lowers to the policy's own namespace.
    if (part === 'namespaces') {
      return peer?.kind === 'pods' && peer.namespaces.kind === 'named' ? field : `${field}.namespaceSelector`;
    }
    return part === 'cidr' ? `${field}.ipBlock.cidr` : `${field}.ipBlock.except[${part.except}]`;
  }
  // `namespaces: S` and `pods: {namespaceSelector: S, podSelector: {}}` lower to the same.
  if (peer?.kind !== 'pods' || peer.pods.kind === 'everything') return field;
  return part === 'pods' ? `${field}.pods.podSelector` : `${field}.pods`;
}

/** Which part of a traffic entry a text is about. */
export type TrafficPart = 'whole' | 'port' | 'protocol';

/** The field of a part of traffic entry `index`. */
export function trafficPartField(rule: Rule, index: number, part: TrafficPart): string {
  const entry = rule.match.traffic === 'any' ? undefined : rule.match.traffic[index];
  const given = rule.match.fields?.traffic[index];
  const field = given === undefined ? `${trafficField(rule)}[${index}]` : `${rule.origin.field}.${given}`;
  if (entry === undefined) return trafficField(rule);
  if (part === 'whole') return field;
  const wide = entry.kind === 'ports' && entry.first !== entry.last;
  switch (dialectOf(rule.origin)) {
    case 'network-policy':
      return `${field}.${part}`;
    case 'admin':
      if (entry.kind === 'named-port') return `${field}.namedPort`;
      return wide
        ? part === 'port'
          ? `${field}.portRange`
          : `${field}.portRange.protocol`
        : `${field}.portNumber.${part}`;
    case 'cluster': {
      if (entry.kind === 'named-port') return `${field}.destinationNamedPort`;
      const transport = `${field}.${entry.protocol.toLowerCase()}`;
      return part === 'protocol' ? transport : `${transport}.destinationPort.${wide ? 'range' : 'number'}`;
    }
  }
}

/** A text as a YAML scalar inside of a flow collection. */
export function yamlScalar(text: string): string {
  const plain = /^[A-Za-z_][A-Za-z0-9_./-]*$/.test(text) && !/^(true|false|null|yes|no|on|off|y|n|_+)$/i.test(text);
  return plain || /^[0-9]+(\.[0-9]+){3}\/[0-9]+$/.test(text) ? text : JSON.stringify(text);
}

/** `{app: web, tier: "1"}`, keys sorted. */
export function yamlLabels(labels: Labels): string {
  const sorted = [...labels].sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${sorted.map(([key, value]) => `${yamlScalar(key)}: ${yamlScalar(value)}`).join(', ')}}`;
}

/** `{port: 8080}`, `{protocol: UDP, port: 53}`: one entry of a port list as the rule's kind writes it. */
export function yamlTraffic(dialect: Dialect, entry: TrafficMatch & { kind: 'ports' }): string {
  const protocol = entry.protocol === 'TCP' ? '' : `protocol: ${entry.protocol}, `;
  switch (dialect) {
    case 'network-policy':
      return `{${protocol}port: ${entry.first}}`;
    case 'admin':
      return `{portNumber: {protocol: ${entry.protocol}, port: ${entry.first}}}`;
    case 'cluster':
      return `{${entry.protocol.toLowerCase()}: {destinationPort: {number: ${entry.first}}}}`;
  }
}

const NAME_LABEL = 'kubernetes.io/metadata.name';

/** Labels that a controller gives to the pods of one revision or replica: no policy should rest on them. */
const VOLATILE: ReadonlySet<string> = new Set([
  'pod-template-hash',
  'controller-revision-hash',
  'pod-template-generation',
  'statefulset.kubernetes.io/pod-name',
  'apps.kubernetes.io/pod-index',
  'controller-uid',
  'batch.kubernetes.io/controller-uid',
  'job-name',
  'batch.kubernetes.io/job-name',
  'batch.kubernetes.io/job-completion-index',
]);

/** The labels by which a policy should name a pod. */
export function lastingLabels(pod: Pod): Labels {
  return new Map([...pod.labels].filter(([key]) => !VOLATILE.has(key)));
}

/** A peer in the IR and as its kind writes it. */
export interface Proposal {
  readonly match: EndpointMatch;
  readonly yaml: string;
}

/** A peer that means the pods with these labels in one namespace. */
export function podsPeer(
  dialect: Dialect,
  policyNamespace: string | null,
  namespace: string,
  labels: Labels,
): Proposal {
  const named = `namespaceSelector: {matchLabels: {${NAME_LABEL}: ${yamlScalar(namespace)}}}`;
  const selector = labels.size === 0 ? '{}' : `{matchLabels: ${yamlLabels(labels)}}`;
  const both = `{${named}, podSelector: ${selector}}`;
  const match: EndpointMatch = {
    kind: 'pods',
    namespaces: { kind: 'labelled', labels: { kind: 'in', key: NAME_LABEL, values: [namespace] } },
    pods: { kind: 'all-of', of: [...labels].map(([key, value]) => ({ kind: 'in', key, values: [value] })) },
  };
  if (dialect !== 'network-policy') return { match, yaml: `{pods: ${both}}` };
  if (namespace !== policyNamespace) return { match, yaml: both };
  const own: EndpointMatch = { ...match, namespaces: { kind: 'named', name: namespace } };
  return { match: own, yaml: `{podSelector: ${selector}}` };
}

/** A peer that means one address; `null` where the kind has none. */
export function addressPeer(dialect: Dialect, rule: Pick<Rule, 'direction'>, address: Ip): Proposal | null {
  if (dialect !== 'network-policy' && rule.direction === 'ingress') return null;
  const prefix = BITS[address.family];
  const text = yamlScalar(`${formatIp(address)}/${prefix}`);
  const cidr = { family: address.family, first: address.value, last: address.value, prefix };
  return {
    match: { kind: 'addresses', cidr, except: [] },
    yaml: dialect === 'network-policy' ? `{ipBlock: {cidr: ${text}}}` : `{networks: [${text}]}`,
  };
}

/** The namespace of a policy object, `null` for cluster-scoped ones. */
export function namespaceOf(policy: Policy): string | null {
  return policy.origin.object.namespace;
}
