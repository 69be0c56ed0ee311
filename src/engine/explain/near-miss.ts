import { type Cidr, covers, type Family, formatCidr, formatIp, type Ip } from '../../base/ip.ts';
import { editDistance, suggest } from '../../base/suggest.ts';
import type { Namespace, Pod } from '../../model/cluster.ts';
import type { Endpoint, Flow } from '../../model/flow.ts';
import type { EndpointMatch, TrafficMatch } from '../../model/match.ts';
import type { Policy, Rule } from '../../model/program.ts';
import { type Labels, type Selector, selects } from '../../model/selector.ts';
import { addressesOf, type Facts, matchDomain, matchEndpoint, matchNamespace, matchTraffic, nodeOf } from '../match.ts';
import {
  addressPeer,
  dialectOf,
  lastingLabels,
  namespaceOf,
  type PeerPart,
  type Proposal,
  peerPartField,
  peersField,
  podsPeer,
  type TrafficPart,
  trafficField,
  trafficPartField,
  yamlTraffic,
} from './fields.ts';
import { isEverything, wordEndpoint, wordPeerSide, wordTraffic, wordTrafficMatch } from './words.ts';

/** The kind of thing on which alone a rule fails. */
export type MissKind =
  | 'port'
  | 'protocol'
  | 'named-port'
  | 'icmp'
  | 'label'
  | 'namespace'
  | 'except'
  | 'address'
  | 'endpoint'
  | 'domain'
  | 'not-understood';

/** How a change to one rule would read in the IR. */
export type Edit =
  | { readonly kind: 'add-peer'; readonly peer: EndpointMatch }
  | { readonly kind: 'add-traffic'; readonly traffic: TrafficMatch };

/** A rule that fails on exactly one thing. */
export interface NearMiss {
  readonly kind: MissKind;
  /** Lower is nearer. */
  readonly distance: number;
  readonly text: string;
  /** The exact part that fails, as a path in the policy. */
  readonly field: string;
  readonly fix: string | null;
  /** What the fix does, so that it can be tried; `null` where it concerns something else than the rule. */
  readonly edit: Edit | null;
}

/** What the comparison is about. */
interface Question {
  readonly policy: Policy;
  readonly rule: Rule;
  readonly own: Pod;
  readonly peer: Endpoint;
  readonly flow: Flow;
  readonly family: Family;
  readonly facts: Facts;
}

/** Why a rule that does not match nearly does; `null` if it matches, or fails on more than one thing. */
export function nearMiss(question: Question): NearMiss | null {
  const { rule, peer, flow, family, facts, own } = question;
  const { peers, traffic } = rule.match;
  if (peers.length === 0) return notUnderstood(question);
  const namespace = facts.cluster.namespaces.get(own.namespace) ?? null;
  const trafficMatches = traffic === 'any' || traffic.some((entry) => matchTraffic(entry, flow));
  const peerMatches = peers.some((match) => matchEndpoint(match, peer, family, namespace, facts) !== 'no');
  if (trafficMatches === peerMatches) return null;
  if (traffic !== 'any' && !trafficMatches) {
    return traffic.length === 0
      ? notUnderstood(question)
      : nearest(traffic.map((_, index) => missTraffic(question, index)));
  }
  return nearest(peers.map((_, index) => missPeer(question, index, namespace)));
}

function nearest(misses: readonly (NearMiss | null)[]): NearMiss | null {
  let best: NearMiss | null = null;
  for (const miss of misses) if (miss !== null && (best === null || miss.distance < best.distance)) best = miss;
  return best;
}

function notUnderstood({ rule }: Question): NearMiss {
  const text = 'the rule, or all of its entries, could not be understood, so it matches nothing';
  return { kind: 'not-understood', distance: 20, text, field: rule.origin.field, fix: null, edit: null };
}

// ── traffic ─────────────────────────────────────────────────────────────────────────────────────────────────────

