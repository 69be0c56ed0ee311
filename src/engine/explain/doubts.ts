import { type Family, formatCidr, formatIp } from '../../base/ip.ts';
import type { Endpoint, Flow } from '../../model/flow.ts';
import type { EndpointMatch } from '../../model/match.ts';
import type { Direction, Policy, Rule } from '../../model/program.ts';
import { addressesOf, type Facts, matchEndpoint, nodeOf } from '../match.ts';
import { peerField } from './fields.ts';
import type { Prepared } from './prepare.ts';
import { type Contest, type Doubt, endsOf, type Trace } from './trace.ts';
import { isSomeNode, wordEndpoint, wordList, wordPeer } from './words.ts';

/** The facts that are missing for one end, named; in the order in which they were met. */
export function missingFacts(
  prepared: Prepared,
  direction: Direction,
  flow: Flow,
  traces: readonly Trace[],
): readonly string[] {
  const out = new Set<string>();
  for (const trace of traces) {
    for (const doubt of trace.doubts) {
      for (const text of wordDoubt(prepared, direction, flow, trace.family, doubt)) out.add(text);
    }
    for (const contest of trace.contests) if (!contest.agree) out.add(wordDisagreement(contest));
  }
  return [...out];
}

/** Names the policies of a contest with what makes their order open (S11.2). */
export function wordContest(contest: Contest): string {
  const names = wordList(contest.policies.map((policy) => `\`${policy.id}\``));
  return `policies ${names} of tier \`${contest.tier.name}\` have the same priority ${contest.policies[0]?.rank ?? 0}`;
}

function wordDisagreement(contest: Contest): string {
  return `${wordContest(contest)} and disagree, and the API does not say which of them comes first`;
}

function wordDoubt(
  prepared: Prepared,
  direction: Direction,
  flow: Flow,
  family: Family,
  doubt: Doubt,
): readonly string[] {
  const { own, peer } = endsOf(direction, flow);
  switch (doubt.kind) {
    case 'unread':
      return [`policies of tier \`${doubt.tier.name}\` may be missing: ${doubt.tier.unread}`];
    case 'subject':
      return [wordSubject(doubt.policy, own)];
    case 'own-node':
      return [wordOwnNode(direction, own, peer, prepared.facts)];
    case 'rule':
      return wordRule(prepared, doubt.rule, own, peer, family);
  }
}

function wordSubject(policy: Policy, own: Endpoint): string {
  const namespace = own.kind === 'pod' ? own.pod.namespace : '';
  return policy.subject.kind === 'pods'
    ? `the labels of namespace \`${namespace}\` are not known: \`${policy.id}\` may or may not select ${wordEndpoint(own)}`
    : `\`${policy.id}\` may or may not select ${wordEndpoint(own)}`;
}

function wordOwnNode(direction: Direction, own: Endpoint, peer: Endpoint, facts: Facts): string {
  const outcome = direction === 'ingress' ? 'a pod always admits its own node' : 'a pod always reaches its own node';
  const side = direction === 'ingress' ? 'source' : 'destination';
  if (peer.kind === 'external' && facts.nodesUnread) {
    return `nodes could not be listed: ${wordEndpoint(peer)} may be an address of the pod's own node, and ${outcome}`;
  }
  if (peer.kind === 'pod' && isSomeNode(peer.pod)) {
    return `which node the connection comes through is not known: it may be the pod's own node, and ${outcome}`;
  }
  const unplaced = own.kind === 'pod' && own.pod.node === null ? own : peer;
  return `${wordEndpoint(unplaced)} is not placed on a node: the ${side} may be on the pod's own node, and ${outcome}`;
}

function wordRule(prepared: Prepared, rule: Rule, own: Endpoint, peer: Endpoint, family: Family): readonly string[] {
  const { facts } = prepared;
  const namespace = own.kind === 'pod' ? (facts.cluster.namespaces.get(own.pod.namespace) ?? null) : null;
  const out: string[] = [];
  for (const [index, match] of rule.match.peers.entries()) {
    if (matchEndpoint(match, peer, family, namespace, facts) !== 'maybe') continue;
    const may = `\`${peerField(rule, index)}\` of \`${rule.origin.object.name}\` may or may not`;
    out.push(wordPeerDoubt(match, may, peer, family, own, facts));
  }
  return out;
}

function wordPeerDoubt(
  match: EndpointMatch,
  may: string,
  peer: Endpoint,
  family: Family,
  own: Endpoint,
  facts: Facts,
): string {
  switch (match.kind) {
    case 'pods': {
      const known = (name: string): boolean => (facts.cluster.namespaces.get(name)?.labels ?? null) !== null;
      const peers = peer.kind === 'pod' ? [peer.pod.namespace] : [];
      const owns = own.kind === 'pod' ? [own.pod.namespace] : [];
      const both = match.namespaces.kind === 'labelled' ? peers : [...peers, ...owns];
      const unread = [...new Set(both)].filter((name) => !known(name)).map((name) => `\`${name}\``);
      return `the labels of namespace ${wordList(unread)} are not known: ${may} select it`;
    }
    case 'nodes':
      if (peer.kind === 'pod' && isSomeNode(peer.pod)) {
        return `which node the connection comes through is not known: ${may} cover it`;
      }
      return nodeOf(peer, facts) === 'unknown'
        ? `${wordEndpoint(peer)} is not placed on a node: ${may} cover its node`
        : `nodes could not be listed: ${wordEndpoint(peer)} may be a node's address, and ${may} cover it`;
    case 'addresses': {
      const addresses = addressesOf(peer, family, facts);
      if (addresses !== 'unknown') {
        return `only some addresses of ${wordEndpoint(peer)} are in \`${formatCidr(match.cidr)}\`: ${may} cover the one that is used`;
      }
      const what =
        peer.kind === 'domain'
          ? `the addresses of ${wordEndpoint(peer)} are`
          : `the address of ${wordEndpoint(peer)} is`;
      return `${what} not known: ${may} cover it`;
    }
    case 'domains': {
      const address = peer.kind === 'external' ? `\`${formatIp(peer.address)}\`` : wordEndpoint(peer);
      return `whether ${wordPeer(match)} resolves to ${address} is not known: ${may} cover it`;
    }
    default:
      return `${may} match ${wordEndpoint(peer)}`;
  }
}
