import { FAMILIES } from '../../base/ip.ts';
import { by, byNumber, byText, inTurn } from '../../base/order.ts';
import type { Pod } from '../../model/cluster.ts';
import type { Endpoint, Flow } from '../../model/flow.ts';
import type { EndpointMatch, Match, TrafficMatch } from '../../model/match.ts';
import { type Origin, objectId } from '../../model/origin.ts';
import type { Direction, Policy, PolicyProgram, Rule, Tier } from '../../model/program.ts';
import { addressesOf } from '../match.ts';
import { familiesOf } from '../reference.ts';
import { explainPrepared, ruleId } from './explain.ts';
import { addressPeer, lastingLabels, type Proposal, podsPeer, yamlLabels, yamlScalar, yamlTraffic } from './fields.ts';
import { type Edit, nearMiss } from './near-miss.ts';
import { type Prepared, prepareExplain } from './prepare.ts';
import { type Ending, endsOf, isGoverned, type Trace, traceEnd } from './trace.ts';
import { wordEndpoint, wordTraffic } from './words.ts';

/** One change to the policies. */
export interface FixStep {
  readonly kind: 'change-rule' | 'new-policy';
  readonly direction: Direction;
  /** The policy that changes, or the new one. */
  readonly policy: string;
  readonly text: string;
  /** The whole manifest of a new policy. */
  readonly yaml: string | null;
  /** The rule that changes. */
  readonly origin: Origin | null;
}

/** A change after which the flow is allowed (checked on the changed program), or why none is offered. */
export type Fix =
  | { readonly kind: 'fix'; readonly steps: readonly FixStep[]; readonly program: PolicyProgram }
  | { readonly kind: 'none'; readonly because: string };

interface Candidate {
  readonly step: FixStep;
  apply(program: PolicyProgram): PolicyProgram;
}

const EGRESS_FIRST: readonly Direction[] = ['egress', 'ingress'];

/** The smallest known change that allows a denied flow: for each end that denies, the nearest near miss or a new policy. */
export function proposeFix(prepared: Prepared, flow: Flow): Fix {
  const verdict = explainPrepared(prepared, flow, { reasons: 'deciding' });
  if (verdict.verdict === 'allowed') return { kind: 'none', because: 'the flow is allowed' };
  if (verdict.verdict === 'undefined') {
    return { kind: 'none', because: `the verdict is undefined: ${verdict.undefinedBecause}` };
  }
  const steps: FixStep[] = [];
  let { program } = prepared;
  for (const direction of EGRESS_FIRST) {
    if (verdict[direction]?.verdict === 'allowed') continue;
    const found = firstThatHelps(prepared, program, direction, flow);
    if (found === null) return { kind: 'none', because: whyNone(prepared, direction, flow) };
    steps.push(found.step);
    program = found.apply(program);
  }
  // Both ends may be changed by now; only what allows the flow as a whole is offered.
  const after = explainPrepared(prepareExplain(program, prepared.facts), flow, { reasons: 'deciding' });
  return after.verdict === 'allowed'
    ? { kind: 'fix', steps, program }
    : { kind: 'none', because: 'no single change of a rule and no new policy allows it at both ends' };
}

function firstThatHelps(
  prepared: Prepared,
  program: PolicyProgram,
  direction: Direction,
  flow: Flow,
): Candidate | null {
  for (const candidate of candidates(prepared, direction, flow)) {
    const changed = prepareExplain(candidate.apply(program), prepared.facts);
    if (explainPrepared(changed, flow, { direction, reasons: 'deciding' }).verdict === 'allowed') return candidate;
  }
  return null;
}

function tracesOf(prepared: Prepared, direction: Direction, flow: Flow): readonly Trace[] {
  return familiesOf(flow, prepared.facts).map((family) => traceEnd(prepared, direction, flow, family));
}