function missTraffic(question: Question, index: number): NearMiss | null {
  const { rule, flow } = question;
  const entry = rule.match.traffic === 'any' ? undefined : rule.match.traffic[index];
  if (entry === undefined) return null;
  const at = (kind: MissKind, distance: number, why: string, part: TrafficPart): NearMiss => ({
    kind,
    distance,
    text: `the ${wordPeerSide(rule.direction)} matches, but ${why}`,
    field: trafficPartField(rule, index, part),
    ...trafficFix(rule, flow),
  });
  if (flow.port === null) {
    return at('icmp', 4, `${flow.protocol} is matched only by rules without ports`, 'whole');
  }
  if (entry.kind === 'named-port') return missNamedPort(question, entry, at);
  const inside = entry.first <= flow.port && flow.port <= entry.last;
  if (entry.protocol === flow.protocol) {
    const away = flow.port < entry.first ? entry.first - flow.port : flow.port - entry.last;
    const single = entry.first === entry.last;
    const why = single
      ? `port ${flow.port} ≠ ${entry.first}`
      : `port ${flow.port} is not in ${entry.first}-${entry.last}`;
    return at('port', 1 + Math.min(away / 65536, 0.99), why, 'port');
  }
  if (inside) return at('protocol', 1, `protocol ${flow.protocol} ≠ ${entry.protocol}`, 'protocol');
  return at('port', 4, `${wordTraffic(flow)} is not ${wordTrafficMatch(entry)}`, 'whole');
}

function missNamedPort(
  { flow }: Question,
  entry: TrafficMatch & { kind: 'named-port' },
  at: (kind: MissKind, distance: number, why: string, part: TrafficPart) => NearMiss,
): NearMiss {
  const { destination } = flow;
  const name = `named port \`${entry.name}\``;
  if (destination.kind !== 'pod' || destination.pod.hostNetwork) {
    return at(
      'named-port',
      4,
      `the ${name} means nothing for ${wordEndpoint(destination)}, which is no pod of its own address`,
      'port',
    );
  }
  const declared = destination.pod.ports.filter((port) => port.name === entry.name);
  if (declared.length === 0) return at('named-port', 2, `the ${name} is not declared by the destination pod`, 'port');
  const fitting = declared.filter((port) => entry.protocol === null || port.protocol === entry.protocol);
  const shown = declared.map((port) => `${port.protocol} ${port.port}`).join(', ');
  if (fitting.some((port) => port.port === flow.port)) {
    return at('protocol', 1, `the ${name} of the destination pod is ${shown}, not ${wordTraffic(flow)}`, 'protocol');
  }
  return at('named-port', 1.5, `the ${name} of the destination pod is ${shown}, not ${wordTraffic(flow)}`, 'port');
}

function trafficFix(rule: Rule, flow: Flow): Pick<NearMiss, 'fix' | 'edit'> {
  const field = trafficField(rule);
  if (flow.port === null || flow.protocol === 'ICMP' || flow.protocol === 'ICMPv6') {
    return { fix: `remove \`${field}\`, which then matches every port and protocol`, edit: null };
  }
  const traffic = { kind: 'ports', protocol: flow.protocol, first: flow.port, last: flow.port } as const;
  const entry = yamlTraffic(dialectOf(rule.origin), traffic);
  const shown = entry.startsWith('{port:') ? entry.slice(1, -1) : entry;
  return { fix: `add \`${shown}\` to \`${field}\``, edit: { kind: 'add-traffic', traffic } };
}

// ── peers ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** One requirement of a selector that labels do not meet. */
export interface Unmet {
  readonly text: string;
  /** How far the labels are from it: the edits between two values, or a constant. */
  readonly distance: number;
  /** The values are so alike that one of them may be a slip of the pen. */
  readonly typo?: true;
}

