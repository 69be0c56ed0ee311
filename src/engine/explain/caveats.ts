import type { Pod } from '../../model/cluster.ts';
import type { Endpoint, Flow } from '../../model/flow.ts';
import type { Direction, Rule } from '../../model/program.ts';
import { matchEndpoint, matchTraffic } from '../match.ts';
import { wordContest } from './doubts.ts';
import { dialectOf } from './fields.ts';
import type { Prepared } from './prepare.ts';
import { type Ending, endsOf, isGoverned, type Trace } from './trace.ts';
import { isSomeNode, wordPeer, wordPod } from './words.ts';

/** The choices of the ambiguity register (S11) on which the verdict of one end rests. */
export function caveatsOf(
  prepared: Prepared,
  direction: Direction,
  flow: Flow,
  traces: readonly Trace[],
): readonly string[] {
  const out = new Set<string>();
  for (const trace of traces) {
    for (const text of ofEnding(prepared, direction, flow, trace)) out.add(text);
    for (const contest of trace.contests) {
      if (contest.agree)
        out.add(`${wordContest(contest)}; their order is not defined, but either gives this verdict (S11.2)`);
    }
  }
  return [...out];
}

function ofEnding(prepared: Prepared, direction: Direction, flow: Flow, trace: Trace): string[] {
  const { own, peer } = endsOf(direction, flow);
  const { ending } = trace;
  const out: string[] = [];
  if (ending.kind === 'ungoverned') {
    if (own.kind === 'pod') out.push(...asNode(own.pod));
    return out;
  }
  if (ending.kind === 'self' || ending.kind === 'own-node') return out;
  if (peer.kind === 'pod' && peer.pod.hostNetwork) out.push(...asNode(peer.pod));
  if (flow.viaService && ending.kind !== 'default' && direction === 'egress') {
    out.push('policies see the address and port of the pod behind the Service, not those of the Service (S11.13)');
  }
  if (ending.kind === 'spared') {
    out.push(
      ending.what === 'own-node'
        ? 'a pod always reaches the node that it runs on; some network plugins enforce egress policies there (S11.3)'
        : 'a pod reaches itself through a Service; network plugins differ in this (S11.11)',
    );
  }
  // The cluster-wide kinds say themselves that rules without ports mean every protocol (S3.13, S4.3).
  if (flow.port === null && 'tier' in ending && ending.tier.whenIsolated === 'deny') {
    out.push(`${flow.protocol} under policies: rules without ports allow it, rules with ports do not match it (S11.4)`);
  }
  if (ending.kind === 'rule') out.push(...ofRule(prepared, direction, flow, trace, ending));
  if (ending.kind === 'isolation') out.push(...ofIsolation(prepared, direction, flow, trace, ending));
  out.push(...ofOtherDirection(prepared, direction, own, trace));
  return out;
}

/** What both ends say of a host-network pod, in the same words so that it is said once. */
function asNode(pod: Pod): string[] {
  return isSomeNode(pod)
    ? []
    : [
        `${wordPod(pod)} counts as its node's address: no policy governs it, and pod and namespace selectors do not match it (S11.12)`,
      ];
}

/** S11.1: a pod that NetworkPolicy isolates for the other direction only is judged by later tiers in this one. */
function ofOtherDirection(
  prepared: Prepared,
  direction: Direction,
  own: Endpoint,
  { ending, family }: Trace,
): string[] {
  if (ending.kind !== 'rule' || !isGoverned(own)) return [];
  const before = prepared.program.tiers.slice(0, prepared.program.tiers.indexOf(ending.tier));
  return before
    .filter((tier) => tier.whenIsolated === 'deny')
    .flatMap((tier) => prepared.selected(tier, own.pod, family).slice(0, 1))
    .map(
      ({ policy }) =>
        `\`${policy.id}\` selects the pod, but not for ${direction}, so later tiers are asked for ${direction} (S11.1)`,
    );
}

function ofRule(
  prepared: Prepared,
  direction: Direction,
  flow: Flow,
  trace: Trace,
  { rule, policy }: Ending & { kind: 'rule' },
): string[] {
  const { own, peer } = endsOf(direction, flow);
  if (own.kind !== 'pod') return [];
  const out: string[] = [];
  const namespace = prepared.facts.cluster.namespaces.get(own.pod.namespace) ?? null;
  const matched = rule.match.peers.filter(
    (match) => matchEndpoint(match, peer, trace.family, namespace, prepared.facts) !== 'no',
  );
  // A rule that also matches by a peer that nobody disputes does not rest on the disputed one.
  for (const match of matched.length === 1 ? matched : []) {
    if (match.kind === 'addresses' && match.cidr.prefix > 0) {
      if (peer.kind === 'pod' && !peer.pod.hostNetwork) {
        out.push(
          `${wordPeer(match)}: address blocks match addresses of pods, too; some network plugins differ (S2.11)`,
        );
      }
      if (peer.kind === 'external' && direction === 'ingress') {
        out.push('the policy sees the address of the source, unless a load balancer or node rewrites it (S6.2)');
      }
    }
    if (match.kind === 'nodes') out.push('a node is known by all its internal and external addresses (S11.17)');
    if (match.kind === 'domains') {
      out.push(`${wordPeer(match)} means the addresses that DNS has given for it when the connection is made`);
    }
    if (
      match.kind === 'pods' &&
      (match.namespaces.kind === 'same-labels' || match.namespaces.kind === 'different-labels')
    ) {
      out.push(`\`${policy.id}\` uses namespace peers that the API has withdrawn; they are read as they were defined`);
    }
  }
  out.push(...ofNamedPort(flow, rule));
  return out;
}

function ofNamedPort(flow: Flow, rule: Rule): string[] {
  if (rule.match.traffic === 'any' || flow.destination.kind !== 'pod') return [];
  const { pod } = flow.destination;
  const entry = rule.match.traffic.find((each) => matchTraffic(each, flow));
  if (entry?.kind !== 'named-port') return [];
  const same = pod.ports.filter((port) => port.name === entry.name && port.protocol === flow.protocol);
  return same.length > 1
    ? [
        `the destination pod declares \`${entry.name}\` for ${flow.protocol} more than once; each of them counts (S11.21)`,
      ]
    : [];
}

function ofIsolation(
  prepared: Prepared,
  direction: Direction,
  flow: Flow,
  trace: Trace,
  { tier }: Ending & { kind: 'isolation' },
): string[] {
  const { own, peer } = endsOf(direction, flow);
  const toPod = flow.destination.kind === 'pod' && !flow.destination.pod.hostNetwork;
  if (toPod || own.kind !== 'pod' || direction !== 'egress') return [];
  const namespace = prepared.facts.cluster.namespaces.get(own.pod.namespace) ?? null;
  const relies = prepared
    .selected(tier, own.pod, trace.family)
    .some((one) =>
      one.rules[direction].some(
        (rule) =>
          dialectOf(rule.origin) === 'network-policy' &&
          rule.match.traffic !== 'any' &&
          rule.match.traffic.some((entry) => entry.kind === 'named-port') &&
          rule.match.peers.some(
            (match) => matchEndpoint(match, peer, trace.family, namespace, prepared.facts) !== 'no',
          ),
      ),
    );
  return relies ? [`a named port matches nothing where the destination is no known pod (S11.5)`] : [];
}