function candidates(prepared: Prepared, direction: Direction, flow: Flow): readonly Candidate[] {
  const { own, peer } = endsOf(direction, flow);
  if (!isGoverned(own)) return [];
  const out: { readonly distance: number; readonly candidate: Candidate }[] = [];
  const traces = tracesOf(prepared, direction, flow);
  for (const { family, tiers } of traces) {
    for (const tier of prepared.program.tiers.slice(0, tiers)) {
      for (const { policy, rules } of prepared.selected(tier, own.pod, family)) {
        for (const rule of rules[direction]) {
          if (rule.action !== 'allow') continue;
          const miss = nearMiss({ policy, rule, own: own.pod, peer, flow, family, facts: prepared.facts });
          if (miss?.edit === null || miss?.edit === undefined || miss.fix === null) continue;
          out.push({ distance: miss.distance, candidate: changeRule(policy, rule, miss.edit, miss.fix) });
        }
      }
    }
  }
  out.sort(by((each) => each.distance, byNumber));
  const nearest = out.map((each) => each.candidate);
  const fresh = newPolicy(prepared, direction, own.pod, peer, flow, traces);
  return fresh === null ? nearest : [...nearest, fresh];
}

function changeRule(policy: Policy, rule: Rule, edit: Edit, fix: string): Candidate {
  const { match } = rule;
  // The new entry has no place in the object yet, so the places of the others are dropped with it.
  const changed: Match =
    edit.kind === 'add-peer'
      ? { peers: [...match.peers, edit.peer], traffic: match.traffic }
      : { peers: match.peers, traffic: match.traffic === 'any' ? 'any' : [...match.traffic, edit.traffic] };
  const renewed: Policy = {
    ...policy,
    rules: policy.rules.map((each) => (each === rule ? { ...rule, match: changed } : each)),
  };
  return {
    step: {
      kind: 'change-rule',
      direction: rule.direction,
      policy: policy.id,
      text: `in \`${policy.id}\`: ${fix}`,
      yaml: null,
      origin: rule.origin,
    },
    apply: (program) =>
      mapTiers(program, (tier) => tier.policies.map((each) => (each.id === policy.id ? renewed : each))),
  };
}

function mapTiers(program: PolicyProgram, policies: (tier: Tier) => readonly Policy[]): PolicyProgram {
  return { tiers: program.tiers.map((tier) => ({ ...tier, policies: policies(tier) })) };
}

// ── a new NetworkPolicy ─────────────────────────────────────────────────────────────────────────────────────────

/** The NetworkPolicy that allows exactly this flow; `null` where isolation by NetworkPolicy is not what denies it. */
function newPolicy(
  prepared: Prepared,
  direction: Direction,
  own: Pod,
  peer: Endpoint,
  flow: Flow,
  traces: readonly Trace[],
): Candidate | null {
  // Elsewhere a new policy would isolate the pod and so cut off traffic that is allowed today.
  const endings = traces.filter((trace) => trace.outcome.deny).map((trace) => trace.ending);
  const isolations = endings.filter((ending) => ending.kind === 'isolation');
  const [isolation] = isolations;
  if (isolation === undefined || isolations.length < endings.length || isolation.tier.name !== 'networkpolicy')
    return null;
  const peers = peersFor(prepared, direction, own, peer);
  const traffic = trafficFor(flow);
  if (peers.length === 0 || traffic === null) return null;
  const labels = lastingLabels(own);
  const taken = new Set(isolation.tier.policies.map((policy) => policy.id));
  const name = freeName(direction, own, peer, taken);
  const ref = {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    namespace: own.namespace,
    name,
    source: null,
  };
  const origin = (field: string): Origin => ({ object: ref, field });
  const subject: EndpointMatch = {
    kind: 'pods',
    namespaces: { kind: 'named', name: own.namespace },
    pods: { kind: 'all-of', of: [...labels].map(([key, value]) => ({ kind: 'in', key, values: [value] })) },
  };
  const policy: Policy = {
    id: objectId(ref),
    subject,
    isolates: [direction],
    rank: 0,
    origin: origin(''),
    rules: [
      {
        direction,
        index: 0,
        name: null,
        match: { peers: peers.map((each) => each.match), traffic: traffic.match },
        action: 'allow',
        log: false,
        origin: origin(`spec.${direction}[0]`),
      },
    ],
  };
  const yaml = manifest(direction, own.namespace, name, yamlLabels(labels), peers, traffic.yaml);
  const broad = traffic.match === 'any' ? ' (NetworkPolicy cannot allow it without every other protocol)' : '';
  const text = `create \`${policy.id}\`, which allows ${wordTraffic(flow)} ${direction === 'ingress' ? 'from' : 'to'} ${wordEndpoint(peer)}${broad}`;
  return {
    step: { kind: 'new-policy', direction, policy: policy.id, text, yaml, origin: null },
    apply: (program) =>
      mapTiers(program, (tier) =>
        tier.name === isolation.tier.name ? [...tier.policies, policy].sort(INSIDE_TIER) : tier.policies,
      ),
  };
}