/** The requirements that labels do not meet; empty if the selector accepts them. `what` names what carries them. */
export function unmet(selector: Selector, labels: Labels, what: string): readonly Unmet[] {
  if (selects(selector, labels)) return [];
  switch (selector.kind) {
    case 'everything':
      return [];
    case 'nothing':
      return [{ text: 'the selector could not be understood and selects nothing', distance: 9 }];
    case 'in': {
      const value = labels.get(selector.key);
      const wanted = selector.values.length === 1 ? `=${selector.values[0]}` : ` in (${selector.values.join(',')})`;
      if (value === undefined) return [{ text: `${what} lacks label \`${selector.key}${wanted}\``, distance: 3 }];
      const edits = Math.min(3, ...selector.values.map((each) => editDistance(value, each, 3)));
      const text = `${what} has label \`${selector.key}=${value}\` ≠ \`${selector.key}${wanted}\``;
      return [
        suggest(value, selector.values, 1).length > 0
          ? { text, distance: edits, typo: true }
          : { text, distance: edits },
      ];
    }
    case 'exists':
      return [{ text: `${what} lacks label \`${selector.key}\``, distance: 3 }];
    case 'not': {
      const inner = selector.of;
      if (inner.kind === 'in' || inner.kind === 'exists') {
        const value = labels.get(inner.key) ?? '';
        return [{ text: `${what} has label \`${inner.key}=${value}\`, which the selector excludes`, distance: 3 }];
      }
      return [{ text: `${what} is excluded by the selector`, distance: 3 }];
    }
    case 'all-of':
      return selector.of.flatMap((part) => unmet(part, labels, what));
    case 'any-of': {
      const ways = selector.of.map((part) => unmet(part, labels, what));
      return ways.reduce((a, b) => (b.length < a.length ? b : a), ways[0] ?? [{ text: 'no alternative', distance: 9 }]);
    }
  }
}

function missPeer(question: Question, index: number, subject: Namespace | null): NearMiss | null {
  const { rule, peer, flow } = question;
  const match = rule.match.peers[index];
  if (match === undefined) return null;
  const lead = rule.match.traffic === 'any' ? '' : `${flow.port === null ? 'traffic' : 'port'} matches, but `;
  const at = (kind: MissKind, distance: number, why: string, part: PeerPart, proposal: Proposal | null): NearMiss => ({
    kind,
    distance,
    text: `${lead}${why}`,
    field: peerPartField(rule, index, part),
    fix: proposal === null ? null : `add \`${proposal.yaml}\` to \`${peersField(rule)}\``,
    edit: proposal === null ? null : { kind: 'add-peer', peer: proposal.match },
  });
  const side = wordPeerSide(rule.direction);
  switch (match.kind) {
    case 'anything':
      return null;
    case 'nothing':
      return at('not-understood', 20, 'this peer could not be understood, so it matches nothing', 'whole', null);
    case 'pods':
      if (peer.kind !== 'pod') {
        if (!isEverything(match.pods) || peer.kind === 'domain') return null;
        const what = peer.kind === 'node' ? 'nodes' : 'addresses outside of the cluster';
        return at('endpoint', 8, `pod and namespace selectors never match ${what}`, 'whole', addressProposal(question));
      }
      return missPod(question, match, subject, peer.pod, side, at);
    case 'nodes': {
      const node = nodeOf(peer, question.facts);
      if (node === null || node === 'unknown') return null;
      const [only, ...more] = unmet(match.nodes, node.labels, `node \`${node.name}\``);
      return only === undefined || more.length > 0
        ? null
        : at('label', 2 + only.distance, only.text, 'whole', addressProposal(question));
    }
    case 'addresses':
      return missAddress(question, match, side, at);
    case 'domains': {
      if (peer.kind !== 'domain') return null;
      const near = match.names.find((name) => nearDomain(name, peer.name));
      return near === undefined ? null : at('domain', 3, `\`${peer.name}\` is not \`${near}\``, 'whole', null);
    }
  }
}

type At = (kind: MissKind, distance: number, why: string, part: PeerPart, proposal: Proposal | null) => NearMiss;

