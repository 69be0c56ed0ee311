import { any, type Truth } from '../../base/truth.ts';
import { type Pod, type Workload, workloadId } from '../../model/cluster.ts';
import type { Origin } from '../../model/origin.ts';
import { DIRECTIONS, type Direction, type Policy, type PolicyProgram, type Rule } from '../../model/program.ts';
import type { Facts } from '../match.ts';
import { ruleId } from './explain.ts';
import { type Prepared, prepareExplain, type Selected } from './prepare.ts';
import { wordPeer, wordTrafficMatch } from './words.ts';

/** What one rule of a policy says, as data. */
export interface RuleView {
  /** As `decidedBy` names it. */
  readonly rule: string;
  readonly direction: Direction;
  readonly name: string | null;
  readonly action: Rule['action'];
  readonly peers: readonly string[];
  /** `null` for every port and protocol. */
  readonly traffic: readonly string[] | null;
  readonly origin: Origin;
}

/** A policy that selects a pod. */
export interface PolicyView {
  readonly policy: string;
  readonly tier: string;
  readonly rank: number;
  /** Whether it selects the pod for certain: unreadable namespaces leave it open. */
  readonly selects: 'yes' | 'maybe';
  readonly isolates: readonly Direction[];
  readonly rules: readonly RuleView[];
  readonly origin: Origin;
}

/** The policies of a pod, in evaluation order. */
export interface PodPolicies {
  /** `false` for host-network pods, to which no policy applies. */
  readonly governed: boolean;
  readonly isolated: Readonly<Record<Direction, Truth>>;
  readonly policies: readonly PolicyView[];
  /** Tiers whose policies may be missing, with the reason. */
  readonly unread: readonly string[];
}

/** The policies of a workload. */
export interface WorkloadPolicies extends PodPolicies {
  readonly workload: string;
  /** Its pods differ in the policies that select them; what is shown holds for the first one. */
  readonly varies: boolean;
}

/** Which policies select a pod, where it is isolated, and what each rule adds; for a single question. */
export function policiesFor(program: PolicyProgram, facts: Facts, pod: Pod): PodPolicies {
  return policiesOf(prepareExplain(program, facts), pod);
}

/** Which policies select a pod, where it is isolated, and what each rule adds. */
export function policiesOf(prepared: Prepared, pod: Pod): PodPolicies {
  const unread = prepared.program.tiers.flatMap(({ name, unread: why }) => (why === null ? [] : [`${name}: ${why}`]));
  if (pod.hostNetwork) return { governed: false, isolated: { ingress: 'no', egress: 'no' }, policies: [], unread };
  const policies: PolicyView[] = [];
  const isolating: Record<Direction, Truth[]> = { ingress: [], egress: [] };
  for (const tier of prepared.program.tiers) {
    for (const one of selectedInAnyFamily(prepared, tier, pod)) {
      policies.push(viewOf(tier.name, one));
      for (const direction of one.policy.isolates) isolating[direction].push(one.subject);
    }
    // Policies that could not be read may isolate as well.
    if (tier.unread !== null) for (const direction of DIRECTIONS) isolating[direction].push('maybe');
  }
  return {
    governed: true,
    isolated: { ingress: any(isolating.ingress), egress: any(isolating.egress) },
    policies,
    unread,
  };
}

function selectedInAnyFamily(prepared: Prepared, tier: PolicyProgram['tiers'][number], pod: Pod): readonly Selected[] {
  const first = prepared.selected(tier, pod, 4);
  const known = new Set<Policy>(first.map((one) => one.policy));
  const more = prepared.selected(tier, pod, 6).filter((one) => !known.has(one.policy));
  return more.length === 0 ? first : [...first, ...more];
}

function viewOf(tier: string, { policy, subject }: Selected): PolicyView {
  return {
    policy: policy.id,
    tier,
    rank: policy.rank,
    selects: subject,
    isolates: policy.isolates,
    rules: policy.rules.map((rule) => ({
      rule: ruleId(policy, rule),
      direction: rule.direction,
      name: rule.name,
      action: rule.action,
      peers: rule.match.peers.map(wordPeer),
      traffic: rule.match.traffic === 'any' ? null : rule.match.traffic.map(wordTrafficMatch),
      origin: rule.origin,
    })),
    origin: policy.origin,
  };
}

/** The policies of every workload, in the cluster's order. */
export function policiesOverview(prepared: Prepared): readonly WorkloadPolicies[] {
  return prepared.facts.cluster.workloads.map((workload) => overviewOf(prepared, workload));
}

function overviewOf(prepared: Prepared, workload: Workload): WorkloadPolicies {
  const [first, ...others] = workload.pods.map((pod) => policiesOf(prepared, pod));
  const none: PodPolicies = { governed: false, isolated: { ingress: 'no', egress: 'no' }, policies: [], unread: [] };
  const shown = first ?? none;
  const signature = signatureOf(shown);
  return {
    workload: workloadId(workload),
    varies: others.some((other) => signatureOf(other) !== signature),
    ...shown,
  };
}

function signatureOf({ governed, policies }: PodPolicies): string {
  return JSON.stringify([governed, policies.map((policy) => [policy.policy, policy.selects])]);
}