const INSIDE_TIER = inTurn<Policy>(
  by((policy) => policy.rank, byNumber),
  by((policy) => policy.origin.object.namespace ?? '', byText),
  by((policy) => policy.origin.object.name, byText),
);

function peersFor(prepared: Prepared, direction: Direction, own: Pod, peer: Endpoint): readonly Proposal[] {
  if (isGoverned(peer)) {
    return [podsPeer('network-policy', own.namespace, peer.pod.namespace, lastingLabels(peer.pod))];
  }
  const out: Proposal[] = [];
  for (const family of FAMILIES) {
    const addresses = addressesOf(peer, family, prepared.facts);
    if (addresses === 'unknown') return [];
    for (const address of addresses) {
      const proposal = addressPeer('network-policy', { direction }, address);
      if (proposal !== null) out.push(proposal);
    }
  }
  return out;
}

function trafficFor(
  flow: Flow,
): { readonly match: 'any' | readonly TrafficMatch[]; readonly yaml: string | null } | null {
  if (flow.protocol === 'ICMP' || flow.protocol === 'ICMPv6') return { match: 'any', yaml: null };
  if (flow.port === null) return null;
  const entry = { kind: 'ports', protocol: flow.protocol, first: flow.port, last: flow.port } as const;
  return { match: [entry], yaml: yamlTraffic('network-policy', entry) };
}

function freeName(direction: Direction, own: Pod, peer: Endpoint, taken: ReadonlySet<string>): string {
  const other = peer.kind === 'pod' ? peer.pod.name : peer.kind === 'node' ? peer.node.name : 'outside';
  const text = `${own.name}-${direction === 'ingress' ? 'from' : 'to'}-${other}`.toLowerCase();
  const base = text
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')
    .slice(0, 60)
    .replace(/-$/, '');
  for (let number = 1; ; number++) {
    const name = number === 1 ? base : `${base}-${number}`;
    if (!taken.has(`NetworkPolicy/${own.namespace}/${name}`)) return name;
  }
}

function manifest(
  direction: Direction,
  namespace: string,
  name: string,
  labels: string,
  peers: readonly Proposal[],
  port: string | null,
): string {
  const peersField = direction === 'ingress' ? 'from' : 'to';
  return [
    'apiVersion: networking.k8s.io/v1',
    'kind: NetworkPolicy',
    'metadata:',
    `  name: ${yamlScalar(name)}`,
    `  namespace: ${yamlScalar(namespace)}`,
    'spec:',
    `  podSelector: ${labels === '{}' ? '{}' : `{matchLabels: ${labels}}`}`,
    `  policyTypes: [${direction === 'ingress' ? 'Ingress' : 'Egress'}]`,
    `  ${direction}:`,
    `    - ${peersField}:`,
    ...peers.map((peer) => `        - ${peer.yaml}`),
    ...(port === null ? [] : ['      ports:', `        - ${port}`]),
    '',
  ].join('\n');
}

// ── why nothing is offered ──────────────────────────────────────────────────────────────────────────────────────

function whyNone(prepared: Prepared, direction: Direction, flow: Flow): string {
  const traces = tracesOf(prepared, direction, flow);
  const ending: Ending | undefined = traces.find((trace) => trace.outcome.deny)?.ending;
  const { peer } = endsOf(direction, flow);
  if (ending?.kind === 'rule') {
    const cannot =
      ending.tier.whenIsolated === 'pass' ? 'a NetworkPolicy cannot safely override it' : 'it has to change';
    return `\`${ruleId(ending.policy, ending.rule)}\` denies it for ${direction}; ${cannot}`;
  }
  return `no peer of a NetworkPolicy means ${wordEndpoint(peer)}, whose address is not known`;
}