function missPod(
  question: Question,
  match: EndpointMatch & { kind: 'pods' },
  subject: Namespace | null,
  pod: Pod,
  side: string,
  at: At,
): NearMiss | null {
  const namespace = question.facts.cluster.namespaces.get(pod.namespace);
  if (namespace === undefined) return null;
  const [label, ...more] = unmet(match.pods, pod.labels, `the ${side}`);
  const inside = matchNamespace(match.namespaces, namespace, subject);
  if (label !== undefined) {
    if (more.length > 0 || inside !== 'yes' || pod.hostNetwork) return null;
    return at('label', 1 + label.distance / 2, label.text, 'pods', podProposal(question, pod, match.pods));
  }
  if (pod.hostNetwork) {
    if (inside !== 'yes') return null;
    const why = `the ${side} is a host-network pod, which selectors never match`;
    return at('endpoint', 3, why, 'whole', addressProposal(question));
  }
  if (inside !== 'no') return null;
  const proposal = podProposal(question, pod, match.pods);
  const { namespaces } = match;
  if (namespaces.kind === 'named') {
    const why = `the ${side} is in namespace \`${pod.namespace}\`, the peer means only namespace \`${namespaces.name}\``;
    return at('namespace', 2, why, 'namespaces', proposal);
  }
  if (namespaces.kind === 'labelled') {
    const missing = unmet(namespaces.labels, namespace.labels ?? new Map(), `namespace \`${pod.namespace}\``);
    const [only] = missing;
    if (only === undefined || missing.length > 1) return null;
    return at('namespace', 2 + only.distance / 3, only.text, 'namespaces', proposal);
  }
  const way = namespaces.kind === 'same-labels' ? 'the same values' : 'another value';
  const why = `namespace \`${pod.namespace}\` does not have ${way} of \`${namespaces.keys.join(', ')}\` as the subject's`;
  return at('namespace', 3, why, 'namespaces', null);
}

function missAddress(
  question: Question,
  match: EndpointMatch & { kind: 'addresses' },
  side: string,
  at: At,
): NearMiss | null {
  const { peer, family, facts } = question;
  const addresses = addressesOf(peer, family, facts);
  const address = addresses === 'unknown' ? undefined : addresses[0];
  if (match.cidr.family !== family || address === undefined) return null;
  const proposal = addressProposal(question);
  const hole = match.except.findIndex((block) => covers(block, address));
  if (covers(match.cidr, address) && hole >= 0) {
    const block = formatCidr(match.except[hole] as Cidr);
    const why = `address \`${formatIp(address)}\` of the ${side} lies in the \`except\` block \`${block}\``;
    return at('except', 1.5, why, { except: hole }, proposal);
  }
  const why = `address \`${formatIp(address)}\` of the ${side} is outside of \`${formatCidr(match.cidr)}\``;
  return at('address', 6 + bitsApart(match.cidr, address) / 128, why, 'cidr', proposal);
}

/** How many bits the block would have to grow by to hold the address. */
function bitsApart(cidr: Cidr, address: Ip): number {
  return (cidr.first ^ address.value).toString(2).length - (cidr.last - cidr.first).toString(2).length;
}

function nearDomain(pattern: string, name: string): boolean {
  const bare = pattern.startsWith('*.') ? pattern.slice(2) : pattern;
  return bare === name || matchDomain(`*.${bare}`, name) || editDistance(bare, name, 2) <= 2;
}

/** A peer for this pod: by the labels that the rule's selector already speaks of, else by all lasting ones. */
function podProposal({ policy, rule }: Question, pod: Pod, selector: Selector): Proposal {
  const lasting = lastingLabels(pod);
  const keys = keysOf(selector);
  const spoken = new Map([...lasting].filter(([key]) => keys.has(key)));
  return podsPeer(dialectOf(rule.origin), namespaceOf(policy), pod.namespace, spoken.size > 0 ? spoken : lasting);
}

function keysOf(selector: Selector): ReadonlySet<string> {
  switch (selector.kind) {
    case 'in':
    case 'exists':
      return new Set([selector.key]);
    case 'not':
      return keysOf(selector.of);
    case 'all-of':
    case 'any-of':
      return new Set(selector.of.flatMap((part) => [...keysOf(part)]));
    default:
      return new Set();
  }
}

function addressProposal({ rule, peer, family, facts }: Question): Proposal | null {
  const addresses = addressesOf(peer, family, facts);
  const [address, ...more] = addresses === 'unknown' ? [] : addresses;
  if (address === undefined || more.length > 0) return null;
  return addressPeer(dialectOf(rule.origin), rule, address);
}
